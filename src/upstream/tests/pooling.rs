//! When a connection is used again, and when a request is sent again.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::upstream::UpstreamError;
use crate::upstream::pool::Link;
use crate::upstream::tests::{GET, Gateway, OK, Upstreams, answering, listen, read_head, run, to_ports};
use crate::upstream::wire::Turn;

const POST: &str = "POST /a HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
const EMPTY_POST: &str = "POST /a HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Reads what [`GET`] or [`POST`] becomes.
async fn read_request(stream: &mut tokio::net::TcpStream) -> Option<String> {
    let mut head = read_head(stream).await?;
    if head.contains("content-length: 2") {
        head.push(stream.read_u8().await.ok()?.into());
        head.push(stream.read_u8().await.ok()?.into());
    }
    Some(head)
}

/// Serves one request on its first connection, then takes a second one, says `last` and hangs up. Later connections
/// echo the request.
async fn hanging_up(last: &'static str) -> Upstreams {
    listen(move |number, mut stream| async move {
        if number == 0 {
            read_request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(last.as_bytes()).await.unwrap();
            return;
        }
        while let Some(request) = read_request(&mut stream).await {
            let echo = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{request}", request.len());
            stream.write_all(echo.as_bytes()).await.unwrap();
        }
    })
    .await
}

#[test]
fn a_sent_request_with_a_body_is_never_sent_again() {
    run(async {
        for request in [POST, EMPTY_POST, &POST.replace("POST", "PUT")] {
            let upstream = hanging_up("").await;
            let gateway = Gateway::before(upstream.port);
            gateway.ask(GET).await;
            assert!(gateway.ask(request).await.starts_with("HTTP/1.1 502"));
            assert!(matches!(gateway.error(), UpstreamError::BrokenResponse { .. }));
            assert_eq!(upstream.connections.get(), 1);
        }
    });
}

#[test]
fn a_request_is_not_sent_again_after_one_byte_of_an_answer() {
    run(async {
        let upstream = hanging_up("H").await;
        let gateway = Gateway::before(upstream.port);
        gateway.ask(GET).await;
        assert!(gateway.ask(GET).await.starts_with("HTTP/1.1 502"));
        assert_eq!(upstream.connections.get(), 1);
    });
}

#[test]
fn a_request_on_a_new_connection_is_not_sent_again() {
    run(async {
        let upstream = answering("", true).await;
        let gateway = Gateway::before(upstream.port);
        assert!(gateway.ask(GET).await.starts_with("HTTP/1.1 502"));
        assert_eq!(upstream.connections.get(), 1);
    });
}

#[test]
fn a_get_that_met_a_dying_connection_is_sent_again_unchanged() {
    run(async {
        let upstream = hanging_up("").await;
        let gateway = Gateway::before(upstream.port);
        gateway.ask(GET).await;
        let request = "GET /a?b=c%20d HTTP/1.1\r\nHost: shop\r\nX-A: 1\r\nCookie: a=b\r\nX-A: 2\r\nConnection: close\r\n\r\n";
        let seen = gateway.ask(request).await;
        let (_, echoed) = seen.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = echoed.trim_end().split("\r\n").collect();
        assert_eq!(lines.remove(0), "GET /a?b=c%20d HTTP/1.1");
        lines.sort_unstable();
        assert_eq!(lines, ["cookie: a=b", "host: shop", "x-a: 1", "x-a: 2"]);
        assert_eq!(upstream.connections.get(), 2);
    });
}

/// A waiting connection whose driver ends, without looking at it, when it is woken by a request.
async fn doomed() -> Link {
    let (ours, theirs) = tokio::io::duplex(1024);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
    let ending = Rc::new(Cell::new(false));
    let end = ending.clone();
    tokio::task::spawn_local(async move {
        let _open = theirs;
        let mut connection = std::pin::pin!(connection);
        std::future::poll_fn(|cx| {
            if end.get() { Poll::Ready(()) } else { connection.as_mut().poll(cx).map(drop) }
        })
        .await;
    });
    sender.ready().await.unwrap();
    ending.set(true);
    Link::new(sender, Turn::new(), None)
}

