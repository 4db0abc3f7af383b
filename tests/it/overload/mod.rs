//! More is asked than can be done. In short here, where nothing is judged by the clock; with `CLOAKROOM_OVERLOAD` it is three times as
//! much for so many seconds, and the last lines give the figures. `CLOAKROOM_BINARY` is another build to be put to the test.
//!
//! Two things can be too small, and they are told apart: the app, and the gateway's own processor. So that the second is not the
//! clients', a long run has the gateway on the first processor and everything else on the second.

mod crowd;
mod figures;
mod refusals;
mod service;

use crate::support::{Ask, Running, World, eventually};
use crowd::Crowd;
use figures::{Outcome, busy, lost, recovery, served};
use service::service;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// There is one machine: who measures on it is alone.
static ALONE: Mutex<()> = Mutex::new(());
const MILLISECOND: Duration = Duration::from_millis(1);

#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn asked<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// How long each part lasts.
#[derive(Clone, Copy)]
struct Spans {
    /// What can be done at most, and how long one request takes alone.
    before: Duration,
    overload: Duration,
    after: Duration,
    /// Whether it is done for the figures.
    is_long: bool,
}

impl Spans {
    fn asked() -> Self {
        match asked("CLOAKROOM_OVERLOAD").map(Duration::from_secs) {
            Some(overload) => {
                let (before, after) = (Duration::from_secs(5), Duration::from_secs(5));
                Self { before, overload, after, is_long: true }
            }
            None => {
                let short = Duration::from_millis(300);
                Self { before: short, overload: short * 3, after: short, is_long: false }
            }
        }
    }
}

/// Has a process run on this processor only.
fn pin(processor: usize, id: &str) {
    let done = Command::new("taskset").args(["-a", "-p", "-c", &processor.to_string(), id]).output();
    assert!(done.unwrap().status.success(), "no processor {processor} for {id}");
}

fn start(spans: Spans, world: impl FnOnce(World) -> World) -> Running {
    let binary = asked("CLOAKROOM_BINARY").unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_cloakroom")));
    let world = world(World::with_sessions(&[("live", "alice")])).start_unheard(&binary);
    if spans.is_long {
        pin(0, &world.gateway.process.id().to_string());
        pin(1, &std::process::id().to_string());
    }
    world
}

/// Asks the internal listener for its health until it is `over`; how long the answers took.
fn nurse(address: SocketAddr, over: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        assert_eq!(Ask::get("/live").at(address).status, 200);
        times.push(asked.elapsed());
        std::thread::sleep(MILLISECOND * 20);
    }
    times.sort();
    times
}

/// Asks for three times as much as can be done. Everybody gets an answer or is told to come again, the health is told all the while, and
/// behind it all is as before.
fn overload(name: &str, world: &Running, clients: usize, spans: Spans) {
    let ask = Ask::get("/x").cookie("sid=live").bytes();
    let crowd = Crowd { address: world.gateway.public, ask };
    crowd.in_turn(clients, spans.before);
    let most = served(&crowd.in_turn(clients, spans.before)).len();
    let peak = (most as f64 / spans.before.as_secs_f64()).max(1.0);
    // A test machine may have other things to do: in short it is a rehearsal, not an overload of the gateway.
    let peak = if spans.is_long { peak } else { peak.min(100.0) };
    let unloaded = crowd.at_rates(&[(peak / 10.0, spans.before)]);
    let (over, started) = (AtomicBool::new(false), Instant::now());
    let (outcomes, health) = std::thread::scope(|scope| {
        let health = scope.spawn(|| nurse(world.gateway.internal, &over));
        let outcomes = crowd.at_rates(&[(peak * 3.0, spans.overload), (peak / 2.0, spans.after)]);
        over.store(true, Ordering::Relaxed);
        (outcomes, health.join().unwrap())
    });
    let report = Report { name, peak, unloaded: &unloaded, outcomes: &outcomes, health: &health, spans };
    report.print(started.elapsed());
    for outcomes in [&unloaded, &outcomes] {
        assert!(lost(outcomes).is_empty(), "{name}: {:?}", lost(outcomes));
        assert!(served(outcomes).len() > 0, "{name}: nobody was served");
    }
    eventually("an answer", || Some(world.get("/x")).filter(|answer| answer.status == 401));
    eventually("all to be as before", || {
        let outcomes = crowd.at_rates(&[(20.0, spans.before)]);
        (served(&outcomes).len() == outcomes.len()).then_some(())
    });
}

