//! Listening sockets that somebody else opened: the supervisor, or the gateway before us.
//!
//! To close a listening socket resets whoever waits in its queue, and a port that several sockets share loses what the kernel gave to the
//! one that goes. So a gateway that makes way hands over the sockets themselves (`SCM_RIGHTS` over a Unix socket), each with the name of
//! what it is for; one that systemd opened comes without, and is known by its address.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};

use listenfd::ListenFd;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Sockets that go in one message; the kernel takes 253, and their names fit in what follows.
const TOGETHER_MAX: usize = 128;
/// Longest text of a message: each name is a key and an address.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// The first line of a message that another one follows, and of the last. Names follow, a line each.
const MORE: &str = "more";
const LAST: &str = "last";

/// Sockets that nobody has claimed yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Named>);

#[derive(Debug)]
struct Named {
    /// None: the supervisor opened it.
    name: Option<String>,
    address: SocketAddr,
    socket: TcpListener,
}

impl Inherited {
    /// Those that the supervisor opened (`LISTEN_FDS`); none, most often.
    ///
    /// # Errors
    /// Something else than a listening TCP socket is among them.
    pub fn from_supervisor() -> io::Result<Self> {
        let mut given = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..given.len() {
            if let Some(socket) = given.take_tcp_listener(at)? {
                sockets.push(Named { name: None, address: socket.local_addr()?, socket });
            }
        }
        Ok(Self(sockets))
    }

    /// Those that the gateway before us sends over `link`.
    ///
    /// # Errors
    /// `link` is no Unix socket, or what came over it is no such message.
    pub fn receive(link: BorrowedFd<'_>) -> io::Result<Self> {
        let mut sockets = Vec::new();
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOGETHER_MAX))];
            let mut rights = RecvAncillaryBuffer::new(&mut space);
            let mut text = vec![0; TEXT_BYTES_MAX];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = recvmsg(link, &mut [IoSliceMut::new(&mut text)], &mut rights, flags)?;
            text.truncate(received.bytes);
            let text = String::from_utf8(text).map_err(io::Error::other)?;
            let (more, names) = text.split_once('\n').ok_or_else(|| io::Error::other("no sockets came"))?;
            let rights = rights.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(rights) => Some(rights),
                _ => None,
            });
            for (name, right) in names.lines().zip(rights.flatten()) {
                let socket = TcpListener::from(right);
                sockets.push(Named { name: Some(name.to_owned()), address: socket.local_addr()?, socket });
            }
            if more != MORE {
                return Ok(Self(sockets));
            }
        }
    }

    /// Whether they are those of another process, which serves on them yet.
    pub fn is_handed_over(&self) -> bool {
        self.0.iter().any(|named| named.name.is_some())
    }

    /// All that are for `address`, which is configured under `key`; all of them have one and the same address. What was opened for
    /// another key is taken for its address.
    pub(crate) fn take(&mut self, key: &str, address: SocketAddr) -> (Vec<TcpListener>, Option<SocketAddr>) {
        let name = name_of(key, address);
        let same = self.0.iter().find(|named| named.name.as_ref() == Some(&name));
        let Some(found) = same.or_else(|| self.0.iter().find(|named| named.address == address)) else {
            return (Vec::new(), None);
        };
        let (bound, name) = (found.address, found.name.clone());
        let (taken, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|named| named.name == name && named.address == bound);
        self.0 = left;
        (taken.into_iter().map(|named: Named| named.socket).collect(), Some(bound))
    }

    /// Where the others listen, which nothing is configured for.
    pub fn left(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|named| named.address)
    }
}

/// Sends sockets with their names over `link`, in as many messages as it takes.
///
/// # Errors
/// The system refuses, or nobody is at the other end.
pub fn send(link: BorrowedFd<'_>, sockets: &[(String, TcpListener)]) -> io::Result<()> {
    let mut messages = sockets.chunks(TOGETHER_MAX).peekable();
    while let Some(together) = messages.next() {
        let mut text = String::from(if messages.peek().is_some() { MORE } else { LAST });
        for (name, _) in together {
            text.push('\n');
            text.push_str(name);
        }
        let rights: Vec<BorrowedFd<'_>> = together.iter().map(|(_, socket)| socket.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOGETHER_MAX))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        message.push(SendAncillaryMessage::ScmRights(&rights));
        sendmsg(link, &[IoSlice::new(text.as_bytes())], &mut message, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// What a socket is called that was opened for `address`, configured under `key`.
pub(crate) fn name_of(key: &str, address: SocketAddr) -> String {
    format!("{key} {address}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn sockets_arrive_under_their_names_and_still_listen() {
        let public: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let open = || TcpListener::bind(public).unwrap();
        let (first, inside) = (open(), open());
        let address = first.local_addr().unwrap();
        let sockets = [
            (name_of("server.listen", public), first.try_clone().unwrap()),
            (name_of("server.listen", public), first),
            (name_of("internal.listen", public), inside),
        ];
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(ours.as_fd(), &sockets).unwrap();
        drop(sockets);
        let mut inherited = Inherited::receive(theirs.as_fd()).unwrap();
        let (taken, bound) = inherited.take("server.listen", public);
        assert_eq!((taken.len(), bound), (2, Some(address)));
        assert!(std::net::TcpStream::connect(address).is_ok());
        assert_eq!(inherited.take("admin.listen", public).0.len(), 0);
        let inside = inherited.left().next().unwrap();
        // Known by its address where its key has changed.
        assert_eq!(inherited.take("admin.listen", inside).0.len(), 1);
        assert_eq!(inherited.left().count(), 0);
    }

    #[test]
    fn more_sockets_than_go_in_one_message_arrive_too() {
        let public: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket = TcpListener::bind(public).unwrap();
        let count = 2 * TOGETHER_MAX + 1;
        let sockets: Vec<_> =
            (0..count).map(|_| (name_of("server.listen", public), socket.try_clone().unwrap())).collect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(ours.as_fd(), &sockets).unwrap();
        let mut inherited = Inherited::receive(theirs.as_fd()).unwrap();
        assert!(inherited.is_handed_over());
        assert_eq!(inherited.take("server.listen", public).0.len(), count);
    }

    #[test]
    fn a_link_that_brings_nothing_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        assert!(Inherited::receive(theirs.as_fd()).is_err());
    }
}
