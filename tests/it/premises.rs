//! What the session cache takes for granted of Redis, asked of the one that the tests run against.
//!
//! The argument is at the head of `src/session/cache/mod.rs`; what is only true of a server is shown here, so that another version,
//! or Valkey, can be put to the same questions.

use crate::support::{PATIENCE, Redis};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A connection that shows everything it is sent, in order, a push as `push KEY`.
struct Raw(BufReader<TcpStream>);

impl Raw {
    /// One that speaks RESP3 and tracks what it reads.
    fn tracking(redis: &Redis) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut raw = Self(BufReader::new(stream));
        raw.send("HELLO 3");
        raw.next();
        raw.send("CLIENT TRACKING ON");
        assert_eq!(raw.next(), "OK");
        raw
    }

    fn send(&mut self, command: &str) {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
    }

    /// What it is sent until the answer to a PING.
    fn until_pong(&mut self) -> Vec<String> {
        self.send("PING");
        let mut heard = Vec::new();
        loop {
            match self.next() {
                pong if pong == "PONG" => return heard,
                other => heard.push(other),
            }
        }
    }

    fn next(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let (kind, rest) = (line.as_bytes()[0], line[1..].trim_end());
        let parts =
            |raw: &mut Self, count: usize| -> Vec<String> { (0..count).map(|_| raw.next()).collect() };
        match kind {
            b'+' | b'-' | b':' | b'#' | b',' => rest.to_owned(),
            b'_' => "nil".to_owned(),
            b'$' => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes[..bytes.len() - 2]).into_owned()
            }
            b'*' | b'~' => parts(self, rest.parse().unwrap()).join(" "),
            b'%' => parts(self, 2 * rest.parse::<usize>().unwrap()).join(" "),
            b'>' => format!("push {}", parts(self, rest.parse().unwrap())[1]),
            _ => panic!("{line}"),
        }
    }
}

/// Premise (a). With `BCAST` it would be the other way round.
#[test]
fn a_change_is_told_before_any_answer_that_was_given_after_it() {
    let redis = Redis::start();
    let mut raw = Raw::tracking(&redis);
    for round in 0..200 {
        redis.set("k", &round.to_string());
        raw.send("GET k");
        assert_eq!(raw.next(), round.to_string());
        redis.delete("k");
        assert_eq!(raw.until_pong(), ["push k"]);
    }
}

/// Why an answer that was overtaken must never be kept: nobody would say so again.
#[test]
fn a_change_is_told_once_and_only_of_what_was_read_since() {
    let redis = Redis::start();
    let mut raw = Raw::tracking(&redis);
    raw.send("GET k");
    assert_eq!(raw.next(), "nil", "an absence is tracked too");
    redis.set("k", "1");
    assert_eq!(raw.until_pong(), ["push k"]);
    redis.set("k", "2");
    redis.delete("k");
    assert!(raw.until_pong().is_empty());
}

#[test]
fn everything_that_can_change_a_session_is_told() {
    let redis = Redis::start();
    let mut raw = Raw::tracking(&redis);
    let changes: [&[&str]; 10] = [
        &["SET", "k", "v"],
        &["SET", "k", "v", "EX", "100"],
        &["EXPIRE", "k", "200"],
        &["GETEX", "k", "EX", "300"],
        &["PERSIST", "k"],
        &["RENAME", "k", "k2"],
        &["RENAME", "k2", "k"],
        &["EXPIREAT", "k", "1"],
        &["SET", "k", "v"],
        &["UNLINK", "k"],
    ];
    for change in changes {
        raw.send("GET k");
        raw.next();
        redis.command::<redis::Value>(change);
        assert_eq!(raw.until_pong(), ["push k"], "{change:?}");
    }
    let fields: [&[&str]; 3] = [&["HSET", "h", "a", "1"], &["HINCRBY", "h", "a", "1"], &["HDEL", "h", "a"]];
    for change in fields {
        raw.send("HGETALL h");
        raw.next();
        redis.command::<redis::Value>(change);
        assert_eq!(raw.until_pong(), ["push h"], "{change:?}");
    }
    for flush in ["FLUSHDB", "FLUSHALL"] {
        raw.send("GET k");
        raw.next();
        redis.command::<()>(&[flush]);
        assert_eq!(raw.until_pong(), ["push nil"], "{flush}");
    }
}

/// Premise (c): the heartbeat asks HELLO for the role, which no ACL forbids, and goes on tracking.
#[test]
fn asking_for_the_role_does_not_end_the_tracking() {
    let redis = Redis::start();
    let mut raw = Raw::tracking(&redis);
    raw.send("GET k");
    raw.next();
    raw.send("HELLO 3");
    assert!(raw.next().contains("role master"));
    redis.set("k", "v");
    assert_eq!(raw.until_pong(), ["push k"]);
}