struct Report<'a> {
    name: &'a str,
    peak: f64,
    unloaded: &'a [Outcome],
    outcomes: &'a [Outcome],
    health: &'a [Duration],
    spans: Spans,
}

impl Report<'_> {
    fn print(&self, took: Duration) {
        let Self { name, peak, unloaded, outcomes, health, spans } = self;
        let alone = served(unloaded);
        let (during, _) = outcomes.split_at(outcomes.partition_point(|one| one.due < spans.overload));
        let (good, shed) = (served(during), busy(during));
        let seconds = spans.overload.as_secs_f64();
        let (goodput, offered) = (good.len() as f64 / seconds, during.len() as f64 / seconds);
        let share = goodput / peak * 100.0;
        let slower = good.at(990).as_secs_f64() / alone.at(990).as_secs_f64();
        let sick = health.get(health.len() * 99 / 100).copied().unwrap_or_default();
        let after = recovery(outcomes, spans.overload, alone.at(990) * 5);
        let mut out = std::io::stdout();
        let _ = writeln!(
            out,
            "{name}: peak {peak:.0}/s, offered {offered:.0}/s for {seconds} s, took {took:.1?}"
        );
        let _ = writeln!(out, "  alone    {alone}");
        let _ = writeln!(
            out,
            "  served   {good}: {goodput:.0}/s, {share:.1} % of peak, p99 {slower:.1} times alone"
        );
        let _ = writeln!(out, "  told 503 {shed}");
        let _ = writeln!(out, "  health p99 {sick:.1?} of {}, as before after {after:.1?}", health.len());
        let _ = writeln!(out, "  lost {}", lost(outcomes).len());
    }
}

#[test]
fn in_an_overload_of_an_app_everybody_is_served_or_told_to_come_again() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let spans = Spans::asked();
    let app = service(if spans.is_long { 16 } else { 2 }, MILLISECOND * 20);
    // In short it is not the machine's own pace that is tried.
    let latency = if spans.is_long { "45ms" } else { "10s" };
    let world = start(spans, |world| behind(world, app, &format!("limits = {{ latency = \"{latency}\" }}")));
    overload("the app is too small", &world, 32, spans);
}

#[test]
fn in_an_overload_of_an_app_whose_size_is_known_everybody_is_served_or_told_to_come_again() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let spans = Spans::asked();
    let slots = if spans.is_long { 16 } else { 2 };
    let app = service(slots, MILLISECOND * 20);
    let limits = format!("limits = {{ connections = {slots}, wait = \"250ms\" }}");
    let world = start(spans, |world| behind(world, app, &limits));
    overload("the app is too small, and its size is known", &world, 32, spans);
}

#[test]
fn in_an_overload_of_the_gateway_everybody_is_served_or_told_to_come_again() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let spans = Spans::asked();
    let app = service(10_000, Duration::ZERO);
    let delay = asked::<String>("CLOAKROOM_DELAY").unwrap_or_else(|| "2ms".to_owned());
    let world = start(spans, |world| behind(world, app, "").limits(&format!("delay = \"{delay}\"")));
    overload("the gateway is too small", &world, 32, spans);
}

/// A world whose only service is at `app`.
fn behind(world: World, app: SocketAddr, limits: &str) -> World {
    let upstream = format!("[upstreams.app]\nendpoints = [\"http://{app}\"]\n{limits}");
    world.table(&upstream).route("path = \"/*\"\nupstream = \"app\"")
}
