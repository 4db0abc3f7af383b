//! HTTP/2 frames as they go by: where one ends, and which of them do nothing but cost.
//!
//! hyper reads frames well, but cannot be asked how many resets, pings or settings a client has sent, nor since when a
//! header block stands unfinished. Every frame says its length and kind in its first nine bytes; the payload is skipped.

use tokio::time::{Duration, Instant};

/// The client's part of the preface, before its first frame.
const PREFACE_BYTES: u32 = 24;
/// Length, kind, flags and stream (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Frames that carry no request and no body: so many at once.
const IDLE_FRAMES_MAX: u32 = 200;
/// And so many a second from then on. A page that is left while it loads resets some dozens, gRPC measures its bandwidth with
/// some pings a second.
const IDLE_FRAMES_A_SECOND: u32 = 100;

/// The frames of one direction.
#[derive(Debug)]
pub(crate) struct Frames {
    head: [u8; HEAD_BYTES],
    /// How much of `head` is there.
    have: usize,
    /// How much of the current payload, or of the preface, is still to come.
    left: u32,
    kind: u8,
    /// Whether a header block goes on in the next frame.
    in_block: bool,
    /// The highest stream that had a frame.
    last_stream: u32,
    /// Complete frame heads so far.
    count: u64,
}

/// What some bytes are of.
pub(crate) enum Part {
    /// A frame's head; with its last byte, what it says.
    Head(Option<Frame>),
    /// The payload of HEADERS or CONTINUATION.
    Block,
    /// Another payload, or the preface.
    Other,
}

/// What a frame's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    length: u32,
    first: bool,
}

impl Frame {
    /// Whether it stands where settings are due (RFC 9113 §3.4), which hyper does not mind.
    pub(crate) const fn begins_wrongly(self) -> bool {
        self.first && self.kind != SETTINGS
    }

    /// Whether it ends a message.
    pub(crate) const fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// Whether nothing follows it on its stream.
    pub(crate) const fn is_last(self) -> bool {
        self.ends_stream() || self.kind == RST_STREAM
    }

    /// Whether it begins a head that is not the end of its message.
    pub(crate) const fn opens(self) -> bool {
        self.kind == HEADERS && self.flags & END_STREAM == 0
    }

    /// Of one that holds a piece of a header block: whether it is the first, its flags, and its length.
    pub(crate) const fn of_block(self) -> Option<(bool, u8, u32)> {
        match self.kind {
            HEADERS => Some((true, self.flags, self.length)),
            CONTINUATION => Some((false, self.flags, self.length)),
            _ => None,
        }
    }

    /// Its stream.
    pub(crate) const fn stream(self) -> u32 {
        self.stream
    }

    /// Whether it is of the kinds that an honest client sends few of: resets, pings, settings, priorities, pieces of header
    /// blocks, empty DATA, and kinds nobody knows. WINDOW_UPDATE is not: a large download has thousands.
    pub(crate) const fn is_idle(self) -> bool {
        match self.kind {
            DATA => self.length == 0 && self.flags & END_STREAM == 0,
            HEADERS | WINDOW_UPDATE => false,
            _ => true,
        }
    }
}

impl Frames {
    /// What the client sends: its preface first.
    pub(crate) const fn from_client() -> Self {
        Self { left: PREFACE_BYTES, ..Self::from_server() }
    }

    /// What we send.
    pub(crate) const fn from_server() -> Self {
        Self {
            head: [0; HEAD_BYTES],
            have: 0,
            left: 0,
            kind: DATA,
            in_block: false,
            last_stream: 0,
            count: 0,
        }
    }

