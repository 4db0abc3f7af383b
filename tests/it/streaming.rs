//! Bodies of any size and shape: streamed, never held.

use crate::support::{Ask, Client, Over, Redis, Running, Upstream, World, eventually};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const GIB: u64 = 1 << 30;
/// Resident memory that a gateway may need for it: what it needs anyway, and a few buffers.
const RESIDENT_MAX: u64 = 64 << 20;

fn open(upstream: &Upstream) -> Running {
    World::new()
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start()
}

/// An upstream that takes a body of any length, and gives one on `/down`; neither is kept.
fn bottomless() -> Upstream {
    Upstream::playing(|wire| {
        while let Some(head) = wire.head() {
            let (stream, pending) = wire.socket();
            let length: u64 = head.one("content-length").map_or(0, |length| length.parse().unwrap());
            let mut left = length - pending.len() as u64;
            let mut chunk = vec![7; 256 * 1024];
            while left > 0 {
                match stream.read(&mut chunk) {
                    Ok(0) | Err(_) => return,
                    Ok(read) => left -= read as u64,
                }
            }
            let down = if head.target == "/down" { GIB } else { 0 };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {down}\r\nX-Got: {length}\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            let mut left = down;
            while left > 0 {
                match stream.write(&chunk[..(left.min(chunk.len() as u64)) as usize]) {
                    Ok(wrote) => left -= wrote as u64,
                    Err(_) => return,
                }
            }
        }
    })
}

/// Runs `exchange` while watching the gateway's memory; returns the most it had.
fn watched(world: &Running, exchange: impl FnOnce()) -> u64 {
    let (most, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(world.gateway.resident(), Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        let _over = Over(&over);
        exchange();
    });
    most.into_inner()
}

fn report(what: &str, most: u64) {
    let _ = writeln!(
        std::io::stdout(),
        "1 GiB {what}: at most {:.1} MiB resident",
        most as f64 / f64::from(1 << 20)
    );
    assert!(most < RESIDENT_MAX, "{most} bytes resident");
}

#[test]
fn a_gibibyte_up_is_streamed_in_little_memory() {
    let upstream = bottomless();
    let world = open(&upstream);
    let most = watched(&world, || {
        let mut client = Client::connect(world.gateway.public);
        client.send(Ask::new("POST", "/up").header("Content-Length", &GIB.to_string()).bytes());
        let chunk = vec![7; 256 * 1024];
        for _ in 0..GIB / chunk.len() as u64 {
            client.socket().write_all(&chunk).unwrap();
        }
        let response = client.response("POST").unwrap();
        assert_eq!(response.header("x-got"), Some(GIB.to_string().as_str()));
    });
    report("up", most);
}

#[test]
fn a_gibibyte_down_is_streamed_in_little_memory() {
    let upstream = bottomless();
    let world = open(&upstream);
    let most = watched(&world, || {
        let mut client = Client::connect(world.gateway.public);
        client.send(Ask::get("/down").bytes());
        let head = client.head().unwrap();
        assert_eq!(head.header("content-length"), Some(GIB.to_string().as_str()));
        let body = client.reader();
        assert_eq!(std::io::copy(&mut body.take(GIB), &mut std::io::sink()).unwrap(), GIB);
    });
    report("down", most);
}

/// A client that does not read must slow the upstream down, not fill the gateway.
#[test]
fn a_client_that_does_not_read_holds_the_upstream_back() {
    let upstream = bottomless();
    let world = open(&upstream);
    let mut client = Client::connect(world.gateway.public);
    let most = watched(&world, || {
        client.send(Ask::get("/down").bytes());
        client.head().unwrap();
        // Nothing is read any more; other requests pass meanwhile.
        for _ in 0..50 {
            assert_eq!(world.get("/other").status, 200);
        }
    });
    assert!(most < RESIDENT_MAX, "{most} bytes resident");
}

#[test]
fn head_204_and_304_have_no_body_and_the_connection_goes_on() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            wire.say(match request.target.as_str() {
                "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/same" => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n",
                _ if request.method == "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            });
        }
    });
    let world = open(&upstream);
    let mut client = Client::connect(world.gateway.public);
    let head = client.ask(&Ask::new("HEAD", "/x"));
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
    assert_eq!(client.ask(&Ask::get("/none")).status, 204);
    let same = client.ask(&Ask::get("/same"));
    assert_eq!((same.status, same.header("etag")), (304, Some("\"a\"")));
    assert_eq!(client.ask(&Ask::get("/x")).text(), "hello");
    assert_eq!(upstream.bytes().len(), 1, "one upstream connection served them all");
}

#[test]
fn a_client_that_expects_100_continue_gets_it_and_the_upstream_never_hears_of_it() {
    let upstream = Upstream::echoing();
    let world = open(&upstream);
    let mut client = Client::connect(world.gateway.public);
    client.send("POST /x HTTP/1.1\r\nHost: gw.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.head().map(|head| head.status), Some(100));
    client.send("hello");
    let response = client.response("POST").unwrap();
    assert_eq!((response.status, response.echoed("expect")), (200, None));
    assert!(response.text().ends_with("hello"));
}

#[test]
fn a_refused_upload_is_answered_without_100_continue() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[])
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .start();
    let mut client = Client::connect(world.gateway.public);
    client.send("POST /x HTTP/1.1\r\nHost: gw.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.head().map(|head| head.status), Some(401));
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_answer_that_breaks_off_never_looks_whole() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            wire.say(match request.target.as_str() {
                "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
                _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            });
            wire.hang_up();
        }
    });
    let world = open(&upstream);
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/length").bytes());
    assert!(client.response("GET").is_none_or(|response| response.status == 502 || response.body.len() < 10));
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/chunked").bytes());
    let bytes = String::from_utf8(client.rest()).unwrap();
    assert!(!bytes.ends_with("0\r\n\r\n"), "{bytes}");
}

#[test]
fn an_event_reaches_the_client_before_the_stream_ends() {
    let upstream = Upstream::playing(|wire| {
        while wire.request().is_some() {
            wire.say(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            wire.say("8\r\ndata: 1\n\r\n");
            // The stream stays open until the client is gone.
            wire.hear_out();
        }
    });
    let world = open(&upstream);
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/events").bytes());
    assert_eq!(client.head().unwrap().header("content-type"), Some("text/event-stream"));
    assert_eq!(client.read_exact(11), b"8\r\ndata: 1\n");
}

#[test]
fn a_client_that_leaves_frees_its_upstream_connection() {
    let (left, gone) = std::sync::mpsc::channel();
    let left = std::sync::Mutex::new(left);
    let upstream = Upstream::playing(move |wire| {
        while wire.request().is_some() {
            wire.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
            wire.hear_out();
            let _ = left.lock().unwrap().send(());
        }
    });
    let world = open(&upstream);
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/x").bytes());
    client.head().unwrap();
    client.socket().shutdown(Shutdown::Both).unwrap();
    eventually("the upstream to be left", || gone.try_recv().ok());
}

#[test]
fn open_routes_work_without_any_redis() {
    let upstream = Upstream::echoing();
    let mut redis = Redis::start();
    redis.kill();
    let world = World::without_redis()
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"");
    let gateway = world.start_beside(&redis);
    assert_eq!(Ask::get("/x").cookie("sid=abc").at(gateway.public).status, 200);
    assert_eq!(gateway.internal("/live").status, 200);
    assert_eq!(gateway.internal("/ready").status, 503);
    redis.start_again();
    eventually("readiness", || (gateway.internal("/ready").status == 200).then_some(()));
}
