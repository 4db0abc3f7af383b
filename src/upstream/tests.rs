//! The whole room over real sockets: a hyper server plays the gateway in memory, scripts play the upstream on port 0.

mod limits;
mod pooling;
mod responses;
mod tls;
mod tunnels;
mod unreachable;
mod uploads;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};

use crate::config::{At, Balance, Ejection, Endpoint, Upstream, UpstreamId, UpstreamLimits};
use crate::request::{Stripped, Upgrade};
use crate::telemetry::Metrics;
use crate::upstream::{Forwarder, Outbound, Standings, Tunnels, UpstreamBody, UpstreamError};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET /a HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";

/// Runs on a runtime like a worker's.
fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap()
        .block_on(async { tokio::time::timeout(Duration::from_secs(30), test).await })
        .expect("a test that hangs has failed")
}

/// A scripted upstream: `script` gets the number and socket of every connection.
struct Upstreams {
    port: u16,
    connections: Rc<Cell<usize>>,
}

async fn listen<F, Fut>(script: F) -> Upstreams
where
    F: Fn(usize, TcpStream) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Rc::new(Cell::new(0));
    let counted = connections.clone();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(script(counted.get(), stream));
            counted.set(counted.get() + 1);
        }
    });
    Upstreams { port, connections }
}

/// An upstream that answers every request on every connection with these bytes, and hangs up after them if told so.
async fn answering(answer: impl Into<Vec<u8>>, hang_up: bool) -> Upstreams {
    let answer: Rc<Vec<u8>> = Rc::new(answer.into());
    listen(move |_, mut stream| {
        let answer = answer.clone();
        async move {
            while read_head(&mut stream).await.is_some() {
                if stream.write_all(&answer).await.is_err() || hang_up {
                    return;
                }
            }
        }
    })
    .await
}

/// Reads one head; `None` at the end of the stream.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

async fn read_rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    String::from_utf8_lossy(&rest).into_owned()
}

pub(crate) fn to_ports(ports: &[u16]) -> Upstream {
    Upstream {
        name: "orders".into(),
        at: At { file: 0, start: 0, end: 0 },
        endpoints: ports
            .iter()
            .map(|port| Endpoint {
                tls: false,
                http2: false,
                host: "127.0.0.1".into(),
                port: *port,
                socket: None,
            })
            .collect(),
        host: None,
        proxy_protocol: None,
        tls: Default::default(),
        connect_timeout: Duration::from_secs(10),
        first_byte_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
        balance: Balance::RoundRobin,
        limits: UpstreamLimits {
            connections: 1000,
            queue: 100,
            wait: Duration::from_secs(10),
            latency: None,
        },
        ejection: Ejection {
            failures: 5,
            time: Duration::from_secs(5),
            slow_return: Duration::from_secs(10),
        },
        health: None,
        request_headers: Default::default(),
        response_headers: Default::default(),
    }
}

/// A gateway that forwards everything to one upstream.
#[derive(Clone)]
struct Gateway(Rc<Inside>);

struct Inside {
    forwarder: Forwarder,
    tunnels: Tunnels,
    body_limit: Option<u64>,
    accept: &'static str,
    total: Option<Duration>,
    errors: RefCell<Vec<UpstreamError>>,
}

impl Gateway {
    fn before(port: u16) -> Self {
        Self::of(to_ports(&[port]))
    }

    fn of(upstream: Upstream) -> Self {
        Self::with(upstream, |_| {})
    }

    fn with(upstream: Upstream, change: impl FnOnce(&mut Inside)) -> Self {
        let standings = Standings::new(std::slice::from_ref(&upstream), &Metrics::new());
        Self::beside(&standings, upstream, change)
    }

    /// One more worker, for all that the workers share.
    fn beside(standings: &Standings, upstream: Upstream, change: impl FnOnce(&mut Inside)) -> Self {
        let tunnels = Tunnels::default();
        let forwarder = Forwarder::new(&[upstream], standings, tunnels.clone(), None).unwrap();
        let mut inside = Inside {
            forwarder,
            tunnels,
            body_limit: None,
            accept: "",
            total: None,
            errors: RefCell::default(),
        };
        change(&mut inside);
        Self(Rc::new(inside))
    }

    /// A client connection.
    fn client(&self) -> DuplexStream {
        let (client, server) = duplex(64 * 1024);
        self.serve(server);
        client
    }

    fn serve(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let gateway = self.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| gateway.handle(request));
            let server = hyper::server::conn::http1::Builder::new();
            let _ = server.serve_connection(TokioIo::new(io), service).with_upgrades().await;
        });
    }

    /// Sends `raw` on a connection of its own and reads what comes until it closes.
    async fn ask(&self, raw: &str) -> String {
        let mut client = self.client();
        client.write_all(raw.as_bytes()).await.unwrap();
        read_rest(&mut client).await
    }

    /// The only error so far.
    fn error(&self) -> UpstreamError {
        let mut errors = self.0.errors.borrow_mut();
        assert!(errors.len() < 2, "{errors:?}");
        errors.pop().expect("an error")
    }

    async fn handle(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Either<UpstreamBody, Empty<bytes::Bytes>>>, Infallible> {
        let upgrade = request.headers().contains_key("upgrade").then(|| Upgrade {
            client: hyper::upgrade::on(&mut request),
            accept: self.0.accept.to_owned(),
            connects: false,
        });
        let (mut head, body) = request.into_parts();
        for name in ["connection", "upgrade", "te", "transfer-encoding"] {
            head.headers.remove(name);
        }
        let outbound =
            Outbound::new(Stripped::for_test(head, body, upgrade), self.0.body_limit, self.0.total);
        Ok(match self.0.forwarder.send(outbound, UpstreamId(0)).await {
            Ok(response) => response.map(Either::Left),
            Err(error) => {
                self.0.errors.borrow_mut().push(error);
                let mut response = Response::new(Either::Right(Empty::new()));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        })
    }
}
