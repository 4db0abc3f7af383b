//! A store that is a Cluster: each session is read where its slot is, wherever that goes, and no revocation is lost on the way.
//!
//! `CLOAKROOM_FAILOVERS` makes it longer than a test should be; the last lines say how long a revoked session was honoured at worst.

use crate::support::{Ask, Cluster, Gateway, READER, SESSIONS, Upstream, Watch, World, eventually, share};
use crate::touch::SpringSession;
use std::time::Duration;

const BOUND: Duration = Duration::from_millis(800);
const SESSIONS_A_ROUND: usize = 24;
const CLIENTS: usize = 4;

fn gateway(cluster: &Cluster, upstream: &Upstream) -> Gateway {
    World::without_redis()
        .workers(2)
        .store(&format!("timeout = \"250ms\"\nrevocation_bound = \"800ms\"\n{READER}"))
        .profile("app", SESSIONS)
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/strict/*\"\nupstream = \"app\"\nfreshness = \"strict\"")
        .start_at(&cluster.url())
}

fn status(gateway: &Gateway, path: &str, id: &str) -> u16 {
    Ask::get(path).cookie(&format!("sid={id}")).at(gateway.public).status
}

fn log_in(cluster: &Cluster, gateway: &Gateway, id: &str) {
    cluster.write(&key(id), &Watch::record(id));
    eventually("a login", || (status(gateway, "/x", id) == 200).then_some(()));
}

fn gets(cluster: &Cluster) -> u64 {
    cluster.nodes.iter().map(|node| node.calls("get")).sum()
}

#[test]
fn sessions_are_read_at_their_primaries_cached_and_revoked_at_once() {
    let (upstream, cluster) = (Upstream::echoing(), Cluster::start());
    let gateway = gateway(&cluster, &upstream);
    // Enough of them for every primary.
    let ids: Vec<String> = (0..12).map(|at| format!("s{at}")).collect();
    ids.iter().for_each(|id| log_in(&cluster, &gateway, id));
    for id in &ids {
        eventually("a hit", || {
            let before = gets(&cluster);
            assert_eq!(status(&gateway, "/x", id), 200);
            (gets(&cluster) == before).then_some(())
        });
    }
    for id in &ids {
        assert_eq!(status(&gateway, "/strict/x", id), 200);
        cluster.delete(&key(id));
        eventually("the deletion", || (status(&gateway, "/x", id) == 401).then_some(()));
        assert_eq!(status(&gateway, "/strict/x", id), 401);
    }
    let health = gateway.internal("/ready?stores");
    assert_eq!(health.status, 200, "{}", health.text());
    assert_eq!(health.json()["stores"][0]["primaries"].as_array().unwrap().len(), 3);
    assert!(
        gateway
            .internal("/metrics")
            .text()
            .contains(&format!("primary=\"127.0.0.1:{}\"", cluster.nodes[0].port()))
    );
}

/// Spring's indexed repository has keys in several slots for one session.
#[test]
fn a_session_is_kept_alive_wherever_its_keys_are() {
    let (upstream, cluster) = (Upstream::echoing(), Cluster::start());
    let spring = "framework = \"spring\"\nengine = \"plain_cookie\"\nkey = \"spring:session:sessions:{id}\"\nsubject = \"name\"\nidle_touch = \"gateway\"";
    let gateway = World::without_redis()
        .workers(2)
        .store("timeout = \"5s\"")
        .profile("app", spring)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .start_at(&cluster.url());
    let mut places = std::collections::HashSet::new();
    for at in 0..4 {
        let id = format!("6b969749-3e3c-474a-a0fa-e0bced5e0ba{at}");
        let expires = format!("spring:session:sessions:expires:{id}");
        let session = SpringSession { key: format!("spring:session:sessions:{id}"), left_ms: 900_000 };
        let place = cluster.at_owner(&session.key, &["EXISTS", &session.key]);
        session.write(&mut cluster.nodes[place].connection().unwrap());
        places.extend([place, cluster.at_owner(&expires, &["SET", &expires, "", "PX", "900000"])]);
        let left = |key: &str| -> i64 {
            let owner = cluster.at_owner(key, &["PTTL", key]);
            cluster.nodes[owner].command(&["PTTL", key])
        };
        eventually("the touch", || {
            let cookie = format!("SESSION={id}");
            let status = Ask::get("/x").cookie(&cookie).at(gateway.public).status;
            // Until the gateway has found all primaries.
            assert!(matches!(status, 200 | 503), "{status}");
            (status == 200 && left(&expires) > 1_700_000 && left(&session.key) > 2_000_000).then_some(())
        });
    }
    assert!(places.len() > 1, "all keys were at one primary, so this showed nothing");
}

#[test]
fn a_slot_is_followed_while_it_moves() {
    let (upstream, cluster) = (Upstream::echoing(), Cluster::start());
    let gateway = gateway(&cluster, &upstream);
    let primaries = cluster.wait_until_whole();
    let is = |id: &str, expected: u16| {
        eventually("the right answer", || (status(&gateway, "/x", id) == expected).then_some(()));
        eventually("the right answer", || (status(&gateway, "/strict/x", id) == expected).then_some(()));
    };
    let ids = ["s0", "s1", "s2", "s3"];
    let [before, amid, after, new] = ids;
    for id in [before, amid, after] {
        log_in(&cluster, &gateway, id);
        is(id, 200);
    }
    let moves = ids.map(|id| {
        let slot = cluster.slot(&key(id));
        let from = cluster.owner(slot);
        (slot, from, primaries.iter().copied().find(|at| *at != from).unwrap())
    });
    moves.iter().for_each(|(slot, from, to)| cluster.begin_move(*slot, *from, *to));
    cluster.delete(&key(before));
    is(before, 401);
    // Who logs in while the slot moves is at the new place only.
    cluster.at_owner(&key(new), &["SET", &key(new), &Watch::record(new)]);
    is(new, 200);
    moves.iter().for_each(|(slot, from, to)| cluster.move_keys(*slot, *from, *to));
    for id in [amid, after] {
        is(id, 200);
    }
    cluster.delete(&key(amid));
    is(amid, 401);
    moves.iter().for_each(|(slot, from, to)| cluster.end_move(*slot, *from, *to, &primaries));
    for id in [after, new] {
        is(id, 200);
        cluster.delete(&key(id));
        is(id, 401);
    }
}

fn key(id: &str) -> String {
    format!("sess:{id}")
}

/// What becomes of a primary.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Killed,
    /// It stands still until another has its place, and comes back believing that it is the primary.
    Frozen,
    /// It hands over to its replica.
    Deposed,
    /// Slots of it move to another.
    Resharded,
}

const TROUBLES: [Trouble; 4] = [Trouble::Killed, Trouble::Frozen, Trouble::Deposed, Trouble::Resharded];

fn reshard(cluster: &Cluster, watch: &Watch, from: usize, primaries: &[usize]) {
    let slots: Vec<u16> = watch.ids().iter().map(|id| cluster.slot(&key(id))).collect();
    let to = primaries.iter().copied().find(|at| *at != from).unwrap();
    for slot in slots.into_iter().filter(|slot| cluster.owner(*slot) == from) {
        cluster.begin_move(slot, from, to);
        std::thread::sleep(Duration::from_millis(20));
        cluster.move_keys(slot, from, to);
        std::thread::sleep(Duration::from_millis(20));
        cluster.end_move(slot, from, to, primaries);
    }
}

fn cause(cluster: &Cluster, trouble: Trouble, watch: &Watch, primary: usize, primaries: &[usize]) {
    match trouble {
        Trouble::Killed => cluster.nodes[primary].signal("KILL"),
        Trouble::Frozen => cluster.nodes[primary].freeze(),
        Trouble::Deposed => {
            cluster.nodes[cluster.replica_of(primary)].command::<()>(&["CLUSTER", "FAILOVER"])
        }
        Trouble::Resharded => reshard(cluster, watch, primary, primaries),
    }
}

fn round(number: usize, cluster: &mut Cluster, gateway: &Gateway) -> (Trouble, Vec<Duration>) {
    let trouble = TROUBLES[number % TROUBLES.len()];
    let watch = Watch::new((0..SESSIONS_A_ROUND).map(|at| format!("r{number}x{at}")).collect());
    let primaries = cluster.wait_until_whole();
    let primary = primaries[number / TROUBLES.len() % primaries.len()];
    for id in watch.ids() {
        log_in(cluster, gateway, id);
    }
    std::thread::scope(|scope| {
        for at in 0..CLIENTS {
            let watch = &watch;
            scope.spawn(move || watch.hammer(gateway, at * 11));
        }
        let _over = watch.over();
        let (shared, seen, all) = (&*cluster, &watch, &primaries);
        let caused = scope.spawn(move || cause(shared, trouble, seen, primary, all));
        if !matches!(trouble, Trouble::Resharded) {
            // A deletion that was answered and not replicated is lost with the primary, whoever asks.
            caused.join().unwrap();
        }
        for (at, id) in watch.ids().iter().enumerate().filter(|(at, _)| at % 2 == 0) {
            cluster.delete(&key(id));
            watch.note_deleted(at);
            std::thread::sleep(Duration::from_millis(10));
        }
        if matches!(trouble, Trouble::Frozen) {
            cluster.nodes[primary].thaw();
        }
        std::thread::sleep(BOUND + BOUND / 2);
    });
    for (at, id) in watch.ids().iter().enumerate() {
        let expected = if at % 2 == 0 { 401 } else { 200 };
        eventually("the right answer", || (status(gateway, "/x", id) == expected).then_some(()));
        eventually("the right answer", || (status(gateway, "/strict/x", id) == expected).then_some(()));
    }
    if matches!(trouble, Trouble::Killed) {
        cluster.nodes[primary].start_again();
    }
    let honoured = watch.honoured().into_iter().step_by(2).collect();
    let [ok, denied, unavailable] = watch.answers.map(|count| count.into_inner());
    println!("{number} {trouble:?}: 200 {ok}, 401 {denied}, 503 {unavailable}");
    (trouble, honoured)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn no_kill_and_no_reshard_revives_a_session_or_logs_anybody_out() {
    let wanted = std::env::var("CLOAKROOM_FAILOVERS").ok().and_then(|text| text.parse().ok());
    let rounds = wanted.unwrap_or(TROUBLES.len());
    let (upstream, mut cluster) = (Upstream::echoing(), Cluster::start());
    let gateway = gateway(&cluster, &upstream);
    let mut all = Vec::new();
    for number in 0..rounds {
        let (trouble, honoured) = round(number, &mut cluster, &gateway);
        let worst = honoured.iter().max().copied().unwrap_or_default();
        assert!(worst < BOUND, "{trouble:?}: honoured {worst:?} after the deletion, more than {BOUND:?}");
        all.extend(honoured);
    }
    let (count, worst, p99) = (all.len(), share(&mut all, 1.0), share(&mut all, 0.99));
    println!("{rounds} kills and reshards, {count} revocations: worst {worst:?}, p99 {p99:?}");
}
