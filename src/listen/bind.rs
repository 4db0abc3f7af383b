//! Listening sockets, one per worker and address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::listen::inherited::{Inherited, name_of};

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
            io::ErrorKind::PermissionDenied => Some(
                "ports below 1024 need CAP_NET_BIND_SERVICE, which deploy/systemd/cloakroom.service grants",
            ),
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
    /// Each socket once more, to be handed over.
    named: Vec<(String, TcpListener)>,
}

impl Listener {
    /// Binds all addresses for that many workers. Port 0 becomes one free port, the same for all workers.
    pub fn bind(addresses: &[SocketAddr], workers: usize) -> Result<Self, BindError> {
        Self::open("", addresses, workers, &mut Inherited::default())
    }

    /// The same, with the sockets that are there already for an address, which is configured under `key`: every one of them is served,
    /// whatever the number of workers, since the kernel gives connections to each.
    pub fn open(
        key: &str,
        addresses: &[SocketAddr],
        workers: usize,
        inherited: &mut Inherited,
    ) -> Result<Self, BindError> {
        let mut opened = Self {
            addresses: Vec::with_capacity(addresses.len()),
            workers: (0..workers).map(|_| Vec::new()).collect(),
            named: Vec::new(),
        };
        for &address in addresses {
            let bound = match inherited.take(key, address) {
                (taken, Some(bound)) => opened.spread(taken).map(|taken| (taken, bound)),
                (_, None) => opened.listen(address),
            };
            let (sockets, bound) = bound.map_err(|source| BindError { address, source })?;
            opened.addresses.push(bound);
            opened.named.extend(sockets.into_iter().map(|socket| (name_of(key, address), socket)));
        }
        Ok(opened)
    }

    /// A new socket for every worker; returns them once more.
    fn listen(&mut self, address: SocketAddr) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
        free(address)?;
        let (mut actual, mut sockets) = (address, Vec::new());
        for worker in &mut self.workers {
            let (socket, local) = open(actual)?;
            actual = local;
            sockets.push(socket.try_clone()?);
            worker.push(socket);
        }
        Ok((sockets, actual))
    }

    /// Gives sockets to the workers, each to one at least, and one at least to each; returns them once more.
    fn spread(&mut self, sockets: Vec<TcpListener>) -> io::Result<Vec<TcpListener>> {
        let (most, workers) = (sockets.len().max(self.workers.len()), self.workers.len().max(1));
        for at in 0..most {
            let socket = sockets.get(at % sockets.len().max(1));
            if let (Some(socket), Some(worker)) = (socket, self.workers.get_mut(at % workers)) {
                socket.set_nonblocking(true)?;
                worker.push(socket.try_clone()?);
            }
        }
        Ok(sockets)
    }

    /// What was bound, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The sockets of each worker.
    pub fn into_workers(self) -> Vec<Vec<TcpListener>> {
        self.workers
    }

    /// Every socket once more, by the name of what it is for. As long as these are there, the port listens.
    pub fn take_named(&mut self) -> Vec<(String, TcpListener)> {
        std::mem::take(&mut self.named)
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
    fn sockets_that_are_there_already_are_all_served_by_more_or_fewer_workers() {
        let any = "127.0.0.1:0".parse().unwrap();
        for workers in [1, 3, 7] {
            let mut first = Listener::open("server.listen", &[any], 3, &mut Inherited::default()).unwrap();
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            crate::listen::send(std::os::fd::AsFd::as_fd(&ours), &first.take_named()).unwrap();
            let mut inherited = Inherited::receive(std::os::fd::AsFd::as_fd(&theirs)).unwrap();
            let next = Listener::open("server.listen", &[any], workers, &mut inherited).unwrap();
            assert_eq!(next.addresses(), first.addresses());
            let counts: Vec<usize> = next.into_workers().iter().map(Vec::len).collect();
            assert_eq!(counts.iter().sum::<usize>(), workers.max(3));
            assert!(counts.iter().all(|count| *count > 0));
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
