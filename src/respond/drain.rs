//! Reading what is left of a refused request, so that its answer arrives and the connection can go on.

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use std::time::Duration;

/// A form's worth; a longer body costs its connection instead of our time.
const BYTES_MAX: usize = 64 * 1024;
/// A client that cannot send that much in this time is not waited for.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Reads a body to its end and drops it. Returns whether the end came within 64 KiB and a second; if not, the connection
/// must close, since nobody can say where the next request starts.
pub async fn drain(body: Option<Incoming>) -> bool {
    let Some(body) = body else { return false };
    if body.is_end_stream() {
        return true;
    }
    let mut body = Limited::new(body, BYTES_MAX);
    let read = async {
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(WAIT_MAX, read).await.unwrap_or(false)
}
