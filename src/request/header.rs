//! Names that only the gateway may say, and names that end at each hop.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

/// Names reserved besides the fixed list: `server.reserved_headers` and the headers that tokens travel in.
#[derive(Clone, Debug, Default)]
pub struct Reserved {
    exact: Vec<String>,
    prefixes: Vec<String>,
    beginnings: Beginnings,
}

impl Reserved {
    /// Compiles patterns; a final `*` matches any rest.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut reserved = Self::default();
        RESERVED_BEGINNINGS
            .iter()
            .chain(&HOP_BY_HOP)
            .chain(&OURS_TO_WRITE)
            .for_each(|name| reserved.beginnings.add(name));
        for pattern in patterns {
            match pattern.strip_suffix('*') {
                Some(prefix) => reserved
                    .prefixes
                    .push(fold(prefix.as_bytes()) + if prefix.ends_with('-') { "-" } else { "" }),
                None => reserved.exact.push(fold(pattern.as_bytes())),
            }
        }
        let folded = reserved.exact.iter().chain(&reserved.prefixes);
        folded.for_each(|name| reserved.beginnings.add(name));
        reserved
    }

    /// Whether a client may not set `name`: judged after folding everything that is not alphanumeric to `-`, since
    /// CGI-like servers cannot tell `X_User`, `X.User` and `X-User` apart.
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.folded(name).is_some_and(|folded| self.matches(&folded))
    }

    /// The name as a CGI-like server reads it; `None` for nearly all names, which begin like none that is of interest here.
    fn folded<'n>(&self, name: &'n HeaderName) -> Option<Cow<'n, str>> {
        let raw = name.as_str();
        self.beginnings.may_begin(raw.as_bytes()).then(|| folded(raw))
    }

    fn matches(&self, folded: &str) -> bool {
        is_reserved(folded)
            || self.exact.iter().any(|name| name == folded)
            || self.prefixes.iter().any(|prefix| folded.starts_with(prefix.as_str()))
    }
}

/// The first two letters of every reserved name, by the first: ordinary names are told apart by these without a closer look.
#[derive(Clone, Debug, Default)]
struct Beginnings([u32; 26]);

impl Beginnings {
    /// Adds a folded name or prefix; one without two letters at its beginning adds all that could follow.
    fn add(&mut self, name: &str) {
        let mut letters = name.bytes().map(letter);
        match (letters.next().flatten(), letters.next().flatten()) {
            (Some(first), Some(second)) => self.row(first, 1 << second),
            (Some(first), None) => self.row(first, u32::MAX),
            (None, _) => self.0 = [u32::MAX; 26],
        }
    }

    fn row(&mut self, first: usize, bits: u32) {
        if let Some(row) = self.0.get_mut(first) {
            *row |= bits;
        }
    }

    /// Whether a name, in lower case but not folded, may be reserved. Folding keeps two letters at the beginning as they
    /// are; what does not begin with two letters may be anything.
    fn may_begin(&self, name: &[u8]) -> bool {
        match name {
            [first, second, ..] => match (letter(*first), letter(*second)) {
                (Some(first), Some(second)) => self.0.get(first).is_none_or(|row| row >> second & 1 == 1),
                _ => true,
            },
            _ => true,
        }
    }
}

fn letter(byte: u8) -> Option<usize> {
    byte.is_ascii_lowercase().then(|| usize::from(byte - b'a'))
}

/// Whether folding a header name, which is in lower case already, would change nothing: nearly all of them.
fn is_folded(name: &[u8]) -> bool {
    let mut previous = b'-';
    for byte in name {
        let fits = byte.is_ascii_alphanumeric() || (*byte == b'-' && previous != b'-');
        if !fits {
            return false;
        }
        previous = *byte;
    }
    previous != b'-'
}

/// A name that is in lower case, folded.
fn folded(name: &str) -> Cow<'_, str> {
    if is_folded(name.as_bytes()) { Cow::Borrowed(name) } else { Cow::Owned(fold(name.as_bytes())) }
}

/// Lower case; every run of other than alphanumerics one `-`; none at the ends.
pub(super) fn fold(name: &[u8]) -> String {
    let mut folded = String::with_capacity(name.len());
    for byte in name {
        if byte.is_ascii_alphanumeric() {
            folded.push(char::from(byte.to_ascii_lowercase()));
        } else if !folded.is_empty() && !folded.ends_with('-') {
            folded.push('-');
        }
    }
    if folded.ends_with('-') {
        folded.pop();
    }
    folded
}

