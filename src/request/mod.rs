//! One canonical view of a request, parsed once at the edge.
//!
//! Job: take what hyper read (after `listen`'s head guard let it pass, or from HTTP/2's frames) and either refuse it as a message or make an
//! [`Inbound`]: method, host, path, cookies, the chain of proxies it came through, a request id, the WebSocket
//! handshake if it is one. Later, when everything is decided, turn it into [`Stripped`]: the same request without
//! anything a client could use to speak in the gateway's name. Not the job: knowing routes, sessions or tokens.
//!
//! Threat: two readers of one message. If the gateway judges `/public/%2e%2e/admin` and the app serves `/admin`, the
//! gateway guarded nothing; the same goes for two Hosts, an absolute-form target, a `Connection: authorization`, an
//! `X_User` beside `X-User`. So whatever is known to be read in two ways is refused, nothing is normalised, and the bytes
//! judged are the bytes forwarded.
//!
//! Invariant: nothing behind this room looks at raw bytes again, and `upstream` takes nothing but a [`Stripped`].
//!
//! The folder is a *roof*: this file uses its children, no child uses it.

mod address;
mod conn;
mod cookie;
mod error;
mod forwarded;
#[cfg(fuzzing)]
pub mod fuzz;
mod header;
mod header_rules;
mod host;
mod http2;
mod id;
mod navigation;
mod path;
mod return_path;
mod rewrite;
mod strip;
mod trust;
mod upgrade;

pub use address::push_address;
pub use conn::Conn;
pub use cookie::Cookies;
pub use error::ParseError;
pub use header::{Reserved, has_token};
pub use header_rules::{HeaderRules, refuse_reserved};
pub use host::Host;
pub use id::{RequestId, RequestIds};
pub use navigation::{is_grpc, is_navigation, is_safe};
pub use path::{Path, PathExceptions, exception_text, fold};
pub use return_path::safe_return;
pub use strip::{StripRules, Stripped, Upgrade};
pub use trust::Origin;

use crate::tls::Shown;
use http::request::Parts;
use http::{Method, Request, Version};
use hyper::body::Incoming;
use ipnet::IpNet;
use std::cell::OnceCell;
use std::net::SocketAddr;

/// A request that is one well-formed message in one reading. Its body is hyper's, or nothing where a request is only judged.
#[derive(Debug)]
pub struct Inbound<B = Incoming> {
    head: Parts,
    body: B,
    conn: Conn,
    host: Host,
    path: Path,
    cookies: Cookies,
    origin: Origin,
    id: RequestId,
    accept: Option<String>,
    /// The path as the service knows it, where that is another one.
    seen: OnceCell<Box<Path>>,
}

/// A request that is refused as a message, with what is left of it for the log and the answer.
#[derive(Debug)]
pub struct Malformed {
    /// What is wrong.
    pub error: ParseError,
    /// The head as hyper read it.
    pub head: Parts,
}

impl<B> Inbound<B> {
    /// Judges a request that came over `conn` and gives it the name `id`. Boxed, since it is handed on from stage to stage.
    ///
    /// # Errors
    /// [`Malformed`], always the client's doing.
    pub fn parse(
        request: Request<B>,
        conn: Conn,
        trusted: &[IpNet],
        id: RequestId,
    ) -> Result<Box<Self>, Box<Malformed>> {
        let (mut head, body) = request.into_parts();
        let told_as_http1 = match head.version {
            Version::HTTP_2 => http2::canonicalise(&mut head, conn.tls, id),
            _ => Ok(()),
        };
        let judged = told_as_http1.and_then(|()| judge(&head));
        match judged {
            Err(error) => Err(Box::new(Malformed { error, head })),
            Ok((host, path, accept)) => {
                let cookies = Cookies::from_headers(&head.headers);
                let origin = Origin::read(&conn, &head.headers, trusted);
                let seen = OnceCell::new();
                Ok(Box::new(Self { head, body, conn, host, path, cookies, origin, id, accept, seen }))
            }
        }
    }

    /// The method, byte for byte.
    pub const fn method(&self) -> &Method {
        &self.head.method
    }

    /// The client's fields, all of them.
    pub const fn headers(&self) -> &http::HeaderMap {
        &self.head.headers
    }

    /// The host.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The path.
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// Has it forwarded with `add` in the place of `strip` at the front of its path, and returns that path. Done once.
    ///
    /// # Errors
    /// If that is no path that could have come.
    pub fn rewrite(&self, strip: &str, add: &str) -> Result<&Path, ParseError> {
        let seen = Box::new(rewrite::rewritten(&self.path, strip, add)?);
        Ok(self.seen.get_or_init(|| seen))
    }

