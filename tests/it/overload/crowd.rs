//! Many clients that do not wait for each other: each request has its time, whatever became of those before it, and its latency counts
//! from that time. Who finds no connection free opens one, as people do.

use crate::overload::figures::{Outcome, Told};
use crate::support::PATIENCE;
use cloakroom::listen::spawn_worker;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{spawn_local, yield_now};

/// Connections that are open at once; whoever comes then waits, and its time runs.
const CONNECTIONS: usize = 4000;
/// Up to so long before its time a request is waited for by looking at the clock: timers are no finer.
const LOOK: Duration = Duration::from_millis(2);

/// What is asked, and where.
#[derive(Clone)]
pub(super) struct Crowd {
    pub(super) address: SocketAddr,
    pub(super) ask: Vec<u8>,
}

/// What the requests of one crowd share.
struct Shared {
    crowd: Crowd,
    idle: RefCell<Vec<TcpStream>>,
    places: Semaphore,
    running: Cell<usize>,
    outcomes: RefCell<Vec<Outcome>>,
    start: Instant,
}

impl Crowd {
    /// So many clients, of whom each asks again as soon as it is answered.
    pub(super) fn in_turn(&self, clients: usize, lasting: Duration) -> Vec<Outcome> {
        let shared = self.clone();
        alone(move || async move {
            let shared = shared.shared();
            let turns = (0..clients).map(|_| {
                let shared = Rc::clone(&shared);
                spawn_local(async move {
                    while shared.start.elapsed() < lasting {
                        shared.one(Instant::now()).await;
                    }
                })
            });
            for turn in turns.collect::<Vec<_>>() {
                turn.await.unwrap();
            }
            shared.outcomes.take()
        })
    }

    /// So many a second, at times that know nothing of each other, through these spans with these rates, without a pause in between.
    pub(super) fn at_rates(&self, spans: &[(f64, Duration)]) -> Vec<Outcome> {
        let (shared, spans) = (self.clone(), spans.to_vec());
        alone(move || async move {
            let shared = shared.shared();
            let (mut lots, mut next, mut end) = (Lots(0x9e37_79b9_7f4a_7c15), shared.start, shared.start);
            for (rate, lasting) in spans {
                end += lasting;
                while next < end {
                    wait_for(next).await;
                    shared.running.set(shared.running.get() + 1);
                    let (shared, due) = (Rc::clone(&shared), next);
                    spawn_local(async move {
                        shared.one(due).await;
                        shared.running.set(shared.running.get() - 1);
                    });
                    next += lots.pause(rate);
                }
            }
            let patience = Instant::now() + PATIENCE;
            while shared.running.get() > 0 && Instant::now() < patience {
                tokio::time::sleep(LOOK).await;
            }
            let mut outcomes = shared.outcomes.take();
            outcomes.sort_by_key(|outcome| outcome.due);
            outcomes
        })
    }

    fn shared(self) -> Rc<Shared> {
        Rc::new(Shared {
            crowd: self,
            idle: RefCell::default(),
            places: Semaphore::new(CONNECTIONS),
            running: Cell::new(0),
            outcomes: RefCell::default(),
            start: Instant::now(),
        })
    }
}

/// Runs it on a thread of its own.
fn alone<F: Future<Output = Vec<Outcome>>>(make: impl FnOnce() -> F + Send + 'static) -> Vec<Outcome> {
    spawn_worker("crowd", make).unwrap().join().unwrap()
}

async fn wait_for(due: Instant) {
    loop {
        let now = Instant::now();
        if now >= due {
            return;
        }
        if due - now > LOOK {
            tokio::time::sleep(due - now - LOOK).await;
        } else {
            yield_now().await;
        }
    }
}

impl Shared {
    /// One request that was to be made at `due`.
    async fn one(&self, due: Instant) {
        let _place = self.places.acquire().await.unwrap();
        let told = tokio::time::timeout(PATIENCE, self.ask()).await.unwrap_or(Told::Nothing);
        let outcome = Outcome { due: due - self.start, took: due.elapsed(), told };
        self.outcomes.borrow_mut().push(outcome);
    }

    /// On a connection that is free, or a new one; an old one that turns out to have been closed is no answer.
    async fn ask(&self) -> Told {
        loop {
            let kept = self.idle.borrow_mut().pop();
            let fresh = kept.is_none();
            let stream = match kept {
                Some(stream) => Ok(stream),
                None => TcpStream::connect(self.crowd.address).await,
            };
            let Ok(mut stream) = stream else { return Told::Nothing };
            match self.exchange(&mut stream).await {
                Some((told, stays)) => {
                    if stays {
                        self.idle.borrow_mut().push(stream);
                    }
                    return told;
                }
                None if fresh => return Told::Nothing,
                None => {}
            }
        }
    }

    /// What came back, and whether the connection goes on; `None`: nothing whole.
    async fn exchange(&self, stream: &mut TcpStream) -> Option<(Told, bool)> {
        stream.write_all(&self.crowd.ask).await.ok()?;
        let (mut read, mut filled) = ([0; 4096], 0);
        loop {
            let more = stream.read(&mut read[filled..]).await.ok().filter(|more| *more > 0)?;
            filled += more;
            let answer = &read[..filled];
            let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = &answer[..end];
            let length: usize = field(head, b"content-length: ").map_or(0, |length| length.parse().unwrap());
            if filled < end + 4 + length {
                continue;
            }
            let stays = field(head, b"connection: ") != Some("close");
            return Some((Told::by(head), stays));
        }
    }
}

/// The value behind `name`, which has its colon.
pub(super) fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let at = head.windows(name.len()).position(|part| part == name)?;
    let value = head[at + name.len()..].split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(value).ok()
}

/// Times between requests of many who know nothing of each other, the same in every run.
struct Lots(u64);

impl Lots {
    fn pause(&mut self, rate: f64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let lot = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-(1.0 - lot).ln() / rate)
    }
}
