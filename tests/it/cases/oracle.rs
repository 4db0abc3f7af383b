//! The one oracle: six rules that hold for every input, and what each case expects besides.
//!
//! It judges by what reached the upstream, not by what the gateway says of itself, and knows nothing of the gateway's code:
//! the reserved names, the open paths and the strict reading of HTTP/1.1 are written down here a second time.

use crate::cases::case::{Case, EVIL, Place};
use crate::support::{Parsed, Request, Response, parse_request, verify};
use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;

/// The request that follows each case on its connection, to see whether the gateway still reads there what we write.
pub(super) const MARKER: &str = "/public/mark";

/// The request before each case that is not the first of its connection: in order, and of the other user.
pub(super) const FIRST: &str = "/first";

/// What became of a case.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) place: Place,
    /// Whether [`FIRST`] went before it.
    pub(super) second: bool,
    /// What the client spoke: `http` or `https`.
    pub(super) scheme: &'static str,
    /// The answers on the case's connection, the marker's included.
    pub(super) responses: Vec<Response>,
    /// All bytes that the upstream got, by connection.
    pub(super) upstream: Vec<Vec<u8>>,
    /// The gateway's access lines.
    pub(super) lines: Vec<Value>,
    /// How often Redis was asked for a record.
    pub(super) lookups: usize,
    pub(super) keys: JwkSet,
}

/// The upstream's view of an outcome.
struct Seen {
    /// Whole requests, without the marker and the first.
    whole: Vec<Request>,
    /// Requests whose bodies never ended.
    parts: Vec<Option<Request>>,
    /// Requests of any kind, the marker included.
    count: usize,
    /// Bytes that are no request.
    wrong: Vec<String>,
}

/// Every rule that an outcome breaks.
pub(super) fn judge(case: &Case, outcome: &Outcome) -> Vec<String> {
    let seen = Seen::of(outcome);
    let mut broken = Vec::new();
    rule_1_nothing_unasked(case, outcome, &seen, &mut broken);
    for request in seen.whole.iter().chain(seen.parts.iter().flatten()) {
        rule_2_whose_token(case, outcome, request, &mut broken);
        rule_3_no_client_bytes_in_our_names(case, outcome, request, &mut broken);
        rule_5_forwarded_as_judged(case, outcome, request, &mut broken);
    }
    broken.extend(seen.wrong.iter().map(|why| format!("rule 4: upstream got {why}")));
    rule_6_closes_after_errors(outcome, &mut broken);
    expectation(case, outcome, &seen, &mut broken);
    broken
}

impl Seen {
    fn of(outcome: &Outcome) -> Self {
        let mut seen = Self { whole: Vec::new(), parts: Vec::new(), count: 0, wrong: Vec::new() };
        for bytes in &outcome.upstream {
            let mut at = 0;
            while at < bytes.len() {
                seen.count += 1;
                match parse_request(&bytes[at..]) {
                    Parsed::Whole(request, used) => {
                        at += used;
                        if request.target != MARKER && !outcome.is_first(&request) {
                            seen.whole.push(request);
                        }
                    }
                    Parsed::Part(head) => {
                        seen.parts.push(head);
                        break;
                    }
                    Parsed::Wrong(why) => {
                        seen.wrong.push(format!("{why}: {:?}", String::from_utf8_lossy(&bytes[at..])));
                        break;
                    }
                }
            }
        }
        seen
    }
}

impl Outcome {
    /// The answers to the case itself.
    pub(super) fn answers(&self) -> Vec<&Response> {
        self.responses.iter().filter(|response| !is_marker(response)).collect()
    }

    /// Whether it is the request before the case, in the name of who asked.
    fn is_first(&self, request: &Request) -> bool {
        let claims = request.bearer().map(|token| verify(token, &self.keys, "recorder"));
        self.second
            && request.target == FIRST
            && matches!(claims, Some(Ok(claims)) if claims["sub"] == EVIL.1)
    }

    fn marker_answered(&self) -> bool {
        self.responses.iter().any(is_marker)
    }

    fn status(&self) -> Option<u16> {
        self.answers().first().map(|response| response.status)
    }
}

fn is_marker(response: &Response) -> bool {
    first_line(response) == format!("GET {MARKER}")
}

/// What an upstream of the tests answers with: the method and the target that it got.
pub(super) fn first_line(response: &Response) -> String {
    response.text().lines().next().unwrap_or_default().to_owned()
}

