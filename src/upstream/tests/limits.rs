//! How many connections an endpoint may have, who waits for one, and who is left alone.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::config::{Balance, Upstream, UpstreamLimits};
use crate::telemetry::Metrics;
use crate::upstream::tests::{GET, Gateway, OK, Upstreams, answering, listen, read_head, run, to_ports};
use crate::upstream::{Standings, UpstreamError};

const LONG: Duration = Duration::from_secs(10);

/// An upstream that answers one request for each permit, and tells how many came.
async fn gated() -> (Upstreams, Rc<Semaphore>, Rc<Semaphore>) {
    let (gate, came) = (Rc::new(Semaphore::new(0)), Rc::new(Semaphore::new(0)));
    let (its_gate, its_came) = (Rc::clone(&gate), Rc::clone(&came));
    let upstream = listen(move |_, mut stream| {
        let (gate, came) = (Rc::clone(&its_gate), Rc::clone(&its_came));
        async move {
            while read_head(&mut stream).await.is_some() {
                came.add_permits(1);
                gate.acquire().await.unwrap().forget();
                if stream.write_all(OK.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (upstream, gate, came)
}

fn limited(upstream: &Upstreams, connections: usize, queue: usize, wait: Duration) -> Upstream {
    let mut config = to_ports(&[upstream.port]);
    config.limits = UpstreamLimits { connections, queue, wait, latency: None };
    config
}

/// Asks in a task of its own.
fn asking(gateway: &Gateway) -> tokio::task::JoinHandle<String> {
    let gateway = gateway.clone();
    tokio::task::spawn_local(async move { gateway.ask(GET).await })
}

#[test]
fn a_request_beyond_the_queue_is_refused_at_once() {
    run(async {
        let (upstream, gate, came) = gated().await;
        let gateway = Gateway::of(limited(&upstream, 1, 0, LONG));
        let first = asking(&gateway);
        came.acquire().await.unwrap().forget();
        assert!(gateway.ask(GET).await.starts_with("HTTP/1.1 502"));
        assert!(matches!(gateway.error(), UpstreamError::Busy));
        gate.add_permits(1);
        assert!(first.await.unwrap().ends_with("ok"));
    });
}

#[test]
fn a_request_that_waited_too_long_is_refused() {
    run(async {
        let (upstream, _gate, came) = gated().await;
        let gateway = Gateway::of(limited(&upstream, 1, 9, Duration::from_millis(50)));
        let _first = asking(&gateway);
        came.acquire().await.unwrap().forget();
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::Busy));
        assert_eq!(upstream.connections.get(), 1);
    });
}

#[test]
fn those_who_wait_share_the_connection_that_there_may_be() {
    run(async {
        let (upstream, gate, came) = gated().await;
        let gateway = Gateway::of(limited(&upstream, 1, 20, LONG));
        let asked: Vec<_> = (0..20).map(|_| asking(&gateway)).collect();
        came.acquire().await.unwrap().forget();
        gate.add_permits(20);
        for one in asked {
            assert!(one.await.unwrap().ends_with("ok"));
        }
        assert_eq!(upstream.connections.get(), 1);
    });
}

#[test]
fn a_worker_gives_its_idle_connection_up_for_another_that_waits() {
    run(async {
        let upstream = answering(OK, false).await;
        let config = || limited(&upstream, 1, 9, LONG);
        let standings = Standings::new(&[config()], &Metrics::new());
        let workers: Vec<Gateway> = (0..3).map(|_| Gateway::beside(&standings, config(), |_| {})).collect();
        for turn in 0..9 {
            assert!(workers[turn % 3].ask(GET).await.ends_with("ok"), "{turn}");
        }
        assert!(upstream.connections.get() >= 9, "a connection never changes its worker");
    });
}

#[test]
fn a_full_endpoint_is_passed_over_while_another_has_room() {
    run(async {
        let (full, _gate, came) = gated().await;
        let free = answering(OK, false).await;
        let mut config = to_ports(&[full.port, free.port]);
        config.limits.connections = 1;
        let gateway = Gateway::of(config);
        let asked: Vec<_> = (0..2).map(|_| asking(&gateway)).collect();
        came.acquire().await.unwrap().forget();
        for _ in 0..6 {
            assert!(gateway.ask(GET).await.ends_with("ok"));
        }
        drop(asked);
    });
}

#[test]
fn a_tunnel_holds_its_place_until_it_closes() {
    run(async {
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let gone = Rc::new(Semaphore::new(0));
        let its_gone = Rc::clone(&gone);
        let switching = listen(move |_, mut stream| {
            let gone = Rc::clone(&its_gone);
            async move {
                read_head(&mut stream).await;
                let answer = format!(
                    "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                read_head(&mut stream).await;
                gone.add_permits(1);
            }
        })
        .await;
        let config = limited(&switching, 1, 0, LONG);
        let gateway = Gateway::with(config, |inside| inside.accept = accept);
        let mut client = gateway.client();
        let handshake = "GET /a HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        client.write_all(handshake.as_bytes()).await.unwrap();
        assert!(read_head(&mut client).await.unwrap().starts_with("HTTP/1.1 101"));
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::Busy));
        drop(client);
        gone.acquire().await.unwrap().forget();
    });
}

#[test]
fn an_endpoint_that_takes_no_connections_is_soon_left_alone() {
    run(async {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let live = answering(OK, false).await;
        for balance in [Balance::RoundRobin, Balance::LeastRequest] {
            let mut config = to_ports(&[dead, live.port]);
            config.balance = balance;
            let metrics = Metrics::new();
            let standings = Standings::new(std::slice::from_ref(&config), &metrics);
            let gateway = Gateway::beside(&standings, config, |_| {});
            for _ in 0..100 {
                assert!(gateway.ask(GET).await.ends_with("ok"));
            }
            standings.show();
            let page = metrics.page();
            let of = |name: &str| {
                let labels = format!("{name}{{upstream=\"orders\",endpoint=\"http://127.0.0.1:{dead}\"");
                page.lines().find(|line| line.starts_with(&labels)).unwrap().rsplit_once(' ').unwrap().1
            };
            assert_eq!(of("cloakroom_endpoint_failures_total"), "5", "{page}");
            assert_eq!(of("cloakroom_endpoint_ejections_total"), "1", "{page}");
            assert!(page.contains("state=\"ejected\"} 1"), "{page}");
        }
    });
}
