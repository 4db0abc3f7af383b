//! Keys that change while requests run.

use crate::support::{Ask, Gateway, Over, Process, Redis, Response, SESSIONS, Upstream, World, eventually};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\nhosts = [\"gw.test\"]\n\
    [admin.tokens.ops]\ntoken = { env = \"OPS\" }\nrole = \"keys\"";
const OPS: &str = "ops-0123456789abcdef0123";
const SEAL: &str = "0123456789abcdef0123456789abcdef";
const SHARED: &str = "[state]\nstore = \"app\"\n[tokens.keys]\nseal = [{ env = \"SEAL\" }]\n";

fn operated(world: World) -> World {
    world.table(ADMIN).environment("OPS", OPS).environment("SEAL", SEAL).profile("app", SESSIONS)
}

/// `cloakroom keys ...` about this gateway.
fn keys(gateway: &Gateway, words: &[&str]) -> Output {
    let before = "admin listener on http://";
    let address = gateway.process.err.wait_for(before, |text| {
        let (_, rest) = text.split_once(before)?;
        rest.split_once('"').map(|(address, _)| address.to_owned())
    });
    let token = gateway.dir().join("token");
    std::fs::write(&token, format!("{OPS}\n")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .arg("keys")
        .args(words)
        .args(["--admin", &format!("http://{}", address.unwrap()), "--token-file"])
        .arg(token)
        .output()
        .unwrap()
}

fn told(gateway: &Gateway, words: &[&str]) -> String {
    let output = keys(gateway, words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The kids of each phase, by `keys list --json`.
fn kids(gateway: &Gateway, phase: &str) -> Vec<String> {
    let list: serde_json::Value = serde_json::from_str(&told(gateway, &["list", "--json"])).unwrap();
    let keys = list["keys"].as_array().unwrap().iter().filter(|key| key["phase"] == phase);
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn published(gateway: &Gateway) -> BTreeSet<String> {
    let set = gateway.internal("/.well-known/jwks.json").json();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Once a key signs and another stands by.
fn settled(gateway: &Gateway) -> (String, String) {
    eventually("a ring", || {
        let (mut signs, mut standby) = (kids(gateway, "signs"), kids(gateway, "standby"));
        Some((signs.pop()?, standby.pop()?))
    })
}

fn get(gateway: &Gateway, path: &str) -> Response {
    Ask::get(path).cookie("sid=s1").at(gateway.public)
}

fn signed_by(upstream: &Upstream, gateway: &Gateway) -> String {
    let answer = get(gateway, "/");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.echoed("authorization").expect("a token");
    let header = jsonwebtoken::decode_header(seen.trim_start_matches("Bearer ")).unwrap();
    let _ = upstream;
    header.kid.unwrap()
}

fn redis() -> Redis {
    let redis = Redis::start();
    redis.set("sess:s1", r#"{"user":{"id":"42"}}"#);
    redis
}

#[test]
fn a_rotation_at_once_meets_no_unknown_key_and_leaves_nothing_of_the_old_one() {
    let (redis, upstream) = (redis(), Upstream::echoing());
    let world = operated(World::without_redis()).recorded("app", &upstream);
    let gateway = world.route("path = \"/*\"\nupstream = \"app\"").start_beside(&redis);
    let (old, next) = settled(&gateway);
    assert_eq!(signed_by(&upstream, &gateway), old);
    assert_eq!(published(&gateway), BTreeSet::from([old.clone(), next.clone()]));
    let told = told(&gateway, &["rotate", "--now"]);
    assert!(told.contains("drops the old keys by"), "{told}");
    // The kept token of the same session is gone with its key.
    assert_eq!(signed_by(&upstream, &gateway), next);
    assert!(!published(&gateway).contains(&old));
    let log = gateway.process.err.text();
    assert!(log.contains("\"admin\":\"ops\"") && log.contains("keys rotate"), "{log}");
    assert!(!log.contains(OPS));
    let files = std::fs::read_dir(gateway.dir().join("keys")).unwrap();
    let pems = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "pem"));
    assert_eq!(pems.count(), 2, "the old private key is still there");
}

#[test]
fn a_key_that_signs_is_not_retired_and_one_of_ones_own_is_taken_in() {
    let redis = redis();
    let gateway = operated(World::without_redis()).start_beside(&redis);
    let (signs, standby) = settled(&gateway);
    let refused = keys(&gateway, &["retire", &signs]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("rotate first"));
    assert_eq!(keys(&gateway, &["retire", "nothing"]).status.code(), Some(1));
    let nowhere = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .args(["keys", "list", "--admin", "nonsense", "--token-file"])
        .arg(gateway.dir().join("token"))
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2), "a slip of the command line, not of the gateway");
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/test-p256-sec1.pem");
    let pem = pem.to_str().unwrap();
    told(&gateway, &["import", pem]);
    assert_eq!(kids(&gateway, "standby").len(), 2);
    assert_eq!(keys(&gateway, &["import", pem]).status.code(), Some(1), "twice");
    let wrong = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/test-ed25519-pkcs8.pem");
    assert_eq!(keys(&gateway, &["import", wrong.to_str().unwrap()]).status.code(), Some(1));
    told(&gateway, &["retire", &standby]);
    assert!(!published(&gateway).contains(&standby));
}

#[test]
fn gateways_share_one_sealed_ring_and_a_change_at_one_is_a_change_at_all() {
    let (redis, upstream) = (redis(), Upstream::echoing());
    let world = operated(World::without_redis()).table(SHARED).recorded("app", &upstream);
    let world = world.route("path = \"/*\"\nupstream = \"app\"");
    let gateways: Vec<Gateway> = (0..3).map(|_| world.start_beside(&redis)).collect();
    let first = settled(&gateways[0]);
    for gateway in &gateways {
        assert_eq!(settled(gateway), first);
        assert_eq!(signed_by(&upstream, gateway), first.0);
    }
    let sid = |gateway: &Gateway| {
        let token = get(gateway, "/").echoed("authorization").unwrap();
        let claims = token.split('.').nth(1).unwrap().to_owned();
        use base64::Engine;
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["sid"].clone()
    };
    assert_eq!(sid(&gateways[0]), sid(&gateways[2]), "one key of fingerprints");
    let kept: String = redis.command(&["HGET", "cloakroom:ring:keys", "ring"]);
    assert!(kept.contains(&first.0) && !kept.contains("PRIVATE KEY") && !kept.contains("MIG"), "{kept}");
    told(&gateways[1], &["rotate", "--now"]);
    for gateway in &gateways {
        eventually("the change", || (signed_by(&upstream, gateway) == first.1).then_some(()));
    }
    // A Redis that has lost the ring gets it back from whoever leads.
    redis.command::<()>(&["HDEL", "cloakroom:ring:keys", "ring", "version"]);
    eventually("the ring", || {
        let kept: Option<String> = redis.command(&["HGET", "cloakroom:ring:keys", "ring"]);
        kept.filter(|kept| kept.contains(&first.1))
    });
    let late = world.start_beside(&redis);
    settled(&late);
    assert_eq!(signed_by(&upstream, &late), first.1);
}

#[test]
fn without_its_redis_a_ring_goes_on_and_no_second_one_is_ever_begun() {
    let (mut redis, upstream) = (redis(), Upstream::echoing());
    let world = operated(World::without_redis()).table(SHARED).recorded("app", &upstream);
    let world = world.store("outage = { serve_known = \"60s\" }").route("path = \"/*\"\nupstream = \"app\"");
    let gateway = world.start_beside(&redis);
    let (signs, _) = settled(&gateway);
    assert_eq!(signed_by(&upstream, &gateway), signs);
    redis.command::<()>(&["SAVE"]);
    redis.kill();
    let rotated = keys(&gateway, &["rotate", "--now"]);
    assert_eq!(rotated.status.code(), Some(1), "{}", String::from_utf8_lossy(&rotated.stdout));
    assert_eq!(signed_by(&upstream, &gateway), signs);
    let late = world.start_beside(&redis);
    let refused = get(&late, "/");
    assert_eq!((refused.status, refused.refusal()), (503, Some("store-unavailable")));
    let ready = late.internal("/ready");
    assert!(ready.status == 503 && ready.text().contains("key ring"), "{}", ready.text());
    assert_eq!(published(&late), BTreeSet::new());
    redis.start_again();
    eventually("the ring", || (late.internal("/ready").status == 200).then_some(()));
    assert!(published(&late).contains(&signs), "another ring was begun");
    eventually("the session", || (get(&late, "/").status == 200).then_some(()));
    assert_eq!(signed_by(&upstream, &late), signs);
}

#[test]
fn gateways_of_one_issuer_with_rings_of_their_own_say_so() {
    let redis = redis();
    let world = operated(World::without_redis()).table("[state]\nstore = \"app\"");
    let gateways: Vec<Gateway> = (0..2).map(|_| world.start_beside(&redis)).collect();
    for gateway in &gateways {
        gateway.process.err.wait_for("the split", |text| text.contains("key-ring-split").then_some(()));
        let page = gateway.internal("/metrics").text();
        assert!(page.contains("cloakroom_key_ring_split 1"), "{page}");
    }
}

/// A service that verifies with a cached key set, and its port.
fn service(command: &mut Command, jwks: &str, audience: &str) -> (Process, String) {
    command.env("JWKS_URL", jwks).env("ISSUER", "https://gateway.internal").env("AUDIENCE", audience);
    let service = Process::start(command);
    let port = service.out.wait_for("its port", |text| {
        let (_, rest) = text.split_once("listening on ")?;
        rest.split_once('\n').map(|(port, _)| port.to_owned())
    });
    let port = port.unwrap_or_else(|| panic!("{}", service.err.text()));
    (service, format!("127.0.0.1:{port}"))
}

#[allow(clippy::disallowed_methods, reason = "a test's length, not configuration")]
fn rotations() -> usize {
    std::env::var("CLOAKROOM_ROTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Every gateway is asked for every service, all the time, while keys change by a schedule of seconds.
#[test]
fn no_request_fails_while_keys_change_by_their_schedule() {
    let redis = redis();
    let schedule = "[state]\nstore = \"app\"\n\
        [tokens.keys]\nseal = [{ env = \"SEAL\" }]\nrotate_every = \"4s\"\npublish = \"3s\"";
    let first = operated(World::without_redis()).table(schedule).start_beside(&redis);
    settled(&first);
    let repo = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    let services = [
        service(Command::new("node").arg(repo.join("tests/node/cached.js")), &first.jwks_url(), "node"),
        service(Command::new(python).arg(repo.join("tests/python/cached.py")), &first.jwks_url(), "python"),
        service(Command::new("go").arg("run").arg(repo.join("tests/go/cached.go")), &first.jwks_url(), "go"),
    ];
    let mut world = operated(World::without_redis()).table(schedule);
    for (name, (_, at)) in ["node", "python", "go"].into_iter().zip(&services) {
        world = world.upstream(name, at).route(&format!("path = \"/{name}\"\nupstream = \"{name}\""));
    }
    let gateways: Vec<Gateway> = (0..3).map(|_| world.start_beside(&redis)).collect();
    gateways.iter().for_each(|gateway| drop(settled(gateway)));
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (seen, failed) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for gateway in &gateways {
            for path in ["/node", "/python", "/go"] {
                let (over, asked, seen, failed) = (&over, &asked, &seen, &failed);
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let answer = get(gateway, path);
                        asked.fetch_add(1, Ordering::Relaxed);
                        if answer.status == 200 {
                            seen.lock().unwrap().insert(answer.text());
                        } else {
                            failed.lock().unwrap().push(format!(
                                "{path} {} {}",
                                answer.status,
                                answer.text()
                            ));
                        }
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    }
                });
            }
        }
        let _over = Over(&over);
        let deadline =
            std::time::Instant::now() + std::time::Duration::from_secs(60 + 8 * rotations() as u64);
        while seen.lock().unwrap().len() <= rotations()
            && failed.lock().unwrap().is_empty()
            && std::time::Instant::now() < deadline
        {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let (seen, failed) = (seen.into_inner().unwrap(), failed.into_inner().unwrap());
    println!("{} keys signed, {} requests, {} failed", seen.len(), asked.into_inner(), failed.len());
    assert_eq!(failed, Vec::<String>::new());
    assert!(seen.len() > rotations(), "{} keys", seen.len());
}

/// Services fetch the key set from one gateway, and the operator asks another. What it prints is when each has dropped the old key.
#[test]
fn a_rotation_at_once_is_over_at_each_service_when_it_said_whichever_gateway_that_asks() {
    use cloakroom::clock::Clock;
    let redis = redis();
    let shared = "[state]\nstore = \"app\"\n[tokens.keys]\nseal = [{ env = \"SEAL\" }]\npublish = \"4s\"";
    let first = operated(World::without_redis()).table(shared).start_beside(&redis);
    settled(&first);
    let repo = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    let services = [
        service(Command::new("node").arg(repo.join("tests/node/cached.js")), &first.jwks_url(), "app"),
        service(Command::new(python).arg(repo.join("tests/python/cached.py")), &first.jwks_url(), "app"),
        service(Command::new("go").arg("run").arg(repo.join("tests/go/cached.go")), &first.jwks_url(), "app"),
    ];
    let upstream = Upstream::echoing();
    let world = operated(World::without_redis()).table(shared).recorded("app", &upstream);
    let other = world.route("path = \"/*\"\nupstream = \"app\"").start_beside(&redis);
    settled(&other);
    let token = || get(&other, "/").echoed("authorization").unwrap();
    let taken = |token: &str| -> Vec<u16> {
        let at = services.iter().map(|(_, at)| at.parse().unwrap());
        at.map(|at| Ask::get("/").header("Authorization", token).at(at).status).collect()
    };
    let old = token();
    assert_eq!(taken(&old), [200, 200, 200]);
    let report = eventually("the other gateway to know", || {
        let list: serde_json::Value = serde_json::from_str(&told(&other, &["list", "--json"])).unwrap();
        (list["readers"].as_array().unwrap().len() == 3).then_some(list)
    });
    assert_eq!(report["readers_of"], "all");
    let said: serde_json::Value =
        serde_json::from_str(&told(&other, &["rotate", "--now", "--json"])).unwrap();
    let new = token();
    assert_ne!(signer(&new), signer(&old), "at the gateway at once");
    let ends =
        said["readers"].as_array().unwrap().iter().map(|reader| reader["cached_until"].as_str().unwrap());
    let last = ends.max().unwrap().to_owned();
    eventually("the time that was printed", || (Clock::System.now().rfc3339() > last).then_some(()));
    assert_eq!(taken(&old), [401, 401, 401], "by {last}");
    assert_eq!(taken(&token()), [200, 200, 200]);
}

fn signer(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token.trim_start_matches("Bearer ")).unwrap().kid
}
