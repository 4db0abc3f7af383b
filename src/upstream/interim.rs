//! The frames of an upstream's HTTP/2 connection, watched for what hyper lets pass.
//!
//! h2 keeps every interim response (103 and the like) until its request is asked about, and hyper then drops them without a
//! count, so one upstream could send them for ever. A frame says its length, kind and stream in its first nine bytes, so heads can be
//! counted without reading what they say: on one stream there are the interim ones and the final one, and no more
//! unless they end it. hyper does not tell either when the upstream's settings are there, which is its first frame.

use crate::listen::Frames;
use crate::upstream::wire::{HeadFault, INFORMATIONAL_MAX};

/// Streams that are remembered: those that we gave up never end here. An upstream would need as many of our requests at once
/// to make us forget one.
const STREAMS_MAX: usize = 1024;

/// What an upstream has sent.
#[derive(Debug)]
pub(crate) struct Interim {
    frames: Frames,
    /// Streams whose answer has begun, the oldest first, with how many heads each has had.
    open: Vec<(u32, u8)>,
}

impl Interim {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self { frames: Frames::from_server(), open: Vec::new() }
    }

    /// Takes in the next bytes.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), HeadFault> {
        let (open, mut most) = (&mut self.open, 0);
        self.frames.follow(bytes, |frame| {
            if frame.opens() {
                most = most.max(count(open, frame.stream()));
            } else if frame.is_last()
                && let Some(at) = open.iter().rposition(|(stream, _)| *stream == frame.stream())
            {
                open.remove(at);
            }
        });
        if most > INFORMATIONAL_MAX + 1 { Err(HeadFault::TooManyInformational) } else { Ok(()) }
    }

    /// Whether its settings are there.
    pub(crate) const fn begun(&self) -> bool {
        self.frames.begun()
    }
}

/// One more head of a stream: how many it has had.
fn count(open: &mut Vec<(u32, u8)>, stream: u32) -> u8 {
    if let Some((_, heads)) = open.iter_mut().rev().find(|(one, _)| *one == stream) {
        *heads = heads.saturating_add(1);
        return *heads;
    }
    if open.len() >= STREAMS_MAX {
        open.remove(0);
    }
    open.push((stream, 1));
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;

    fn frame(kind: u8, flags: u8, stream: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        bytes.extend(std::iter::repeat_n(1, usize::from(length)));
        bytes
    }

    /// Feeds it in pieces of `step` bytes.
    fn fed(bytes: &[u8], step: usize) -> Result<Interim, HeadFault> {
        let mut interim = Interim::new();
        bytes.chunks(step).try_for_each(|piece| interim.read(piece))?;
        Ok(interim)
    }

    #[test]
    fn the_ninth_interim_head_of_a_stream_is_one_too_many_however_the_bytes_come() {
        let heads = |count: usize| frame(HEADERS, 4, 3, 7).repeat(count);
        for step in [1, 2, 9, 16, 4096] {
            assert!(fed(&heads(9), step).is_ok(), "eight and the final one");
            assert_eq!(fed(&heads(10), step).err(), Some(HeadFault::TooManyInformational));
            let trailers = [heads(9), frame(DATA, 0, 3, 200), frame(HEADERS, 5, 3, 7)].concat();
            assert!(fed(&trailers, step).is_ok());
        }
    }

    #[test]
    fn each_stream_has_its_own_count_and_none_is_kept_behind_its_end() {
        let answer = |stream| [frame(HEADERS, 4, stream, 9), frame(DATA, 1, stream, 3)].concat();
        let reset = |stream| [frame(HEADERS, 4, stream, 9), frame(RST_STREAM, 0, stream, 4)].concat();
        let all = (0..40_u8).flat_map(|at| [answer(2 * at + 1), reset(2 * at + 101)].concat());
        let interim = fed(&all.collect::<Vec<_>>(), 11).unwrap();
        assert!(interim.open.is_empty());
        let mut many = Interim::new();
        for stream in 0..5000_u32 {
            count(&mut many.open, stream);
        }
        assert_eq!((many.open.len(), count(&mut many.open, 4999)), (STREAMS_MAX, 2));
    }

    #[test]
    fn the_settings_are_there_once_the_first_frame_is_whole() {
        let settings = frame(SETTINGS, 0, 0, 12);
        for cut in 0..settings.len() {
            assert!(!fed(&settings[..cut], 3).unwrap().begun(), "{cut}");
        }
        assert!(fed(&settings, 3).unwrap().begun());
        assert!(fed(&frame(SETTINGS, 0, 0, 0), 3).unwrap().begun());
    }
}