fn rule_1_nothing_unasked(case: &Case, outcome: &Outcome, seen: &Seen, broken: &mut Vec<String>) {
    let logged = outcome.lines.iter().filter(|line| line.get("upstream").is_some()).count();
    if seen.count > logged {
        broken.push(format!("rule 1: {} requests at the upstream, {logged} logged as forwarded", seen.count));
    }
    for request in seen.whole.iter().chain(seen.parts.iter().flatten()) {
        if !is_open(outcome.place, &request.target) && case.user().is_none() {
            broken.push(format!("rule 1: `{}` forwarded without a live session", request.target));
        }
        if request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-smuggled")) {
            broken.push("rule 1: the smuggled request arrived".into());
        }
    }
}

fn rule_2_whose_token(case: &Case, outcome: &Outcome, request: &Request, broken: &mut Vec<String>) {
    let authorizations = request.all("authorization");
    if is_open(outcome.place, &request.target) {
        if !authorizations.is_empty() {
            broken.push(format!("rule 2: Authorization on an open route: {authorizations:?}"));
        }
        return;
    }
    let Some(token) = request.bearer() else {
        broken.push(format!("rule 2: not exactly one bearer: {authorizations:?}"));
        return;
    };
    match verify(token, &outcome.keys, "recorder") {
        Err(why) => broken.push(format!("rule 2: not a token of ours: {why}")),
        Ok(claims) if claims["sub"].as_str() != case.user() => {
            broken.push(format!("rule 2: sub {} for the session of {:?}", claims["sub"], case.user()));
        }
        Ok(_) => {}
    }
}

fn rule_3_no_client_bytes_in_our_names(
    case: &Case,
    outcome: &Outcome,
    request: &Request,
    broken: &mut Vec<String>,
) {
    let upgrade = request.one("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
        && request.one("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade"));
    for (name, value) in &request.headers {
        let folded = fold(name);
        let fine = match folded.as_str() {
            // Rule 2 has judged its value.
            "authorization" => name.eq_ignore_ascii_case("authorization"),
            "x-forwarded-for" => value == "127.0.0.1",
            "x-forwarded-proto" => value == outcome.scheme,
            "x-forwarded-host" => is_host(case, value),
            "forwarded" => value.contains("for=127.0.0.1") && !value.contains("evil"),
            "x-request-id" => outcome.lines.iter().any(|line| line["request_id"] == value.as_str()),
            "cloakroom-verdict" => value == "anonymous",
            "connection" | "upgrade" => upgrade,
            "transfer-encoding" => value == "chunked",
            "cookie" => {
                is_open(outcome.place, &request.target)
                    || !value.split(';').any(|pair| pair.trim().starts_with("sid="))
            }
            other => !is_reserved(other),
        };
        if !fine || (is_reserved(&folded) && request.all(name).len() != 1) {
            broken.push(format!("rule 3: upstream got `{name}: {value}`"));
        }
    }
}

fn rule_5_forwarded_as_judged(case: &Case, outcome: &Outcome, request: &Request, broken: &mut Vec<String>) {
    let (method, target) = (&request.method, &request.target);
    if !case.meant().contains(&(method.clone(), target.clone())) {
        broken.push(format!("rule 5: `{method} {target}` is not what was asked: {:?}", case.meant()));
    }
    if !request.one("host").is_some_and(|host| is_host(case, host)) {
        broken.push(format!("rule 5: Host {:?}", request.all("host")));
    }
    let path = target.split('?').next().unwrap_or_default();
    if !outcome.lines.iter().any(|line| line["method"] == method.as_str() && line["path"] == path) {
        broken.push(format!("rule 5: no access line judged `{method} {path}`"));
    }
}

fn is_host(case: &Case, host: &str) -> bool {
    case.fields().iter().any(|(name, value)| name.eq_ignore_ascii_case("host") && value == host)
}

/// Refusals after which a connection may go on: the message itself was sound.
const SOUND: [&str; 12] = [
    "login-required",
    "forbidden",
    "cross-site",
    "preflight-refused",
    "not-found",
    "method-not-allowed",
    "store-unavailable",
    "token-failed",
    "token-too-large",
    "upstream-unreachable",
    "upstream-timed-out",
    "upstream-broken",
];

