//! By HTTP/1.1.

use crate::siege::{HELD, said, siege};
use crate::support::Ask;

fn head(bytes: usize) -> String {
    format!("GET / HTTP/1.1\r\nHost: gw.test\r\nX: {}", "a".repeat(bytes))
}

#[test]
fn heads_that_never_end_do_not_eat_the_memory() {
    let head = head(30_000);
    siege("slow headers", HELD, |gateway| (0..4).map(|_| said(gateway, head.as_bytes())).collect());
}

#[test]
fn large_heads_do_not_eat_the_memory() {
    let heads = (head(31_000) + "\r\n\r\n").repeat(4);
    siege("big headers", HELD, |gateway| (0..4).map(|_| said(gateway, heads.as_bytes())).collect());
}

#[test]
fn bodies_that_never_end_do_not_eat_the_memory() {
    let body = "POST /body HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 10485760\r\n\r\n".to_owned()
        + &"x".repeat(200_000);
    siege("slow bodies", HELD, |gateway| vec![said(gateway, body.as_bytes())]);
}

#[test]
fn answers_that_nobody_reads_do_not_eat_the_memory() {
    let ask = Ask::get("/large").bytes();
    siege("answers unread", HELD, |gateway| vec![said(gateway, &ask)]);
}

#[test]
fn connections_that_say_nothing_do_not_eat_the_memory() {
    let ask = Ask::get("/idle").bytes();
    siege("idle", HELD, |gateway| vec![said(gateway, &ask), said(gateway, b"")]);
}
