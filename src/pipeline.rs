//! The path of a request, on one screen. Read this first.
//!
//! Every stage is called once, in order, and what it returns is the proof that it ran: no token without a
//! [`VerifiedSession`], nothing sent without a [`Stripped`](crate::request::Stripped), nobody anonymous without the
//! route's own permission. [`Gateway::handle`] never fails: whatever goes wrong on the way is a `Refusal`, which is
//! counted, logged once and written down in one place.

mod bearer;
mod callers;
mod carried;
mod conclude;
mod desk;
mod gateway;
mod judgement;
mod keep_alive;
mod own;
mod own_cookies;
mod parts;
mod passage;
mod places;
mod progress;
mod record;
mod refusal;
mod rehearsed;
mod revoking;
mod rewrite;
mod route_state;
mod sharing;
mod streams;
mod strict_transport;
mod transit;
mod turned_down;
mod warnings;
mod writes;

pub use gateway::{Gateway, Shared};
pub use rehearsed::Rehearsed;
pub use route_state::RouteState;

use crate::config::StreamEnd;
use crate::door::Endpoint;
use crate::guard::{Admitted, meets_conditions};
use crate::listen::{Excess, Handler, Pace};
use crate::request::{Conn, Cookies, Inbound, ParseError, StripRules, exception_text};
use crate::respond::{
    Form, Reason, Rendering, ResponseBody, ResponseRules, Stream, clean, goes_on, render, seen_before,
};
use crate::route::{Anonymous, Found, Grant, Route};
use crate::session::VerifiedSession;
use crate::tls::ClientCertificate;
use crate::token::{Slots, TokenError, Tokens, Transaction};
use crate::upstream::{Introduction, Outbound, UpstreamBody};
use bearer::{elsewhere, is_by_bearer};
use callers::certified;
use http::header::ORIGIN;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use passage::Passage;
use record::{Record, target_of};
use refusal::{Cause, Refusal};
use streams::{Asked, Begun};

static CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
static CLOAKROOM_VERDICT: HeaderName = HeaderName::from_static("cloakroom-verdict");
/// Tells a client that its session could not be checked just now, and by which policy the request passed all the same.
static CLOAKROOM_OUTAGE: HeaderName = HeaderName::from_static("cloakroom-outage");

/// The route a request takes, with what was made ready for it.
#[derive(Clone, Copy)]
struct Way<'a> {
    route: &'a Route,
    state: &'a RouteState,
    passage: &'a Passage,
}

/// In whose name a request goes out.
enum Caller {
    /// Nobody's, by the route's permission; on an open route that is not even stated.
    Anonymous(Anonymous),
    /// Nobody's: a CORS preflight, which carries no cookie and gets none.
    Preflight(Anonymous),
    /// A user's or guest's.
    Known(Tokens, VerifiedSession<Slots>),
}

/// Who may pass, and whether that could be another site's doing.
struct Judgement {
    admitted: Admitted<Slots>,
    /// Whether a cookie speaks for the request, which browsers send along whoever made it.
    ambient: bool,
}

impl From<Admitted<Slots>> for Judgement {
    fn from(admitted: Admitted<Slots>) -> Self {
        Self { admitted, ambient: true }
    }
}

impl Handler for Gateway {
    type Body = ResponseBody;

    async fn handle(
        &self,
        conn: Conn,
        request: Result<Request<Incoming>, ParseError>,
    ) -> Response<ResponseBody> {
        let started = tokio::time::Instant::now();
        let mut record = Record::new(self.now(), self.ids.next());
        // Until the head says on whose behalf a trusted proxy speaks.
        record.client = Some(conn.peer.ip());
        let mut https = conn.tls;
        let mut response = match request {
            Err(error) => self.refuse(Refusal::malformed(error), Form::Problem, None, &mut record),
            Ok(request) => match Inbound::parse(request, conn, self.trusted_proxies(), record.id) {
                Err(malformed) => {
                    record.read_head(&malformed.head);
                    self.refuse(Refusal::malformed(malformed.error), Form::Problem, None, &mut record)
                }
                Ok(inbound) => {
                    https = inbound.origin().https;
                    self.answer(inbound, &mut record).await
                }
            },
        };
        if https {
            self.insist_on_tls(response.headers_mut());
        }
        self.conclude(&record, response.status(), started.elapsed());
        response
    }

