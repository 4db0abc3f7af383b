//! Requests to the gateway itself: what is below `/.cloakroom/` goes no further, whatever the routes say.

use crate::config::{Backchannel, Logout, Pair, RefreshPlace, RouteId};
use crate::door::{
    self, BODY_BYTES_MAX, Done, Door, Endpoint, Fields, Leaving, Notice, Scope, Turned, Visit, Witness,
};
use crate::pipeline::gateway::{Gateway, Worker};
use crate::pipeline::record::Record;
use crate::pipeline::refusal::{Cause, Refusal};
use crate::request::{Cookies, Inbound, ParseError};
use crate::respond::{Form, Reason, ResponseBody, drain};
use crate::revocation::Revoker;
use crate::session::{Authenticated, SessionError, Verdict};
use crate::tls::ClientCertificate;
use crate::token::{InternalToken, Slots, TemplateId, TokenError, Transaction};
use bytes::Bytes;
use http::header::{CONNECTION, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::time::Duration;

/// A few hundred bytes come at once or not at all.
const BODY_WAIT: Duration = Duration::from_secs(10);

/// What is counted for no route is counted over all of them only.
const NO_ROUTE: RouteId = RouteId(usize::MAX);

/// Which endpoint is called, and by which rules it answers.
#[derive(Clone, Copy)]
pub(super) struct Calling<'a> {
    pub(super) endpoint: Endpoint,
    rules: Rules<'a>,
}

#[derive(Clone, Copy)]
enum Rules<'a> {
    Backchannel { rules: &'a [Backchannel], revoker: &'a Revoker },
    Logout(&'a Logout),
    Pair { door: &'a Door, pair: &'a Pair, template: TemplateId },
}

/// What a client sent, read whole.
struct Message<'a> {
    headers: &'a HeaderMap,
    cookies: &'a Cookies,
    body: &'a [u8],
    transaction: Transaction<'a>,
}

impl Gateway {
    /// Answers a request to one of our own endpoints.
    pub(super) async fn own(&self, mut inbound: Box<Inbound>, record: &mut Record) -> Response<ResponseBody> {
        let form = Form::of(inbound.method(), inbound.headers());
        let origin =
            inbound.headers().get(ORIGIN).filter(|origin| self.trusted_origins().contains(origin)).cloned();
        let client = inbound.origin().client;
        let called = self.call(&inbound).and_then(|calling| self.limit_own(client).map(|()| calling));
        let calling = match (called, &origin) {
            (Err(Refusal { reason: Reason::MethodNotAllowed, .. }), Some(origin))
                if inbound.preflight_method() == Some(Method::POST) =>
            {
                return door::preflight(origin.clone());
            }
            (Err(refusal), _) => {
                let mut response = self.refuse(refusal, form, origin, record);
                if !drain(inbound.into_body()).await {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                return response;
            }
            (Ok(calling), _) => calling,
        };
        let word = calling.endpoint.word();
        let id = record.id;
        let shown = inbound.shown().certificate.clone();
        let transaction = Transaction {
            id: id.as_str(),
            client,
            https: inbound.origin().https,
            target: None,
            certificate: shown.as_deref().map(ClientCertificate::thumbprint),
        };
        let cookies = inbound.take_cookies();
        let (headers, body) = inbound.into_message();
        let done = match read(body).await {
            Err(fault) => Err(Refusal::malformed(fault)),
            Ok(body) => {
                let message = Message { headers: &headers, cookies: &cookies, body: &body, transaction };
                self.serve_own(calling, message, record).await.map_err(Refusal::turned)
            }
        };
        let (response, outcome) = match done {
            Ok(mut done) => {
                if let Some(origin) = origin {
                    door::permit(&mut done.response, origin);
                }
                (done.response, done.outcome)
            }
            Err(refusal) => {
                if let (Some(limiter), Some("unknown-session")) = (self.limiter(), record.reject) {
                    limiter.found_none(client);
                }
                let outcome = refusal.cause.as_ref().map_or("unclear", |cause| cause.outcome());
                let over = refusal.reason == Reason::InvalidGrant;
                let mut response = self.refuse(refusal, form, origin, record);
                if let (true, Rules::Pair { pair: Pair { refresh: RefreshPlace::Cookie, .. }, .. }) =
                    (over, calling.rules)
                {
                    door::forget(&mut response);
                }
                (response, outcome)
            }
        };
        record.own = Some(outcome);
        self.metrics().count_own(word, outcome);
        response
    }

    async fn serve_own(
        &self,
        Calling { endpoint, rules }: Calling<'_>,
        Message { headers, cookies, body, transaction }: Message<'_>,
        record: &mut Record,
    ) -> Result<Done, Turned> {
        let (authenticator, now) = (&self.authenticator, record.now);
        match rules {
            Rules::Logout(logout) => {
                let (scope, revoker) = (Scope::read(&Fields::read(headers, body)?)?, self.revoker.as_deref());
                let leaving = Leaving { logout, authenticator, cookies, headers, scope, revoker, now };
                leaving.log_out(record).await
            }
            Rules::Backchannel { rules, revoker } => {
                let (fields, issuers) = (&Fields::read(headers, body)?, self.shared.issuers().as_ref());
                Notice { rules, issuers, authenticator, revoker, fields, now }.heed().await
            }
            Rules::Pair { door, pair, template } => {
                let fields = &Fields::read(headers, body)?;
                let (minter, session_cookies) = (self.minter(), self.shared.session_cookies());
                let revoker = self.revoker.as_deref();
                let visit = Visit {
                    revoker,
                    pair,
                    template,
                    issuer: &self.shared.config.tokens.issuer,
                    authenticator,
                    minter,
                    session_cookies,
                    cookies,
                    fields,
                    transaction,
                    now,
                };
                match endpoint {
                    Endpoint::Refresh => door.refresh(&visit, record).await,
                    Endpoint::Revoke => door.revoke(&visit).await,
                    Endpoint::Backchannel | Endpoint::Logout | Endpoint::Token => {
                        door.trade(&visit, record).await
                    }
                }
            }
        }
    }
}

impl Worker {
    /// Whom a request calls: an endpoint that is configured, by POST, and not from another site's page.
    pub(super) fn call<B>(&self, inbound: &Inbound<B>) -> Result<Calling<'_>, Refusal> {
        let endpoint = Endpoint::at(inbound.path().as_str()).ok_or(Reason::NotFound)?;
        if !self.minter().ring().is_ready() {
            return Err(Refusal::caused(Reason::StoreUnavailable, Cause::Token(TokenError::NoKey)));
        }
        let rules = match endpoint {
            Endpoint::Backchannel => self.backchannel_rules(),
            Endpoint::Logout => self.shared.config.logout.as_ref().map(Rules::Logout),
            Endpoint::Token | Endpoint::Refresh | Endpoint::Revoke => self.pair_rules(),
        };
        let rules = rules.ok_or(Reason::NotFound)?;
        if inbound.method() != Method::POST {
            return Err(Refusal { allow: Some("POST".to_owned()), ..Reason::MethodNotAllowed.into() });
        }
        self.trusted_origins().judge(inbound).map_err(|_| Reason::CrossSite)?;
        Ok(Calling { endpoint, rules })
    }

