//! What the gateway serves. They keep nothing of what they are asked, which a million requests would fill the memory with, and live as
//! long as the tests do.

use crate::support::agreement;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A message as gRPC frames it.
pub(super) const MESSAGE: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The handshake of a WebSocket.
pub(crate) fn handshake() -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: gw.test\r\nCookie: sid=live\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// The answer to [`handshake`].
pub(crate) fn switch() -> String {
    agreement(KEY, "")
}

/// Says whether requests carry a token, and sends back what comes over a WebSocket.
pub(crate) fn http1() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A stack of the usual size is mostly air.
            let thread = std::thread::Builder::new().stack_size(128 * 1024);
            thread.spawn(move || drop(attend(stream))).unwrap();
        }
    });
    address
}

fn attend(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                count => read.extend_from_slice(&chunk[..count]),
            }
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        read.drain(..end + 4);
        if head.contains("upgrade: websocket") {
            stream.write_all(switch().as_bytes())?;
            loop {
                match stream.read(&mut chunk)? {
                    0 => return Ok(()),
                    count => stream.write_all(&chunk[..count])?,
                }
            }
        }
        let token = if head.contains("authorization: bearer ") { "a token" } else { "none" };
        let length = token.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{token}")?;
    }
}

/// Answers calls with their message and a status in the trailers, if they carry a token.
pub(super) fn http2() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let served = connection.serve_connection(TokioIo::new(stream), service_fn(call));
                // A gateway that ends may cut it.
                tokio::spawn(async move { drop(served.await) });
            }
        });
    });
    address
}

type Answer = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn call(request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    let has_token = request.headers().contains_key("authorization");
    let message = request.into_body().collect().await?.to_bytes();
    let status = if has_token && message == MESSAGE { "0" } else { "16" };
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(status))]);
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}
