//! WebSocket handshakes and what follows them.

use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;

use crate::upstream::UpstreamError;
use crate::upstream::tests::{Gateway, Upstreams, listen, read_head, read_rest, run, to_ports};

/// RFC 6455 §1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const ASK: &str = "GET /chat HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: a=b\r\n\r\n";

fn gateway(upstream: &Upstreams) -> Gateway {
    Gateway::with(to_ports(&[upstream.port]), |inside| inside.accept = ACCEPT)
}

/// Answers `answer`, then tells all that came after the handshake.
async fn switching(answer: &'static str) -> (Upstreams, oneshot::Receiver<(String, String)>) {
    let (tell, told) = oneshot::channel();
    let tell = Rc::new(std::cell::Cell::new(Some(tell)));
    let upstream = listen(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let head = read_head(&mut stream).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            let rest = read_rest(&mut stream).await;
            let _ = tell.take().unwrap().send((head, rest));
        }
    })
    .await;
    (upstream, told)
}

/// Switches, says `hello`, and echoes until the client is done, then says `bye`.
async fn echoing() -> Upstreams {
    listen(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(format!("{SWITCH}hello").as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.write_all(b"bye").await;
    })
    .await
}

async fn expect(client: &mut DuplexStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
}

#[test]
fn a_101_without_proof_opens_nothing_and_passes_no_client_byte() {
    run(async {
        for (was, is) in [
            (ACCEPT, "kCPpmDsdo8E0mm6HLZvcCdcM5Zg="),
            (ACCEPT, "S3PPLMBITXAQ9KYGZZHZRBK+XOO="),
            ("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""),
            ("Set-Cookie: a=b", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("Upgrade: WebSocket\r\n", ""),
            ("Upgrade: WebSocket", "Upgrade: h2c"),
            ("Upgrade: WebSocket", "Upgrade: h2c, websocket"),
            ("keep-alive, Upgrade", "keep-alive"),
        ] {
            let answer: &'static str = SWITCH.replace(was, is).leak();
            let (upstream, told) = switching(answer).await;
            let gateway = gateway(&upstream);
            let mut client = gateway.client();
            client.write_all(ASK.as_bytes()).await.unwrap();
            client.write_all(b"GET /admin HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
            assert!(read_head(&mut client).await.unwrap().starts_with("HTTP/1.1 502"), "{answer}");
            let (_, rest) = told.await.unwrap();
            assert_eq!(rest, "", "{answer}");
            assert!(matches!(gateway.error(), UpstreamError::BadUpgrade), "{answer}");
            assert_eq!(gateway.0.tunnels.running(), 0);
        }
    });
}

#[test]
fn any_other_answer_to_a_handshake_passes_as_it_is() {
    run(async {
        let (upstream, _told) = switching("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
        let gateway = gateway(&upstream);
        let mut client = gateway.client();
        client.write_all(ASK.as_bytes()).await.unwrap();
        assert!(read_head(&mut client).await.unwrap().starts_with("HTTP/1.1 403"));
        expect(&mut client, "no").await;
        assert_eq!(gateway.0.tunnels.running(), 0);
    });
}

#[test]
fn bytes_go_both_ways_early_ones_included() {
    run(async {
        let upstream = echoing().await;
        let gateway = gateway(&upstream);
        let mut client = gateway.client();
        client.write_all(format!("{ASK}early").as_bytes()).await.unwrap();
        let head = read_head(&mut client).await.unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        for field in
            ["connection: upgrade", "upgrade: websocket", "set-cookie: a=b", "sec-websocket-accept: s3p"]
        {
            assert_eq!(head.matches(&format!("\r\n{field}")).count(), 1, "{head}");
        }
        expect(&mut client, "helloearly").await;
        for message in ["a", "second", &"long".repeat(20_000)] {
            let (mut read, mut write) = tokio::io::split(&mut client);
            let mut echo = vec![0; message.len()];
            let (sent, got) = tokio::join!(write.write_all(message.as_bytes()), read.read_exact(&mut echo));
            assert!(sent.is_ok() && got.is_ok() && echo == message.as_bytes());
        }
        assert_eq!(gateway.0.tunnels.running(), 1);
    });
}

#[test]
fn the_handshake_reaches_the_upstream_whole() {
    run(async {
        let (upstream, told) = switching(SWITCH).await;
        let gateway = gateway(&upstream);
        let mut client = gateway.client();
        client.write_all(ASK.as_bytes()).await.unwrap();
        read_head(&mut client).await.unwrap();
        client.write_all(b"frame").await.unwrap();
        drop(client);
        let (head, rest) = told.await.unwrap();
        let head = head.to_lowercase();
        for field in
            ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: "]
        {
            assert_eq!(head.matches(&format!("\r\n{field}")).count(), 1, "{head}");
        }
        assert_eq!(rest, "frame");
        gateway.0.tunnels.finished().await;
    });
}

#[test]
fn an_end_of_one_direction_is_passed_on_and_the_other_goes_on() {
    run(async {
        let upstream = echoing().await;
        let gateway = gateway(&upstream);
        let mut client = gateway.client();
        client.write_all(ASK.as_bytes()).await.unwrap();
        read_head(&mut client).await.unwrap();
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read_rest(&mut client).await, "hellolastbye");
        gateway.0.tunnels.finished().await;
        assert_eq!(gateway.0.tunnels.running(), 0);
    });
}

#[test]
fn a_drain_cuts_running_tunnels_and_later_ones() {
    run(async {
        let upstream = echoing().await;
        let gateway = gateway(&upstream);
        let mut client = gateway.client();
        client.write_all(ASK.as_bytes()).await.unwrap();
        read_head(&mut client).await.unwrap();
        expect(&mut client, "hello").await;
        gateway.0.tunnels.close();
        assert_eq!(read_rest(&mut client).await, "");
        gateway.0.tunnels.finished().await;

        let mut client = gateway.client();
        client.write_all(ASK.as_bytes()).await.unwrap();
        read_rest(&mut client).await;
        gateway.0.tunnels.finished().await;
    });
}
