//! The name of one request, in logs, in answers and at the services.

use http::HeaderValue;
use std::cell::Cell;

/// 32 hexadecimal digits: a random half drawn once per worker and a counter mixed into the other, so that ids never
/// repeat in a deployment and cost no system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    worker: u64,
    number: u64,
}

impl RequestId {
    /// The id as a header value.
    pub fn header(self) -> HeaderValue {
        // Hexadecimal digits are always a valid field value.
        HeaderValue::from_maybe_shared(bytes::Bytes::from(self.to_string()))
            .unwrap_or(HeaderValue::from_static("0"))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:016x}", self.worker, self.number)
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
        RequestId { worker: self.worker, number }
    }
}
