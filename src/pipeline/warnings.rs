//! What operators are told once.

use crate::pipeline::gateway::Gateway;
use crate::pipeline::passage::Passage;
use crate::request::Inbound;
use crate::route::Route;
use http::header::AUTHORIZATION;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Things worth saying once, however often they happen.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<HashSet<String>>);

/// How many different ones are remembered; a client cannot make us remember more.
const WARNINGS_MAX: usize = 1024;

impl Gateway {
    /// Says once what is taken from a request and which key would change it.
    pub(super) fn warn(&self, inbound: &Inbound, (route, passage): (&Route, &Passage), by_bearer: bool) {
        if !by_bearer && !passage.forward_authorization && inbound.headers().contains_key(AUTHORIZATION) {
            self.warnings().authorization_removed(route);
        }
        if inbound.origin().ignored_proto {
            self.warnings().proto_ignored(inbound.origin().client);
        }
    }
}

impl Warnings {
    /// Says `text` if it was not said before.
    fn once(&self, key: String, say: impl FnOnce()) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < WARNINGS_MAX && said.insert(key) {
            drop(said);
            say();
        }
    }

    pub(super) fn set_cookie_dropped(&self, route: &Route) {
        let path = &route.rules.path.value;
        self.once(format!("set-cookie {path}"), || {
            tracing::warn!(
                route = %path,
                "dropped a Set-Cookie for a session cookie: this upstream never gets that cookie, so what it sets would log the \
                 user out; set `forward_cookie = true` on the route if it owns the session"
            );
        });
    }

    pub(super) fn authorization_removed(&self, route: &Route) {
        let path = &route.rules.path.value;
        self.once(format!("authorization {path}"), || {
            tracing::warn!(
                route = %path,
                "removed a client's Authorization; set `forward_authorization = true` on the route if its upstream checks it"
            );
        });
    }

    pub(super) fn proto_ignored(&self, peer: std::net::IpAddr) {
        self.once(format!("proto {peer}"), || {
            tracing::warn!(
                %peer,
                "ignored X-Forwarded-Proto from a peer that is not trusted; add it to `server.trusted_proxies` if it is your proxy"
            );
        });
    }
}
