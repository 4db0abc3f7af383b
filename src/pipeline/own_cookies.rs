//! The session cookies that an app sets through us: looked at, and put right where that is configured.

use crate::config::{Config, ProfileId};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::route_state::RouteState;
use crate::respond::CookieCare;
use crate::route::Route;
use crate::session::Profile;
use http::HeaderMap;
use http::header::SET_COOKIE;
use std::sync::atomic::{AtomicU8, Ordering};

/// What was said already about the cookies of each profile; indexed by [`ProfileId`].
#[derive(Debug)]
pub(super) struct FlawsTold(Vec<AtomicU8>);

impl FlawsTold {
    pub(super) fn new(profiles: usize) -> Self {
        Self((0..profiles).map(|_| AtomicU8::new(0)).collect())
    }
}

/// The profiles whose app is behind this route, since it gets their cookies.
pub(super) fn cares(route: &Route, config: &Config, profiles: &[Profile]) -> Vec<(ProfileId, CookieCare)> {
    let own = route.rules.sessions.iter().filter(|_| route.rules.forward_cookie);
    own.filter_map(|id| {
        let names = profiles.get(id.0)?.format.cookie_names();
        let repair = config.profiles.get(id.0)?.cookie_repair.clone();
        Some((*id, CookieCare { names, repair }))
    })
    .collect()
}

impl Gateway {
    /// Looks after every session cookie that the answer sets; what is wrong is said once for each profile and flaw.
    pub(super) fn tend_cookies(&self, state: &RouteState, https: bool, headers: &mut HeaderMap) {
        if state.cares.is_empty() || !headers.contains_key(SET_COOKIE) {
            return;
        }
        for (id, care) in &state.cares {
            let flaws = care.tend(headers, https);
            let (Some(told), Some(profile)) =
                (self.flaws_told().0.get(id.0), self.authenticator.profiles().get(id.0))
            else {
                continue;
            };
            let known = told.load(Ordering::Relaxed);
            if flaws.bits() & !known == 0 {
                continue;
            }
            for flaw in flaws.beyond(told.fetch_or(flaws.bits(), Ordering::Relaxed)) {
                tracing::warn!(profile = %profile.name, "the app's session cookie is not as it should be: {}", flaw.text());
            }
        }
    }
}
