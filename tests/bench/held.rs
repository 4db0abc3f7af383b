//! What it costs to hold many sessions: `cargo bench --bench held [-- SESSIONS]`.
//!
//! A real Redis, read over a tracked connection until so many sessions are held; then sessions are found in memory in random order, on one
//! core, from the cookie to the verdict. Bytes are what the process grew by, as the system counts them, token slots included and
//! tokens not. No assertions: numbers are for people.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark: it reports, and its panics are failures"
)]

use cloakroom::clock::{Clock, UnixMillis};
use cloakroom::config::{Config, Freshness, Outage, ProfileId, StoreId, from_text};
use cloakroom::request::Cookies;
use cloakroom::session::{
    Authenticator, FingerprintKey, Policy, Profile, SessionCache, Source, StoreRules, Verdict,
};
use cloakroom::store::{RecordKind, RedisOptions, RedisStore, Store, Tracked, TrackedState};
use cloakroom::telemetry::Metrics;
use cloakroom::token::Slots;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As the gateway allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Reads under way at once while the sessions are fetched.
const AT_ONCE: usize = 256;
/// Different cookies of a measurement.
const SAMPLE: usize = 50_000;
const ROUNDS: usize = 10;

/// A Redis that ends with the benchmark.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let most = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(usize::MAX);
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("redis.sock");
    let _redis = redis(&socket);
    let text = format!(
        "[stores.app]\nurl = \"redis+unix://{}\"\ntimeout = \"5s\"\nrevocation_bound = \"60s\"\n\
         [sessions.shop]\nframework = \"json\"\ncookie = \"sid\"\nsubject = \"user.id\"\nattributes = {{ email = \"user.email\" }}\n\
         [tokens]\nissuer = \"https://gateway.example\"\n[upstreams.app]\nendpoints = [\"http://127.0.0.1:3001\"]\n\
         [[routes]]\npath = \"/*\"\nupstream = \"app\"\n",
        socket.display()
    );
    let (config, _) = from_text("gateway.toml", &text, folder.path(), &|_| None).expect("a configuration");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, measure(&config, &socket, most));
}

async fn measure(config: &Config, socket: &Path, most: usize) {
    let cache = Arc::new(SessionCache::new(1, u64::MAX));
    let authenticator = authenticator(config, &cache).await;
    let client = redis::Client::open(format!("redis+unix://{}", socket.display())).expect("a URL");
    let mut connection = client.get_connection().expect("a connection");
    println!("| sessions held | bytes each | µs a hit |\n|---:|---:|---:|");
    let (mut held, before) = (0, resident());
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        write(&mut connection, held..size);
        fetch(&authenticator, held..size).await;
        held = size;
        let bytes = (resident() - before) / size;
        println!("| {} | {bytes} | {:.2} |", cache.len(), hit(&authenticator, size));
    }
}

/// A worker's reader of sessions, with the process's tracked connection on a thread of its own.
async fn authenticator(config: &Config, cache: &Arc<SessionCache<Slots>>) -> Authenticator<Slots> {
    let (store, metrics) = (&config.stores[0], Metrics::new());
    let options = RedisOptions::new(store).expect("options").expect("a Redis");
    let (tracked, link) = Tracked::new(options.clone(), store.revocation_bound, metrics.store(&store.name));
    let follower = cache.follower(StoreId(0), vec![RecordKind::String], Arc::clone(link.lease()));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, link.run(follower, |_| ()));
    });
    while tracked.state() != TrackedState::Up {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let redis = RedisStore::start(options, metrics.store(&store.name), Some(Arc::new(tracked)), |_| ());
    Authenticator::new(
        Arc::new([Profile::build(ProfileId(0), &config.profiles[0]).expect("a profile")]),
        vec![Store::Redis(redis)],
        vec![StoreRules { freshness: Freshness::Lease, outage: Outage::Deny }],
        Arc::clone(cache),
        FingerprintKey::new(&[7; 32]),
    )
}

fn cookies(number: usize) -> Cookies {
    Cookies::from_line(format!("sid={number:032x}"))
}

/// Records of about 300 bytes.
fn write(connection: &mut redis::Connection, numbers: std::ops::Range<usize>) {
    let filler = "x".repeat(230);
    for chunk in numbers.collect::<Vec<_>>().chunks(1000) {
        let mut pipeline = redis::pipe();
        for number in chunk {
            let record = format!(
                r#"{{"user":{{"id":"user{number}","email":"user{number}@example.org"}},"filler":"{filler}"}}"#
            );
            pipeline.set(format!("sess:{number:032x}"), record).ignore();
        }
        pipeline.query::<()>(connection).expect("a write");
    }
}

async fn fetch(authenticator: &Authenticator<Slots>, numbers: std::ops::Range<usize>) {
    for chunk in numbers.collect::<Vec<_>>().chunks(AT_ONCE) {
        let reads = chunk.iter().map(|number| async {
            let cookies = cookies(*number);
            let read = authenticator.authenticate(&cookies, &[ProfileId(0)], Policy::default(), now());
            assert!(matches!(read.await.expect("an answer").verdict, Verdict::Verified(_)));
        });
        futures_util::future::join_all(reads).await;
    }
}

/// Microseconds a session takes from the cookie to the verdict, in the best of many rounds over different sessions.
fn hit(authenticator: &Authenticator<Slots>, size: usize) -> f64 {
    let sample: Vec<Cookies> = (0..SAMPLE).map(|at| cookies(at.wrapping_mul(7_368_787) % size)).collect();
    let round = || {
        let begun = Instant::now();
        for cookies in &sample {
            let found = authenticator.recall(cookies, &[ProfileId(0)], Policy::default(), now());
            assert_eq!(found.expect("a hit").source, Source::Cache);
        }
        begun.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    best.as_secs_f64() * 1e6 / SAMPLE as f64
}

fn now() -> UnixMillis {
    Clock::System.now()
}

fn redis(socket: &Path) -> Redis {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(socket);
    let redis = Redis(command.stdout(Stdio::null()).spawn().expect("redis-server"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !socket.exists() {
        assert!(Instant::now() < deadline, "redis-server did not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    redis
}

/// Bytes that the process has in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") * 1024
}