/// A name or prefix for each beginning in [`is_reserved`].
const RESERVED_BEGINNINGS: [&str; 10] = [
    "x-",
    "authorization",
    "cl",
    "forwarded",
    "proxy",
    "remote-user",
    "ssl-client",
    "true-client-ip",
    "txn-token",
    "via",
];

/// The names that are reserved whatever the configuration says, on a folded name.
fn is_reserved(name: &str) -> bool {
    if let Some(rest) = name.strip_prefix("x-") {
        return match rest.as_bytes().first() {
            Some(b'a') => rest.starts_with("auth-") && rest != "auth-token",
            Some(b'c') => rest == "client-ip" || is_certificate(rest),
            Some(b'e') => rest.starts_with("envoy-"),
            Some(b'f') => rest == "forwarded" || rest.starts_with("forwarded-"),
            Some(b'm') => rest.starts_with("middleware-"),
            Some(b'o') => rest.starts_with("original-"),
            Some(b'r') => {
                matches!(rest, "real-ip" | "request-id")
                    || rest.starts_with("rewrite-")
                    || rest.starts_with("remote-")
            }
            Some(b's') => is_certificate(rest),
            Some(b'u') => rest == "user" || (rest.starts_with("user-") && rest != "user-agent"),
            _ => false,
        };
    }
    match name.as_bytes().first() {
        Some(b'a') => name == "authorization",
        Some(b'c') => name == "client-ip" || name.starts_with("cloakroom-") || is_certificate(name),
        Some(b'f') => name == "forwarded",
        Some(b'p') => name == "proxy" || name.starts_with("proxy-"),
        Some(b'r') => name == "remote-user",
        Some(b's') => is_certificate(name),
        Some(b't') => matches!(name, "true-client-ip" | "txn-token"),
        Some(b'v') => name == "via",
        _ => false,
    }
}

/// Names under which proxies tell of a client's certificate: RFC 9440's, and those that were there before it.
fn is_certificate(name: &str) -> bool {
    let begins =
        |with: &str| name.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    begins("client-cert") || begins("ssl-client") || begins("client-verify") || begins("client-dn")
}

/// Fields of one hop (RFC 9110 §7.6.1), and those of an upgrade or expectation that is not ours to pass on.
const HOP_BY_HOP: [&str; 8] =
    ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect"];

/// Fields that we write as we have read them. In another spelling they are nobody's but who wants them read twice.
const OURS_TO_WRITE: [&str; 3] = ["content-length", "cookie", "host"];

/// Fields that a Connection nomination cannot take away: without them the message has no meaning.
const NEVER_NOMINATED: [&str; 4] = ["host", "content-length", "content-type", "content-encoding"];

/// Whether a folded name overrides the method, as Rails, Express and others read it: with one an app sees another method than the
/// one judged.
fn is_method_override(folded: &str) -> bool {
    matches!(folded, "x-http-method-override" | "x-http-method" | "x-method-override")
}

/// Why no rule may set or remove `name` although it is not reserved.
pub(super) fn why_no_rule(name: &HeaderName) -> Option<&'static str> {
    match &*folded(name.as_str()) {
        folded if is_method_override(folded) => Some("would make another method of the one that was judged"),
        folded if is_disguised(name, folded) => Some("would be read as a field of the message's frame"),
        _ => None,
    }
}

/// Whether `name` is not, and folds to, a field of one hop or one that is ours to write.
fn is_disguised(name: &HeaderName, folded: &str) -> bool {
    folded != name.as_str() && (HOP_BY_HOP.contains(&folded) || OURS_TO_WRITE.contains(&folded))
}

/// What a route lets through beyond the default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) authorization: bool,
    pub(super) method_overrides: bool,
}

/// Takes away the fields that the client's Connection lines nominate, those of this hop, every name that only the gateway
/// may say, and method overrides. One pass: a request has a dozen fields and most stay.
pub(super) fn remove_foreign(headers: &mut HeaderMap, reserved: &Reserved, kept: Kept) {
    for nominated in nominations(headers) {
        headers.remove(nominated);
    }
    let goes = |name: &HeaderName| {
        let Some(folded) = reserved.folded(name) else { return false };
        HOP_BY_HOP.contains(&&*folded)
            || is_disguised(name, &folded)
            || (!kept.method_overrides && is_method_override(&folded))
            || (reserved.matches(&folded) && !(kept.authorization && *name == http::header::AUTHORIZATION))
    };
    let removed: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
}

