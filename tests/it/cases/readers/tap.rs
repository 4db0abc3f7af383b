//! Between the gateway and real servers: whatever the gateway sends, each of them gets; one of them answers it.

use super::account::{PROBE, differences, strictly};
use super::server::{Link, Server};
use crate::support::PATIENCE;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A listening tap.
#[derive(Debug)]
pub(crate) struct Tap {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    acceptor: JoinHandle<Vec<JoinHandle<Heard>>>,
}

/// One connection of the gateway's: what it sent, and where a server read it otherwise.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) sent: Vec<u8>,
    pub(crate) differences: Vec<String>,
}

impl Tap {
    /// Before these servers, of which the one at `leader` is the gateway's upstream.
    pub(crate) fn before(servers: &Arc<Vec<Server>>, leader: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let closed = Arc::<AtomicBool>::default();
        let (servers, ending) = (Arc::clone(servers), Arc::clone(&closed));
        let acceptor = std::thread::spawn(move || {
            let open = |_: &std::io::Result<TcpStream>| !ending.load(Ordering::SeqCst);
            let streams = listener.incoming().take_while(open).map_while(Result::ok);
            streams
                .map(|stream| {
                    let servers = Arc::clone(&servers);
                    std::thread::spawn(move || connection(&stream, &servers, leader))
                })
                .collect()
        });
        Self { address, closed, acceptor }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until every server has read all. The gateway must have ended.
    pub(crate) fn finish(self) -> Vec<Heard> {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        self.acceptor.join().unwrap().into_iter().map(|heard| heard.join().unwrap()).collect()
    }
}

fn connection(mut gateway: &TcpStream, servers: &[Server], leader: usize) -> Heard {
    let links: Vec<Link> = servers.iter().map(Server::connect).collect();
    let said: Vec<Mutex<Vec<u8>>> = servers.iter().map(|_| Mutex::default()).collect();
    let mut sent = Vec::new();
    std::thread::scope(|scope| {
        for (at, (link, said)) in links.iter().zip(&said).enumerate() {
            let answered = (at == leader).then_some(gateway);
            scope.spawn(move || hear(link, said, answered));
        }
        let mut chunk = [0; 16 * 1024];
        while let Ok(read @ 1..) = gateway.read(&mut chunk) {
            sent.extend_from_slice(&chunk[..read]);
            links.iter().for_each(|link| link.send(&chunk[..read]));
        }
        let (_, broken_off) = strictly(&sent);
        for link in &links {
            if broken_off { link.close_write() } else { link.send(PROBE.as_bytes()) }
        }
    });
    let heard = servers.iter().zip(said);
    let differences =
        heard.flat_map(|(server, said)| differences(server.name, &sent, &said.into_inner().unwrap()));
    Heard { differences: differences.collect(), sent }
}

/// Keeps what a server says until it hangs up, and passes it on.
fn hear(mut link: &Link, said: &Mutex<Vec<u8>>, mut answered: Option<&TcpStream>) {
    link.be_patient(PATIENCE);
    let mut chunk = [0; 16 * 1024];
    while let Ok(read @ 1..) = link.read(&mut chunk) {
        said.lock().unwrap().extend_from_slice(&chunk[..read]);
        if let Some(gateway) = &mut answered {
            // The gateway may have ended.
            let _ = gateway.write_all(&chunk[..read]);
        }
    }
    if let Some(gateway) = answered {
        let _ = gateway.shutdown(Shutdown::Write);
    }
}
