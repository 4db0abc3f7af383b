//! Answers that break off: nobody may take a part for the whole, and what breaks before anything was said is refused.

use crate::support::h2::{End, H2};
use crate::support::{Ask, Authority, Client, Upstream, World};
use std::io::{ErrorKind, Read};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\n\r\nhello";
/// Ways for an answer to break off behind `hello`.
const BREAKS: [&str; 4] = ["/end", "/reset", "/garbage", "/endless-reset"];

/// Waits until it is told something, or nobody is left who could.
fn wait(heard: &Mutex<Receiver<()>>) {
    let _ = heard.lock().unwrap().recv();
}

/// Says `hello`, and breaks off when it is told that the client has that.
fn breaking() -> (Upstream, Sender<()>) {
    let (told, heard) = channel();
    let heard = Mutex::new(heard);
    let upstream = Upstream::playing(move |wire| {
        while let Some(head) = wire.head() {
            let hello = format!("{CHUNKED}5\r\nhello\r\n");
            match head.target.as_str() {
                "/whole" => wire.say(format!("{hello}0\r\n\r\n")),
                "/empty" => wire.say(format!("{CHUNKED}0\r\n\r\n")),
                "/bad-start" => wire.say(format!("{CHUNKED}zz\r\n")),
                "/long-start" => wire.say(format!("{CHUNKED}{}\r\n", "f".repeat(17))),
                "/late" => {
                    wire.say(CHUNKED);
                    wait(&heard);
                    wire.say("5\r\nhello\r\n0\r\n\r\n");
                }
                "/endless" => {
                    wire.say(ENDLESS);
                    return wire.hang_up();
                }
                "/endless-reset" => {
                    wire.say(ENDLESS);
                    wait(&heard);
                    return wire.reset();
                }
                broken => {
                    wire.say(hello);
                    wait(&heard);
                    match broken {
                        "/end" => return wire.hang_up(),
                        "/reset" => return wire.reset(),
                        _ => wire.say("zz\r\n"),
                    }
                }
            }
        }
    });
    (upstream, told)
}

fn world(upstream: &Upstream) -> World {
    World::new().recorded("app", upstream).route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
}

/// An HTTP/1.0 request.
fn old(target: &str) -> String {
    format!("GET {target} HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
}

/// All up to `hello`.
fn until_hello(client: &mut Client) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"hello") {
        read.extend(client.read_exact(1));
    }
    String::from_utf8(read).unwrap()
}

/// It ended as a whole one does, with a FIN, and curl was content with it.
#[test]
fn a_part_of_an_answer_ends_in_a_reset_for_whoever_knows_no_chunks() {
    let (upstream, tell) = breaking();
    let world = world(&upstream).start();
    for target in BREAKS {
        let mut client = Client::connect(world.gateway.public);
        client.send(old(target));
        let head = until_hello(&mut client);
        assert!(!head.contains("keep-alive"), "{head}");
        tell.send(()).unwrap();
        let end = client.reader().read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{target}");
    }
    tell.send(()).unwrap();
    let url = format!("http://{}/end", world.gateway.public);
    let status = Command::new("curl").args(["-0", "-s", "-o", "/dev/null", &url]).status().unwrap();
    assert_eq!(status.code(), Some(56), "curl's word for a connection that was reset");
}

#[test]
fn a_part_of_an_answer_ends_without_a_goodbye_in_tls() {
    let (authority, (upstream, tell)) = (Authority::new(), breaking());
    authority.issue("a", &["a.test"]);
    let world = world(&upstream).table(&authority.entry("a")).start();
    for target in BREAKS {
        let mut client = Client::secure(world.gateway.public, "a.test", &authority.client());
        client.send(old(target));
        until_hello(&mut client);
        tell.send(()).unwrap();
        let end = client.reader().read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{target}");
    }
}

#[test]
fn a_whole_answer_ends_well_for_whoever_knows_no_chunks() {
    let (authority, (upstream, _tell)) = (Authority::new(), breaking());
    authority.issue("a", &["a.test"]);
    let (plain, secure) = (world(&upstream).start(), world(&upstream).table(&authority.entry("a")).start());
    for target in ["/whole", "/endless"] {
        for mut client in [
            Client::connect(plain.gateway.public),
            Client::secure(secure.gateway.public, "a.test", &authority.client()),
        ] {
            client.send(old(target));
            let mut text = String::new();
            client.reader().read_to_string(&mut text).expect("an end");
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(body, "hello");
            assert!(head.contains("connection: close") && !head.contains("keep-alive"), "{head}");
        }
    }
}

/// The client got nothing at all, and the access line said 200.
#[test]
fn an_answer_that_breaks_where_its_body_begins_is_refused() {
    let (upstream, _tell) = breaking();
    let world = world(&upstream).start();
    for target in ["/bad-start", "/long-start"] {
        let response = world.get(target);
        assert_eq!((response.status, response.header("cloakroom-refusal")), (502, Some("upstream-broken")));
        let line = world.gateway.line(|line| line["path"] == target);
        assert_eq!((&line["status"], &line["decision"]), (&502.into(), &"refused".into()));
        let mut client = H2::connect(world.gateway.public);
        assert!(matches!(client.get(1, target), End::Answer(502, _)));
    }
}

#[test]
fn a_head_goes_out_before_its_body_is_there_and_an_empty_body_is_one() {
    let (upstream, tell) = breaking();
    let world = world(&upstream).start();
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/late").bytes());
    assert_eq!(client.head().map(|head| head.status), Some(200));
    tell.send(()).unwrap();
    assert_eq!(client.read_exact(5 + 10), b"5\r\nhello\r\n0\r\n\r\n");
    let empty = client.ask(&Ask::get("/empty"));
    assert_eq!((empty.status, empty.body.len(), empty.header("content-length")), (200, 0, Some("0")));
    assert_eq!(H2::connect(world.gateway.public).get(1, "/empty"), End::Answer(200, Vec::new()));
}
