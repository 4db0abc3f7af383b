//! Which of a Cluster's 16,384 slots a key belongs to.

/// How many slots there are.
pub(crate) const SLOTS: u16 = 16_384;

/// The slot of a key: CRC16 (XMODEM) of its hash tag, if it has one, or of all of it.
pub(crate) fn slot(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

/// What is between the first `{` and the next `}`, if that is something.
fn tag(key: &[u8]) -> Option<&[u8]> {
    let rest = key.get(key.iter().position(|byte| *byte == b'{')? + 1..)?;
    let end = rest.iter().position(|byte| *byte == b'}')?;
    rest.get(..end).filter(|tag| !tag.is_empty())
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let at = (crc >> 8) ^ u16::from(*byte);
        let entry = TABLE.get(usize::from(at)).copied().unwrap_or_default();
        (crc << 8) ^ entry
    })
}

const TABLE: [u16; 256] = table();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut entry = (at as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 0x8000 == 0 { entry << 1 } else { (entry << 1) ^ 0x1021 };
            bit += 1;
        }
        table[at] = entry;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn slots_are_those_that_redis_tells() {
        for (key, expected) in [("foo", 12182), ("bar", 5061), ("hello", 866), ("", 0), ("sess:a", 16351)] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn only_the_first_tag_counts_and_an_empty_one_does_not() {
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
        assert_ne!(slot(b"}{foo"), slot(b"foo"));
    }
}
