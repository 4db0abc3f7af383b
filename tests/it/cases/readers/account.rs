//! What a server read of what the gateway sent it, beside the strict reading of the same bytes.

use crate::support::{Parsed, Request, parse_request};
use percent_encoding::percent_decode_str;
use std::collections::BTreeSet;

/// The request that the tap adds to each connection: who answers it as one of its own has read no more and no less than all
/// before it.
pub(super) const PROBE: &str = "GET /probe HTTP/1.1\r\nHost: probe.test\r\nConnection: close\r\n\r\n";

/// Fields that a server may keep to itself: they belong to the connection or to the body.
const UNTOLD: [&str; 6] =
    ["connection", "content-length", "content-type", "host", "transfer-encoding", "upgrade"];

/// Every difference between what the gateway sent and what the server `name` says it got.
pub(super) fn differences(name: &str, sent: &[u8], said: &[u8]) -> Vec<String> {
    let (mut requests, broken_off) = strictly(sent);
    if !broken_off && let Parsed::Whole(probe, _) = parse_request(PROBE.as_bytes()) {
        requests.push(probe);
    }
    let text: String = said.iter().map(|byte| char::from(*byte)).collect();
    let accounts: Vec<&str> = text.lines().filter(|line| line.starts_with("read|")).collect();
    let statuses: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
    let told: Vec<&Request> = requests.iter().filter(|request| request.method != "HEAD").collect();
    let mut found = Vec::new();
    let differs = |why: String| format!("{name}: {why} in {text:?}");
    // A script that is started before a body ends cannot know that it never does.
    let more = usize::from(broken_off);
    if accounts.len() < told.len() || accounts.len() > told.len() + more {
        found.push(differs(format!("{} accounts of {} requests", accounts.len(), told.len())));
    }
    if statuses.len() < requests.len() || statuses.len() > requests.len() + more {
        found.push(differs(format!("{} answers to {} requests", statuses.len(), requests.len())));
    }
    if statuses.iter().take(requests.len()).any(|status| !status.starts_with("200")) {
        found.push(differs("a refusal".into()));
    }
    for (request, account) in told.iter().zip(&accounts) {
        found.extend(difference(request, account).map(|what| differs(what.to_owned())));
    }
    found
}

/// The whole requests of these bytes, and whether the last one breaks off.
pub(super) fn strictly(sent: &[u8]) -> (Vec<Request>, bool) {
    let (mut at, mut whole) = (0, Vec::new());
    while let Parsed::Whole(request, used) = parse_request(&sent[at..]) {
        whole.push(request);
        at += used;
    }
    (whole, at < sent.len())
}

/// What a line `read|method|target|path|host|length|authorization|names` says otherwise. Names after a `?` are those that
/// the server was asked about: it cannot list all.
fn difference(request: &Request, account: &str) -> Option<&'static str> {
    let fields: Vec<&str> = account.split('|').collect();
    let ["read", method, target, path, host, length, authorization, names] = fields[..] else {
        return Some("an account that cannot be read");
    };
    let judged = request.target.split('?').next().unwrap_or_default();
    let decoded = |path: &str| percent_decode_str(path).collect::<Vec<u8>>();
    let latin: Vec<u8> = path.chars().map(|c| u32::from(c) as u8).collect();
    let same_path = latin == decoded(judged) || decoded(path) == decoded(judged);
    let wanted = request.one("authorization").unwrap_or_default();
    let length = if length.is_empty() { Some(0) } else { length.parse().ok() };
    let said: BTreeSet<String> = names.trim_start_matches('?').split(',').filter_map(telling).collect();
    let sent: BTreeSet<String> = request.headers.iter().filter_map(|(name, _)| telling(name)).collect();
    let same_names = if names.starts_with('?') { said.is_subset(&sent) } else { said == sent };
    [
        (method == request.method, "another method"),
        (target == request.target, "another target"),
        (same_path, "another path"),
        (Some(host) == request.one("host"), "another host"),
        (length == Some(request.body.len()), "a body of another length"),
        (authorization == wanted, "another identity"),
        (same_names, "other fields"),
    ]
    .into_iter()
    .find_map(|(same, what)| (!same).then_some(what))
}

fn telling(name: &str) -> Option<String> {
    let folded = name.to_ascii_lowercase().replace('_', "-");
    (!folded.is_empty() && !UNTOLD.contains(&folded.as_str())).then_some(folded)
}

#[cfg(test)]
mod tests {
    use super::differences;

    const SENT: &[u8] =
        b"POST /p?x HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer t\r\nContent-Length: 2\r\n\r\nhi";
    const OK: &str = "HTTP/1.1 200 OK\r\n\r\nread|POST|/p?x|/p|gw.test|2|Bearer t|HOST,AUTHORIZATION,\n";
    const LAST: &str = "HTTP/1.1 200 OK\r\n\r\nread|GET|/probe|/probe|probe.test|0||?\n";

    fn found(said: &str) -> String {
        differences("x", SENT, said.as_bytes()).join("\n")
    }

    #[test]
    fn who_reads_what_was_sent_differs_in_nothing() {
        assert_eq!(found(&format!("{OK}{LAST}")), "");
    }

    #[test]
    fn whatever_is_read_otherwise_is_found() {
        for (from, to) in [
            ("|POST|", "|GET|"),
            ("|/p?x|", "|/q?x|"),
            ("|/p|", "|/admin|"),
            ("|gw.test|", "|evil.test|"),
            ("|2|", "|1|"),
            ("|Bearer t|", "|Bearer evil|"),
            ("HOST,AUTHORIZATION,", "AUTHORIZATION,X_FORWARDED_USER"),
            ("HOST,AUTHORIZATION,", "?X_FORWARDED_USER"),
            ("200 OK", "400 Bad Request"),
        ] {
            assert_ne!(found(&format!("{}{LAST}", OK.replacen(from, to, 1))), "", "{from} {to}");
        }
    }

    #[test]
    fn a_request_more_or_less_than_was_sent_is_found() {
        assert_ne!(found(&format!("{OK}{OK}{LAST}")), "");
        assert_ne!(found(OK), "");
        assert_ne!(found(""), "");
    }
}