    /// The cookies.
    pub const fn cookies(&self) -> &Cookies {
        &self.cookies
    }

    /// Takes the cookies out; stripping does not need them.
    pub fn take_cookies(&mut self) -> Cookies {
        std::mem::take(&mut self.cookies)
    }

    /// Where it came from.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What the client showed of itself in the handshake.
    pub const fn shown(&self) -> &Shown {
        &self.conn.shown
    }

    /// Both ends of the client's connection. A proxy tells of an address without its port, which is 0 then.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        let peer = self.conn.peer;
        let port = if peer.ip().to_canonical() == self.origin.client { peer.port() } else { 0 };
        (SocketAddr::new(self.origin.client, port), self.conn.local)
    }

    /// Its name.
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// Whether it is a WebSocket handshake.
    pub const fn is_upgrade(&self) -> bool {
        self.accept.is_some()
    }

    /// Takes away whatever could pass for the gateway's word, and what this hop or this route does not pass on; then sets
    /// the gateway's own forwarding fields.
    pub fn strip(mut self, rules: &StripRules<'_>) -> Stripped<B> {
        strip::strip(&mut self.head, rules);
        self.origin.write(&self.conn, &self.host, &mut self.head.headers);
        self.head.headers.insert(strip::X_REQUEST_ID.clone(), self.id.header());
        let seen = self.seen.get().filter(|_| rules.rewrites).map_or(&self.path, |seen| seen);
        self.head.uri = seen.raw().clone().into();
        if let Some(rules) = rules.headers {
            rules.apply(&mut self.head.headers);
        }
        let client = self.head.extensions.remove::<hyper::upgrade::OnUpgrade>();
        let connects = self.head.version == Version::HTTP_2;
        let upgrade = self.accept.zip(client).map(|(accept, client)| Upgrade { client, accept, connects });
        Stripped { head: self.head, body: self.body, upgrade }
    }

    /// The method that a CORS preflight asks for; `None` if this is no preflight.
    pub fn preflight_method(&self) -> Option<Method> {
        navigation::preflight_method(&self.head)
    }

    /// Takes it apart, for an answer of our own.
    pub fn into_message(self) -> (http::HeaderMap, B) {
        (self.head.headers, self.body)
    }

    /// Drops everything but the body, so that it can be drained before a refusal is written; `None` if the client waits
    /// for a 100 before it sends one, which reading would promise.
    pub fn into_body(self) -> Option<B> {
        let waits = self.head.headers.contains_key(http::header::EXPECT);
        (!waits).then_some(self.body)
    }
}

/// What can be said of the head alone.
fn judge(head: &Parts) -> Result<(Host, Path, Option<String>), ParseError> {
    if !matches!(head.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        return Err(ParseError::UnsupportedVersion);
    }
    if matches!(head.method, Method::CONNECT | Method::TRACE) || !is_known_shape(&head.method) {
        return Err(ParseError::MethodRefused);
    }
    let host = host_of(head)?;
    let target = head.uri.path_and_query().ok_or(ParseError::BadTarget)?;
    if target.as_str() == "*" {
        return Err(ParseError::BadTarget);
    }
    let path = Path::parse(target)?;
    let expectations = head.headers.get_all(http::header::EXPECT);
    if expectations.iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(ParseError::UnknownExpectation);
    }
    let accept = upgrade::expected_accept(head)?;
    Ok((host, path, accept))
}

/// Methods are case-sensitive tokens; one that only case tells from a standard method is a trick, not a method.
fn is_known_shape(method: &Method) -> bool {
    method.as_str().len() <= 32
        && method.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

fn host_of(head: &Parts) -> Result<Host, ParseError> {
    let mut hosts = head.headers.get_all(http::header::HOST).iter();
    let host = hosts.next().ok_or(ParseError::HostMissing)?;
    if hosts.next().is_some() {
        return Err(ParseError::HostRepeated);
    }
    let host = Host::parse(host)?;
    if let Some(authority) = head.uri.authority() {
        let target = http::HeaderValue::from_str(authority.as_str()).map_err(|_| ParseError::BadTarget)?;
        let default_port = if head.uri.scheme_str() == Some("https") { 443 } else { 80 };
        let named = Host::parse(&target).map_err(|_| ParseError::BadTarget)?;
        if !named.same_authority(&host, default_port) {
            return Err(ParseError::TargetHostMismatch);
        }
    }
    Ok(host)
}