fn rule_6_closes_after_errors(outcome: &Outcome, broken: &mut Vec<String>) {
    let errors = outcome.responses.iter().filter_map(Response::refusal).filter(|code| !SOUND.contains(code));
    for code in errors {
        if outcome.marker_answered() || outcome.responses.last().and_then(Response::refusal) != Some(code) {
            broken.push(format!("rule 6: the connection went on after `{code}`"));
        }
    }
}

fn expectation(case: &Case, outcome: &Outcome, seen: &Seen, broken: &mut Vec<String>) {
    let (whole, begun) = (seen.whole.len(), seen.whole.len() + seen.parts.len());
    let status = outcome.status();
    let refused = status.is_none_or(|status| status >= 400);
    // A body that breaks in its middle has a beginning.
    let may_begin = matches!(case.row.as_str(), "D5" | "D6");
    let met = match case.expect.as_str() {
        "reject" => {
            let parser = outcome.place == Place::Required || !matches!(status, Some(401 | 403));
            refused && parser && whole == 0 && (may_begin || begun == 0)
        }
        "reject_401" => status == Some(401) && begun == 0,
        "reject_403" => status == Some(403) && begun == 0,
        "timeout_408" => status == Some(408) && whole == 0,
        // Rule 1 has judged what is protected.
        "no_unauth" => true,
        "forward_clean" => status == Some(200) && whole == 1 && begun == 1,
        "forward_clean_or_reject" | "one_or_reject" => {
            begun <= 1 && if whole == 0 { refused } else { status == Some(200) }
        }
        "two_clean" => {
            let bodies: Vec<String> = outcome.answers().into_iter().map(first_line).collect();
            let meant: Vec<String> =
                case.meant().iter().map(|(method, target)| format!("{method} {target}")).collect();
            whole == 2 && begun == 2 && bodies == meant
        }
        // The upstream never sends its 101: whatever it got beyond the head came too early.
        "ws_no_early" => begun <= 1 && seen.whole.iter().all(|request| request.body.is_empty()),
        other => {
            broken.push(format!("`{other}` is no expectation"));
            true
        }
    };
    if !met {
        broken.push(format!("expected {}: status {status:?}, {whole} whole, {begun} begun", case.expect));
    }
    if outcome.lookups > 1 + usize::from(outcome.second) {
        broken.push(format!("{} lookups for one request", outcome.lookups));
    }
}

/// Whether a target is on an open route, for every reading of it.
fn is_open(place: Place, target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let also: &[&str] = match place {
        Place::Open => &["/p", "/p2", "/ws", "/early-401"],
        Place::Required => &[],
    };
    also.contains(&path) || (path.starts_with("/public/") && laxest(path).starts_with("/public/"))
}

/// The path as the most obliging server might read it: decoded until nothing changes, back-slashes and overlong slashes
/// turned, parameters cut, dots resolved.
fn laxest(path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..4 {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(&path).collect();
        path = decoded.iter().map(|byte| char::from(*byte)).collect();
    }
    let path = path.replace("\u{c0}\u{af}", "/").replace(['\\', '\0', '\r', '\n'], "/");
    let path = path.replace("\u{ef}\u{bc}\u{8e}", ".");
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    format!("/{}/", segments.join("/"))
}

fn fold(name: &str) -> String {
    let folded = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    folded.collect::<String>().trim_matches('-').to_owned()
}

/// Names that a client may not say, after folding.
fn is_reserved(name: &str) -> bool {
    const WHOLE: [&str; 25] = [
        "authorization",
        "client-ip",
        "connection",
        "expect",
        "forwarded",
        "http2-settings",
        "keep-alive",
        "proxy",
        "proxy-connection",
        "remote-user",
        "te",
        "trailer",
        "transfer-encoding",
        "true-client-ip",
        "txn-token",
        "upgrade",
        "via",
        "x-client-ip",
        "x-forwarded",
        "x-real-ip",
        "x-remote-user",
        "x-request-id",
        "x-smuggled",
        "x-user",
        "cloakroom-verdict",
    ];
    const STARTS: [&str; 9] = [
        "cloakroom-",
        "proxy-",
        "x-envoy-",
        "x-forwarded-",
        "x-middleware-",
        "x-original-",
        "x-remote-",
        "x-rewrite-",
        "x-user-",
    ];
    let excepted = matches!(name, "x-auth-token" | "x-user-agent");
    !excepted
        && (WHOLE.contains(&name)
            || STARTS.iter().any(|start| name.starts_with(start))
            || name.starts_with("x-auth-"))
}

#[cfg(test)]
#[path = "oracle_tests.rs"]
mod tests;
