//! What a configuration promises, without starting it.

use crate::clock::Clock;
use crate::config::{Access, Backend, Config, ConfigError, Freshness, KeySource, Outage, Profile, Route};
use crate::pipeline::Shared;
use crate::telemetry::Metrics;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// RFC 7518 §3.2: an HMAC key is at least as long as its hash.
const HMAC_BYTES_MIN: usize = 32;

/// A configuration without mistakes.
#[derive(Debug)]
pub struct Checked {
    /// Every route, in the order of the file.
    pub routes: Vec<CheckedRoute>,
    /// What is allowed and worth a second look.
    pub warnings: Vec<String>,
}

/// One route and what it guarantees.
#[derive(Debug)]
pub struct CheckedRoute {
    /// Host and path.
    pub pattern: String,
    /// Its access, in the configuration's word.
    pub access: &'static str,
    /// Its upstream.
    pub upstream: String,
    /// How long a revoked session may be honoured; `None` where none is asked for.
    pub bound: Option<Bound>,
}

/// The longest a revoked session may be honoured by a service, and what it is the sum of.
#[derive(Debug)]
pub struct Bound {
    /// At the gateway, while its stores can be asked or their leases hold.
    pub revocation: Duration,
    /// What `serve_known` adds in an outage; zero without.
    pub serve_known: Duration,
    /// What is left of a token that was handed out just before.
    pub ttl: Duration,
    /// What a service's clock may be behind.
    pub skew: Duration,
    /// All of it.
    pub total: Duration,
    /// Profiles of the route for which none of this counts: their sessions are in no store, and last until their `exp`.
    pub carried: Vec<String>,
}

/// Checks everything that `serve` would, and writes nothing: where the key directory has no key yet, a key that is thrown away
/// stands in.
///
/// # Errors
/// Every mistake the rooms find.
pub fn check(mut config: Config) -> Result<Checked, Vec<ConfigError>> {
    let routes = config.routes.iter().map(|route| checked_route(route, &config)).collect();
    let mut warnings = split_cookies(&config);
    warnings.extend(config.profiles.iter().filter(|profile| profile.store.is_none()).flat_map(carried));
    let spare = spare_keys(&mut config, &mut warnings);
    let built = Shared::build(config, Clock::System, Arc::new(Metrics::new()));
    drop(spare);
    built.map(|shared| {
        warnings.extend(shared.ring().warnings().iter().map(ToString::to_string));
        Checked { routes, warnings }
    })
}

/// Puts a temporary directory in the place of a key directory that does not exist yet.
pub(super) fn spare_keys(config: &mut Config, warnings: &mut Vec<String>) -> Option<SpareDirectory> {
    let KeySource::Directory(directory) = &mut config.tokens.keys else { return None };
    let has_keys = std::fs::read_dir(&directory.value).is_ok_and(|mut entries| entries.next().is_some());
    if has_keys {
        return None;
    }
    warnings.push(format!("`{}` has no key yet; `serve` will make one", directory.value.display()));
    // Numbered, since one process may look at several configurations at once.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("cloakroom-check-{}-{number}", std::process::id()));
    directory.value.clone_from(&path);
    Some(SpareDirectory(path))
}

#[derive(Debug)]
pub(super) struct SpareDirectory(std::path::PathBuf);

impl Drop for SpareDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}

fn checked_route(route: &Route, config: &Config) -> CheckedRoute {
    let hosts: Vec<&str> = route.hosts.iter().map(|host| host.value.as_str()).collect();
    let upstream =
        config.upstreams.get(route.upstream.0).map(|upstream| upstream.name.clone()).unwrap_or_default();
    CheckedRoute {
        pattern: format!("{}{}", hosts.join(","), route.path.value),
        access: route.access.word(),
        upstream,
        bound: (route.access != Access::Open).then(|| bound(route, config)),
    }
}

