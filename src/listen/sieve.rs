//! Tells message from message in a client's byte stream, and passes only what was judged. No I/O here.

use std::sync::LazyLock;

use memchr::memmem;

use crate::config::Limits;
use crate::listen::chunks::Chunks;
use crate::listen::head::{Framing, Passed, has_bare_line_end, is_token, judge};
use crate::request::ParseError;

/// What may be done with the bytes that [`Sieve::step`] was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The first `bytes` are a whole head that passed.
    Head { bytes: usize, upgrade: bool },
    /// The first that many bytes are body, or belong to a tunnel.
    Pass(usize),
    /// The first that many bytes are nothing and are dropped.
    Skip(usize),
    /// Nothing can be said before more bytes come; the same ones must be shown again in front of them.
    More,
    /// The head is refused; nothing behind it is ever looked at.
    Refuse(ParseError),
    /// The body breaks its framing; nothing behind it is ever looked at.
    Break(ParseError),
    /// Nothing passes before [`Sieve::settle`].
    Hold,
}

/// What the next byte of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// A head's.
    Head,
    /// A body's.
    Body,
    /// Not known before an upgrade is answered.
    Settlement,
    /// A tunnel's.
    Tunnel,
    /// Nobody's any more.
    Nothing,
}

/// The state between two bytes of one connection.
#[derive(Debug)]
pub(crate) struct Sieve {
    phase: Phase,
    header_bytes: usize,
    headers: usize,
}

#[derive(Debug)]
enum Phase {
    /// `scanned` bytes hold no end of head and no bare line end; `blank`: one empty line was skipped before.
    Head {
        scanned: usize,
        blank: bool,
    },
    Length(u64),
    Chunked(Chunks),
    Upgrade,
    Tunnel,
    Refused,
    Broken(ParseError),
}

/// Prepared once: building a searcher costs more than one search.
static HEAD_END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\n\r\n"));

const NEXT_HEAD: Phase = Phase::Head { scanned: 0, blank: false };

impl Sieve {
    /// The state before a connection's first byte.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { phase: NEXT_HEAD, header_bytes: limits.header_bytes, headers: limits.headers }
    }

    /// Judges as much of `input` as belongs together. `input` begins at the first byte that was neither passed nor
    /// skipped; however the stream is cut into inputs, the sequence of passed bytes and verdicts is the same.
    pub(crate) fn step(&mut self, input: &[u8]) -> Step {
        match &mut self.phase {
            Phase::Head { .. } => self.step_head(input),
            Phase::Upgrade | Phase::Refused => Step::Hold,
            Phase::Broken(error) => Step::Break(*error),
            _ if input.is_empty() => Step::More,
            Phase::Tunnel => Step::Pass(input.len()),
            Phase::Length(left) => {
                let part = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= part as u64;
                if *left == 0 {
                    self.phase = NEXT_HEAD;
                }
                Step::Pass(part)
            }
            Phase::Chunked(chunks) => match chunks.take(input) {
                Ok(taken) => {
                    if taken.end {
                        self.phase = NEXT_HEAD;
                    }
                    Step::Pass(taken.bytes)
                }
                Err(error) => {
                    self.phase = Phase::Broken(error);
                    Step::Break(error)
                }
            },
        }
    }

    /// The upgrade was answered: with a tunnel, or with HTTP going on.
    pub(crate) fn settle(&mut self, tunnel: bool) {
        if matches!(self.phase, Phase::Upgrade) {
            self.phase = if tunnel { Phase::Tunnel } else { NEXT_HEAD };
        }
    }

    /// Looks at nothing any more: the head did not come in time.
    pub(crate) fn refuse(&mut self) {
        self.phase = Phase::Refused;
    }

    /// What the next byte will be.
    pub(crate) fn awaits(&self) -> Awaits {
        match self.phase {
            Phase::Head { .. } => Awaits::Head,
            Phase::Length(_) | Phase::Chunked(_) | Phase::Broken(_) => Awaits::Body,
            Phase::Upgrade => Awaits::Settlement,
            Phase::Tunnel => Awaits::Tunnel,
            Phase::Refused => Awaits::Nothing,
        }
    }

    fn step_head(&mut self, input: &[u8]) -> Step {
        let step = self.judge_head(input);
        if matches!(step, Step::Refuse(_)) {
            self.phase = Phase::Refused;
        }
        step
    }

    fn judge_head(&mut self, input: &[u8]) -> Step {
        let Phase::Head { scanned, blank } = &mut self.phase else { return Step::Hold };
        match input {
            [] | [b'\r'] => return Step::More,
            // RFC 9112 §2.2: one empty line before a request is ignored (old browsers sent it behind a body).
            [b'\r', b'\n', ..] if !*blank => {
                *blank = true;
                return Step::Skip(2);
            }
            [b'\r', b'\n', ..] => return Step::Refuse(ParseError::BadRequestLine),
            [b'\r' | b'\n', ..] => return Step::Refuse(ParseError::BareLineEnd),
            [first, ..] if !is_token(*first) => return Step::Refuse(ParseError::BadRequestLine),
            [..] => {}
        }
        // Only what was not seen before is searched, so that a client that sends byte by byte costs no more than
        // another; the overlap finds an end that the last cut went through.
        let window = input.get(..self.header_bytes).unwrap_or(input);
        let from = scanned.saturating_sub(3);
        let fresh = window.get(from..).unwrap_or_default();
        let end = HEAD_END.find(fresh).map(|at| from + at + 4);
        let lines = window.get(scanned.saturating_sub(1)..end.unwrap_or(window.len())).unwrap_or_default();
        if has_bare_line_end(lines) {
            return Step::Refuse(ParseError::BareLineEnd);
        }
        let Some(bytes) = end else {
            if input.len() >= self.header_bytes {
                return Step::Refuse(ParseError::HeadTooLarge);
            }
            *scanned = input.len();
            return Step::More;
        };
        match judge(window.get(..bytes).unwrap_or_default(), self.headers) {
            Ok(passed) => self.pass(bytes, passed),
            Err(error) => Step::Refuse(error),
        }
    }

    fn pass(&mut self, bytes: usize, passed: Passed) -> Step {
        self.phase = match passed.framing {
            Framing::Length(0) if passed.upgrade => Phase::Upgrade,
            Framing::Length(0) => NEXT_HEAD,
            Framing::Length(left) => Phase::Length(left),
            Framing::Chunked => Phase::Chunked(Chunks::default()),
        };
        Step::Head { bytes, upgrade: passed.upgrade }
    }
}

#[cfg(test)]
mod tests;
