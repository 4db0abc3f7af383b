//! Answers, broken and sound.

use tokio::io::AsyncWriteExt;

use crate::upstream::UpstreamError;
use crate::upstream::tests::{GET, Gateway, OK, answering, listen, read_head, run};

/// The error that this answer comes to; the client sees none of it.
async fn refused(answer: &str) -> UpstreamError {
    let upstream = answering(answer, true).await;
    let gateway = Gateway::before(upstream.port);
    let seen = gateway.ask(GET).await;
    assert!(seen.starts_with("HTTP/1.1 502"), "{seen}");
    assert_eq!(gateway.0.forwarder.waiting(), 0);
    gateway.error()
}

/// What a client gets of this answer.
async fn passed(request: &str, answer: &str, hang_up: bool) -> String {
    let upstream = answering(answer, hang_up).await;
    Gateway::before(upstream.port).ask(request).await
}

#[test]
fn an_upstream_that_dies_at_any_byte_never_makes_a_clean_end() {
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world";
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n";
    run(async {
        for (full, reset) in [(sized, false), (sized, true), (chunked, false), (chunked, true)] {
            for end in 0..full.len() {
                let upstream = listen(move |_, mut stream| async move {
                    read_head(&mut stream).await;
                    stream.write_all(&full.as_bytes()[..end]).await.unwrap();
                    if reset {
                        stream.set_zero_linger().unwrap();
                    }
                })
                .await;
                let seen = Gateway::before(upstream.port).ask(GET).await;
                assert!(!seen.ends_with("hello, world"), "{end}: {seen}");
                assert!(!seen.ends_with("0\r\n\r\n") || seen.contains(" 502 "), "{end}: {seen}");
                // hyper may cut the client before it has flushed our head: nothing at all is no clean end either.
                assert!(
                    seen.is_empty() || seen.contains(" 502 ") || seen.starts_with("HTTP/1.1 200 OK"),
                    "{end}: {seen}"
                );
            }
        }
    });
}

#[test]
fn what_is_no_http_is_a_broken_response() {
    run(async {
        for answer in [
            "220 mail ESMTP\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "",
        ] {
            let error = refused(answer).await;
            assert!(matches!(error, UpstreamError::BrokenResponse { .. }), "{answer:?}: {error:?}");
        }
    });
}

#[test]
fn a_head_over_64_kib_or_100_fields_is_a_broken_response() {
    run(async {
        let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(64 * 1024));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: a\r\n".repeat(101));
        for answer in [long, many] {
            assert!(matches!(refused(&answer).await, UpstreamError::BrokenResponse { .. }));
        }
    });
}

#[test]
fn length_and_encoding_together_are_refused() {
    run(async {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(matches!(refused(answer).await, UpstreamError::AmbiguousLength));
    });
}

#[test]
fn a_protocol_switch_that_nobody_asked_for_is_refused() {
    run(async {
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
        assert!(matches!(refused(answer).await, UpstreamError::UnaskedUpgrade));
    });
}

#[test]
fn endless_interim_responses_are_cut() {
    run(async {
        let answer = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9) + OK;
        assert!(matches!(refused(&answer).await, UpstreamError::TooManyInformational));
    });
}

#[test]
fn a_few_interim_responses_are_skipped() {
    run(async {
        let seen = passed(GET, &("HTTP/1.1 100 Continue\r\n\r\n".repeat(8) + OK), false).await;
        assert!(seen.starts_with("HTTP/1.1 200 OK\r\n") && seen.ends_with("\r\n\r\nok"), "{seen}");
    });
}

#[test]
fn a_second_response_reaches_nobody_and_its_connection_is_not_used_again() {
    run(async {
        let upstream =
            answering(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), false).await;
        let gateway = Gateway::before(upstream.port);
        for served in 1..4 {
            let seen = gateway.ask(GET).await;
            assert!(seen.ends_with("\r\n\r\nok"), "{seen}");
            assert_eq!(upstream.connections.get(), served);
        }
    });
}

#[test]
fn bytes_on_an_idle_connection_answer_no_later_request() {
    run(async {
        let (said, heard) = tokio::sync::oneshot::channel();
        let said = std::cell::Cell::new(Some(said));
        let said = std::rc::Rc::new(said);
        let upstream = listen(move |number, mut stream| {
            let said = said.clone();
            async move {
                while read_head(&mut stream).await.is_some() {
                    stream.write_all(OK.as_bytes()).await.unwrap();
                    if number == 0 {
                        tokio::task::yield_now().await;
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
                        let _ = said.take().map(|said| said.send(()));
                    }
                }
            }
        })
        .await;
        let gateway = Gateway::before(upstream.port);
        assert!(gateway.ask(GET).await.ends_with("ok"));
        heard.await.unwrap();
        assert!(gateway.ask(GET).await.ends_with("ok"));
        assert_eq!(upstream.connections.get(), 2);
    });
}

#[test]
fn answers_that_have_no_body_keep_their_connection() {
    run(async {
        for (method, answer) in [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"),
        ] {
            let upstream = answering(answer, false).await;
            let gateway = Gateway::before(upstream.port);
            for _ in 0..2 {
                let seen = gateway.ask(&GET.replace("GET", method)).await;
                assert!(seen.ends_with("\r\n\r\n"), "{seen}");
                assert_eq!(seen.contains("content-length: 5"), method == "HEAD", "{seen}");
                assert!(!seen.contains("transfer-encoding"), "{seen}");
            }
            assert_eq!(upstream.connections.get(), 1, "{answer}");
        }
    });
}

#[test]
fn a_body_without_declared_end_becomes_chunked() {
    run(async {
        let seen = passed(GET, "HTTP/1.0 200 OK\r\n\r\nall of it", true).await;
        assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"), "{seen}");
        assert!(seen.ends_with("9\r\nall of it\r\n0\r\n\r\n"), "{seen}");
    });
}

#[test]
fn a_redirect_is_passed_on_as_it_is() {
    run(async {
        let answer = "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1:3001/x\r\nContent-Length: 0\r\n\r\n";
        assert!(passed(GET, answer, false).await.contains("location: http://10.0.0.1:3001/x\r\n"));
    });
}

#[test]
fn only_grpc_trailers_pass() {
    run(async {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status, Set-Cookie\r\n\r\n\
                      2\r\nok\r\n0\r\nGrpc-Status: 0\r\nSet-Cookie: a=b\r\n\r\n";
        let seen = passed(&GET.replace("Host", "TE: trailers\r\nHost"), answer, false).await;
        assert!(seen.ends_with("2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n"), "{seen}");
        assert!(seen.contains("trailer: grpc-status\r\n"), "{seen}");
    });
}
