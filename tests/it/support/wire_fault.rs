//! A stretch of network between a gateway and its Redis that can be made to fail.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// What becomes of what is sent. TCP sends again what a network swallows, so a black hole is a hold that may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Nothing arrives on either side.
    Hold,
    /// Redis hears us, we do not hear it.
    HoldAnswers,
    /// We hear Redis, it does not hear us.
    HoldQuestions,
    /// Connections break, and new ones too.
    Cut,
    /// Every piece takes 40 ms more each way, as in a far region.
    Delay,
}

const FAULTS: [Fault; 6] =
    [Fault::None, Fault::Hold, Fault::HoldAnswers, Fault::HoldQuestions, Fault::Cut, Fault::Delay];

/// The stretch.
#[derive(Debug)]
pub(crate) struct FaultyWire {
    address: SocketAddr,
    fault: Arc<AtomicU8>,
}

impl FaultyWire {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fault = Arc::new(AtomicU8::new(0));
        let shared = Arc::clone(&fault);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if now(&shared) == Fault::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(target) else { continue };
                for (from, to, questions) in [(&near, &far, true), (&far, &near, false)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let fault = Arc::clone(&shared);
                    std::thread::spawn(move || carry(from, to, questions, &fault));
                }
            }
        });
        Self { address, fault }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }
}

fn now(fault: &AtomicU8) -> Fault {
    FAULTS[usize::from(fault.load(Ordering::SeqCst))]
}

fn carry(mut from: TcpStream, mut to: TcpStream, questions: bool, fault: &AtomicU8) {
    let tick = Duration::from_millis(1);
    from.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    to.set_nodelay(true).unwrap();
    let mut bytes = [0; 16 * 1024];
    loop {
        let read = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => 0,
            Err(_) => break,
        };
        loop {
            match (now(fault), questions) {
                (Fault::Hold, _) | (Fault::HoldAnswers, false) | (Fault::HoldQuestions, true) if read > 0 => {
                    std::thread::sleep(tick);
                }
                (Fault::Delay, _) if read > 0 => {
                    std::thread::sleep(40 * tick);
                    break;
                }
                _ => break,
            }
        }
        if now(fault) == Fault::Cut || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