    fn overloaded(&self, excess: &Excess<'_>) -> Option<Response<ResponseBody>> {
        Some(self.turn_away(excess))
    }

    fn panicked(&self) -> Option<Response<ResponseBody>> {
        Some(self.refuse_after_panic())
    }
}

impl Gateway {
    /// A well-formed request: forwarded, or refused in a form that its caller can read.
    async fn answer(&self, inbound: Box<Inbound>, record: &mut Record) -> Response<ResponseBody> {
        record.read(&inbound);
        if self.is_misdirected(&inbound) {
            return self.turn_down(Reason::Misdirected.into(), inbound, None, record).await;
        }
        if let Some(response) = self.publish(&inbound) {
            return response;
        }
        if Endpoint::is_ours(inbound.path().as_str()) {
            return Box::pin(self.own(inbound, record)).await;
        }
        let form = Form::of(inbound.method(), inbound.headers());
        let origin =
            inbound.headers().get(ORIGIN).filter(|origin| self.trusted_origins().contains(origin)).cloned();
        // Held until the answer's head is there.
        let place = self.places.take();
        let decided = match &place {
            Some(_) => self.decide(&inbound, record).await,
            None => Err(Reason::Overloaded.into()),
        };
        match decided {
            Ok((way, caller)) => match self.send(inbound, way, &caller, record).await {
                Ok(response) => response,
                Err(refusal) => self.refuse(refusal, form, origin, record),
            },
            Err(refusal) => {
                let refusal = self.offer_login(refusal, &inbound, record);
                self.turn_down(refusal, inbound, origin, record).await
            }
        }
    }

    /// The key set and discovery document, where `publish_jwks` puts them on the public port too.
    fn publish<B>(&self, inbound: &Inbound<B>) -> Option<Response<ResponseBody>> {
        let published = self.published()?;
        let document = published.find(inbound.path().as_str())?;
        // Who fetches it here is not noted as a service: anybody may.
        let readable = matches!(*inbound.method(), Method::GET | Method::HEAD);
        readable.then(|| document.answer(inbound.headers()).map(ResponseBody::Own))
    }

    /// First half of the path: route, session, guard, token. Nothing has been sent yet.
    async fn decide<B>(
        &self,
        inbound: &Inbound<B>,
        record: &mut Record,
    ) -> Result<(Way<'_>, Caller), Refusal> {
        let preflight = inbound.preflight_method();
        let way = self.find(inbound, preflight.as_ref())?;
        record.route = Some(way.route.id);
        self.limit(way, inbound).await?;
        if !way.state.is_open() && !self.minter().ring().is_ready() {
            return Err(Refusal::caused(Reason::StoreUnavailable, Cause::Token(TokenError::NoKey)));
        }
        if preflight.is_some() && !way.state.is_open() {
            if let Some(old) = self.preflight_in_transit(way) {
                return Ok(old);
            }
            let anonymous = way.route.preflight().ok_or(Reason::PreflightRefused)?;
            return Ok((way, Caller::Preflight(anonymous)));
        }
        let judged = self.limit_session_of_all(way, self.judge_caller(way, inbound, record).await).await;
        if let (Some(_), Ok(Judgement { admitted: Admitted::Known(session), .. })) = (&self.revoker, &judged)
            && session.session().marks.is_due(record.now)
        {
            Box::pin(self.note(session, inbound.cookies(), record.now)).await;
        }
        match &way.state.transit {
            None => match judged {
                Ok(judgement) => self.pass(way, inbound, judgement, record).map(|caller| (way, caller)),
                Err(refusal) => elsewhere(way, refusal),
            },
            Some(transit) => self.transit(way, transit, inbound, judged, record),
        }
    }

