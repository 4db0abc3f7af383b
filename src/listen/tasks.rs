//! The streams of one HTTP/2 connection, each a task of its own.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::spawn_local;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::listen::guard::WRITE_STALL;
use crate::listen::pressure::Pressure;

/// How often a stream whose client takes nothing looks whether there is still room for it: nobody wakes it when there is not.
const LOOK: Duration = Duration::from_millis(200);
/// The same, where it stands still because of us.
const STOPPED_LOOK: Duration = Duration::from_millis(20);

/// Runs what hyper makes of a connection's streams, and knows how many there are.
#[derive(Clone)]
pub(crate) struct Tasks(Rc<Counted>);

struct Counted {
    pressure: Pressure,
    running: Cell<usize>,
    quiet_since: Cell<Instant>,
    /// Of the request whose task hyper is about to start.
    newest: RefCell<Option<Rc<Offer>>>,
}

/// Since when a part of an answer has been there for the client to take; `None` while more is awaited from the upstream.
#[derive(Debug, Default)]
pub(crate) struct Offer(Cell<Option<Instant>>);

impl Tasks {
    /// None yet.
    pub(crate) fn new(pressure: Pressure) -> Self {
        Self(Rc::new(Counted {
            pressure,
            running: Cell::new(0),
            quiet_since: Cell::new(Instant::now()),
            newest: RefCell::default(),
        }))
    }

    /// A request begins; hyper starts its task right behind this.
    pub(crate) fn begin(&self) -> Rc<Offer> {
        let offer = Rc::<Offer>::default();
        *self.0.newest.borrow_mut() = Some(Rc::clone(&offer));
        offer
    }

    /// Whether what the client sends has to wait: its streams hold what there is no room for. Who has none may ask, and is told so.
    pub(crate) fn stop(&self) -> bool {
        self.0.running.get() > 0 && self.0.pressure.stops()
    }

    /// Since when no stream has been running; `None` while one is.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        (self.0.running.get() == 0).then(|| self.0.quiet_since.get())
    }
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, stream: F) {
        let offer = self.0.newest.borrow_mut().take();
        self.0.running.set(self.0.running.get() + 1);
        let running = Running(Rc::clone(&self.0));
        spawn_local(async move {
            let running = running;
            match offer {
                Some(offer) => run(stream, &offer, &running.0.pressure).await,
                // A tunnel: its own end has its own deadlines.
                None => stream.await,
            }
        });
    }
}

/// Polls a stream to its end, or gives it up, which resets it, when the client has not taken what it was offered.
async fn run(stream: impl Future<Output = ()>, offer: &Offer, pressure: &Pressure) {
    let mut stream = pin!(stream);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    std::future::poll_fn(|cx| {
        loop {
            // Whose answer is on its way stands still while there is no room; its timer looks when there is again.
            let stops = offer.0.get().is_some() && pressure.stops();
            if !stops && stream.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let Some(since) = offer.0.get() else { return Poll::Pending };
            let look = if stops { STOPPED_LOOK } else { LOOK };
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(since + look)));
            if stops && timer.deadline() > Instant::now() + look {
                timer.as_mut().reset(Instant::now() + look);
            }
            while timer.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                let due = since + pressure.shorten(WRITE_STALL);
                if due <= now {
                    return Poll::Ready(());
                }
                timer.as_mut().reset(due.min(now + look));
            }
            if !stops || pressure.stops() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// One stream in the count.
struct Running(Rc<Counted>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get().saturating_sub(1));
        self.0.quiet_since.set(Instant::now());
    }
}

/// A response body that notes whose turn it is.
pub(crate) struct Offered<B> {
    body: B,
    offer: Rc<Offer>,
}

impl<B> Offered<B> {
    /// Its head is there: it is the client's turn.
    pub(crate) fn new(body: B, offer: Rc<Offer>) -> Self {
        offer.0.set(Some(Instant::now()));
        Self { body, offer }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Offered<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        this.offer.0.set(polled.is_ready().then(Instant::now));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
