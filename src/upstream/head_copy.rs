//! A request's head as it went out, kept for a second try.

use http::{HeaderName, HeaderValue, Request};
use httparse::Status;

use crate::upstream::upload::Upload;

/// Largest buffer worth keeping between requests; ordinary heads are well below.
const KEEP_BYTES_MAX: usize = 8 * 1024;

/// The bytes of the request that is on its way. hyper consumes a request when it writes it, and cloning a header map
/// allocates; this buffer stays with its connection, so that one copy of a few hundred bytes is all that a request pays
/// for being repeatable.
#[derive(Default)]
pub(crate) struct HeadCopy(Vec<u8>);

impl HeadCopy {
    /// Replaces what was kept.
    pub(crate) fn keep(&mut self, head: &[u8]) {
        self.0.clear();
        self.0.shrink_to(KEEP_BYTES_MAX);
        self.0.extend_from_slice(head);
    }

    /// The same request again, if its head was kept to the end and nothing is behind it.
    pub(crate) fn restore(&self) -> Option<Request<Upload>> {
        let mut fields = vec![httparse::EMPTY_HEADER; self.0.iter().filter(|byte| **byte == b'\n').count()];
        let mut head = httparse::Request::new(&mut fields);
        let whole = head.parse(&self.0).ok()? == Status::Complete(self.0.len());
        let mut request = Request::new(Upload::none());
        *request.method_mut() = head.method?.parse().ok()?;
        *request.uri_mut() = head.path?.parse().ok()?;
        for field in head.headers {
            let (name, value) =
                (HeaderName::from_bytes(field.name.as_bytes()), HeaderValue::from_bytes(field.value));
            request.headers_mut().append(name.ok()?, value.ok()?);
        }
        whole.then_some(request)
    }
}

/// It holds credentials: only the length is printed.
impl std::fmt::Debug for HeadCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeadCopy({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was_kept() {
        let mut copy = HeadCopy::default();
        copy.keep(b"PUT /old HTTP/1.1\r\nold: x\r\n\r\n");
        copy.keep(b"GET /p%2f?q HTTP/1.1\r\naccept: \r\nx-a: a: b,\xff\t:\r\nx-b: 1\r\nx-a: second\r\n\r\n");
        let request = copy.restore().unwrap();
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("GET", "/p%2f?q"));
        let fields = [("accept", &b""[..]), ("x-a", b"a: b,\xff\t:"), ("x-a", b"second"), ("x-b", b"1")];
        let found: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(found, fields);
    }

    #[test]
    fn what_is_not_one_whole_head_is_no_request() {
        for bytes in ["", "GET / HTTP/1.1\r\na: b\r\n", "GET / HTTP/1.1\r\na: b\r\n\r\nbody"] {
            let mut copy = HeadCopy::default();
            copy.keep(bytes.as_bytes());
            assert!(copy.restore().is_none(), "{bytes:?}");
        }
    }
}