fn nominations(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter(|line| !line.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(|name| !NEVER_NOMINATED.contains(&name.as_str()))
        .collect()
}

/// Whether a comma-separated field holds `token`, in any case.
pub fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reserved(name: &str) -> bool {
        Reserved::new([]).contains(&HeaderName::from_bytes(name.as_bytes()).unwrap())
    }

    #[test]
    fn every_spelling_of_a_reserved_name_is_reserved() {
        for name in [
            "Authorization",
            "authorization_",
            "X_Forwarded_User",
            "x-forwarded_user",
            "X.Forwarded.User",
            "Remote_User",
            "Remote.User",
            "X-Forwarded-For",
            "X-Forwarded",
            "Forwarded",
            "Proxy",
            "Proxy-Authorization",
            "proxy-connection",
            "X-Real-IP",
            "True-Client-IP",
            "Client-IP",
            "X-Client-IP",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Envoy-Original-Path",
            "X-Middleware-Subrequest",
            "X-Auth-User",
            "X-User",
            "X-User-Id",
            "X-Remote-User",
            "Via",
            "X-Request-Id",
            "Txn-Token",
            "Cloakroom-Verdict",
            "cloakroom_verdict",
            "x__user",
            "-x-user-",
        ] {
            assert!(reserved(name), "{name}");
        }
    }

    #[test]
    fn names_that_apps_use_themselves_pass() {
        for name in [
            "X-Auth-Token",
            "X-User-Agent",
            "User-Agent",
            "X-CSRF-Token",
            "X_Custom",
            "x.custom",
            "X-Requested-With",
            "Cookie",
        ] {
            assert!(!reserved(name), "{name}");
        }
    }

    #[test]
    fn configured_names_fold_like_the_others() {
        let more = Reserved::new(["X-Tenant-*", "Internal_Id"]);
        for name in ["x-tenant-id", "x_tenant_id", "internal-id", "internal.id"] {
            assert!(more.contains(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
        assert!(!more.contains(&HeaderName::from_static("x-tenants")));
    }

    #[test]
    fn a_nomination_removes_client_fields_but_not_the_frame() {
        let mut headers = HeaderMap::new();
        headers.append("connection", "close, X-Secret".parse().unwrap());
        headers.append("connection", ",cookie,, HOST".parse().unwrap());
        for name in ["host", "cookie", "x-secret", "accept"] {
            headers.insert(HeaderName::from_static(name), "v".parse().unwrap());
        }
        remove_foreign(
            &mut headers,
            &Reserved::new([]),
            Kept { authorization: false, method_overrides: true },
        );
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "host"]);
    }

    #[test]
    fn a_name_that_a_server_could_read_as_of_the_frame_or_as_an_override_goes() {
        let gone = [
            "transfer_encoding",
            "transfer.encoding",
            "te_",
            "connection_",
            "keep_alive",
            "http2_settings",
            "content_length",
            "host_",
            "-cookie",
            "x_http_method_override",
            "x-http-method_override",
            "x.method.override",
            "x_http_method",
        ];
        let stay = ["content-length", "content_type", "cookie", "host", "x_method"];
        let mut headers = HeaderMap::new();
        for name in gone.iter().chain(&stay) {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), "v".parse().unwrap());
        }
        let kept = Kept { authorization: false, method_overrides: false };
        remove_foreign(&mut headers, &Reserved::new([]), kept);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, stay);
        for name in gone {
            assert!(why_no_rule(&HeaderName::from_bytes(name.as_bytes()).unwrap()).is_some(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn separators_never_hide_a_reserved_name(
            name in prop::sample::select(vec!["authorization", "x-forwarded-for", "x-user-id", "remote-user", "cloakroom-verdict"]),
            separators in prop::collection::vec(prop::sample::select(vec!["-", "_", ".", "--", "_-", "~", "!"]), 4),
        ) {
            let mut spelled = String::new();
            for (at, part) in name.split('-').enumerate() {
                if at > 0 { spelled.push_str(separators[at - 1]); }
                spelled.push_str(part);
            }
            prop_assert!(reserved(&spelled));
        }
    }
}
