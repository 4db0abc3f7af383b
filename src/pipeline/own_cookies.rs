//! The session cookies that an app sets through us: looked at, and put right where that is configured.

use crate::config::{Config, ProfileId};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::passage::Passage;
use crate::respond::CookieCare;
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

/// What is looked after for these profiles.
pub(super) fn cares<'a>(
    of: impl Iterator<Item = &'a ProfileId>,
    config: &Config,
    profiles: &[Profile],
) -> Vec<(ProfileId, CookieCare)> {
    of.filter_map(|id| {
        let names = profiles.get(id.0)?.format.cookie_names();
        let repair = config.profiles.get(id.0)?.cookie_repair.clone();
        Some((*id, CookieCare { names, repair }))
    })
    .collect()
}

impl Gateway {
    /// Looks after every session cookie that the answer sets; what is wrong is said once for each profile and flaw.
    pub(super) fn tend_cookies(&self, passage: &Passage, https: bool, headers: &mut HeaderMap) {
        if passage.cares.is_empty() || !headers.contains_key(SET_COOKIE) {
            return;
        }
        for (id, care) in &passage.cares {
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
