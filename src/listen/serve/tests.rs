use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config::Limits;
use crate::listen::{Listener, spawn_worker};

mod deadlines;
mod smuggling;

/// Writes down what reached it, whole bodies only, and answers according to the path.
#[derive(Clone)]
struct Recorder {
    seen: Arc<Mutex<Vec<String>>>,
    release: watch::Receiver<bool>,
}

impl Recorder {
    fn note(&self, line: String) {
        self.seen.lock().unwrap().push(line);
    }

    async fn released(&self) {
        self.release.clone().wait_for(|released| *released).await.unwrap();
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let line = format!("{} {}", request.method(), request.uri());
        match request.uri().path() {
            "/panic" => panic!("on purpose"),
            "/early" => return plain(StatusCode::UNAUTHORIZED, &line),
            "/slow" | "/ws-refused" => self.released().await,
            "/ws" | "/ws-unasked" => {
                self.note(line);
                self.released().await;
                spawn_local(echo(hyper::upgrade::on(request)));
                return plain(StatusCode::SWITCHING_PROTOCOLS, "");
            }
            _ => {}
        }
        match request.into_body().collect().await {
            Ok(body) => {
                let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
                self.note(if body.is_empty() { line.clone() } else { format!("{line} {body}") });
                plain(StatusCode::OK, &line)
            }
            Err(error) => {
                self.note(format!("broken {line} {}", cause(&error)));
                plain(StatusCode::BAD_REQUEST, "broken")
            }
        }
    }
}

impl Handler for Recorder {
    type Body = Full<Bytes>;

    async fn handle(&self, _: Conn, request: Result<Request<Incoming>, ParseError>) -> Response<Full<Bytes>> {
        match request {
            Ok(request) => self.answer(request).await,
            Err(error) => {
                self.note(format!("refused {error:?}"));
                plain(StatusCode::BAD_REQUEST, &format!("{error:?}"))
            }
        }
    }

    fn panicked(&self) -> Option<Response<Full<Bytes>>> {
        Some(plain(StatusCode::INTERNAL_SERVER_ERROR, "panicked"))
    }
}

/// The guard's reason, out of the chain hyper wrapped it in.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = Some(error);
    while let Some(current) = error {
        let inner = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<ParseError>()) {
            return format!("{found:?}");
        }
        error = current.source();
    }
    "Unknown".to_owned()
}

fn plain(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let body = if body.is_empty() { String::new() } else { format!("<{body}>") };
    Response::builder().status(status).body(Full::from(body)).unwrap()
}

async fn echo(upgrade: hyper::upgrade::OnUpgrade) {
    let mut io = TokioIo::new(upgrade.await.unwrap());
    let mut bytes = [0; 64];
    while let Ok(count @ 1..) = io.read(&mut bytes).await {
        io.write_all(&bytes[..count]).await.unwrap();
    }
}

/// A worker on a thread of its own, and what is needed to watch it.
struct World {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<Connections>,
    release: watch::Sender<bool>,
    drain: watch::Sender<bool>,
    worker: Option<JoinHandle<io::Result<()>>>,
}

