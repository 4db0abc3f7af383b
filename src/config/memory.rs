//! How much the process may hold.

/// What must be left at the least when nothing begins any more: who is there already goes on to take a bit.
const MARGIN: u64 = 32 * 1024 * 1024;

/// `server.limits.memory`: how much the process may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// A share of what the machine, or the container, has.
    OfMachine,
    /// So many bytes.
    Bytes(u64),
    /// As much as it takes.
    None,
}

impl MemoryLimit {
    /// From how much in use of a budget on there is no room, little, and less than one would like.
    pub const fn marks(budget: u64) -> [u64; 3] {
        let step = budget / 8;
        let full = budget.saturating_sub(if step > MARGIN { step } else { MARGIN });
        [full, full.saturating_sub(step), full.saturating_sub(2 * step)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_budget_keeps_as_much_back_as_a_larger_one() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(MemoryLimit::marks(128 * MIB), [96 * MIB, 80 * MIB, 64 * MIB]);
        assert_eq!(MemoryLimit::marks(256 * MIB), [224 * MIB, 192 * MIB, 160 * MIB]);
        assert_eq!(MemoryLimit::marks(16 * MIB), [0, 0, 0]);
    }
}
