//! The listener without TLS: whoever comes is sent to where there is.
//!
//! Only to hosts that a certificate names: for any other the next connection would fail, and an answer that repeats
//! whatever Host it was asked with is one that caches can be poisoned with.

use crate::listen::{Handler, Terms};
use crate::request::{Conn, Inbound, ParseError, RequestIds};
use crate::telemetry::Metrics;
use crate::tls::Challenges;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use std::rc::Rc;
use std::sync::Arc;

/// Answers 308 to the same address in https.
#[derive(Clone)]
pub(super) struct Redirect(Rc<Known>);

struct Known {
    /// Of the public listener, for the names in its certificates.
    public: Arc<ArcSwap<Terms>>,
    port: u16,
    challenges: Challenges,
    ids: RequestIds,
    metrics: Arc<Metrics>,
}

impl Redirect {
    /// To the public listener, which clients reach under this port. ACME authorities are answered here.
    pub(super) fn new(
        (public, port): (Arc<ArcSwap<Terms>>, u16),
        ids: RequestIds,
        (metrics, challenges): (Arc<Metrics>, Challenges),
    ) -> Self {
        Self(Rc::new(Known { public, port, challenges, ids, metrics }))
    }

    /// The proof that an ACME authority asks for.
    fn proof(&self, inbound: &Inbound<Incoming>) -> Option<String> {
        let path = inbound.path().raw().path();
        self.0.challenges.told(path.strip_prefix("/.well-known/acme-challenge/")?)
    }

    fn location(&self, inbound: &Inbound<Incoming>) -> Option<HeaderValue> {
        let Known { public, port, .. } = &*self.0;
        let name = inbound.host().name();
        if !public.load().serves(name) {
            return None;
        }
        let port = if *port == 443 { String::new() } else { format!(":{port}") };
        HeaderValue::try_from(format!("https://{name}{port}{}", inbound.path().raw())).ok()
    }
}

impl Handler for Redirect {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        conn: Conn,
        request: Result<Request<Incoming>, ParseError>,
    ) -> Response<Full<Bytes>> {
        let inbound =
            request.ok().and_then(|request| Inbound::parse(request, conn, &[], self.0.ids.next()).ok());
        if let Some(proof) = inbound.as_ref().and_then(|inbound| self.proof(inbound)) {
            self.0.metrics.count_own("redirect-http", "proof");
            return answer(StatusCode::OK, proof);
        }
        let location = inbound.as_ref().map(|inbound| self.location(inbound));
        let (outcome, response) = match location {
            None => ("malformed", answer(StatusCode::BAD_REQUEST, "malformed request\n")),
            Some(None) => {
                ("unknown-host", answer(StatusCode::MISDIRECTED_REQUEST, "this host is not served here\n"))
            }
            Some(Some(location)) => {
                let mut response = answer(StatusCode::PERMANENT_REDIRECT, "");
                response.headers_mut().insert(LOCATION, location);
                ("redirected", response)
            }
        };
        self.0.metrics.count_own("redirect-http", outcome);
        response
    }
}

fn answer(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
