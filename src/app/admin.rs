//! The listener for operators.

use crate::admin::{Admin, BODY_BYTES_MAX, MigrationDesk};
use crate::app::generation::Generation;
use crate::app::{Running, accepting};
use crate::listen::{Connections, Handler, Listener, serve, spawn_worker};
use crate::request::{Conn, ParseError};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_local;

/// Connections that it holds at once: a few people and their scripts.
const CONNECTIONS: usize = 64;
/// A call is short, or it is none.
const BODY_WAIT: Duration = Duration::from_secs(10);

impl Running {
    /// Starts the listener for operators on a thread of its own.
    pub(super) fn serve_operators(&mut self, listener: Listener) -> std::io::Result<()> {
        self.admin = listener.addresses().first().copied();
        let sockets = listener.into_workers().into_iter().flatten().collect();
        let (drain, terms) = (self.drain.subscribe(), Arc::clone(&self.inside));
        let (mut generations, opened) = (self.generations.subscribe(), self.opened.subscribe());
        let worker = spawn_worker("admin", move || async move {
            let first = admin_of(&generations.borrow_and_update());
            let current = AdminHandler(Rc::new(RefCell::new(first)));
            let follower = spawn_local(follow(generations, current.clone()));
            accepting(opened).await;
            let served = serve(sockets, terms, Connections::new(CONNECTIONS), current, drain).await;
            follower.abort();
            served
        });
        self.threads.push(worker?);
        Ok(())
    }
}

async fn follow(mut generations: watch::Receiver<Arc<Generation>>, current: AdminHandler) {
    while generations.changed().await.is_ok() {
        let next = admin_of(&generations.borrow_and_update());
        current.0.replace(next);
    }
}

/// Who answers operators under a configuration; nobody, if it does not have the table any more.
fn admin_of(generation: &Generation) -> Option<Rc<Admin>> {
    let shared = &generation.shared;
    let config = shared.config.admin.as_ref()?;
    if config.tokens.is_empty() {
        tracing::warn!("the admin listener answers nobody: `[admin.tokens]` is empty");
    }
    let (told, asked, since) = (Arc::clone(shared), Arc::clone(shared), generation.since);
    let migration = MigrationDesk {
        report: Box::new(move || told.progress(since)),
        resume: Box::new(move |route| asked.migration().resume(route)),
    };
    Some(Rc::new(Admin::new(config, generation.desk()?, migration)))
}

/// The admin listener's answers.
#[derive(Clone)]
struct AdminHandler(Rc<RefCell<Option<Rc<Admin>>>>);

impl Handler for AdminHandler {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        conn: Conn,
        request: Result<Request<Incoming>, ParseError>,
    ) -> Response<Full<Bytes>> {
        let Ok(request) = request else { return refused(StatusCode::BAD_REQUEST) };
        let admin = self.0.borrow().clone();
        let Some(admin) = admin else { return refused(StatusCode::NOT_FOUND) };
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(BODY_WAIT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
        match body {
            Ok(Ok(body)) => {
                let request = Request::from_parts(head, body.to_bytes());
                admin.answer(conn.peer.ip(), &request).await
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
