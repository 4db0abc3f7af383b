//! Requests of services, at the internal listener: who answers them, and with what.

use crate::clients::{Counter, Paper, Tools};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::own::read;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use std::net::IpAddr;

impl Gateway {
    /// Answers a service that asks about a token or for one; `None` if that is not what is at the path, or nobody is let.
    pub fn counter(&self, path: &str) -> Option<Counter> {
        let open = self.revoker.is_some() && !self.shared().config.clients.is_empty();
        Counter::at(path).filter(|_| open)
    }

    /// What a service is answered there.
    pub async fn serve(
        &self,
        counter: Counter,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let Some(revoker) = self.revoker.as_deref() else { return bare(StatusCode::NOT_FOUND) };
        let Ok(body) = read(body).await else { return bare(StatusCode::BAD_REQUEST) };
        let config = &self.shared().config;
        let paper = Paper { headers: &head.headers, body: &body, peer, now: self.now() };
        let tools = Tools {
            clients: &config.clients,
            issuers: &config.issuers,
            authenticator: &self.authenticator,
            revoker,
            minter: self.minter(),
        };
        let answer = self.desk.answer(counter, &paper, &tools).await;
        self.metrics().count_own(counter.word(), answer.outcome);
        answer.response
    }
}

fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
