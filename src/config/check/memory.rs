//! `server.limits.memory`, and whether what it has to hold fits.

use crate::config::check::table::Table;
use crate::config::raw::{Placed, RawLimits, SizeText};
use crate::config::{Limits, MemoryLimit};

const MIB: u64 = 1024 * 1024;
/// The program, its threads and their buffers.
const BASE: u64 = 48 * MIB;
/// A connection that is open and idle, at least.
const CONNECTION: u64 = 16 * 1024;

/// The key alone.
pub(crate) fn read(table: &mut Table<'_, '_>, raw: Option<&Placed<SizeText>>) -> MemoryLimit {
    match raw {
        None => MemoryLimit::OfMachine,
        Some(_) => table.size_or_none("memory", raw).map_or(MemoryLimit::None, MemoryLimit::Bytes),
    }
}

/// What the other limits allow must leave room for requests: whoever comes in below the caps would find it full otherwise.
pub(crate) fn fits(table: &mut Table<'_, '_>, raw: &RawLimits, limits: &Limits) {
    let (MemoryLimit::Bytes(budget), Some(raw)) = (limits.memory, &raw.memory) else { return };
    let idle = CONNECTION.saturating_mul(limits.connections as u64);
    let least = BASE.saturating_add(limits.session_memory).saturating_add(idle);
    // From then on nobody is waited for any more.
    let [.., tight] = MemoryLimit::marks(budget);
    if least > tight {
        let mib = |bytes: u64| bytes.div_ceil(MIB);
        let found = format!(
            "{} MiB is too little for {} MiB of `session_memory`, {} idle `connections` of 16 KiB and {} MiB for the program, with \
             the rest for requests",
            budget / MIB,
            mib(limits.session_memory),
            limits.connections,
            mib(BASE)
        );
        let enough = (1..).map(|more| least + more * MIB).find(|enough| {
            let [.., tight] = MemoryLimit::marks(*enough);
            least <= tight
        });
        let accepted = format!("{} MiB or more, or smaller limits", mib(enough.unwrap_or(u64::MAX)));
        table.refuse(table.file.at(raw), "memory", found, accepted);
    }
}
