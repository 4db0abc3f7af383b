//! The seam to whatever answers requests.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::request::{Conn, ParseError};

/// What answers a request; `pipeline` implements it, and the internal listener's router.
pub trait Handler: Clone + 'static {
    /// The body of its answers.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static;

    /// Whether it has an answer to requests for which there is no room.
    const REFUSES: bool = false;

    /// Answers one request. `request` is the reason if the head was refused; the connection closes behind that answer.
    fn handle(
        &self,
        conn: Conn,
        request: Result<Request<Incoming>, ParseError>,
    ) -> impl Future<Output = Response<Self::Body>>;

    /// The answer to a request whose handling panicked; `None` closes the connection without one.
    fn panicked(&self) -> Option<Response<Self::Body>> {
        None
    }

    /// The answer to a request for which there is no room; `None` handles it all the same.
    fn overloaded(&self, _excess: &Excess<'_>) -> Option<Response<Self::Body>> {
        None
    }
}

/// A request for which there is no room.
#[derive(Debug)]
pub struct Excess<'a> {
    /// What it came by.
    pub conn: &'a Conn,
    /// Its head, if that was not refused.
    pub request: Option<&'a Request<Incoming>>,
    /// What there is none of.
    pub scarce: Scarce,
}

/// What there may be too little of for one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scarce {
    /// The process has used up its memory.
    Memory,
    /// Its worker cannot do more.
    Time,
}

impl Scarce {
    /// The word for it in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Time => "time",
        }
    }
}

impl Excess<'_> {
    /// Whether its connection has to go: it holds memory, or nobody is going to read the body that follows.
    pub(crate) fn closes(&self) -> bool {
        let read = self.request.is_some_and(|request| request.body().is_end_stream());
        self.scarce == Scarce::Memory || !read
    }
}
