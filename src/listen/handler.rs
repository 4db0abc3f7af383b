//! The seam to whatever answers requests.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::request::{Conn, ParseError};

/// What answers a request; `pipeline` implements it, and the internal listener's router.
pub trait Handler: Clone + 'static {
    /// The body of its answers.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static;

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
    fn overloaded(&self, _conn: &Conn) -> Option<Response<Self::Body>> {
        None
    }
}
