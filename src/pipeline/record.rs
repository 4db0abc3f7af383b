//! What the access line will say of a request, gathered on its way. Plain facts from an allow-list; nothing here decides.

use crate::clock::UnixMillis;
use crate::config::{IssuerId, ProfileId, RouteId, UpstreamId};
use crate::issuer::{BearerError, Judged};
use crate::migration::Answer;
use crate::pipeline::refusal::Cause;
use crate::pipeline::transit::Trial;
use crate::request::{Inbound, RequestId};
use crate::respond::Reason;
use crate::session::{Authenticated, Fingerprint, Source, Verdict};
use crate::token::{Target, Tokens};
use http::header::WWW_AUTHENTICATE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use std::net::IpAddr;

/// What a client, or a proxy before us, calls it.
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The facts.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) now: UnixMillis,
    pub(super) id: RequestId,
    pub(super) client: Option<IpAddr>,
    pub(super) client_request_id: Option<HeaderValue>,
    pub(super) method: Option<Method>,
    pub(super) host: Option<HeaderValue>,
    pub(super) target: Option<PathAndQuery>,
    pub(super) route: Option<RouteId>,
    pub(super) verdict: Option<&'static str>,
    pub(super) reject: Option<&'static str>,
    pub(super) profile: Option<ProfileId>,
    pub(super) issuer: Option<IssuerId>,
    pub(super) sid: Option<Fingerprint>,
    pub(super) tokens: Option<Tokens>,
    /// Who got it, if anybody.
    pub(super) forwarded: Option<UpstreamId>,
    /// What one of our own endpoints did.
    pub(super) own: Option<&'static str>,
    pub(super) cross_site_logged: bool,
    /// The policy that let it pass while its store could not be asked.
    pub(super) outage: Option<&'static str>,
    pub(super) session_from: Option<&'static str>,
    pub(super) refusal: Option<(Reason, Option<Box<Cause>>)>,
    /// What an upstream that refused our token said about it.
    pub(super) disagreement: Option<String>,
    /// What is compared at its end, on a route that is on its way to its rules.
    pub(super) trial: Option<Trial>,
    /// What the rules would have made of it, where they were not followed.
    pub(super) would: Option<&'static str>,
    /// What the app made of it by itself.
    pub(super) answer: Option<Answer>,
    /// Whether a session cookie went out with it, and no token.
    pub(super) cookie_alone: bool,
}

/// What a request asks for, as a token may say it.
pub(super) fn target_of<B>(inbound: &Inbound<B>) -> Target<'_> {
    Target {
        method: inbound.method().as_str(),
        host: inbound.host().raw().to_str().unwrap_or_default(),
        path: inbound.path().as_str(),
    }
}

impl Record {
    pub(super) const fn new(now: UnixMillis, id: RequestId) -> Self {
        Self {
            now,
            id,
            client: None,
            client_request_id: None,
            method: None,
            host: None,
            target: None,
            route: None,
            verdict: None,
            reject: None,
            profile: None,
            issuer: None,
            sid: None,
            tokens: None,
            forwarded: None,
            own: None,
            cross_site_logged: false,
            outage: None,
            session_from: None,
            refusal: None,
            disagreement: None,
            trial: None,
            would: None,
            answer: None,
            cookie_alone: false,
        }
    }

    /// What a request shows that nobody looks at.
    pub(super) fn read_request<B>(&mut self, request: &Request<B>) {
        self.method = Some(request.method().clone());
        self.host = request.headers().get(http::header::HOST).cloned();
        self.target = request.uri().path_and_query().cloned();
    }

    /// What a malformed request shows.
    pub(super) fn read_head(&mut self, head: &http::request::Parts) {
        self.method = Some(head.method.clone());
        self.host = head.headers.get(http::header::HOST).cloned();
        self.target = head.uri.path_and_query().cloned();
    }

    pub(super) fn read(&mut self, inbound: &Inbound) {
        self.client = Some(inbound.origin().client);
        self.client_request_id = inbound.headers().get(&X_REQUEST_ID).cloned();
        self.method = Some(inbound.method().clone());
        self.host = Some(inbound.host().raw().clone());
        self.target = Some(inbound.path().raw().clone());
    }

    pub(super) fn judged<T>(&mut self, judged: Authenticated<T>) -> Verdict<T> {
        let Authenticated { verdict, profile, sid, source } = judged;
        (self.verdict, self.reject) = match &verdict {
            Verdict::Absent => (Some("absent"), None),
            Verdict::Rejected(reject) => (Some("rejected"), Some(reject.code())),
            Verdict::Verified(_) => (Some("verified"), None),
        };
        self.profile = profile;
        self.sid = sid;
        self.session_from = match source {
            Source::Cookie => None,
            Source::Cache => Some("cache"),
            Source::Known(_) => Some("known"),
            Source::Store => Some("store"),
        };
        verdict
    }

    /// What the bearer proved; of a cookie beside it nothing is said.
    pub(super) fn bearer<T>(&mut self, judged: &Judged<T>) {
        self.issuer = judged.issuer;
        self.verdict = Some(match &judged.verdict {
            Ok(_) => "verified",
            Err(BearerError::Rejected(_)) => "rejected",
            Err(BearerError::Unavailable(_)) => "unknown",
        });
        self.sid = judged.verdict.as_ref().ok().map(|session| session.session().sid.clone());
        self.session_from = judged.from_memory.then_some("cache");
    }

    /// The store could not be asked about this session.
    pub(super) fn unknown(&mut self, profile: ProfileId, sid: &Fingerprint) {
        self.verdict = Some("unknown");
        self.profile = Some(profile);
        self.sid = Some(sid.clone());
    }

    pub(super) fn refused(&mut self, reason: Reason, cause: Option<Box<Cause>>) {
        self.refusal = Some((reason, cause));
    }

    /// The service does not accept the token we made: its own words, cut to what a line may hold.
    pub(super) fn disagreed(&mut self, headers: &HeaderMap) {
        let said = headers
            .get(WWW_AUTHENTICATE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("no WWW-Authenticate");
        self.disagreement = Some(said.chars().take(256).collect());
    }
}
