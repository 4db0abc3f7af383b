//! An address that is known before what it leads to: for programs that must be told where a gateway is that starts after
//! them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};

/// Listens from the start; connections wait until it is pointed at something.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    target: Sender<SocketAddr>,
}

impl Relay {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (target, told) = channel();
        std::thread::spawn(move || {
            let Ok(target) = told.recv() else { return };
            for stream in listener.incoming().map_while(Result::ok) {
                if let Ok(onward) = TcpStream::connect(target) {
                    copy(&stream, &onward);
                    copy(&onward, &stream);
                }
            }
        });
        Self { address, target }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn point_at(&self, target: SocketAddr) {
        self.target.send(target).unwrap();
    }
}

fn copy(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        // Either end hanging up is how it ends.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}
