//! What the tests build their worlds from: processes, a Redis, the gateway, upstreams that record, raw clients.
//!
//! Waiting is always for a condition, with one deadline that only a hang reaches; how long anything takes is never judged.

mod authority;
mod client;
mod cluster;
mod fake_redis;
mod gateway;
pub(crate) mod h2;
mod handshake;
mod issuer;
pub(crate) mod line;
mod over;
mod pebble;
mod process;
mod redis;
mod relay;
mod sentinel;
mod token;
mod upstream;
mod watch;
mod wire;
mod wire_fault;
mod world;

pub(crate) use authority::Authority;
pub(crate) use client::{Ask, Client, Response};
pub(crate) use cluster::Cluster;
pub(crate) use fake_redis::{FakeRedis, bulk};
pub(crate) use gateway::Gateway;
pub(crate) use handshake::{accept_of, agreement};
pub(crate) use issuer::{Issuer, now};
pub(crate) use over::Over;
pub(crate) use pebble::Pebble;
pub(crate) use process::{Process, Transcript};
pub(crate) use redis::{READER, Redis, reader_of};
pub(crate) use relay::Relay;
pub(crate) use sentinel::Sentinels;
pub(crate) use token::verify;
pub(crate) use upstream::{Upstream, Wire, answer_with};
pub(crate) use watch::{Watch, share, subject};
pub(crate) use wire::{Parsed, Request, parse_request};
pub(crate) use wire_fault::{Fault, FaultyWire};
pub(crate) use world::{Running, SESSIONS, World};

use std::time::{Duration, Instant};

/// How long anything may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
