//! Sending requests to configured upstreams.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::config::{self, ConfigError, UpstreamId};
use crate::request::Upgrade;
use crate::upstream::balanced::{Answer, Balanced, Errand};
use crate::upstream::body::UpstreamBody;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::Deadlines;
use crate::upstream::introduction::Introduction;
use crate::upstream::outbound::Outbound;
use crate::upstream::pool::Busy;
use crate::upstream::sender::Multiplexed;
use crate::upstream::standing::Standings;
use crate::upstream::tls::{System, Tls};
use crate::upstream::tunnel::Tunnels;
use crate::upstream::upload::Upload;
use crate::upstream::{hygiene, websocket};

/// One worker's way to all upstreams.
pub struct Forwarder {
    /// [`UpstreamId`] indexes it.
    upstreams: Vec<Rc<Balanced>>,
    tunnels: Tunnels,
}

impl Forwarder {
    /// Makes ready for `upstreams`; nothing is connected yet, but for those that have the same standing `before`. `standings`, which
    /// were made from the same, and `tunnels` are shared by all workers.
    ///
    /// # Errors
    /// Every endpoint or host that cannot be used, and an `https://` endpoint on a system without root certificates.
    pub fn new(
        upstreams: &[config::Upstream],
        standings: &Standings,
        tunnels: Tunnels,
        before: Option<&Self>,
    ) -> Result<Self, Vec<ConfigError>> {
        let (system, mut mistakes) = (System::default(), Vec::new());
        let upstreams = upstreams
            .iter()
            .enumerate()
            .filter_map(|(at, upstream)| {
                let standing = standings.of(at)?;
                let kept = before.and_then(|before| before.upstreams.iter().find(|one| one.stands(standing)));
                if let Some(kept) = kept {
                    return Some(Rc::clone(kept));
                }
                match Tls::of(upstream, &system) {
                    Ok(tls) => Balanced::new(upstream, standing, tls.as_ref(), &mut mistakes).map(Rc::new),
                    Err(mistake) => {
                        mistakes.push(mistake);
                        None
                    }
                }
            })
            .collect();
        if mistakes.is_empty() { Ok(Self { upstreams, tunnels }) } else { Err(mistakes) }
    }

    /// Sends, and returns once the head of the response is there. Must be called on the worker's own runtime, which runs
    /// the connections and tunnels.
    ///
    /// # Errors
    /// See [`UpstreamError`]; the request may have reached the upstream unless connecting failed.
    pub fn send(
        &self,
        mut outbound: Outbound,
        upstream: UpstreamId,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, UpstreamError>> {
        let upstream = self.upstreams.get(upstream.0).expect("an id indexes the list this was made from");
        let total = outbound.total().map(|total| Instant::now() + total);
        let (session, introduction) = (outbound.session(), outbound.take_introduction());
        let (request, upgrade) = outbound.into_request(upstream.host.as_ref(), upstream.may_be_http2());
        self.send_by(upstream, request, upgrade, (session, introduction), total)
    }

    async fn send_by(
        &self,
        upstream: &Balanced,
        request: Box<Request<Upload>>,
        upgrade: Option<Upgrade>,
        (session, introduction): (Option<u64>, Option<Rc<Introduction>>),
        total: Option<Instant>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        if request.body().is_too_large() {
            return Err(UpstreamError::ClientBody(crate::request::ParseError::BodyTooLarge));
        }
        let deadlines = Deadlines { first_byte: upstream.first_byte, total };
        let introduction = introduction.as_ref();
        let errand = Errand { upgrades: upgrade.is_some(), session, introduction, deadlines };
        let Answer { response, link, busy } = upstream.deliver(request, errand).await?;
        let shared = link.sender.shared();
        if websocket::opens(&response, upgrade.as_ref(), shared.is_some()) {
            return self.switch(response, upgrade, busy, shared);
        }
        hygiene::check_length(response.headers())?;
        busy.endpoint().put_back(link);
        let (mut head, body) = response.into_parts();
        // Ours is the next hop's version; a 1.0 upstream must not cost the client its connection or its chunks.
        head.version = http::Version::HTTP_11;
        hygiene::clean(&mut head.headers);
        let mut body = UpstreamBody::new(body, total, busy, shared);
        poll_fn(|cx| Poll::Ready(body.look(cx))).await?;
        Ok(Response::from_parts(head, body))
    }

    /// Turns the exchange into a tunnel, if it may be one. On any error both ends are dropped, hence closed.
    fn switch(
        &self,
        mut response: Response<Incoming>,
        upgrade: Option<Upgrade>,
        busy: Busy,
        shared: Option<Rc<Multiplexed>>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let Some(upgrade) = upgrade else { return Err(UpstreamError::UnaskedUpgrade) };
        if !websocket::is_accepted(&response, &upgrade.accept, shared.is_some()) {
            return Err(UpstreamError::BadUpgrade);
        }
        let upstream = hyper::upgrade::on(&mut response);
        let (mut head, body) = response.into_parts();
        (head.version, head.status) = (http::Version::HTTP_11, StatusCode::SWITCHING_PROTOCOLS);
        websocket::answer(&mut head.headers, &upgrade.accept);
        let tunnel = self.tunnels.open(upgrade.client, upstream, (busy, shared));
        Ok(Response::from_parts(head, UpstreamBody::before(tunnel, body)))
    }

    /// Puts a connection into the first pool.
    #[cfg(test)]
    pub(crate) fn adopt(&self, link: crate::upstream::pool::Link) {
        self.upstreams[0].endpoints()[0].put_back(link);
    }

    /// Whether a waiting connection is not yet known to be closed.
    #[cfg(test)]
    pub(crate) fn has_open(&self) -> bool {
        self.upstreams.iter().flat_map(|upstream| upstream.endpoints()).any(|endpoint| endpoint.has_open())
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.upstreams
            .iter()
            .flat_map(|upstream| upstream.endpoints())
            .map(|endpoint| endpoint.waiting())
            .sum()
    }
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Forwarder({} upstreams)", self.upstreams.len())
    }
}