    /// Whether the access rule admits the request, and as whose.
    async fn judge_caller<B>(
        &self,
        way: Way<'_>,
        inbound: &Inbound<B>,
        record: &mut Record,
    ) -> Result<Judgement, Refusal> {
        certified(way.route, inbound)?;
        Ok(match way.state.grant {
            Grant::Open(anonymous) => Admitted::Anonymous(anonymous).into(),
            Grant::Optional(_) | Grant::Session | Grant::Required
                if let Some(bearer) = self.bearer(way, inbound) =>
            {
                // Boxed, as below: fetched keys may have to be waited for.
                Box::pin(self.judge_bearer(way, inbound, bearer, record)).await?
            }
            Grant::Optional(_) | Grant::Session | Grant::Required => {
                let profiles = &way.route.rules.sessions;
                let recalled =
                    self.authenticator.recall(inbound.cookies(), profiles, way.state.policy, record.now);
                match recalled {
                    Some(judged) => self.admit(way, Ok(judged), record)?.into(),
                    // Boxed: asking a store is the largest part of a future that is moved whole for every request.
                    None => Box::pin(self.look_up(way, inbound, record)).await?.into(),
                }
            }
        })
    }

    /// What an admitted request goes out with: whom else it must please, and its token.
    fn pass<B>(
        &self,
        way: Way<'_>,
        inbound: &Inbound<B>,
        judgement: Judgement,
        record: &mut Record,
    ) -> Result<Caller, Refusal> {
        match judgement.admitted {
            Admitted::Anonymous(anonymous) => Ok(Caller::Anonymous(anonymous)),
            Admitted::Known(session) => {
                self.limit_session(way, &session)?;
                self.guard(way, inbound, (&session, judgement.ambient), record)?;
                Ok(Caller::Known(self.tokens(way, inbound, &session, record)?, session))
            }
        }
    }

    /// Second half: strip, upstream, respond.
    async fn send(
        &self,
        mut inbound: Box<Inbound>,
        way: Way<'_>,
        caller: &Caller,
        record: &mut Record,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let Way { route, passage, .. } = way;
        record.forwarded = Some(passage.upstream);
        let cookies = inbound.take_cookies();
        let (is_safe, https) = (inbound.method().is_safe(), inbound.origin().https);
        let touched = self.keep_alive(passage, caller);
        let sending = self.forwarder.send(self.outbound(*inbound, way, caller), passage.upstream);
        let mut response = sending.await.map_err(Refusal::upstream)?;
        self.compare(way, (response.status(), response.headers()), &cookies, record);
        let authenticated = matches!(caller, Caller::Known(..));
        if authenticated && response.status() == StatusCode::UNAUTHORIZED {
            record.disagreed(response.headers());
        }
        let rules = ResponseRules { foreign_cookies: &passage.cookies_kept_here, authenticated };
        if clean(response.headers_mut(), rules) {
            self.warnings().set_cookie_dropped(route);
        }
        self.tend_cookies(passage, https, response.headers_mut());
        if passage.forward_cookie {
            self.doubt(is_safe, &cookies, response.headers());
        }
        if passage.learns {
            self.learn(route, &cookies, response.headers());
        }
        if touched && let Caller::Known(_, session) = caller {
            self.send_cookie_again(session, &cookies, response.headers_mut());
        }
        if let Some(rules) = &passage.response_headers {
            rules.apply(response.headers_mut());
        }
        if let Some(policy) = record.outage {
            response.headers_mut().insert(&CLOAKROOM_OUTAGE, HeaderValue::from_static(policy));
        }
        Ok(match caller {
            Caller::Known(_, session) if route.rules.streams == StreamEnd::Close && goes_on(&response) => {
                self.hold(response, cookies, session, route, record)
            }
            Caller::Known(..) | Caller::Anonymous(_) | Caller::Preflight(_) => {
                response.map(ResponseBody::Upstream)
            }
        })
    }

