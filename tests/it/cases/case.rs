//! The catalogue: exact bytes, and what must become of them.

use serde::Deserialize;

/// Ids of the two live sessions, and the users they belong to. No other text of the tests holds these names.
pub(super) const VALID: (&str, &str) = ("Vq3fY0rJbXhQe7TzL1mWn8sKdPa2CuG5", "canary-alice-7f3a");
pub(super) const EVIL: (&str, &str) = ("Ez9cN4tRwHkUj6BvSx0gMo2yFiDl8AqP", "canary-mallory-c19e");

/// One line of the catalogue.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Case {
    pub(super) id: String,
    #[serde(rename = "ref")]
    pub(super) row: String,
    pub(super) proto: String,
    pub(super) raw: serde_json::Value,
    pub(super) expect: String,
    /// What follows its fields in HTTP/2, if it was translated.
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    pub(super) trailers: Vec<(String, String)>,
}

/// Which routes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `/public/*` is open, all else required.
    Required,
    /// `/p`, `/p2`, `/ws` and `/early-401` are open as well: whatever is refused here is refused by the parser.
    Open,
}

impl Case {
    /// All cases of the files that `CLOAKROOM_CASES` names, parted by colons; of the repo's own by default.
    pub(super) fn all() -> Vec<Self> {
        let own = format!("{}/tests/security/cases.jsonl", env!("CARGO_MANIFEST_DIR"));
        let files = std::env::var_os("CLOAKROOM_CASES").map_or(own, |files| files.into_string().unwrap());
        files.split(':').filter(|file| !file.is_empty()).flat_map(Self::in_file).collect()
    }

    fn in_file(file: &str) -> Vec<Self> {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Text of `raw`, one char a byte, repetitions written out, ids not yet filled in.
    pub(super) fn text(&self) -> String {
        if self.raw.is_array() {
            return self.as_http1();
        }
        let text = self.raw.as_str().unwrap_or_else(|| panic!("{} is no text", self.id));
        let text = match self.proto.as_str() {
            "url" => format!("GET {text} HTTP/1.1\r\nHost: gw.test\r\n\r\n"),
            _ => text.to_owned(),
        };
        repeated(&text)
    }

    /// The fields of an HTTP/2 case as bytes, pseudo-fields among them; of any other, those that a GET of its target has.
    pub(super) fn pairs(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let bytes = |text: &str| {
            let text = repeated(text).replace("{VALID}", VALID.0).replace("{EVIL}", EVIL.0);
            text.chars()
                .map(|c| u8::try_from(u32::from(c)).expect("one char is one byte"))
                .collect::<Vec<u8>>()
        };
        let fields = match &self.raw {
            serde_json::Value::String(target) => [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "gw.test"),
                (":path", target.as_str()),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            raw => serde_json::from_value(raw.clone()).unwrap(),
        };
        fields.iter().map(|(name, value)| (bytes(name), bytes(value))).collect()
    }

    /// An HTTP/2 case as it would be in HTTP/1.1, for what is said of its fields.
    fn as_http1(&self) -> String {
        let fields: Vec<(String, String)> = serde_json::from_value(self.raw.clone()).unwrap();
        let named =
            |name: &str| fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value);
        let mut text = format!("{} {} HTTP/1.1\r\n", named(":method"), named(":path"));
        if !named(":authority").is_empty() {
            text += &format!("Host: {}\r\n", named(":authority"));
        }
        for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(':')) {
            text += &format!("{name}: {value}\r\n");
        }
        text + "\r\n"
    }

    /// The exact bytes that a client sends.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let text = self.text().replace("{VALID}", VALID.0).replace("{EVIL}", EVIL.0);
        text.chars().map(|c| u8::try_from(u32::from(c)).expect("one char is one byte")).collect()
    }

    /// The fields of its first head, as far as they can be told apart.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }

    /// Where it runs.
    pub(super) fn place(&self) -> Place {
        let cookie = self.fields().iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        match self.expect.as_str() {
            "reject_401" | "no_unauth" => Place::Required,
            _ if cookie => Place::Required,
            _ => Place::Open,
        }
    }

    /// The only user whose live session its cookies carry.
    pub(super) fn user(&self) -> Option<&'static str> {
        let cookies = self.fields().into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        let cookies: String = cookies.map(|(_, value)| value).collect();
        match (cookies.contains("{VALID}"), cookies.contains("{EVIL}")) {
            (true, false) => Some(VALID.1),
            (false, true) => Some(EVIL.1),
            (true, true) | (false, false) => None,
        }
    }

    /// Method and target, in origin form, of each request that it is meant to be.
    pub(super) fn meant(&self) -> Vec<(String, String)> {
        let text = self.text();
        let messages = if self.expect == "two_clean" { 2 } else { 1 };
        let lines = text.split("\r\n\r\n").take(messages).filter_map(|message| message.split("\r\n").next());
        lines
            .map(|line| {
                let (method, rest) = line.split_once(' ').unwrap_or((line, ""));
                let target = rest.rsplit_once(' ').map_or(rest, |(target, _)| target);
                let origin = target.strip_prefix("http://gw.test").unwrap_or(target);
                (method.to_owned(), origin.to_owned())
            })
            .collect()
    }
}

/// Writes `{x*n}` out.
fn repeated(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        written += &rest[..start];
        rest = &rest[start..];
        let end = rest.find('}').map_or(rest.len(), |end| end + 1);
        let inner = rest[1..end].trim_end_matches('}');
        let mut chars = inner.chars();
        let repetition = match (chars.next(), chars.next(), chars.as_str().parse::<usize>()) {
            (Some(c), Some('*'), Ok(times)) => Some(c.to_string().repeat(times)),
            _ => None,
        };
        written += repetition.as_deref().unwrap_or(&rest[..end]);
        rest = &rest[end..];
    }
    written + rest
}

#[test]
fn a_repetition_is_written_out_and_an_id_is_left() {
    assert_eq!(repeated("x{a*3}y{VALID}{b*1}"), "xaaay{VALID}b");
}
