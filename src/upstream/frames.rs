//! Where in a stream of WebSocket frames one is (RFC 6455 §5.2): headers are looked at, payloads only counted, nothing is changed.

/// Longest header: two bytes, eight of length, four of mask.
const HEADER_MAX: usize = 14;
/// The opcode of a close frame.
const CLOSE: u8 = 8;

/// A place in one direction of a tunnel.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; HEADER_MAX],
    /// Bytes of the header that have passed.
    have: usize,
    /// Bytes of the payload that have not.
    left: u64,
    closed: bool,
}

impl Frames {
    /// These bytes passed.
    pub(crate) fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= u64::try_from(passed).unwrap_or(u64::MAX);
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *first;
                self.have += 1;
            }
            bytes = rest;
            if let Some(payload) = self.payload() {
                self.closed |= self.header.first().is_some_and(|first| first & 0x0f == CLOSE);
                (self.have, self.left) = (0, payload);
            }
        }
    }

    /// Whether a frame of ours could follow: the last one is whole, and none said that it is the last.
    pub(crate) const fn takes_another(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.closed
    }

    /// The payload's length, once the header is whole.
    fn payload(&self) -> Option<u64> {
        let header = self.header.get(..self.have)?;
        let (second, long) = (*header.get(1)?, header.get(2..)?);
        let masked = if second & 0x80 == 0 { 0 } else { 4 };
        let (length, bytes) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*long.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*long.first_chunk()?), 8),
            length => (u64::from(length), 0),
        };
        (long.len() == bytes + masked).then_some(length)
    }
}

/// A close frame of a server.
pub(crate) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    // The reasons are ours, and a control frame takes 125 bytes.
    let length = u8::try_from(2 + reason.len()).unwrap_or(2);
    let mut frame = vec![0x80 | CLOSE, length];
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(if length > 2 { reason.as_bytes() } else { b"" });
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A text frame with so much payload.
    fn frame(payload: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x81];
        match payload {
            0..=125 => frame.push(mask | u8::try_from(payload).unwrap()),
            126..=65_535 => {
                frame.push(mask | 126);
                frame.extend_from_slice(&u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend_from_slice(&(payload as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x88, payload + if masked { 4 } else { 0 }));
        frame
    }

    proptest! {
        #[test]
        fn only_the_ends_of_frames_take_another_however_the_bytes_come(
            frames in prop::collection::vec((prop_oneof![0_usize..200, 65_530_usize..65_540], any::<bool>()), 1..4),
            piece in 1_usize..5000,
        ) {
            let frames: Vec<Vec<u8>> = frames.into_iter().map(|(payload, masked)| frame(payload, masked)).collect();
            let mut ends = vec![0];
            for frame in &frames {
                ends.push(ends.last().unwrap() + frame.len());
            }
            let (mut place, mut at) = (Frames::default(), 0);
            prop_assert!(place.takes_another());
            for bytes in frames.concat().chunks(piece) {
                place.advance(bytes);
                at += bytes.len();
                prop_assert_eq!(place.takes_another(), ends.contains(&at));
            }
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut place = Frames::default();
        place.advance(&close_frame(1000, "done"));
        assert!(!place.takes_another());
    }
}