    /// Has an answer that goes on end with its session.
    fn hold(
        &self,
        response: Response<UpstreamBody>,
        cookies: Cookies,
        session: &VerifiedSession<Slots>,
        route: &Route,
        record: &Record,
    ) -> Response<ResponseBody> {
        let request = Asked::of(record, response.status());
        let (stream, response) = Stream::hold(response);
        let session = session.clone();
        // What a bearer began has nothing to do with the cookies beside it.
        let cookies = if is_by_bearer(&session) { Cookies::default() } else { cookies };
        self.streams.begin(Begun { stream, cookies, session, route: route.id, request });
        response.map(ResponseBody::Live)
    }

    /// The request as it goes out: stripped, and in the caller's name.
    fn outbound(&self, inbound: Inbound, way: Way<'_>, caller: &Caller) -> Outbound {
        let Way { route, state, passage } = way;
        let by_bearer = matches!(caller, Caller::Known(_, session) if is_by_bearer(session));
        self.warn(&inbound, (route, passage), by_bearer);
        let (ends, shown) = (passage.introduces.then(|| inbound.ends()), inbound.shown().certificate.clone());
        let stripped = inbound.strip(&self.strip_rules(way, caller));
        let mut outbound = Outbound::new(stripped, state.body_limit, route.rules.total_timeout);
        outbound.hold_to(Pace::new(&self.shared.config.server.limits));
        if let Some(field) = shown.as_ref().and_then(|certificate| certificate.field()) {
            outbound.set(&CLIENT_CERT, field);
        }
        if let Some((client, dialled)) = ends {
            outbound.introduce(Introduction::new(client, dialled));
        }
        match caller {
            Caller::Known(tokens, session) => {
                tokens.iter().for_each(|token| outbound.set(token.header(), token.expose()));
                if passage.sticky {
                    outbound.keep_with(session.session().sid.as_str());
                }
            }
            Caller::Anonymous(_) if !passage.says_anonymous => {}
            Caller::Anonymous(_) | Caller::Preflight(_) => {
                outbound.set(&CLOAKROOM_VERDICT, &HeaderValue::from_static("anonymous"));
            }
        }
        outbound
    }

    /// What [`Gateway::handle`] would do with a request, by the same decisions and without sending it: for `explain`.
    pub async fn rehearse<B>(&self, inbound: Box<Inbound<B>>) -> Rehearsed {
        let mut record = Record::new(self.now(), inbound.id());
        if self.publish(&inbound).is_some() {
            return Rehearsed::Published;
        }
        if Endpoint::is_ours(inbound.path().as_str()) {
            return match self.call(&inbound) {
                Ok(calling) => Rehearsed::Own(calling.endpoint.word()),
                Err(refusal) => refusal.rehearsed(),
            };
        }
        match self.decide(&inbound, &mut record).await {
            Ok((way, caller)) => {
                let (head, _, _) = inbound.strip(&self.strip_rules(way, &caller)).into_parts();
                Rehearsed::Forwarded {
                    head,
                    upstream: way.passage.upstream,
                    rules: way.passage.request_headers.clone(),
                    says_anonymous: way.passage.says_anonymous && !matches!(caller, Caller::Known(..)),
                    tokens: match caller {
                        Caller::Known(tokens, _) => Some(tokens),
                        Caller::Anonymous(_) | Caller::Preflight(_) => None,
                    },
                }
            }
            Err(refusal) => self.offer_login(refusal, &inbound, &record).rehearsed(),
        }
    }

    fn strip_rules<'a>(&'a self, Way { route, passage, .. }: Way<'a>, caller: &Caller) -> StripRules<'a> {
        StripRules {
            reserved: self.reserved(),
            cookies: &passage.cookies_kept_here,
            all_cookies: matches!(caller, Caller::Preflight(_)),
            authorization: passage.forward_authorization,
            method_is_policy: !route.rules.methods.is_empty(),
            headers: passage.request_headers.as_deref(),
            rewrites: passage.rewrites,
        }
    }

