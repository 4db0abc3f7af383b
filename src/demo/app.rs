//! The login app: an express app in all that the gateway could tell, with the page to click through.

use crate::demo::answer::{Answer, answer, json, text, with};
use crate::demo::page::Page;
use crate::demo::person::Person;
use crate::demo::session::{self, COOKIE, Session, SessionError, Sessions};
use crate::listen::Handler;
use crate::request::{Conn, Cookies, ParseError, safe_return};
use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_SECURITY_POLICY, HeaderMap, LOCATION, SET_COOKIE};
use http::{HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::rc::Rc;

/// Longest login form.
const FORM_BYTES_MAX: usize = 8 * 1024;
/// So much of an id is shown: enough to recognise it, far too little to use it.
const SHOWN: usize = 8;
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The app.
#[derive(Clone)]
pub(super) struct App(Rc<Inner>);

/// What the app is made of.
pub(super) struct Inner {
    pub(super) sessions: Sessions,
    pub(super) page: Page,
    /// How the gateway's tokens and logs name the session with an id; only for the page to show.
    pub(super) fingerprint: Box<dyn Fn(&str) -> String>,
    /// What the page says of the rest of the demo.
    pub(super) surroundings: Value,
    /// The configuration of the gateway.
    pub(super) gateway_toml: String,
}

/// How a request ends that does not get what it asked for.
type Failure = Box<dyn std::error::Error>;

impl App {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Rc::new(inner))
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        let path = request.uri().path().to_owned();
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        Ok(match path.as_str() {
            "/" | "/login" if get => self.page(),
            "/me" if get => self.me(request.headers()).await?,
            "/gateway.toml" if get => {
                answer(StatusCode::OK, "text/plain; charset=utf-8", self.0.gateway_toml.clone())
            }
            "/login" | "/logout" if request.method() != Method::POST => {
                with(text(StatusCode::METHOD_NOT_ALLOWED, "only POST"), ALLOW, "POST")
            }
            "/login" | "/logout" if is_cross_site(request.headers()) => {
                text(StatusCode::FORBIDDEN, "another site's page sent this")
            }
            "/login" => self.login(request).await?,
            "/logout" => self.logout(request).await?,
            _ => text(StatusCode::NOT_FOUND, "not found"),
        })
    }

    fn page(&self) -> Answer {
        let page = answer(StatusCode::OK, "text/html; charset=utf-8", self.0.page.html());
        with(page, CONTENT_SECURITY_POLICY, self.0.page.policy())
    }

    async fn me(&self, headers: &HeaderMap) -> Result<Answer, Failure> {
        let session = self.session(headers).await?;
        let record = session.as_ref().and_then(|session| session.record.as_ref());
        let user = record.and_then(|record| {
            let id = record.pointer("/passport/user")?;
            Some(json!({ "id": id, "name": record.pointer("/user/name") }))
        });
        let cookie = session.as_ref().map(|session| {
            let shown = session.id.get(..SHOWN).unwrap_or_default();
            json!({
                "name": COOKIE,
                "starts": format!("s%3A{shown}"),
                "key": format!("{}…", session::key(shown)),
                "fingerprint": (self.0.fingerprint)(&session.id),
            })
        });
        let me = json!({ "user": user, "cookie": cookie, "record": record, "demo": self.0.surroundings });
        Ok(json(StatusCode::OK, &me))
    }

    async fn login(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        let (head, body) = request.into_parts();
        let Ok(form) = Limited::new(body, FORM_BYTES_MAX).collect().await else {
            return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "a login form is shorter"));
        };
        let form = form.to_bytes();
        let Some(person) = field(&form, "user").and_then(|user| Person::find(&user)) else {
            return Ok(text(StatusCode::UNPROCESSABLE_ENTITY, "`user` is alice or bob"));
        };
        let old = self.session(&head.headers).await?;
        let cookie = self.0.sessions.start(person, old.as_ref()).await?;
        let next = field(&form, "next").unwrap_or_default();
        Ok(with(go_on(&head.headers, safe_return(&next)), SET_COOKIE, &cookie))
    }

    async fn logout(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        if let Some(session) = self.session(request.headers()).await? {
            self.0.sessions.end(&session).await?;
        }
        Ok(go_on(request.headers(), "/"))
    }

    async fn session(&self, headers: &HeaderMap) -> Result<Option<Session>, SessionError> {
        self.0.sessions.find(&Cookies::from_headers(headers)).await
    }
}

impl Handler for App {
    type Body = Full<Bytes>;

    async fn handle(&self, _conn: Conn, request: Result<Request<Incoming>, ParseError>) -> Answer {
        let Ok(request) = request else { return text(StatusCode::BAD_REQUEST, "malformed request") };
        self.answer(request).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the login app failed");
            text(StatusCode::SERVICE_UNAVAILABLE, "the store of the sessions cannot be asked")
        })
    }
}

/// Where the browser goes now: a redirect for a form, the path for a script.
fn go_on(headers: &HeaderMap, next: &str) -> Answer {
    let script = headers.get(ACCEPT).is_some_and(|accept| accept == "application/json");
    if script {
        return json(StatusCode::OK, &json!({ "next": next }));
    }
    with(text(StatusCode::SEE_OTHER, "see there"), LOCATION, next)
}

/// Without this another site could log its visitors in here as somebody of its choice.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get(&SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
}

/// A field of a form.
fn field(form: &[u8], name: &str) -> Option<String> {
    let pairs = std::str::from_utf8(form).ok()?.split('&');
    let (_, value) = pairs.filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name)?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_field_is_unescaped_once() {
        let form = b"user=alice&next=%2Fa%3Fb%3D%2525+c";
        assert_eq!(field(form, "next").unwrap(), "/a?b=%25 c");
        assert_eq!(field(form, "nex"), None);
    }

    #[test]
    fn a_login_from_another_sites_page_is_seen() {
        let from = |site: &'static str| {
            HeaderMap::from_iter([(SEC_FETCH_SITE.clone(), http::HeaderValue::from_static(site))])
        };
        assert!(is_cross_site(&from("cross-site")) && is_cross_site(&from("same-site")));
        assert!(!is_cross_site(&from("same-origin")) && !is_cross_site(&HeaderMap::new()));
    }
}
