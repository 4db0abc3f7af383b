//! Request bodies.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::oneshot;

use crate::config::Upstream;
use crate::request::ParseError;
use crate::upstream::UpstreamError;
use crate::upstream::tests::{Gateway, OK, Upstreams, listen, read_head, read_rest, run, to_ports};

const CHUNKED: &str =
    "POST / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";

/// An upstream that never answers and keeps all it got, and a promise of that.
async fn recording() -> (Upstreams, oneshot::Receiver<String>) {
    let (tell, told) = oneshot::channel();
    let tell = Rc::new(RefCell::new(Some(tell)));
    let upstream = listen(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let all = read_rest(&mut stream).await;
            let _ = tell.borrow_mut().take().unwrap().send(all);
        }
    })
    .await;
    (upstream, told)
}

/// What an upstream gets of a request, if it answers once it has seen `end`.
async fn forwarded(request: &str, end: &'static str) -> String {
    forwarded_by(request, end, |_| {}, None).await
}

async fn forwarded_by(
    request: &str,
    end: &'static str,
    change: impl FnOnce(&mut Upstream),
    limit: Option<u64>,
) -> String {
    let (tell, told) = oneshot::channel();
    let tell = Rc::new(RefCell::new(Some(tell)));
    let upstream = listen(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let mut seen = Vec::new();
            while !seen.ends_with(end.as_bytes()) {
                seen.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(OK.as_bytes()).await.unwrap();
            let _ = tell.borrow_mut().take().unwrap().send(String::from_utf8(seen).unwrap());
        }
    })
    .await;
    let mut config = to_ports(&[upstream.port]);
    change(&mut config);
    let seen = Gateway::with(config, |inside| inside.body_limit = limit).ask(request).await;
    assert!(seen.ends_with("ok"), "{seen}");
    told.await.unwrap()
}

/// What a client's fault is taken for, and what the upstream saw of the body.
async fn faulty(request: &str, limit: Option<u64>) -> (UpstreamError, String) {
    let (upstream, told) = recording().await;
    let gateway = Gateway::with(to_ports(&[upstream.port]), |inside| inside.body_limit = limit);
    gateway.ask(request).await;
    (gateway.error(), told.await.unwrap())
}

#[test]
fn a_body_that_outgrows_the_limit_is_cut_before_its_end() {
    run(async {
        let request = format!("{CHUNKED}4\r\nfour\r\n5\r\nfifth\r\n0\r\n\r\n");
        let (error, seen) = faulty(&request, Some(8)).await;
        assert!(matches!(error, UpstreamError::ClientBody(ParseError::BodyTooLarge)), "{error:?}");
        assert!(!seen.contains("fifth") && !seen.ends_with("0\r\n\r\n"), "{seen}");
    });
}

#[test]
fn a_body_of_just_the_limit_passes() {
    run(async {
        let request = format!("{CHUNKED}4\r\nfour\r\n4\r\nfour\r\n0\r\n\r\n");
        forwarded_by(&request, "four\r\n0\r\n\r\n", |_| {}, Some(8)).await;
    });
}

#[test]
fn a_declared_length_over_the_limit_reaches_no_upstream() {
    run(async {
        let (upstream, _told) = recording().await;
        let gateway = Gateway::with(to_ports(&[upstream.port]), |inside| inside.body_limit = Some(8));
        gateway.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\n").await;
        assert!(matches!(gateway.error(), UpstreamError::ClientBody(ParseError::BodyTooLarge)));
        assert_eq!(upstream.connections.get(), 0);
    });
}

#[test]
fn broken_chunks_never_end_cleanly() {
    run(async {
        for chunks in ["4\r\nfour\r\nzz\r\n", "4\r\nfour!\r\n0\r\n\r\n", "4\r\nfour\r\n0x\r\n\r\n"] {
            let (error, seen) = faulty(&format!("{CHUNKED}{chunks}"), None).await;
            assert!(matches!(error, UpstreamError::ClientBody(ParseError::BadChunk)), "{chunks:?} {error:?}");
            assert!(!seen.ends_with("0\r\n\r\n"), "{seen}");
        }
    });
}

#[test]
fn a_client_that_vanishes_leaves_an_unfinished_body() {
    run(async {
        for request in [
            format!("{CHUNKED}4\r\nfour\r\n"),
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nfour".to_owned(),
        ] {
            let (upstream, told) = recording().await;
            let gateway = Gateway::before(upstream.port);
            let mut client = gateway.client();
            client.write_all(request.as_bytes()).await.unwrap();
            drop(client);
            // The upstream's connection ends, and not after the end of a body.
            let seen = told.await.unwrap();
            assert!(!seen.ends_with("0\r\n\r\n") && !seen.contains("four!"), "{seen}");
        }
    });
}