impl World {
    fn new(limits: Limits) -> Self {
        let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()], 1).unwrap();
        let address = listener.addresses()[0];
        let sockets = listener.into_workers().remove(0);
        let (seen, connections) = (Arc::new(Mutex::default()), Connections::new(limits.connections));
        let (release, released) = watch::channel(false);
        let (drain, draining) = watch::channel(false);
        let handler = Recorder { seen: Arc::clone(&seen), release: released };
        let shared = Arc::clone(&connections);
        let worker = spawn_worker("test", move || {
            serve(sockets, Terms::new(limits, None).posted(), shared, handler, draining)
        })
        .unwrap();
        Self { address, seen, connections, release, drain, worker: Some(worker) }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        // Only a failing test ever waits for this.
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Client { stream, read: Vec::new() }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn drain(&mut self) {
        self.drain.send_replace(true);
        self.worker.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.drain.send_replace(true);
        if let Some(worker) = self.worker.take() {
            let ended = worker.join();
            assert!(std::thread::panicking() || ended.is_ok());
        }
    }
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Reads until `end` has come; returns everything since the last call, `end` included.
    fn until(&mut self, end: &str) -> String {
        let mut buffer = [0; 1024];
        loop {
            if let Some(at) = memchr::memmem::find(&self.read, end.as_bytes()) {
                let rest = self.read.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            let count = self.stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "closed before {end:?}: {:?}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&buffer[..count]);
        }
    }

    /// Reads until the other end closes, which must not be a reset.
    fn rest(&mut self) -> String {
        self.stream.read_to_end(&mut self.read).unwrap();
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let world = World::new(Limits::few());
    let mut client = world.client();
    client.send(get("/1") + &get("/2") + "POST /3 HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi" + &get("/4"));
    let answers = client.until("<GET /4>");
    let found: Vec<_> = ["/1>", "/2>", "/3>", "/4>"].map(|end| answers.find(end).unwrap()).into();
    assert!(found.is_sorted());
    assert_eq!(world.seen(), ["GET /1", "GET /2", "POST /3 hi", "GET /4"]);
}

#[test]
fn a_refused_request_leaves_the_one_before_it_answered_and_the_one_behind_it_unread() {
    let world = World::new(Limits::few());
    let mut client = world.client();
    let answers = client.send(get("/1") + &get("bad") + &get("/3")).rest();
    assert!(answers.find("<GET /1>").unwrap() < answers.find("<BadTarget>").unwrap());
    assert!(answers.contains("connection: close"));
    assert_eq!(world.seen(), ["GET /1", "refused BadTarget"]);
}

#[test]
fn bytes_behind_an_upgrade_are_withheld_until_the_101_and_then_belong_to_the_tunnel() {
    let world = World::new(Limits::few());
    let mut client = world.client();
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.send(upgrade.to_owned() + &get("/smuggled"));
    // The other client's round trip shows that the worker had every chance to read on.
    world.client().send(get("/other")).until("<GET /other>");
    assert_eq!(world.seen(), ["GET /ws", "GET /other"]);
    world.release.send(true).unwrap();
    assert!(client.until(&get("/smuggled")).starts_with("HTTP/1.1 101 "));
    client.send("more").until("more");
    assert_eq!(world.seen(), ["GET /ws", "GET /other"]);
}

#[test]
fn bytes_behind_an_upgrade_that_is_refused_are_judged_as_a_request() {
    let world = World::new(Limits::few());
    let mut client = world.client();
    let upgrade = "GET /ws-refused HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    client.send(upgrade.to_owned() + &get("/next") + "\x01");
    world.release.send(true).unwrap();
    let answers = client.rest();
    assert!(answers.find("<GET /ws-refused>").unwrap() < answers.find("<GET /next>").unwrap());
    assert_eq!(world.seen(), ["GET /ws-refused", "GET /next", "refused BadRequestLine"]);
}

#[test]
fn an_upgrade_that_the_head_did_not_allow_closes_the_connection() {
    let world = World::new(Limits::few());
    world.release.send(true).unwrap();
    let answer = world.client().send(get("/ws-unasked")).rest();
    assert_eq!(answer, "");
}

#[test]
fn an_end_inside_a_head_reaches_nobody() {
    let world = World::new(Limits::few());
    let mut client = world.client();
    client.send("GET /half HTTP/1.1\r\nHost:");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "");
    assert!(world.seen().is_empty());
}

#[test]
fn an_end_inside_a_body_is_never_a_whole_body() {
    let world = World::new(Limits::few());
    for head in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"] {
        let mut client = world.client();
        client.send(format!("POST /p HTTP/1.1\r\nHost: a\r\n{head}"));
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        client.rest();
    }
    assert!(world.seen().iter().all(|line| line.starts_with("broken POST /p")), "{:?}", world.seen());
}

