//! Upgraded connections: bytes both ways, until one side is done, the gateway drains or whoever has to ends it.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{Notify, watch};

use crate::upstream::frames::{Frames, close_frame};
use crate::upstream::pool::Busy;
use crate::upstream::relay::relay;
use crate::upstream::sender::Multiplexed;

/// How long a client that we say goodbye to may take to hear it.
const GOODBYE: Duration = Duration::from_secs(1);
/// What is said when this process ends.
const GOING_AWAY: Goodbye = Goodbye { code: 1001, reason: "the gateway goes away" };

/// All running tunnels of the gateway, over all workers. A hyper connection is over once it is upgraded, so a drain that
/// waits for connections does not see them; it waits for this.
#[derive(Clone, Debug, Default)]
pub struct Tunnels(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    running: watch::Sender<usize>,
    closing: watch::Sender<bool>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { running: watch::Sender::new(0), closing: watch::Sender::new(false) }
    }
}

/// One tunnel, for whoever may have to end it. Belongs to the worker.
#[derive(Clone, Debug, Default)]
pub struct Tunnel(Rc<State>);

#[derive(Debug, Default)]
struct State {
    over: Cell<bool>,
    asked: Cell<Option<Goodbye>>,
    asking: Notify,
}

/// What the client is told in its close frame (RFC 6455 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// The status code.
    pub code: u16,
    /// In words, at most 123 bytes.
    pub reason: &'static str,
}

impl Tunnel {
    /// Ends it: the upstream is cut, and the client gets a close frame where one can follow what it got.
    pub fn close(&self, goodbye: Goodbye) {
        self.0.asked.set(Some(goodbye));
        self.0.asking.notify_one();
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.0.over.get()
    }

    async fn asked(&self) -> Goodbye {
        loop {
            if let Some(goodbye) = self.0.asked.get() {
                return goodbye;
            }
            self.0.asking.notified().await;
        }
    }
}

impl Tunnels {
    /// How many are running.
    pub fn running(&self) -> usize {
        *self.0.running.borrow()
    }

    /// Ends all that run, and every later one at once: the gateway goes away.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Waits until none is running.
    pub async fn finished(&self) {
        // It fails only without a sender, and `self` holds that.
        let _ = self.0.running.subscribe().wait_for(|running| *running == 0).await;
    }

    /// Joins the two ends in a task of its own, as soon as both are there. `held` is what it keeps busy: the endpoint, and the
    /// connection, where that carries others too.
    pub(crate) fn open(
        &self,
        client: OnUpgrade,
        upstream: OnUpgrade,
        held: (Busy, Option<Rc<Multiplexed>>),
    ) -> Tunnel {
        self.0.running.send_modify(|running| *running += 1);
        let tunnel = Tunnel::default();
        let running = Running(self.0.clone(), tunnel.clone());
        tokio::task::spawn_local(async move {
            let _held = held;
            let mut closing = running.0.closing.subscribe();
            let mut joined = pin!(join(client, upstream, &running.1));
            tokio::select! {
                () = &mut joined => return,
                _ = closing.wait_for(|closing| *closing) => running.1.close(GOING_AWAY),
            }
            // What cannot be told in time is cut.
            let _ = tokio::time::timeout(GOODBYE * 2, joined).await;
        });
        tunnel
    }
}

/// One tunnel in the count.
struct Running(Arc<Shared>, Tunnel);

impl Drop for Running {
    fn drop(&mut self) {
        self.1.0.over.set(true);
        self.0.running.send_modify(|running| *running -= 1);
    }
}

async fn join(client: OnUpgrade, upstream: OnUpgrade, tunnel: &Tunnel) {
    let (client, upstream) = match tokio::try_join!(client, upstream) {
        Ok(ends) => ends,
        Err(error) => return tracing::debug!(%error, "tunnel did not open"),
    };
    let mut client = Framed { stream: TokioIo::new(client), frames: Frames::default() };
    let mut upstream = TokioIo::new(upstream);
    let relayed = tokio::select! {
        biased;
        goodbye = tunnel.asked() => Err(goodbye),
        relayed = relay(&mut client, &mut upstream) => Ok(relayed),
    };
    match relayed {
        Ok(Ok((up, down))) => tracing::debug!(up, down, "tunnel closed"),
        Ok(Err(error)) => tracing::debug!(%error, "tunnel broke"),
        Err(goodbye) => {
            drop(upstream);
            // Late or broken: it is cut all the same. Boxed, since tunnels are many that say nothing.
            let _ = Box::pin(tokio::time::timeout(GOODBYE, client.say(goodbye))).await;
        }
    }
}

/// The client's end, which knows between which frames it is.
struct Framed {
    stream: TokioIo<Upgraded>,
    frames: Frames,
}

impl Framed {
    /// Says goodbye and waits for the client to hang up: a reset would overtake what it has not read yet.
    async fn say(&mut self, goodbye: Goodbye) -> io::Result<()> {
        if self.frames.takes_another() {
            self.stream.write_all(&close_frame(goodbye.code, goodbye.reason)).await?;
        }
        self.stream.shutdown().await?;
        let mut unheard = [0; 1024];
        while self.stream.read(&mut unheard).await? > 0 {}
        Ok(())
    }
}

impl AsyncRead for Framed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Framed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.frames.advance(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
