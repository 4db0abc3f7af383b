//! What must hold however often it is tried. Each is a short test here and as long as its variable says: `CLOAKROOM_OUTAGES`,
//! `CLOAKROOM_REQUESTS`, `CLOAKROOM_LOGINS`. The last lines give the figures.

use crate::support::{
    Ask, Client, Fault, FaultyWire, Gateway, Over, Redis, SESSIONS, Upstream, Watch, World, answer_with,
    eventually, share, subject,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_millis(400);
const CLIENTS: usize = 4;
const USERS: usize = 200;

#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn times(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn ids() -> Vec<String> {
    (0..USERS).map(|at| format!("u{at}")).collect()
}

fn ask(path: &str, id: &str) -> Ask {
    Ask::get(path).cookie(&format!("sid={id}"))
}

/// How Redis is lost to a gateway without losing its data.
#[derive(Clone, Copy, Debug)]
enum Outage {
    Wire(Fault),
    Frozen,
}

const OUTAGES: [Outage; 5] = [
    Outage::Frozen,
    Outage::Wire(Fault::Hold),
    Outage::Wire(Fault::HoldAnswers),
    Outage::Wire(Fault::HoldQuestions),
    Outage::Wire(Fault::Cut),
];

/// What many clients saw of many outages.
#[derive(Default)]
struct Seen {
    /// While Redis cannot be asked: nobody is let in who comes later than this.
    lease_over: Mutex<Option<Instant>>,
    refusals: Mutex<Vec<Duration>>,
    returns: Mutex<Vec<Duration>>,
    over: AtomicBool,
}

impl Seen {
    fn hammer(&self, gateway: &Gateway, start: usize) {
        let (mut client, ids, mut at) = (Client::connect(gateway.public), ids(), start);
        while !self.over.load(Ordering::SeqCst) {
            at = (at + 7) % USERS;
            let came = Instant::now();
            let response = client.ask(&ask("/x", &ids[at]));
            // After the answer: while this says something, Redis cannot have been asked.
            let lease_over = *self.lease_over.lock().unwrap();
            match response.status {
                200 => assert!(
                    lease_over.is_none_or(|over| came < over),
                    "let in without a lease, {:?} after its end",
                    came - lease_over.unwrap()
                ),
                503 => self.refusals.lock().unwrap().push(came.elapsed()),
                other => panic!("an outage is no logout: {other}"),
            }
            assert_eq!(client.ask(&ask("/open", &ids[at])).status, 200, "an open route asks nobody");
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    fn outage(&self, outage: Outage, wire: &FaultyWire, redis: &Redis, gateway: &Gateway) {
        match outage {
            Outage::Wire(fault) => wire.set(fault),
            Outage::Frozen => redis.freeze(),
        }
        // What was on its way when the fault began may arrive still.
        *self.lease_over.lock().unwrap() = Some(Instant::now() + BOUND);
        std::thread::sleep(BOUND + BOUND / 4);
        *self.lease_over.lock().unwrap() = None;
        match outage {
            Outage::Wire(_) => wire.set(Fault::None),
            Outage::Frozen => redis.thaw(),
        }
        let back = Instant::now();
        eventually("to be let in again", || (ask("/x", "u0").at(gateway.public).status == 200).then_some(()));
        self.returns.lock().unwrap().push(back.elapsed());
        let (mut client, reads) = (Client::connect(gateway.public), redis.calls("get"));
        for id in ids() {
            eventually("everybody to be logged in", || {
                (client.ask(&ask("/x", &id)).status == 200).then_some(())
            });
        }
        let reads = redis.calls("get") - reads;
        assert!(reads <= 2 * USERS as u64, "{reads} reads for {USERS} sessions after {outage:?}");
    }
}

fn log_all_in(redis: &Redis) {
    ids().iter().for_each(|id| redis.set(&format!("sess:{id}"), &Watch::record(id)));
}

#[test]
fn no_outage_lets_anybody_in_without_a_lease_or_logs_anybody_out() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            wire.say(answer_with(&request, b"ok"));
        }
    });
    let redis = Redis::start();
    log_all_in(&redis);
    let wire = FaultyWire::to(([127, 0, 0, 1], redis.port()).into());
    let gateway = World::without_redis()
        .workers(2)
        .store("timeout = \"90ms\"\nrevocation_bound = \"400ms\"")
        .profile("app", SESSIONS)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/open\"\nupstream = \"app\"\naccess = \"open\"")
        .start_at(&wire.url());
    let (seen, count) = (Seen::default(), times("CLOAKROOM_OUTAGES", OUTAGES.len()));
    std::thread::scope(|scope| {
        for at in 0..CLIENTS {
            let (seen, gateway) = (&seen, &gateway);
            scope.spawn(move || seen.hammer(gateway, at * 11));
        }
        let _over = Over(&seen.over);
        for number in 0..count {
            seen.outage(OUTAGES[number % OUTAGES.len()], &wire, &redis, &gateway);
        }
    });
    let (mut refusals, mut returns) =
        (seen.refusals.into_inner().unwrap(), seen.returns.into_inner().unwrap());
    println!(
        "{count} outages, {} answers 503: worst after {:?}, p99 {:?}; let in again after {:?} at worst, p99 {:?}",
        refusals.len(),
        share(&mut refusals, 1.0),
        share(&mut refusals, 0.99),
        share(&mut returns, 1.0),
        share(&mut returns, 0.99)
    );
}

