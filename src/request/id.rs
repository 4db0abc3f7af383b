//! The name of one request, in logs, in answers and at the services.

use bytes::Bytes;
use http::HeaderValue;
use std::cell::Cell;

/// 32 hexadecimal digits: a random half drawn once per worker and a counter from a random start, so that ids never repeat
/// in a deployment and cost no system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 32]);

impl RequestId {
    fn new(worker: u64, number: u64) -> Self {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut value = u128::from(worker) << 64 | u128::from(number);
        let mut text = [b'0'; 32];
        for digit in text.iter_mut().rev() {
            *digit = DIGITS.get((value & 15) as usize).copied().unwrap_or(b'0');
            value >>= 4;
        }
        Self(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Hexadecimal digits are ASCII.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id as a number.
    pub(super) fn number(&self) -> u128 {
        u128::from_str_radix(self.as_str(), 16).unwrap_or_default()
    }

    /// The id as a header value.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&self.0))
            .unwrap_or(HeaderValue::from_static("0"))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Hands out [`RequestId`]s; one per worker.
#[derive(Debug)]
pub struct RequestIds {
    worker: u64,
    next: Cell<u64>,
}

impl RequestIds {
    /// A source with 128 random bits of its own.
    pub const fn new(worker: u64, first: u64) -> Self {
        Self { worker, next: Cell::new(first) }
    }

    /// The next id.
    pub fn next(&self) -> RequestId {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        RequestId::new(self.worker, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_two_halves_in_hexadecimal() {
        assert_eq!(RequestId::new(0xab, 0x1f).as_str(), "00000000000000ab000000000000001f");
        assert_eq!(RequestId::new(u64::MAX, 1).as_str(), "ffffffffffffffff0000000000000001");
    }
}
