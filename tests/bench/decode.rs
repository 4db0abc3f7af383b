//! What one session costs: `cargo bench --bench decode [-- NAME...]`.
//!
//! For every vector file one typical captured session, the positive one of middle size: verify the cookie and name the key
//! (`present`), decode the record (`decode`), both on one core and without a store. Then the rest of the path that is
//! pure: judging a path, a session found in the cache, a token minted or found. Each number is the least of many
//! rounds, since whatever else the machine does only adds to it. No assertions: numbers are for people.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark: it reports, and its panics are failures"
)]

#[path = "path.rs"]
mod path;
#[path = "../vectors/profile.rs"]
mod profile;
#[path = "session.rs"]
mod session;

use cloakroom::config::DuplicateCookie;
use session::Sample;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// As the gateway allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A round is as many calls as fill this, so that reading the clock costs nothing beside it.
const ROUND: Duration = Duration::from_millis(2);
const ROUNDS: u32 = 40;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    println!("| session | framework | bytes | present µs | decode µs | together µs |");
    println!("|---|---|---:|---:|---:|---:|");
    let mut slowest = (0.0, String::new());
    for (name, file) in session::files().into_iter().filter(|(name, _)| is_wanted(name)) {
        let (profile, database) =
            profile::read(&file["profile"], DuplicateCookie::Reject).expect("a profile");
        let sample = Sample::find(&profile, database, &file);
        let present = micros(|| sample.present());
        let decode = micros(|| sample.decode());
        let word = file["profile"]["framework"].as_str().unwrap_or_default();
        let bytes = sample.record.len();
        let together = present + decode;
        println!("| {name} | `{word}` | {bytes} | {present:.2} | {decode:.2} | {together:.2} |");
        if together > slowest.0 {
            slowest = (together, name);
        }
    }
    println!("\nslowest: {} with {:.2} µs", slowest.1, slowest.0);
    if wanted.is_empty() {
        path::run();
    }
}

/// Microseconds a call takes in the best of many rounds.
pub(crate) fn micros<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut calls = 1_u32;
    while time(&mut call, calls) < ROUND {
        calls *= 2;
    }
    let best = (0..ROUNDS).map(|_| time(&mut call, calls)).min().unwrap_or_default();
    best.as_secs_f64() * 1e6 / f64::from(calls)
}

fn time<T>(call: &mut impl FnMut() -> T, calls: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(call());
    }
    start.elapsed()
}