/// Numbers that are as good as random and the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Asks as clients do who lose patience: some hang up before the answer, some in the middle of their question.
fn ask_impatiently(gateway: &Gateway, seed: u64, requests: usize, answered: &AtomicU64) {
    let (mut dice, ids) = (Dice(seed), ids());
    let mut client = Client::connect(gateway.public);
    for _ in 0..requests {
        let id = &ids[dice.roll(USERS as u64) as usize];
        let path = if dice.roll(8) == 0 { "/strict/x" } else { "/x" };
        let question = ask(path, id);
        match dice.roll(32) {
            0 => {
                let bytes = question.bytes();
                client.send(&bytes[..dice.roll(bytes.len() as u64) as usize]);
                client = Client::connect(gateway.public);
            }
            1 => {
                client.send(question.bytes());
                client = Client::connect(gateway.public);
            }
            _ => {
                let response = client.ask(&question);
                match response.status {
                    200 => {
                        let token = response.echoed("authorization").expect("a token");
                        assert_eq!(subject(&token), format!("user-{id}"), "another user's identity");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    401 | 503 => {}
                    other => panic!("{other}: {}", response.text()),
                }
            }
        }
    }
}

/// Logs users out and in again, rewrites their records, and now and then holds the wire for longer than a read may take.
fn trouble(over: &AtomicBool, wire: &FaultyWire, redis: &Redis) {
    let (mut dice, ids) = (Dice(7), ids());
    while !over.load(Ordering::SeqCst) {
        let id = &ids[dice.roll(USERS as u64) as usize];
        let key = format!("sess:{id}");
        match dice.roll(400) {
            0 => {
                wire.set(Fault::Hold);
                std::thread::sleep(Duration::from_millis(150));
                wire.set(Fault::None);
            }
            1 => {
                wire.set(Fault::Cut);
                std::thread::sleep(Duration::from_millis(10));
                wire.set(Fault::None);
            }
            2..60 => redis.delete(&key),
            60..120 => drop(redis.command::<u64>(&["EXPIRE", &key, "600"])),
            _ => redis.set(&key, &Watch::record(id)),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn whoever_hangs_up_and_whatever_changes_nobody_gets_anothers_identity() {
    let (upstream, redis) = (Upstream::echoing(), Redis::start());
    log_all_in(&redis);
    let wire = FaultyWire::to(([127, 0, 0, 1], redis.port()).into());
    let gateway = World::without_redis()
        .workers(2)
        .store("timeout = \"90ms\"\nrevocation_bound = \"400ms\"")
        .profile("app", SESSIONS)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/strict/*\"\nupstream = \"app\"\nfreshness = \"strict\"")
        .start_at(&wire.url());
    let (requests, answered) = (times("CLOAKROOM_REQUESTS", 8_000), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| trouble(&over, &wire, &redis));
        let _over = Over(&over);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|at| {
                let (gateway, answered) = (&gateway, &answered);
                scope.spawn(move || ask_impatiently(gateway, at as u64 + 1, requests / CLIENTS, answered))
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    let answered = answered.into_inner();
    println!("{requests} requests, {answered} answered in the right name and none in another's");
    assert!(answered > requests as u64 / 20, "{answered} of {requests}: too few to show anything");
}

fn metric(gateway: &Gateway, start: &str) -> u64 {
    let page = gateway.internal("/metrics").text();
    let line = page.lines().find(|line| line.starts_with(start));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

/// As Express with `rolling`, Rails and many others do it: what is looked up the hard way is a matter of luck, what is signed is not.
#[test]
fn an_app_that_touches_its_sessions_on_every_request_has_no_token_signed_twice() {
    let redis = Redis::start();
    log_all_in(&redis);
    let url = redis.url();
    let upstream = Upstream::playing(move |wire| {
        let mut app = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
        while let Some(request) = wire.request() {
            let id = request.one("x-session").unwrap();
            redis::cmd("EXPIRE").arg(format!("sess:{id}")).arg(600).query::<()>(&mut app).unwrap();
            wire.say(answer_with(&request, b"ok"));
        }
    });
    let gateway = World::without_redis()
        .workers(2)
        .store("timeout = \"5s\"\nrevocation_bound = \"60s\"")
        .profile("app", SESSIONS)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\nttl = \"1h\"")
        .start_beside(&redis);
    let (requests, ids) = (times("CLOAKROOM_REQUESTS", 8_000), ids());
    std::thread::scope(|scope| {
        for start in 0..CLIENTS {
            let (gateway, ids) = (&gateway, &ids);
            scope.spawn(move || {
                let mut client = Client::connect(gateway.public);
                for at in 0..requests / CLIENTS {
                    let id = &ids[(start * 11 + at * 7) % USERS];
                    assert_eq!(client.ask(&ask("/x", id).header("x-session", id)).status, 200);
                }
            });
        }
    });
    let [hits, misses] = ["hit", "miss"].map(|outcome| {
        metric(&gateway, &format!("cloakroom_cache_lookups_total{{store=\"app\",outcome=\"{outcome}\"}}"))
    });
    println!("{hits} of {} lookups were hits, though each request touched its session", hits + misses);
    let signed = metric(&gateway, "cloakroom_token_signatures");
    assert!(signed <= 2 * USERS as u64, "{signed} signatures for {USERS} sessions");
}

/// More sessions than there is room for come and go, and the memory stays what it is.
#[test]
fn sessions_beyond_the_memory_for_them_cost_no_more() {
    let (upstream, redis) = (Upstream::echoing(), Redis::start());
    let gateway = World::without_redis()
        .workers(2)
        .limits("session_memory = \"4MiB\"")
        .store("timeout = \"5s\"\nrevocation_bound = \"60s\"")
        .profile("app", SESSIONS)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .start_beside(&redis);
    let logins = times("CLOAKROOM_LOGINS", 12_000);
    let (mut client, mut filled) = (Client::connect(gateway.public), 0);
    for number in 0..logins {
        let id = format!("l{number}");
        redis.set_for(&format!("sess:{id}"), &Watch::record(&id), Duration::from_secs(60));
        assert_eq!(client.ask(&ask("/x", &id)).status, 200);
        if number == logins / 2 {
            filled = gateway.resident();
        }
    }
    let (held, after) = (metric(&gateway, "cloakroom_sessions_held"), gateway.resident());
    println!("{logins} logins, {held} held; {filled} bytes after half of them, {after} after all");
    assert!(held < logins as u64 / 2, "{held} of {logins}: there was room for most, so this showed nothing");
    assert!(after < filled + filled / 4, "{filled} bytes after half of them, {after} after all");
}
