//! Upstreams that are not there, or do not answer.

use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

use crate::upstream::UpstreamError;
use crate::upstream::tests::{GET, Gateway, OK, answering, listen, run, to_ports};

/// A port where nobody listens.
async fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[test]
fn a_refused_connection_is_connect_failed() {
    run(async {
        let gateway = Gateway::before(dead_port().await);
        assert!(gateway.ask(GET).await.starts_with("HTTP/1.1 502"));
        assert!(matches!(gateway.error(), UpstreamError::ConnectFailed { .. }));
    });
}

#[test]
fn a_name_that_does_not_resolve_is_connect_failed() {
    run(async {
        let mut upstream = to_ports(&[1]);
        upstream.endpoints[0].host = "no such name".into();
        let gateway = Gateway::of(upstream);
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::ConnectFailed { .. }));
    });
}

#[test]
fn a_black_hole_ends_at_the_connect_timeout() {
    run(async {
        // Once the queue of an accepting socket is full, Linux drops further SYNs without a word.
        let full = TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = full.listen(0).unwrap();
        let address = full.local_addr().unwrap();
        let _queued = tokio::net::TcpStream::connect(address).await.unwrap();

        let mut upstream = to_ports(&[address.port()]);
        upstream.connect_timeout = Duration::from_millis(20);
        let gateway = Gateway::of(upstream);
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::ConnectTimedOut));
    });
}

#[test]
fn when_one_endpoint_is_down_the_next_one_serves() {
    run(async {
        let live = answering(OK, false).await;
        let gateway = Gateway::of(to_ports(&[dead_port().await, live.port]));
        for _ in 0..4 {
            assert!(gateway.ask(GET).await.ends_with("ok"));
        }
    });
}

#[test]
fn endpoints_serve_in_turn() {
    run(async {
        let (one, two) = (answering(OK, false).await, answering(OK, false).await);
        let gateway = Gateway::of(to_ports(&[one.port, two.port]));
        gateway.ask(GET).await;
        gateway.ask(GET).await;
        assert_eq!((one.connections.get(), two.connections.get()), (1, 1));
    });
}

#[test]
fn a_silent_upstream_ends_at_the_first_byte_timeout_and_is_not_asked_again() {
    run(async {
        let silent = listen(async |_, stream| {
            let _held = stream;
            std::future::pending::<()>().await;
        })
        .await;
        let mut upstream = to_ports(&[silent.port]);
        upstream.first_byte_timeout = Duration::from_millis(20);
        let gateway = Gateway::of(upstream);
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::FirstByteTimedOut));
        assert_eq!(silent.connections.get(), 1);
    });
}

#[test]
fn a_response_that_outlives_the_total_is_cut() {
    run(async {
        let slow = answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false).await;
        let gateway = Gateway::with(to_ports(&[slow.port]), |inside| {
            inside.total = Some(Duration::from_millis(50));
        });
        let answer = gateway.ask(GET).await;
        assert!(answer.ends_with("\r\n\r\nhalf"), "{answer}");
    });
}

#[test]
fn the_total_counts_before_the_head_too() {
    run(async {
        let silent = answering("", false).await;
        let gateway = Gateway::with(to_ports(&[silent.port]), |inside| {
            inside.total = Some(Duration::from_millis(20));
        });
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::TotalTimedOut));
    });
}
