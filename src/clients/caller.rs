//! Which service asks: HTTP Basic, as RFC 6749 §2.3.1 has it.

use crate::clients::answer::Refused;
use crate::clock::UnixMillis;
use crate::config::Client;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Wrong secrets in one window, from one address for one name.
const FAILURES_MAX: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Most pairs of address and name that are remembered: services are few, and so are their mistakes.
const REMEMBERED_MAX: usize = 4096;

/// Who failed how often lately. A name that nobody has counts as none, or made-up ones would fill it.
#[derive(Debug, Default)]
pub(super) struct Failures(HashMap<(IpAddr, Option<usize>), (u32, UnixMillis)>);

/// The client that the request names and whose secret it has.
pub(super) fn authenticate<'c>(
    clients: &'c [Client],
    headers: &HeaderMap,
    failures: &mut Failures,
    (peer, now): (IpAddr, UnixMillis),
) -> Result<&'c Client, Refused> {
    let (name, secret) = basic(headers).ok_or(Refused::InvalidClient)?;
    let at = clients.iter().position(|client| client.name == name);
    if failures.are_many((peer, at), now) {
        return Err(Refused::TooMany);
    }
    let shown = digest(&SHA256, secret.as_bytes());
    let client = at.and_then(|at| clients.get(at));
    let found = client.filter(|client| {
        // All are compared, whichever fits.
        let fits = |known: &crate::config::Secret| {
            verify_slices_are_equal(digest(&SHA256, known.expose()).as_ref(), shown.as_ref()).is_ok()
        };
        client.secrets.iter().fold(false, |found, known| fits(known) | found)
    });
    found.ok_or_else(|| {
        failures.note((peer, at), now);
        Refused::InvalidClient
    })
}

/// Name and secret, each of which was form-encoded before they became Basic's.
fn basic(headers: &HeaderMap) -> Option<(String, Zeroizing<String>)> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (scheme, rest) = line.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let both = Zeroizing::new(STANDARD.decode(rest.trim_ascii()).ok()?);
    let at = both.iter().position(|byte| *byte == b':')?;
    Some((plain(both.get(..at)?)?, Zeroizing::new(plain(both.get(at + 1..)?)?)))
}

fn plain(encoded: &[u8]) -> Option<String> {
    let spaced: Zeroizing<Vec<u8>> =
        encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<u8>>().into();
    percent_decode(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

impl Failures {
    fn are_many(&self, who: (IpAddr, Option<usize>), now: UnixMillis) -> bool {
        self.0.get(&who).is_some_and(|(count, since)| *count >= FAILURES_MAX && since.until(now) < WINDOW)
    }

    fn note(&mut self, who: (IpAddr, Option<usize>), now: UnixMillis) {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, (_, since)| since.until(now) < WINDOW);
        }
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(&who) {
            return;
        }
        let known = self.0.entry(who).or_insert((0, now));
        if known.1.until(now) >= WINDOW {
            *known = (0, now);
        }
        known.0 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const NOW: UnixMillis = UnixMillis::new(1_000_000);

    fn clients() -> Vec<Client> {
        let secrets = vec![Secret::new(b"new: p@ss+%".to_vec()), Secret::new(b"old".to_vec())];
        vec![Client {
            name: "a b".into(),
            secrets,
            audience: Vec::new(),
            certificate: None,
            may_call: Vec::new(),
        }]
    }

    fn ask(failures: &mut Failures, both: &str, now: UnixMillis) -> Result<(), Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Basic {}", STANDARD.encode(both)).parse().unwrap());
        let peer = IpAddr::from([127, 0, 0, 1]);
        authenticate(&clients(), &headers, failures, (peer, now)).map(|_| ())
    }

    #[test]
    fn name_and_secret_are_form_encoded_within_basic() {
        let mut failures = Failures::default();
        for right in ["a+b:new%3A+p%40ss%2B%25", "a%20b:old"] {
            assert_eq!(ask(&mut failures, right, NOW), Ok(()), "{right}");
        }
        for wrong in ["a b:new", "a b:", "a b", "x:old", ":old", "a+b:new: p@ss+%"] {
            assert_eq!(ask(&mut failures, wrong, NOW), Err(Refused::InvalidClient), "{wrong}");
        }
    }

    #[test]
    fn who_guesses_is_not_even_looked_at_for_a_while() {
        let mut failures = Failures::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(ask(&mut failures, "a b:wrong", NOW), Err(Refused::InvalidClient));
        }
        assert_eq!(ask(&mut failures, "a b:old", NOW), Err(Refused::TooMany));
        assert_eq!(ask(&mut failures, "x:old", NOW), Err(Refused::InvalidClient), "another name");
        assert_eq!(ask(&mut failures, "a b:old", NOW.plus(WINDOW)), Ok(()));
    }
}
