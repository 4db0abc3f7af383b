//! A request's header fields, kept for a second try.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Largest buffer worth keeping between requests; ordinary heads are well below.
const KEEP_BYTES_MAX: usize = 8 * 1024;

/// The fields of the request that is on its way, as `name:value\n` lines. hyper consumes a request when it writes it,
/// and cloning a header map allocates; this buffer stays with its connection, so that copying is all a request pays
/// for being repeatable. No `Debug`: it holds credentials.
#[derive(Default)]
pub(crate) struct HeadCopy(Vec<u8>);

impl HeadCopy {
    /// Replaces what was kept.
    pub(crate) fn keep(&mut self, headers: &HeaderMap) {
        self.0.clear();
        self.0.shrink_to(KEEP_BYTES_MAX);
        for (name, value) in headers {
            self.0.extend_from_slice(name.as_str().as_bytes());
            self.0.push(b':');
            self.0.extend_from_slice(value.as_bytes());
            self.0.push(b'\n');
        }
    }

    /// The same fields again: neither a name nor a value can hold an LF, nor a name a colon.
    pub(crate) fn restore(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.0.split(|byte| *byte == b'\n').filter_map(field) {
            headers.append(name, value);
        }
        headers
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = memchr::memchr(b':', line)?;
    let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
    Some((name, HeaderValue::from_bytes(line.get(colon + 1..)?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_kept() {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static(""));
        headers.append("x-a", HeaderValue::from_bytes(b"a: b,\xff\t:").unwrap());
        headers.append("x-b", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("second"));
        let mut copy = HeadCopy::default();
        copy.keep(&HeaderMap::from_iter([(HeaderName::from_static("old"), HeaderValue::from_static("x"))]));
        copy.keep(&headers);
        assert_eq!(copy.restore(), headers);
    }
}
