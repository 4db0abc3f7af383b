//! A store whose primary is found by sentinels: logins go on after a failover, and no revocation is lost in one.
//!
//! `CLOAKROOM_FAILOVERS` makes it longer than a test should be; the last lines say how long a revoked session was honoured at worst.

use crate::support::{Ask, Gateway, Sentinels, Upstream, Watch, World, eventually, share};
use std::time::Duration;

const BOUND: Duration = Duration::from_millis(800);
const SESSIONS_A_ROUND: usize = 24;
const CLIENTS: usize = 4;

fn gateway(group: &Sentinels, upstream: &Upstream) -> Gateway {
    let lines = format!("timeout = \"250ms\"\nrevocation_bound = \"800ms\"\n{}", Sentinels::login());
    World::without_redis()
        .workers(2)
        .store(&lines)
        .profile("app", crate::support::SESSIONS)
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/strict/*\"\nupstream = \"app\"\nfreshness = \"strict\"")
        .start_at(&group.url())
}

fn status(gateway: &Gateway, path: &str, id: &str) -> u16 {
    Ask::get(path).cookie(&format!("sid={id}")).at(gateway.public).status
}

/// How the primary goes.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Killed,
    /// It stands still until another has its place, and comes back believing that it is the primary.
    Frozen,
    /// It lives on, and is told later than its successor.
    Deposed,
    /// It lives on and believes that it is the primary, answers the gateway, and reaches nobody else.
    CutOff,
}

const TROUBLES: [Trouble; 4] = [Trouble::CutOff, Trouble::Killed, Trouble::Frozen, Trouble::Deposed];

#[test]
fn a_login_works_through_sentinels_and_a_deletion_counts_at_once() {
    let (upstream, mut group) = (Upstream::echoing(), Sentinels::start());
    let primary = group.primary().unwrap();
    group.write(primary, ["a", "b"].into_iter().map(|id| (format!("sess:{id}"), Watch::record(id))));
    let gateway = gateway(&group, &upstream);
    for path in ["/x", "/strict/x"] {
        eventually("a login", || (status(&gateway, path, "a") == 200).then_some(()));
    }
    // Two sentinels of three are a majority.
    group.kill_sentinel(0);
    group.nodes[primary].delete("sess:a");
    eventually("the deletion", || (status(&gateway, "/x", "a") == 401).then_some(()));
    assert_eq!(status(&gateway, "/strict/x", "a"), 401);
    eventually("the other session", || (status(&gateway, "/x", "b") == 200).then_some(()));
    // One is not: nobody can tell whether the primary still is one, and the lease ends.
    group.kill_sentinel(1);
    for path in ["/x", "/strict/x"] {
        eventually("the lease to end", || (status(&gateway, path, "b") == 503).then_some(()));
    }
    let health = gateway.internal("/ready?stores");
    assert_eq!(health.status, 503);
    assert!(health.text().contains("those who decide"), "{}", health.text());
}

/// The connection that ends it, for a server that nobody else reaches.
fn depose(group: &Sentinels, trouble: Trouble, primary: usize) -> Option<redis::Connection> {
    match trouble {
        Trouble::Killed => group.nodes[primary].signal("KILL"),
        Trouble::Frozen => group.nodes[primary].freeze(),
        Trouble::Deposed => group.fail_over(),
        Trouble::CutOff => return Some(group.cut_off(primary)),
    }
    None
}

/// Waits for the successor, and deletes what it can reach as soon as it takes writes.
fn revoke_at_successor(group: &Sentinels, watch: &Watch, old: usize) -> usize {
    let found = || {
        group.nodes.iter().enumerate().find_map(|(at, node)| {
            let mut connection = (at != old).then(|| node.connection()).flatten()?;
            let role: redis::Value = redis::cmd("ROLE").query(&mut connection).ok()?;
            format!("{role:?}").contains("master").then_some((at, connection))
        })
    };
    let (mut successor, mut connection) = eventually("a successor", found);
    for (at, id) in watch.ids().iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        eventually("a deletion", || {
            let deleted = redis::cmd("DEL").arg(format!("sess:{id}")).query::<u64>(&mut connection);
            if deleted.is_err() {
                // On a slow machine the sentinels may change their minds.
                (successor, connection) = found()?;
            }
            deleted.ok()
        });
        watch.note_deleted(at);
        std::thread::sleep(Duration::from_millis(10));
    }
    successor
}

fn round(number: usize, group: &mut Sentinels, gateway: &Gateway) -> (Trouble, Vec<Duration>) {
    let trouble = TROUBLES[number % TROUBLES.len()];
    let watch = Watch::new((0..SESSIONS_A_ROUND).map(|at| format!("r{number}x{at}")).collect());
    let primary = group.wait_until_whole();
    group.write(primary, watch.ids().iter().map(|id| (format!("sess:{id}"), Watch::record(id))));
    for id in watch.ids() {
        eventually("a login", || (status(gateway, "/x", id) == 200).then_some(()));
    }
    let successor = std::thread::scope(|scope| {
        for at in 0..CLIENTS {
            let watch = &watch;
            scope.spawn(move || watch.hammer(gateway, at * 11));
        }
        let _over = watch.over();
        let mut cut_off = depose(group, trouble, primary);
        let successor = revoke_at_successor(group, &watch, primary);
        if matches!(trouble, Trouble::Frozen) {
            group.nodes[primary].thaw();
        }
        std::thread::sleep(BOUND + BOUND / 2);
        cut_off.iter_mut().for_each(Sentinels::let_back);
        successor
    });
    // Who was not deleted is still logged in.
    for (at, id) in watch.ids().iter().enumerate() {
        let expected = if at % 2 == 0 { 401 } else { 200 };
        eventually("the right answer", || (status(gateway, "/x", id) == expected).then_some(()));
        eventually("the right answer", || (status(gateway, "/strict/x", id) == expected).then_some(()));
    }
    if matches!(trouble, Trouble::Killed) {
        group.bring_back(primary, successor);
    }
    let honoured = watch.honoured().into_iter().step_by(2).collect();
    let [ok, denied, unavailable] = watch.answers.map(|count| count.into_inner());
    println!("{number} {trouble:?}: 200 {ok}, 401 {denied}, 503 {unavailable}");
    (trouble, honoured)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn no_failover_revives_a_session_or_logs_anybody_out() {
    let wanted = std::env::var("CLOAKROOM_FAILOVERS").ok().and_then(|text| text.parse().ok());
    let rounds = wanted.unwrap_or(TROUBLES.len());
    let (upstream, mut group) = (Upstream::echoing(), Sentinels::start());
    let gateway = gateway(&group, &upstream);
    let mut all = Vec::new();
    for number in 0..rounds {
        let (trouble, honoured) = round(number, &mut group, &gateway);
        let worst = honoured.iter().max().copied().unwrap_or_default();
        assert!(worst < BOUND, "{trouble:?}: honoured {worst:?} after the deletion, more than {BOUND:?}");
        all.extend(honoured);
    }
    let (count, worst, p99) = (all.len(), share(&mut all, 1.0), share(&mut all, 0.99));
    println!("{rounds} failovers, {count} revocations: worst {worst:?}, p99 {p99:?}");
}