/// A client connection on which the guard finds a fault where the bytes end.
struct Guarded(DuplexStream);

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::other(ParseError::BodyTimedOut)))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[test]
fn the_head_guards_own_reason_comes_through() {
    run(async {
        let (upstream, told) = recording().await;
        let gateway = Gateway::before(upstream.port);
        let (mut client, server) = duplex(1024);
        gateway.serve(Guarded(server));
        client.write_all(format!("{CHUNKED}4\r\nfour\r\n").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        read_rest(&mut client).await;
        assert!(matches!(gateway.error(), UpstreamError::ClientBody(ParseError::BodyTimedOut)));
        assert!(!told.await.unwrap().ends_with("0\r\n\r\n"));
    });
}

#[test]
fn trailers_are_dropped() {
    run(async {
        let request = format!("{CHUNKED}4\r\nfour\r\n0\r\nX-User: admin\r\n\r\n")
            .replace("Host", "Trailer: X-User\r\nHost");
        let seen = forwarded(&request, "0\r\n\r\n").await;
        assert!(
            seen.ends_with("4\r\nfour\r\n0\r\n\r\n") && !seen.to_lowercase().contains("x-user"),
            "{seen}"
        );
    });
}

#[test]
fn a_body_keeps_its_framing_and_a_request_without_one_gets_none() {
    run(async {
        for (method, framing, body, expected) in [
            ("POST", "Content-Length: 4", "four", "content-length: 4"),
            ("GET", "Content-Length: 4", "four", "content-length: 4"),
            ("POST", "Transfer-Encoding: chunked", "4\r\nfour\r\n0\r\n\r\n", "transfer-encoding: chunked"),
            ("GET", "Transfer-Encoding: chunked", "4\r\nfour\r\n0\r\n\r\n", "transfer-encoding: chunked"),
            ("POST", "Content-Length: 0", "", "content-length: 0"),
            ("GET", "X-A: b", "", ""),
            ("POST", "X-A: b", "", ""),
        ] {
            let request =
                format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}\r\n\r\n{body}");
            let seen = forwarded(&request, if body.is_empty() { "\r\n\r\n" } else { body }).await;
            let (head, sent) = seen.split_once("\r\n\r\n").unwrap();
            let framings: Vec<&str> = head
                .split("\r\n")
                .filter(|line| line.starts_with("content-length") || line.starts_with("transfer-encoding"))
                .collect();
            assert_eq!((framings.join(","), sent), (expected.to_owned(), body), "{request}");
        }
    });
}

#[test]
fn the_head_is_sent_in_version_1_1_with_the_configured_host() {
    run(async {
        let request = "GET /x?y HTTP/1.0\r\nHost: shop\r\nA: b\r\n\r\n";
        let host = |config: &mut Upstream| config.host = Some("orders.internal:81".into());
        let seen = forwarded_by(request, "\r\n\r\n", host, None).await;
        assert!(seen.starts_with("GET /x?y HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("\r\nhost: orders.internal:81\r\n") && !seen.contains("shop"), "{seen}");
    });
}

#[test]
fn a_client_is_told_to_continue_only_once_the_upstream_is_connected() {
    run(async {
        let request = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut client = Gateway::before(dead).client();
        client.write_all(request.as_bytes()).await.unwrap();
        assert!(read_head(&mut client).await.unwrap().starts_with("HTTP/1.1 502"));

        let (upstream, _told) = recording().await;
        let mut client = Gateway::before(upstream.port).client();
        client.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(read_head(&mut client).await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    });
}

#[test]
#[ignore = "takes seconds; run it with --release when the path of a body changes"]
fn a_gibibyte_passes_both_ways_in_flat_memory() {
    const SIZE: u64 = 1 << 30;
    run(async {
        let upstream = listen(|_, mut stream| async move {
            read_head(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        })
        .await;
        let mut client = Gateway::before(upstream.port).client();
        let head =
            format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {SIZE}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let before = resident_kib();
        let (mut read, mut write) = tokio::io::split(client);
        let sent = tokio::task::spawn_local(async move {
            tokio::io::copy(&mut tokio::io::repeat(7).take(SIZE), &mut write).await
        });
        read_head(&mut read).await.unwrap();
        let got = tokio::io::copy(&mut read, &mut tokio::io::sink()).await.unwrap();
        assert_eq!((sent.await.unwrap().unwrap(), got), (SIZE, SIZE));
        assert!(resident_kib() < before + 4096, "{before} KiB, then {} KiB at most", resident_kib());
    });
}

/// The most memory this process ever had.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}
