//! HTTP/1.1 as strictly as it can be read: what this does not accept, a gateway must not send.

/// A request as it came over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What the start of a stream of bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole request of so many bytes.
    Whole(Request, usize),
    /// The start of one: its head, if that is whole.
    Part(Option<Request>),
    /// Nothing that a gateway may send, and why.
    Wrong(&'static str),
}

/// How a body ends.
enum Framing {
    Length(usize),
    Chunked,
}

impl Request {
    /// All values of a field, by its name without case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a field.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        match self.all(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The token in its Authorization.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.one("authorization")?.strip_prefix("Bearer ")
    }
}

/// Length of a head, its empty line included.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads the first request of `bytes`.
pub(crate) fn parse_request(bytes: &[u8]) -> Parsed {
    let Some(end) = head_end(bytes) else { return Parsed::Part(None) };
    let head = match read_head(&bytes[..end - 4]) {
        Ok(head) => head,
        Err(why) => return Parsed::Wrong(why),
    };
    let framing = match framing(&head) {
        Ok(framing) => framing,
        Err(why) => return Parsed::Wrong(why),
    };
    let rest = &bytes[end..];
    match framing {
        Framing::Length(length) if rest.len() < length => Parsed::Part(Some(head)),
        Framing::Length(length) => {
            Parsed::Whole(Request { body: rest[..length].to_vec(), ..head }, end + length)
        }
        Framing::Chunked => match read_chunks(rest) {
            Ok(Some((body, used))) => Parsed::Whole(Request { body, ..head }, end + used),
            Ok(None) => Parsed::Part(Some(head)),
            Err(why) => Parsed::Wrong(why),
        },
    }
}

fn read_head(bytes: &[u8]) -> Result<Request, &'static str> {
    // Bytes stay bytes: one char each, so that nothing is lost or folded.
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n");
    let line = lines.next().ok_or("no request line")?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else {
        return Err("a request line of other than three words");
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err("a method that is no token");
    }
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a target with other than visible ASCII");
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a field without a colon")?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("a field name that is no token");
        }
        if value.chars().any(|c| (c < ' ' && c != '\t') || c == '\u{7f}') {
            return Err("a field value with controls");
        }
        headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    Ok(Request { method: method.to_owned(), target: target.to_owned(), headers, body: Vec::new() })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn framing(head: &Request) -> Result<Framing, &'static str> {
    match (&head.all("content-length")[..], &head.all("transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) if length.len() <= 18 && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(Framing::Length).map_err(|_| "an empty Content-Length")
        }
        ([], ["chunked"]) => Ok(Framing::Chunked),
        _ => Err("framing that is not canonical"),
    }
}

fn read_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let rest = &bytes[at..];
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else {
            return if rest.len() > 16 { Err("a chunk line without end") } else { Ok(None) };
        };
        let digits = std::str::from_utf8(&rest[..line]).map_err(|_| "a chunk size that is no number")?;
        if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a chunk line of more than a size");
        }
        let size = usize::from_str_radix(digits, 16).map_err(|_| "a chunk size that is no number")?;
        let data = at + line + 2;
        if bytes.len() < data + size + 2 {
            return Ok(None);
        }
        if &bytes[data + size..data + size + 2] != b"\r\n" {
            return Err(if size == 0 { "a trailer" } else { "a chunk of another length" });
        }
        if size == 0 {
            return Ok(Some((body, data + 2)));
        }
        body.extend_from_slice(&bytes[data..data + size]);
        at = data + size + 2;
    }
}
