//! Which rules a request falls under.
//!
//! Job: host, then path, then method, to exactly one [`Route`]; the most specific wins; what is ambiguous does not
//! load. Not the job: judging the path's bytes (`request`), deciding on access (`guard`).
//!
//! Threat: two spellings of one path. Apps like Express ignore case and a trailing slash, and most unescape what need
//! not be escaped. If such a reading of the request falls under a stricter route than the bytes do, the answer is
//! that there is no such path: a lax app must never serve `/Admin` under the rules of `/*`.
//!
//! Invariant: only a route whose access lets anonymous requests pass, or whose rules are not enforced yet, can hand out
//! [`Anonymous`], the permission without which nothing is forwarded without a token.
//!
//! The folder is a *roof*.

mod pattern;
mod table;
mod tree;

pub use table::{Found, RouteTable};

use crate::config::{Access, RouteId, UpstreamId};
use crate::request::PathExceptions;

/// A route as the pipeline uses it.
#[derive(Debug)]
pub struct Route {
    /// Its index in the configuration.
    pub id: RouteId,
    /// What was configured.
    pub rules: crate::config::Route,
    /// `allow_in_path`, compiled.
    pub allowed: PathExceptions,
}

/// Permission to forward a request without a token. Only [`Route::elsewhere`], [`Route::grant`], [`Route::as_before`] and [`Route::preflight`] make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anonymous(());

/// Who may pass a route, with the permission to pass anonymously where it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Everybody, without a token.
    Open(Anonymous),
    /// Everybody, with a token where there is a session.
    Optional(Anonymous),
    /// Whoever has a live session.
    Session,
    /// Whoever is logged in.
    Required,
}

impl Route {
    /// What tells it from the other routes: hosts and path, and methods where it is for some only.
    pub fn label(&self) -> String {
        let hosts: Vec<&str> = self.rules.hosts.iter().map(|host| host.value.as_str()).collect();
        let methods: Vec<&str> = self.rules.methods.iter().map(http::Method::as_str).collect();
        let label = format!("{}{} {}", hosts.join(","), self.rules.path.value, methods.join(","));
        label.trim_end().to_owned()
    }

    /// What the route's access grants.
    pub const fn grant(&self) -> Grant {
        match self.rules.access {
            Access::Open => Grant::Open(Anonymous(())),
            Access::Optional => Grant::Optional(Anonymous(())),
            Access::Session => Grant::Session,
            Access::Required => Grant::Required,
        }
    }

    /// The permission to pass as before there was a gateway, on a route whose rules are not enforced, or not for everybody.
    pub const fn as_before(&self) -> Option<Anonymous> {
        if self.rules.shadow || self.rules.rollout.is_some() { Some(Anonymous(())) } else { None }
    }

    /// The permission for a CORS preflight to pass without cookie and token, if the route forwards them.
    pub const fn preflight(&self) -> Option<Anonymous> {
        match self.rules.preflight {
            crate::config::Preflight::Forward => Some(Anonymous(())),
            crate::config::Preflight::Refuse => None,
        }
    }

    /// The permission for bearers of none of the route's issuers to go on to who judges them, if it names that.
    pub const fn elsewhere(&self) -> Option<(UpstreamId, Anonymous)> {
        match self.rules.other_bearers {
            Some(upstream) => Some((upstream, Anonymous(()))),
            None => None,
        }
    }

    /// Whether `self` lets fewer pass than `other`, or others. A shadow lets everybody pass; so does a rollout those who are not moved,
    /// which says nothing against a route with a rollout of its own.
    fn is_stricter_than(&self, other: &Self) -> bool {
        if self.rules.shadow {
            return false;
        }
        let lapses = other.rules.shadow || (other.rules.rollout.is_some() && self.rules.rollout.is_none());
        let mine = self.rules.access;
        let theirs = if lapses { Access::Open } else { other.rules.access };
        let takes_more = self.rules.client_certificate && (lapses || !other.rules.client_certificate);
        takes_more
            || mine > theirs
            || (mine == theirs && !self.rules.require.is_empty() && !self.same_conditions(other))
    }

    /// Whether it says of every request what `other` says, as long as sessions and issuers are the same.
    pub fn judges_as(&self, other: &Self) -> bool {
        let (mine, theirs) = (&self.rules, &other.rules);
        mine.access == theirs.access
            && mine.sessions == theirs.sessions
            && mine.issuers == theirs.issuers
            && mine.client_certificate == theirs.client_certificate
            && mine.csrf == theirs.csrf
            && self.same_conditions(other)
    }

    fn same_conditions(&self, other: &Self) -> bool {
        let conditions = |route: &Self| {
            route
                .rules
                .require
                .iter()
                .map(|(name, values)| (name.value.clone(), values.clone()))
                .collect::<Vec<_>>()
        };
        conditions(self) == conditions(other)
    }
}