    /// Follows the next bytes and tells of every frame that begins in them.
    pub(crate) fn follow(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let (count, part) = self.step(bytes);
            if let Part::Head(Some(frame)) = part {
                tell(frame);
            }
            bytes = bytes.get(count..).unwrap_or_default();
        }
    }

    /// How many of the next bytes are of one frame's head or payload.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> (usize, Part) {
        if self.left > 0 {
            let part = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= u32::try_from(part).unwrap_or(self.left);
            return (
                part,
                if matches!(self.kind, HEADERS | CONTINUATION) { Part::Block } else { Part::Other },
            );
        }
        let wanted = HEAD_BYTES - self.have;
        let part = bytes.get(..wanted.min(bytes.len())).unwrap_or_default();
        for (to, from) in self.head.iter_mut().skip(self.have).zip(part) {
            *to = *from;
        }
        self.have += part.len();
        if self.have < HEAD_BYTES {
            return (part.len(), Part::Head(None));
        }
        self.have = 0;
        (part.len(), Part::Head(Some(self.begin())))
    }

    fn begin(&mut self) -> Frame {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        self.left = length;
        let first = self.count == 0;
        self.kind = kind;
        self.count += 1;
        if kind == HEADERS {
            self.last_stream = self.last_stream.max(stream);
        }
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_block = flags & END_HEADERS == 0;
        }
        Frame { kind, flags, stream, length, first }
    }

    /// Whether the first frame is here, to its end.
    pub(crate) const fn begun(&self) -> bool {
        self.count > 1 || (self.count == 1 && self.left == 0)
    }

    /// Whether nothing but a whole frame may come next.
    pub(crate) const fn between(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// Whether something stands unfinished that is no body: a frame's head, a header block, a ping.
    pub(crate) const fn unfinished(&self) -> bool {
        self.in_block || self.have > 0 || (self.left > 0 && self.kind != DATA) || self.count == 0
    }

    /// The highest stream that had a frame.
    pub(crate) const fn last_stream(&self) -> u32 {
        self.last_stream
    }
}

/// How many more idle frames a client may send.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    filled: Instant,
}

impl Budget {
    /// A full one.
    pub(crate) fn new() -> Self {
        Self { left: IDLE_FRAMES_MAX, filled: Instant::now() }
    }

    /// One answer went out to its end: a client that lets us finish may reset as often.
    pub(crate) fn earn(&mut self) {
        self.left = (self.left + 1).min(IDLE_FRAMES_MAX);
    }

    /// Spends one; `false` if none is left.
    pub(crate) fn spend(&mut self) -> bool {
        if self.left == 0 {
            self.fill();
        }
        let spent = self.left.checked_sub(1);
        self.left = spent.unwrap_or(0);
        spent.is_some()
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.filled).as_millis();
        let earned = since * u128::from(IDLE_FRAMES_A_SECOND) / Duration::from_secs(1).as_millis();
        self.left = u32::try_from(earned).unwrap_or(IDLE_FRAMES_MAX).min(IDLE_FRAMES_MAX);
        if self.left > 0 {
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let mut stream = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        stream.extend(frame(4, 0, 0, b""));
        stream.extend(frame(1, 4, 3, b"abc"));
        stream.extend(frame(0, 1, 3, b"defgh"));
        for step in 1..stream.len() {
            let (mut frames, mut kinds) = (Frames::from_client(), Vec::new());
            for piece in stream.chunks(step) {
                frames.follow(piece, |frame| kinds.push((frame.kind, frame.length)));
            }
            assert_eq!(kinds, [(4, 0), (1, 3), (0, 5)], "by {step}");
            assert!(frames.between() && !frames.unfinished());
            assert_eq!(frames.last_stream(), 3);
        }
    }

    #[test]
    fn a_header_block_without_its_end_is_unfinished_and_a_body_is_not() {
        let mut frames = Frames::from_server();
        frames.follow(&frame(1, 0, 1, b"a"), |_| ());
        assert!(frames.unfinished());
        frames.follow(&frame(9, 4, 1, b"a"), |_| ());
        assert!(!frames.unfinished());
        frames.follow(&frame(0, 0, 1, b"abcd")[..11], |_| ());
        assert!(!frames.unfinished() && !frames.between());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_ends_the_budget_and_time_fills_it_again() {
        let mut budget = Budget::new();
        assert_eq!((0..1000).take_while(|_| budget.spend()).count(), 200);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!((0..1000).take_while(|_| budget.spend()).count(), 50);
        budget.earn();
        assert!(budget.spend() && !budget.spend());
    }
}
