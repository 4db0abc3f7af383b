//! What listens, and what was configured for it.

use crate::config::Config;
use crate::listen::{BindError, Inherited, Listener};
use std::net::{SocketAddr, TcpListener};

/// What listens.
pub(super) struct Listeners {
    pub(super) public: Listener,
    pub(super) redirect: Option<Listener>,
    pub(super) internal: Option<Listener>,
    pub(super) admin: Option<Listener>,
    pub(super) named: Vec<(String, TcpListener)>,
}

impl Listeners {
    /// Binds what did not listen already.
    pub(super) fn open(sockets: &Sockets, mut inherited: Inherited) -> Result<Self, BindError> {
        let mut open =
            |key, addresses: &[SocketAddr], workers| Listener::open(key, addresses, workers, &mut inherited);
        let mut public = open("server.listen", &sockets.listen, sockets.workers)?;
        let redirect = sockets.redirect.as_ref();
        let redirect =
            redirect.map(|(addresses, _)| open("server.redirect_http", addresses, 1)).transpose()?;
        let internal = sockets.internal.map(|one| open("internal.listen", &[one], 1)).transpose()?;
        let admin = sockets.admin.map(|one| open("admin.listen", &[one], 1)).transpose()?;
        for address in inherited.left() {
            tracing::warn!(%address, "a socket that was handed over is in nobody's configuration, and closed");
        }
        let mut others = [redirect, internal, admin];
        let mut named = public.take_named();
        named.extend(others.iter_mut().flatten().flat_map(Listener::take_named));
        let [redirect, internal, admin] = others;
        Ok(Self { public, redirect, internal, admin, named })
    }
}

/// What was configured when the sockets were bound.
pub(super) struct Sockets {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) workers: usize,
    pub(super) internal: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) redirect: Option<(Vec<SocketAddr>, u16)>,
}

impl Sockets {
    pub(super) fn of(config: &Config) -> Self {
        let internal = config.internal.as_ref().map(|internal| internal.listen);
        let admin = config.admin.as_ref().map(|admin| admin.listen);
        let server = &config.server;
        let redirect = server.redirect_http.as_ref().map(|redirect| (redirect.listen.clone(), redirect.port));
        Self { listen: server.listen.clone(), workers: server.workers, internal, admin, redirect }
    }

    /// The keys that `other` says otherwise.
    pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let keys = [
            ("server.listen", self.listen != other.listen),
            ("server.workers", self.workers != other.workers),
            ("internal.listen", self.internal != other.internal),
            ("admin.listen", self.admin != other.admin),
            ("server.redirect_http", self.redirect != other.redirect),
        ];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}
