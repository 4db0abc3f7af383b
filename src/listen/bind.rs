//! Listening sockets, one per worker and address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel keeps for a worker that is busy; Linux cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// An address that could not be listened on: in use, not ours, or a port that needs a privilege.
#[derive(Debug)]
pub struct BindError {
    /// As configured.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot listen on `{}`", self.address)
    }
}

impl BindError {
    /// What to try.
    pub fn hint(&self) -> Option<&'static str> {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                Some("another program listens there, perhaps an older gateway; `ss -ltnp` names it")
            }
            io::ErrorKind::AddrNotAvailable => Some("no interface of this machine has this address"),
            io::ErrorKind::PermissionDenied => {
                Some("ports below 1024 need CAP_NET_BIND_SERVICE, which deploy/cloakroom.service grants")
            }
            _ => None,
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Bound sockets, not yet accepting: every worker has its own on every address, and the kernel spreads connections
/// over them (`SO_REUSEPORT`).
#[derive(Debug)]
pub struct Listener {
    addresses: Vec<SocketAddr>,
    workers: Vec<Vec<TcpListener>>,
}

impl Listener {
    /// Binds all addresses for that many workers. Port 0 becomes one free port, the same for all workers.
    pub fn bind(addresses: &[SocketAddr], workers: usize) -> Result<Self, BindError> {
        let mut bound = Vec::with_capacity(addresses.len());
        let mut sockets: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        for &address in addresses {
            free(address).map_err(|source| BindError { address, source })?;
            let mut actual = address;
            for worker in &mut sockets {
                let (socket, local) = open(actual).map_err(|source| BindError { address, source })?;
                actual = local;
                worker.push(socket);
            }
            bound.push(actual);
        }
        Ok(Self { addresses: bound, workers: sockets })
    }

    /// What was bound, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The sockets of each worker.
    pub fn into_workers(self) -> Vec<Vec<TcpListener>> {
        self.workers
    }
}

/// Whether nobody listens there. Sockets that share a port are accepted from any process of our user, so that a gateway
/// started twice by mistake would take half of the other's connections; one that does not share is refused.
fn free(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let local = listener.local_addr()?;
    Ok((listener, local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_share_the_port_that_the_system_chose() {
        let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()], 3).unwrap();
        let address = listener.addresses()[0];
        assert_ne!(address.port(), 0);
        for sockets in listener.into_workers() {
            assert_eq!(sockets.len(), 1);
            assert_eq!(sockets[0].local_addr().unwrap(), address);
        }
    }

    #[test]
    fn a_port_that_another_gateway_of_the_same_user_listens_on_is_not_shared() {
        let first = Listener::bind(&["127.0.0.1:0".parse().unwrap()], 2).unwrap();
        let error = Listener::bind(first.addresses(), 2).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert!(error.hint().is_some());
    }

    #[test]
    fn an_address_that_is_not_ours_is_named() {
        let error = Listener::bind(&["192.0.2.1:80".parse().unwrap()], 1).unwrap_err();
        assert_eq!(error.to_string(), "cannot listen on `192.0.2.1:80`");
    }
}