#[test]
fn a_request_that_was_not_sent_goes_out_again_body_and_all() {
    run(async {
        let upstream = listen(|_, mut stream| async move {
            while let Some(request) = read_request(&mut stream).await {
                let echo = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{request}", request.len());
                stream.write_all(echo.as_bytes()).await.unwrap();
            }
        })
        .await;
        let gateway = Gateway::before(upstream.port);
        gateway.0.forwarder.adopt(doomed().await);
        let seen = gateway.ask(POST).await;
        assert!(seen.ends_with("\r\n\r\nhi"), "{seen}");
        assert_eq!(upstream.connections.get(), 1);
    });
}

#[test]
fn a_connection_that_closed_while_it_waited_is_not_tried() {
    run(async {
        let upstream = answering(OK, true).await;
        let gateway = Gateway::before(upstream.port);
        for served in 1..4 {
            assert!(gateway.ask(&POST.replace("2\r\n\r\nhi", "0\r\n\r\n")).await.ends_with("ok"));
            while gateway.0.forwarder.has_open() {
                tokio::task::yield_now().await;
            }
            assert_eq!(upstream.connections.get(), served);
        }
    });
}

#[test]
fn ten_requests_in_a_row_share_one_connection() {
    run(async {
        let upstream = answering(OK, false).await;
        let gateway = Gateway::before(upstream.port);
        for _ in 0..10 {
            assert!(gateway.ask(GET).await.ends_with("ok"));
        }
        assert_eq!(upstream.connections.get(), 1);
        assert_eq!(gateway.0.forwarder.waiting(), 1);
    });
}

#[test]
fn a_connection_whose_response_still_streams_takes_no_other_request() {
    run(async {
        let upstream = answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false).await;
        let gateway = Gateway::before(upstream.port);
        let (mut one, mut two) = (gateway.client(), gateway.client());
        for client in [&mut one, &mut two] {
            client.write_all(GET.as_bytes()).await.unwrap();
            assert!(read_head(client).await.unwrap().starts_with("HTTP/1.1 200"));
        }
        assert_eq!(upstream.connections.get(), 2);
    });
}

#[test]
fn a_connection_that_the_upstream_closes_is_not_kept() {
    run(async {
        let upstream = answering(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), false).await;
        let gateway = Gateway::before(upstream.port);
        for _ in 0..3 {
            assert!(gateway.ask(GET).await.ends_with("ok"));
        }
        assert_eq!(upstream.connections.get(), 3);
    });
}

#[test]
fn an_idle_connection_past_its_time_is_not_used() {
    run(async {
        let upstream = answering(OK, false).await;
        let mut config = to_ports(&[upstream.port]);
        config.idle_timeout = Duration::ZERO;
        let gateway = Gateway::of(config);
        for served in 1..4 {
            gateway.ask(GET).await;
            assert_eq!(upstream.connections.get(), served);
        }
    });
}

#[test]
fn idle_connections_are_closed_without_another_request() {
    run(async {
        let (closed, wait) = tokio::sync::oneshot::channel();
        let closed = Rc::new(Cell::new(Some(closed)));
        let upstream = listen(move |_, mut stream| {
            let closed = closed.clone();
            async move {
                while read_head(&mut stream).await.is_some() {
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
                let _ = closed.take().map(|closed| closed.send(()));
            }
        })
        .await;
        let mut config = to_ports(&[upstream.port]);
        config.idle_timeout = Duration::from_millis(5);
        let gateway = Gateway::of(config);
        gateway.ask(GET).await;
        wait.await.unwrap();
        assert_eq!(gateway.0.forwarder.waiting(), 0);
    });
}