#[test]
fn an_early_answer_arrives_although_a_body_was_on_its_way() {
    let world = World::new(Limits::few());
    let mut client = world.client();
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    client.send("x".repeat(40_000)).send(get("/smuggled"));
    assert!(client.rest().contains("401"));
    assert!(world.seen().is_empty());
}

#[test]
fn a_connection_above_the_cap_is_closed_at_once_and_counted() {
    let world = World::new(Limits { connections: 1, ..Limits::few() });
    let mut first = world.client();
    first.send(get("/1")).until("<GET /1>");
    assert_eq!(world.client().rest(), "");
    let refused = world.connections.turned_away().next().unwrap().1;
    assert_eq!((world.connections.open(), refused), (1, 1));
    first.send(get("/2")).until("<GET /2>");
}

#[test]
fn a_panic_costs_its_connection_and_nothing_else() {
    let world = World::new(Limits::few());
    let mut bystander = world.client();
    bystander.send(get("/1")).until("<GET /1>");
    let answer = world.client().send(get("/panic") + &get("/behind")).rest();
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("connection: close"), "{answer}");
    bystander.send(get("/2")).until("<GET /2>");
    assert_eq!(world.seen(), ["GET /1", "GET /2"]);
}

#[test]
fn a_drain_lets_running_requests_end_and_closes_idle_connections() {
    let mut world = World::new(Limits::few());
    let (mut idle, mut running, mut begun) = (world.client(), world.client(), world.client());
    idle.send(get("/1")).until("<GET /1>");
    running.send(get("/2")).until("<GET /2>");
    begun.send(get("/3")).until("<GET /3>");
    running.send(get("/slow"));
    begun.send("GET /4 HTTP/1.1\r\n");
    // Seen by the worker before the drain is, as both wait in one queue.
    world.client().send(get("/5")).until("<GET /5>");
    world.drain.send(true).unwrap();
    assert_eq!(idle.rest(), "");
    assert!(begun.send("\r\n").rest().contains("connection: close"));
    world.release.send(true).unwrap();
    let answer = running.rest();
    assert!(answer.contains("connection: close") && answer.contains("<GET /slow>"), "{answer}");
    world.drain();
    assert_eq!(world.connections.open(), 0);
}

#[test]
fn a_drain_does_not_close_an_upgrade_that_is_being_answered() {
    let mut world = World::new(Limits::few());
    let mut client = world.client();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    let mut idle = world.client();
    idle.send(get("/1")).until("<GET /1>");
    world.drain.send(true).unwrap();
    assert_eq!(idle.rest(), "");
    world.release.send(true).unwrap();
    let answer = client.until("\r\n\r\n");
    assert!(answer.contains(" 101 ") && !answer.contains("close"), "{answer}");
    client.send("tunnel").until("tunnel");
    drop(client);
    world.drain();
}

#[test]
fn a_drain_waits_for_tunnels() {
    let mut world = World::new(Limits::few());
    let mut client = world.client();
    world.release.send(true).unwrap();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").until("\r\n\r\n");
    let mut idle = world.client();
    idle.send(get("/1")).until("<GET /1>");
    world.drain.send(true).unwrap();
    assert_eq!(idle.rest(), "");
    client.send("still there").until("still there");
    assert_eq!(world.connections.open(), 1);
    drop(client);
    world.drain();
}

#[test]
fn a_head_and_a_body_longer_than_hypers_buffers_come_through() {
    let world = World::new(Limits::few());
    let mut client = world.client();
    let (filler, body) = ("f".repeat(30_000), "b".repeat(300_000));
    client.send(format!("POST /p HTTP/1.1\r\nA: {filler}\r\nContent-Length: 300000\r\n\r\n{body}"));
    client.send(get("/next")).until("<GET /next>");
    assert_eq!(world.seen(), [format!("POST /p {body}"), "GET /next".to_owned()]);
}