fn bound(route: &Route, config: &Config) -> Bound {
    let stores = route.sessions.iter().filter_map(|id| config.profiles.get(id.0));
    let stores = stores.filter_map(|profile| config.stores.get(profile.store?.0));
    let bounds = stores.map(|store| {
        let is_memory = matches!(store.backend, Backend::Memory);
        match (route.freshness.unwrap_or(store.freshness), route.outage.unwrap_or(store.outage)) {
            // Nothing can cut us off from it, and it is asked on every request.
            _ if is_memory => (Duration::ZERO, Duration::ZERO),
            // A known session was right when the lease ended, not when the request came, also where that is asked for otherwise.
            (Freshness::Strict | Freshness::Lease, Outage::ServeKnown(longest)) => {
                (store.revocation_bound, longest)
            }
            (Freshness::Lease, Outage::Deny | Outage::Anonymous) => (store.revocation_bound, Duration::ZERO),
            (Freshness::Strict, Outage::Deny | Outage::Anonymous) => (Duration::ZERO, Duration::ZERO),
        }
    });
    let (revocation, serve_known) = bounds.max_by_key(|(lease, known)| *lease + *known).unwrap_or_default();
    let (ttl, skew) = (route.token.ttl, config.server.skew);
    let profiles = route.sessions.iter().filter_map(|id| config.profiles.get(id.0));
    let carried = profiles.filter(|profile| profile.store.is_none()).map(|profile| profile.name.clone());
    Bound {
        revocation,
        serve_known,
        ttl,
        skew,
        total: revocation + serve_known + ttl + skew,
        carried: carried.collect(),
    }
}

/// What whoever keeps sessions in the cookie alone should know.
fn carried(profile: &Profile) -> Vec<String> {
    let name = &profile.name;
    let mut warnings = vec![format!(
        "profile `{name}` takes the session from the cookie alone: neither a logout nor a revocation ends it before its `exp`, and `freshness` does not count for it"
    )];
    let missing_exp = profile.options.missing_exp.as_ref();
    if missing_exp.is_some_and(|missing| missing.value == "never-expires") {
        warnings.push(format!("profile `{name}`: a token without `exp` is a session that nothing ever ends"));
    }
    let shortest = profile.options.secrets.iter().map(|secret| secret.value.expose().len()).min();
    if let Some(bytes) = shortest.filter(|bytes| *bytes < HMAC_BYTES_MIN) {
        warnings.push(format!(
            "profile `{name}`: a secret of {bytes} bytes can be guessed from one token; HS256 wants {HMAC_BYTES_MIN}"
        ));
    }
    warnings
}

/// Upstreams that get the session cookie on some of their routes only: what they set on the others is dropped.
fn split_cookies(config: &Config) -> Vec<String> {
    let forwards = |upstream: usize, wanted: bool| {
        config.routes.iter().find(|route| route.upstream.0 == upstream && route.forward_cookie == wanted)
    };
    let split = config.upstreams.iter().enumerate().filter_map(|(at, upstream)| {
        let (with, without) = (forwards(at, true)?, forwards(at, false)?);
        Some(format!(
            "upstream `{}` gets the session cookie on `{}` and not on `{}`: what it sets there is dropped",
            upstream.name, with.path.value, without.path.value
        ))
    });
    split.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_text;

    /// What a revoked session may be honoured for at the gateway, on a route with these lines.
    fn bound_of(store: &str, route: &str) -> (Duration, Duration) {
        let text = format!(
            "[stores.app]\nurl = \"redis://127.0.0.1:1/0\"\n{store}\n[sessions.app]\nframework = \"json\"\n\
             [upstreams.app]\nendpoints = [\"http://127.0.0.1:1\"]\n\
             [[routes]]\npath = \"/*\"\nupstream = \"app\"\n{route}\n"
        );
        let (config, _) =
            from_text("gateway.toml", &text, Path::new("."), &|_| None).expect("a configuration");
        let bound = bound(&config.routes[0], &config);
        assert_eq!(bound.total, bound.revocation + bound.serve_known + bound.ttl + bound.skew);
        (bound.revocation, bound.serve_known)
    }

    #[test]
    fn the_bound_is_the_leases_and_what_an_outage_policy_adds() {
        let secs = Duration::from_secs;
        assert_eq!(bound_of("", ""), (secs(2), secs(0)));
        assert_eq!(bound_of("revocation_bound = \"5s\"", ""), (secs(5), secs(0)));
        assert_eq!(bound_of("", "outage = { serve_known = \"30s\" }"), (secs(2), secs(30)));
        assert_eq!(bound_of("outage = { serve_known = \"30s\" }", "outage = \"deny\""), (secs(2), secs(0)));
    }

    #[test]
    fn a_strict_route_has_no_bound_of_its_own_unless_it_serves_what_was_known() {
        let secs = Duration::from_secs;
        assert_eq!(bound_of("", "freshness = \"strict\""), (secs(0), secs(0)));
        assert_eq!(bound_of("freshness = \"strict\"", "freshness = \"lease\""), (secs(2), secs(0)));
        let known = bound_of("freshness = \"strict\"", "outage = { serve_known = \"30s\" }");
        assert_eq!(known, (secs(2), secs(30)));
    }
}