    /// A preflight is judged by the route of the request it asks for.
    fn find<B>(&self, inbound: &Inbound<B>, preflight: Option<&Method>) -> Result<Way<'_>, Refusal> {
        let method = preflight.unwrap_or_else(|| inbound.method());
        match self.routes().find(inbound.host().name(), inbound.path(), method) {
            Found::Nothing => Err(Reason::NotFound.into()),
            Found::OtherMethods(allow) => {
                Err(Refusal { allow: Some(allow), ..Reason::MethodNotAllowed.into() })
            }
            Found::Route(route) => match inbound.path().needs().beyond(route.allowed) {
                Some(exception) => {
                    Err(Refusal::malformed(ParseError::PathNeedsAllowance(exception_text(exception))))
                }
                None => {
                    self.rewrite(inbound, route, method)?;
                    let state = self.state(route).ok_or(Reason::NotFound)?;
                    Ok(Way { route, state, passage: &state.passage })
                }
            },
        }
    }

    /// What a session must meet besides being live.
    fn guard<B>(
        &self,
        Way { route, .. }: Way<'_>,
        inbound: &Inbound<B>,
        (session, ambient): (&VerifiedSession<Slots>, bool),
        record: &mut Record,
    ) -> Result<(), Refusal> {
        let foreign = ambient && self.trusted_origins().judge(inbound).is_err();
        if foreign && self.cross_site(route.rules.csrf, record) {
            return Err(Reason::CrossSite.into());
        }
        meets_conditions(&route.rules, session.session())
            .map_err(|attribute| Refusal::caused(Reason::Forbidden, Cause::Condition(attribute.to_owned())))
    }

    fn tokens<B>(
        &self,
        Way { state, .. }: Way<'_>,
        inbound: &Inbound<B>,
        session: &VerifiedSession<Slots>,
        record: &mut Record,
    ) -> Result<Tokens, Refusal> {
        let templates = state.templates.ok_or(Reason::TokenFailed)?;
        let origin = inbound.origin();
        let certificate = inbound.shown().certificate.as_deref().map(ClientCertificate::thumbprint);
        let (client, https, target) = (origin.client, origin.https, Some(target_of(inbound)));
        let transaction = Transaction { id: record.id.as_str(), client, https, target, certificate };
        let minted = self.minter().tokens_for(session, templates, &transaction, record.now);
        let tokens = minted.map_err(|error| match error {
            TokenError::TooLarge { .. } => Refusal::caused(Reason::TokenTooLarge, Cause::Token(error)),
            TokenError::SessionEnding => Reason::LoginRequired.into(),
            TokenError::NoKey => Refusal::caused(Reason::StoreUnavailable, Cause::Token(error)),
            TokenError::RandomFailed | TokenError::SigningFailed | TokenError::UnknownTemplate => {
                Refusal::caused(Reason::TokenFailed, Cause::Token(error))
            }
        })?;
        record.tokens = Some(tokens.clone());
        Ok(tokens)
    }

    /// A refused navigation goes to the route's login page, unless it has just been there.
    fn offer_login<B>(&self, refusal: Refusal, inbound: &Inbound<B>, record: &Record) -> Refusal {
        let route = record.route.and_then(|id| self.routes().routes().get(id.0));
        let template = route.and_then(|route| self.state(route)).and_then(|state| state.login.as_ref());
        match template {
            Some(template)
                if refusal.reason == Reason::LoginRequired
                    && !seen_before(inbound.cookies(), inbound.path()) =>
            {
                Refusal { login: template.redirect(inbound.path()).map(Box::new), ..refusal }
            }
            _ => refusal,
        }
    }

    /// Writes a refusal down, and leaves its cause for the access line.
    fn refuse(
        &self,
        refusal: Refusal,
        form: Form,
        cors: Option<HeaderValue>,
        record: &mut Record,
    ) -> Response<ResponseBody> {
        let Refusal { reason, cause, allow, login } = refusal;
        let limited = cause.as_ref().and_then(|cause| cause.exceeded());
        record.refused(reason, cause);
        let login = login.map(|login| *login);
        render(reason, Rendering { form, id: record.id, cors, login, allow, limited })
    }
}
