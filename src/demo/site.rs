//! A server of the demo's own, over the machinery that the gateway listens with.

use crate::config::Limits;
use crate::listen::{BindError, Connections, Handler, Listener, Terms, serve, spawn_worker};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use tokio::sync::watch;

/// A bound address on this machine, not yet answered on.
pub(super) struct Site {
    listener: Listener,
    address: SocketAddr,
}

impl Site {
    /// Binds a free port.
    pub(super) fn bind() -> Result<Self, BindError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::bind(&[wanted], 1)?;
        let address = listener.addresses().first().copied().unwrap_or(wanted);
        Ok(Self { listener, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with the handler that `make` makes, until `drain`.
    pub(super) fn open<H: Handler>(
        self,
        name: &str,
        limits: Limits,
        drain: watch::Receiver<bool>,
        make: impl FnOnce() -> H + Send + 'static,
    ) -> io::Result<JoinHandle<io::Result<()>>> {
        let sockets = self.listener.into_workers().into_iter().flatten().collect();
        spawn_worker(name, move || async move {
            let connections = Connections::new(limits.connections);
            serve(sockets, Terms::new(limits, None).posted(), connections, make(), drain).await
        })
    }
}
