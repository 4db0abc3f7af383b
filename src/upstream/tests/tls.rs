//! `https://` endpoints. The certificates are for `localhost` and 127.0.0.1, under a root made for these tests:
//! `openssl req -x509` for the root, `openssl x509 -req` with `subjectAltName` for the leaf, valid for 100 years.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;

use crate::config::Upstream;
use crate::upstream::UpstreamError;
use crate::upstream::tests::{GET, Gateway, OK, Upstreams, listen, read_head, run, to_ports};

fn gateway(upstream: &Upstreams, change: impl FnOnce(&mut Upstream)) -> Gateway {
    let mut config = to_ports(&[upstream.port]);
    config.endpoints[0].tls = true;
    config.tls.ca = Some(include_bytes!("tls/ca.pem").to_vec());
    config.tls.http2 = false;
    change(&mut config);
    Gateway::of(config)
}

/// Speaks TLS, and answers with what the client asked for: server name and protocol.
async fn secure() -> Upstreams {
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("tls/leaf.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/leaf.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    listen(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let session = stream.get_ref().1;
            let alpn = String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default()).into_owned();
            let asked = format!("{:?} {alpn}", session.server_name());
            while read_head(&mut stream).await.is_some() {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{asked}", asked.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    })
    .await
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    run(async {
        let upstream = secure().await;
        let gateway = gateway(&upstream, |config| config.endpoints[0].host = "127.0.0.2".into());
        let listener = tokio::net::TcpListener::bind(("127.0.0.2", upstream.port)).await.unwrap();
        tokio::task::spawn_local(async move {
            let (mut one, _) = listener.accept().await.unwrap();
            let mut two = tokio::net::TcpStream::connect(("127.0.0.1", upstream.port)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut one, &mut two).await;
        });
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::TlsFailed { .. }));
    });
}

#[test]
fn a_root_that_is_not_trusted_is_refused() {
    run(async {
        let upstream = secure().await;
        let other = include_bytes!("tls/leaf.pem").to_vec();
        let gateway = gateway(&upstream, |config| config.tls.ca = Some(other));
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::TlsFailed { .. }));
    });
}

#[test]
fn an_upstream_that_speaks_before_the_handshake_is_dropped() {
    run(async {
        let upstream = listen(|_, mut stream| async move {
            stream.write_all(OK.as_bytes()).await.unwrap();
            read_head(&mut stream).await;
        })
        .await;
        let gateway = gateway(&upstream, |_| {});
        assert!(gateway.ask(GET).await.starts_with("HTTP/1.1 502"));
        assert!(matches!(gateway.error(), UpstreamError::TlsFailed { .. }));
    });
}

#[test]
fn a_handshake_that_stands_still_ends_at_the_connect_timeout() {
    run(async {
        let upstream = listen(|_, stream| async move {
            let _held = stream;
            std::future::pending::<()>().await;
        })
        .await;
        let gateway = gateway(&upstream, |config| config.connect_timeout = Duration::from_millis(20));
        gateway.ask(GET).await;
        assert!(matches!(gateway.error(), UpstreamError::ConnectTimedOut));
    });
}

#[test]
fn the_name_is_sent_and_http_1_1_agreed() {
    run(async {
        let upstream = secure().await;
        let by_name = gateway(&upstream, |config| config.endpoints[0].host = "localhost".into());
        for _ in 0..2 {
            assert!(by_name.ask(GET).await.ends_with("Some(\"localhost\") http/1.1"));
        }
        assert_eq!(upstream.connections.get(), 1);
        // RFC 6066 knows no addresses in SNI; the certificate is still checked against it.
        assert!(gateway(&upstream, |_| {}).ask(GET).await.ends_with("None http/1.1"));
    });
}
