//! Smaller parts of what is shared, each from the configuration.

use crate::config::{Config, ConfigError, ProfileId, RefreshPlace};
use crate::door::REFRESH_COOKIE;
use crate::session::Profile;
use crate::token::{KeyRing, Published};
use std::sync::Arc;

/// All profiles, and what is wrong with them.
pub(super) fn profiles(config: &Config, errors: &mut Vec<ConfigError>) -> Vec<Profile> {
    let profiles = config.profiles.iter().enumerate();
    let built = profiles.filter_map(|(at, profile)| {
        Profile::build(ProfileId(at), profile).map_err(|found| errors.extend(found)).ok()
    });
    built.collect()
}

/// The names of all profiles' cookies.
pub(super) fn session_cookies(profiles: &[Profile]) -> Vec<String> {
    let mut names: Vec<String> = profiles.iter().flat_map(|profile| profile.format.cookie_names()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The documents of the public port.
pub(super) fn published(config: &Config, ring: &Arc<KeyRing>) -> Published {
    let (issuer, jwks_uri) = (&config.tokens.issuer, config.tokens.jwks_uri.clone());
    let jwks_uri = jwks_uri.unwrap_or_else(|| format!("{issuer}/.well-known/jwks.json"));
    Published::new(Arc::clone(ring), issuer, &jwks_uri)
}

/// The cookies that no upstream gets or sets, whatever its route says: that of our refresh tokens.
pub(super) fn always_kept(config: &Config) -> Vec<String> {
    let in_cookie = config.pair.as_ref().is_some_and(|pair| pair.refresh == RefreshPlace::Cookie);
    in_cookie.then(|| REFRESH_COOKIE.to_owned()).into_iter().collect()
}
