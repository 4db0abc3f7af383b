//! Cases of HTTP/1.1 in HTTP/2, as far as they mean something there.

use crate::cases::case::Case;
use serde_json::json;

/// Fields that make a request of HTTP/2 malformed (RFC 9113 §8.2.2).
const OF_A_CONNECTION: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Rows that are about how HTTP/1.1 frames its messages: chunks, versions, folds, one message after another.
const OF_HTTP1: [&str; 5] = ["D3", "D5", "D6", "D8", "D12"];

/// The same request in HTTP/2, and what must become of it there.
pub(super) fn translated(case: &Case) -> Option<Case> {
    if case.proto != "h1" || OF_HTTP1.contains(&case.row.as_str()) {
        return None;
    }
    let raw = case.raw.as_str()?;
    let (head, rest) = raw.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let (method, target) = lines.next()?.strip_suffix(" HTTP/1.1")?.split_once(' ')?;
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        fields.push((name.to_lowercase(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
    }
    let trailing = case.row == "A8";
    if trailing {
        fields.retain(|(name, _)| !matches!(name.as_str(), "transfer-encoding" | "trailer"));
    }
    // Blanks around a value are part of it there, and malformed (§8.2.1).
    let padded = |value: &str| value.trim_matches([' ', '\t']) != value;
    let host = fields.iter().position(|(name, _)| name == "host").map(|at| fields.remove(at));
    let malformed =
        fields.iter().any(|(name, _)| OF_A_CONNECTION.iter().any(|bad| name.trim().starts_with(bad)));
    let mut raw = vec![json!([":method", method]), json!([":scheme", "http"])];
    raw.extend(host.map(|(_, host)| json!([":authority", host])));
    raw.push(json!([":path", target]));
    raw.extend(fields.iter().map(|(name, value)| json!([name, value])));
    let expect = match case.expect.as_str() {
        _ if malformed || fields.iter().any(|(_, value)| padded(value)) => "reject",
        // The stream ends before its Content-Length.
        "timeout_408" => "reject",
        // A target in absolute form is none of HTTP/2's.
        "forward_clean" if case.row == "B10" => "reject",
        same => same,
    };
    let trailer = rest.split("0\r\n").nth(1).filter(|_| trailing).and_then(|text| text.split_once(": "));
    let trailers =
        trailer.into_iter().map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    Some(Case {
        id: format!("{} in HTTP/2", case.id),
        row: case.row.clone(),
        proto: "h2".into(),
        raw: raw.into(),
        expect: expect.into(),
        body: if trailing { "hello".into() } else { rest.into() },
        trailers,
    })
}
