//! Who may call.

use crate::admin::Caller;
use crate::admin::problem::Problem;
use crate::config::{Admin as Config, AdminToken, Role, Secret};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Wrong tokens from one address before it must wait: a person mistypes, a script guesses.
const ATTEMPTS: u32 = 10;
/// How long it waits, and how soon its attempts are forgotten.
const WAIT: Duration = Duration::from_secs(60);
/// Addresses that are remembered; with more than these guessing at once, every new one is taken for a guesser too.
const ADDRESSES_MAX: usize = 1024;

/// Lets in who shows a token.
pub struct Gate {
    hosts: Vec<String>,
    tokens: Vec<Known>,
    wrong: Mutex<HashMap<IpAddr, (u32, Instant)>>,
}

struct Known {
    name: String,
    role: Role,
    hash: Secret,
}

impl Gate {
    /// For those whom the configuration names.
    pub fn new(config: &Config) -> Self {
        let known = |AdminToken { name, token, role }: &AdminToken| Known {
            name: name.clone(),
            role: *role,
            hash: Secret::new(digest(&SHA256, token.expose()).as_ref().to_vec()),
        };
        Self {
            hosts: config.hosts.clone(),
            tokens: config.tokens.iter().map(known).collect(),
            wrong: Mutex::default(),
        }
    }

    /// Whether there is a page for who asks like this; what it shows is asked for with a token.
    pub(super) fn shows(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match (self.is_called_rightly(headers), self.tokens.is_empty()) {
            (false, _) => Err(Problem::HostRefused),
            (true, true) => Err(Problem::ApiOff),
            (true, false) => Ok(()),
        }
    }

    /// Who it is that calls.
    pub(super) fn admit(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Caller<'_>, Problem> {
        if !self.is_called_rightly(headers) {
            return Err(Problem::HostRefused);
        }
        if self.tokens.is_empty() {
            return Err(Problem::ApiOff);
        }
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        wrong.retain(|_, (_, since)| now.duration_since(*since) < WAIT);
        let crowded = wrong.len() >= ADDRESSES_MAX && !wrong.contains_key(&peer);
        let since = wrong.get(&peer).filter(|(count, _)| *count >= ATTEMPTS).map(|(_, since)| *since);
        if let Some(since) = since.or(crowded.then_some(now)) {
            let wait = WAIT.saturating_sub(now.duration_since(since)).as_secs().max(1);
            return Err(Problem::TooManyAttempts { wait });
        }
        let shown = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).and_then(bearer);
        let found = shown.and_then(|shown| self.find(shown));
        if found.is_none() && shown.is_some() {
            wrong.entry(peer).or_insert((0, now)).0 += 1;
        }
        found.ok_or(Problem::TokenRefused)
    }

    /// Whose token it is. All are compared, each in a time that tells nothing of it.
    fn find(&self, shown: &[u8]) -> Option<Caller<'_>> {
        let shown = digest(&SHA256, shown);
        let mut found = None;
        for known in &self.tokens {
            if verify_slices_are_equal(shown.as_ref(), known.hash.expose()).is_ok() {
                found = Some(Caller { name: &known.name, role: known.role });
            }
        }
        found
    }

    /// Whether the Host is one that no other site's page can have, and no such page asks.
    fn is_called_rightly(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
            return false;
        };
        let host = host.to_ascii_lowercase();
        let own = |origin: &http::HeaderValue| {
            let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
            origin.strip_prefix("http://").or(origin.strip_prefix("https://")) == Some(host.as_str())
        };
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        self.is_own_name(&host)
            && headers.get_all(ORIGIN).iter().all(own)
            && matches!(site, None | Some(b"same-origin" | b"none"))
    }

    fn is_own_name(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port),
            _ => (host, ""),
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        port.bytes().all(|byte| byte.is_ascii_digit())
            && (name == "localhost"
                || bare.parse::<IpAddr>().is_ok()
                || self.hosts.iter().any(|known| known == name))
    }
}

/// The token behind the scheme, whose case says nothing (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.tokens.iter().map(|known| &known.name)).finish()
    }
}