    /// How often a client may ask, over all routes; and whether too many of its sessions were none.
    fn limit_own(&self, client: IpAddr) -> Result<(), Refusal> {
        let Some(limiter) = self.limiter() else { return Ok(()) };
        let counted = limiter.request(NO_ROUTE, client).and_then(|()| limiter.lookup(client));
        counted.map_err(|exceeded| {
            self.metrics().count_limited("own", exceeded.limit);
            exceeded.into()
        })
    }

    fn backchannel_rules(&self) -> Option<Rules<'_>> {
        let rules = self.shared.config.logout.as_ref().map(|logout| &*logout.backchannel)?;
        let revoker = self.revoker.as_deref()?;
        (!rules.is_empty()).then_some(Rules::Backchannel { rules, revoker })
    }

    fn pair_rules(&self) -> Option<Rules<'_>> {
        let (pair, door) = (self.shared.config.pair.as_ref()?, self.door.as_ref()?);
        Some(Rules::Pair { door, pair, template: self.minter().templates().of_pair()? })
    }
}

impl Refusal {
    fn turned(turned: Turned) -> Self {
        Self::caused(turned.reason(), Cause::Turned(turned))
    }
}

impl Witness for Record {
    fn judged(&mut self, judged: Authenticated<Slots>) -> Verdict<Slots> {
        Self::judged(self, judged)
    }

    fn unknown(&mut self, error: &SessionError) {
        Self::unknown(self, error.profile, &error.sid);
    }

    fn minted(&mut self, token: &InternalToken) {
        self.tokens = Some(token.clone().into());
    }
}

/// The whole of a short body.
pub(super) async fn read(body: Incoming) -> Result<Bytes, ParseError> {
    let whole = tokio::time::timeout(BODY_WAIT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match whole {
        Err(_) => Err(ParseError::BodyTimedOut),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ParseError::BodyTooLarge),
        Ok(Err(_)) => Err(ParseError::BodyIncomplete),
    }
}
