//! The listener for operators.

use crate::admin::{Admin, BODY_BYTES_MAX, MigrationDesk};
use crate::app::{Running, StartError};
use crate::config::Limits;
use crate::listen::{Connections, Handler, Listener, Terms, serve, spawn_worker};
use crate::request::{Conn, ParseError};
use crate::token::KeyDesk;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Connections that it holds at once: a few people and their scripts.
const CONNECTIONS: usize = 64;
/// A call is short, or it is none.
const BODY_WAIT: Duration = Duration::from_secs(10);

impl Running {
    /// Starts the listener for operators on a thread of its own, if one is configured.
    pub(super) fn serve_operators(
        &mut self,
        desk: KeyDesk,
        drain: &watch::Receiver<bool>,
    ) -> Result<(), StartError> {
        let Some(config) = &self.shared.config.admin else { return Ok(()) };
        let listener = Listener::bind(&[config.listen], 1).map_err(StartError::Bind)?;
        self.admin = listener.addresses().first().copied();
        if config.tokens.is_empty() {
            tracing::warn!("the admin listener answers nobody: `[admin.tokens]` is empty");
        }
        let (told, asked, since) = (Arc::clone(&self.shared), Arc::clone(&self.shared), self.shared.now());
        let migration = MigrationDesk {
            report: Box::new(move || told.progress(since)),
            resume: Box::new(move |route| asked.migration().resume(route)),
        };
        let admin = Admin::new(config, desk, migration);
        let limits = Limits { connections: CONNECTIONS, ..self.shared.config.server.limits.clone() };
        let (drain, sockets) = (drain.clone(), listener.into_workers().into_iter().flatten().collect());
        let worker = spawn_worker("admin", move || async move {
            let terms = Terms::new(limits, None).posted();
            serve(sockets, terms, Connections::new(CONNECTIONS), AdminHandler(Rc::new(admin)), drain).await
        });
        self.threads.push(worker.map_err(StartError::System)?);
        Ok(())
    }
}

/// The admin listener's answers.
#[derive(Clone)]
struct AdminHandler(Rc<Admin>);

impl Handler for AdminHandler {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        conn: Conn,
        request: Result<Request<Incoming>, ParseError>,
    ) -> Response<Full<Bytes>> {
        let Ok(request) = request else { return refused(StatusCode::BAD_REQUEST) };
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(BODY_WAIT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
        match body {
            Ok(Ok(body)) => {
                let request = Request::from_parts(head, body.to_bytes());
                self.0.answer(conn.peer.ip(), &request).await
            }
            Ok(Err(_)) => refused(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => refused(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

/// The answer to what cannot be read; nothing behind it is.
fn refused(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
