//! A real Express app, a Node service and a Python service around one gateway: the move that Cloakroom is for.

use crate::support::{Ask, Process, Relay, Response, Running, Upstream, World, eventually};
use std::path::PathBuf;
use std::process::Command;

pub(crate) const SECRET: &str = "canary-express-secret-4b1d";

/// A Node or Python program of the tests, on a port of its own.
pub(crate) struct Program {
    _process: Process,
    port: u16,
}

fn repo(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Program {
    pub(crate) fn node(file: &str, environment: &[(&str, &str)]) -> Self {
        let modules = repo("tests/node/node_modules");
        assert!(modules.is_dir(), "{} is missing; `tests/run` installs it", modules.display());
        Self::start(Command::new("node").arg(repo("tests/node").join(file)), environment)
    }

    fn python(file: &str, environment: &[(&str, &str)]) -> Self {
        let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
        assert!(python.exists(), "{} is missing; `tests/run` installs it", python.display());
        Self::start(Command::new(python).arg(repo("tests/python").join(file)), environment)
    }

    fn start(command: &mut Command, environment: &[(&str, &str)]) -> Self {
        let process = Process::start(command.envs(environment.iter().copied()));
        let port = process.out.wait_for("the program's port", |text| {
            let line = text.lines().find(|line| line.starts_with("listening "))?;
            line.strip_prefix("listening ")?.parse().ok()
        });
        Self { port: port.unwrap_or_else(|| panic!("{}", process.err.text())), _process: process }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// The app and both services behind a gateway. The services need the gateway's address before it runs, so they are told
/// that of a relay, which is pointed at it afterwards.
struct Shop {
    world: Running,
    _programs: Vec<Program>,
}

impl Shop {
    fn open(algorithm: &str, store: &str) -> Self {
        Self::with(algorithm, store, "", ["orders", "bills"])
    }

    /// Both services take transaction tokens of one trust domain.
    fn transactions(algorithm: &str) -> Self {
        let tokens =
            "profile = [\"at+jwt\", \"txn\"]\nscope = \"shop\"\ntxn = { trust_domain = \"shop.internal\" }";
        Self::with(algorithm, PATIENT, tokens, ["shop.internal"; 2])
    }

    fn with(algorithm: &str, store: &str, tokens: &str, audiences: [&'static str; 2]) -> Self {
        let world = World::new();
        let app = Program::node("app.js", &[("REDIS_URL", &world.redis().url()), ("SESSION_SECRET", SECRET)]);
        let keys = Relay::new();
        let jwks = format!("http://{}/.well-known/jwks.json", keys.address());
        let rules = |audience: &'static str| {
            let issuer = ("ISSUER", "https://gateway.internal");
            let profile = ("PROFILE", if tokens.contains("txn") { "txn" } else { "at+jwt" });
            [("JWKS_URL", jwks.as_str()), issuer, ("AUDIENCE", audience), ("ALGORITHM", algorithm), profile]
        };
        let orders = Program::node("service.js", &rules(audiences[0]));
        let bills = Program::python("service.py", &rules(audiences[1]));
        let world = world
            .store(store)
            .tokens(&format!("algorithm = \"{algorithm}\"\n{tokens}"))
            .environment("SESSION_SECRET", SECRET)
            .profile(
                "shop",
                "framework = \"express\"\nsecrets = [{ env = \"SESSION_SECRET\" }]\nsubject = \"user.id\"\n\
                 attributes = { email = \"user.email\", roles = \"roles\" }",
            )
            .upstream("app", app.endpoint())
            .upstream("orders", orders.endpoint())
            .upstream("bills", bills.endpoint())
            .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
            .route("path = \"/api/orders/*\"\nupstream = \"orders\"\nclaims = [\"email\", \"roles\"]")
            .route("path = \"/api/bills/*\"\nupstream = \"bills\"")
            .start();
        keys.point_at(world.gateway.internal);
        Self { world, _programs: vec![app, orders, bills] }
    }

    /// Logs in as a browser does, and keeps the cookie.
    fn log_in(&self, user: &str) -> String {
        let form = format!("user={user}");
        let ask = Ask::new("POST", "/login").header("Content-Type", "application/x-www-form-urlencoded");
        let response = self.world.ask(&ask.body(form));
        assert_eq!(
            (response.status, response.header("location")),
            (302, Some("/home")),
            "{}",
            response.text()
        );
        let cookie = response.header("set-cookie").expect("a session cookie");
        cookie.split(';').next().unwrap().to_owned()
    }

    fn ask(&self, target: &str, cookie: &str) -> Response {
        self.world.ask(&Ask::get(target).cookie(cookie))
    }
}

/// The session id in an express cookie: `s:`, the id, a dot, the signature.
fn id_in(cookie: &str) -> String {
    cookie.split("s%3A").nth(1).unwrap().split('.').next().unwrap().to_owned()
}

const PATIENT: &str = "timeout = \"10s\"";
const SERVICES: [&str; 2] = ["/api/orders/1", "/api/bills/1"];

#[test]
fn who_logs_in_at_the_app_is_known_to_services_that_never_see_the_cookie() {
    let shop = Shop::open("ES256", PATIENT);
    assert_eq!(shop.world.get("/home").json()["user"], serde_json::Value::Null);
    for target in SERVICES {
        assert_eq!(shop.world.get(target).refusal(), Some("login-required"));
    }
    let (alice, bob) = (shop.log_in("alice"), shop.log_in("bob"));
    for (user, cookie) in [("alice", &alice), ("bob", &bob)] {
        assert_eq!(shop.ask("/home", cookie).json()["user"]["id"], user);
        for target in SERVICES {
            let response = shop.ask(target, cookie);
            assert_eq!(response.status, 200, "{target}: {}", response.text());
            assert_eq!(response.json()["sub"], user);
            assert_eq!(response.json()["cookie"], serde_json::Value::Null);
        }
    }
    let claims = shop.ask("/api/orders/1", &alice).json()["claims"].clone();
    assert_eq!(claims["email"], "alice@example.com");
    assert_eq!(claims["roles"], serde_json::json!(["customer", "beta"]));
    assert_eq!(shop.ask("/api/bills/1", &alice).json()["claims"].get("email"), None);
}

#[test]
fn a_cookie_that_the_app_would_not_take_is_401_and_stays_where_it_is() {
    let mut shop = Shop::open("ES256", PATIENT);
    let cookie = shop.log_in("alice");
    let swapped = if cookie.ends_with('A') { "B" } else { "A" };
    let tampered = format!("{}{swapped}", &cookie[..cookie.len() - 1]);
    let other_id = cookie.replacen("s%3A", "s%3Ax", 1);
    let unknown = shop.log_in("carol");
    let id = id_in(&unknown);
    shop.world.redis().delete(&format!("sess:{id}"));
    for (what, cookie) in [("tampered", &tampered), ("another id", &other_id), ("unknown", &unknown)] {
        for target in SERVICES {
            let response = shop.ask(target, cookie);
            assert_eq!((response.status, response.refusal()), (401, Some("login-required")), "{what}");
            assert!(response.header("www-authenticate").is_some());
            assert!(response.all("set-cookie").is_empty());
        }
    }
    assert_eq!(shop.ask(SERVICES[0], &cookie).status, 200);
}

#[test]
fn an_expired_session_and_one_that_logged_out_are_401() {
    let mut shop = Shop::open("ES256", PATIENT);
    let (gone, out) = (shop.log_in("alice"), shop.log_in("bob"));
    for cookie in [&gone, &out] {
        assert_eq!(shop.ask(SERVICES[0], cookie).status, 200);
    }
    let id = id_in(&gone);
    shop.world.redis().command::<()>(&["PEXPIRE", &format!("sess:{id}"), "1"]);
    let answer = eventually("the session to expire", || {
        Some(shop.ask(SERVICES[0], &gone)).filter(|response| response.status != 200)
    });
    assert_eq!(answer.status, 401);
    let left = shop.world.ask(&Ask::new("POST", "/logout").cookie(&out).body(""));
    assert_eq!(left.status, 302);
    assert!(
        left.all("set-cookie").iter().any(|cookie| cookie.starts_with("connect.sid=;")),
        "the app's own answer"
    );
    for service in SERVICES {
        let answer = eventually("the logout to be heard of", || {
            Some(shop.ask(service, &out)).filter(|response| response.status != 200)
        });
        assert_eq!(answer.status, 401);
    }
}

#[test]
fn uploads_redirects_and_cookies_of_the_app_pass_unchanged() {
    let shop = Shop::open("ES256", PATIENT);
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at * 31 % 251) as u8).collect();
    let uploaded = shop.world.ask(&Ask::new("POST", "/upload").body(body.clone())).json();
    assert_eq!(uploaded["bytes"], body.len());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(uploaded["sha256"], hex);
    let moved = shop.world.get("/moved");
    assert_eq!((moved.status, moved.header("location")), (301, Some("https://elsewhere.example/x?y=1")));
    let cookies = shop.ask("/cookies", "a=b; connect.sid=x;  c=\"d e\"");
    assert_eq!(cookies.json()["cookie"], "a=b; connect.sid=x;  c=\"d e\"");
    let set = cookies.all("set-cookie");
    assert!(set.iter().any(|cookie| cookie.starts_with("theme=dark")) && set.len() == 2, "{set:?}");
}

#[test]
fn a_redis_that_does_not_answer_is_503_and_nobody_is_logged_out() {
    let mut shop = Shop::open("ES256", "timeout = \"500ms\"");
    let cookie = shop.log_in("alice");
    let back = |shop: &Shop| {
        eventually("the session to be accepted again", || {
            Some(shop.ask(SERVICES[0], &cookie)).filter(|response| response.status == 200)
        })
    };
    back(&shop);
    let id = id_in(&cookie);
    let record: String = shop.world.redis().command(&["GET", &format!("sess:{id}")]);

    shop.world.redis().freeze();
    unavailable(&shop, &cookie);
    assert_eq!(shop.world.get(SERVICES[0]).status, 401, "without a cookie nobody needs to be asked");
    shop.world.redis().thaw();
    assert_eq!(back(&shop).json()["sub"], "alice");

    shop.world.redis().kill();
    unavailable(&shop, &cookie);
    shop.world.redis().start_again();
    shop.world.redis().set(&format!("sess:{id}"), &record);
    assert_eq!(back(&shop).json()["sub"], "alice");
}

fn unavailable(shop: &Shop, cookie: &str) {
    eventually("the lease to end: until then what is known is served", || {
        (shop.ask(SERVICES[0], cookie).status == 503).then_some(())
    });
    for target in SERVICES {
        let response = shop.ask(target, cookie);
        assert_eq!((response.status, response.refusal()), (503, Some("store-unavailable")));
        assert!(response.header("retry-after").is_some());
        assert!(response.all("set-cookie").is_empty());
    }
}

#[test]
fn tokens_of_every_algorithm_are_accepted_by_jose_and_by_pyjwt() {
    for algorithm in ["ES256", "ES384", "EdDSA", "RS256", "PS256"] {
        let shop = Shop::open(algorithm, PATIENT);
        let cookie = shop.log_in("alice");
        for target in SERVICES {
            let response = shop.ask(target, &cookie);
            assert_eq!(response.status, 200, "{algorithm} {target}: {}", response.text());
            assert_eq!(response.json()["sub"], "alice");
        }
        assert_eq!(shop.ask(SERVICES[0], &cookie).json()["header"]["alg"], algorithm);
    }
}

#[test]
fn transaction_tokens_of_every_algorithm_are_accepted_by_jose_and_by_pyjwt() {
    for algorithm in ["ES256", "ES384", "EdDSA", "RS256", "PS256"] {
        let shop = Shop::transactions(algorithm);
        let cookie = shop.log_in("alice");
        for target in SERVICES {
            let response = shop.ask(target, &cookie);
            assert_eq!(response.status, 200, "{algorithm} {target}: {}", response.text());
            assert_eq!(response.json()["sub"], "alice");
        }
    }
}

#[test]
fn a_rolling_apps_session_and_cookie_are_kept_alive_as_it_does_it() {
    let echo = Upstream::echoing();
    let world = World::new();
    let environment = [("REDIS_URL", &*world.redis().url()), ("SESSION_SECRET", SECRET), ("ROLLING", "1")];
    let app = Program::node("app.js", &environment);
    let world = world
        .store(PATIENT)
        .environment("SESSION_SECRET", SECRET)
        .profile(
            "shop",
            "framework = \"express\"\nsecrets = [{ env = \"SESSION_SECRET\" }]\nsubject = \"user.id\"\nidle_touch = \"gateway\"",
        )
        .upstream("app", app.endpoint())
        .recorded("orders", &echo)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .route("path = \"/api/*\"\nupstream = \"orders\"")
        .start();
    let mut shop = Shop { world, _programs: vec![app] };
    let cookie = shop.log_in("alice");
    let again = shop.ask("/home", &cookie);
    assert!(again.header("set-cookie").is_some_and(|set| set.starts_with(&cookie)), "the app rolls");
    let key = format!("sess:{}", id_in(&cookie));
    shop.world.redis().command::<()>(&["EXPIRE", &key, "500"]);
    let set = eventually("the cookie again", || {
        let response = shop.ask("/api/1", &cookie);
        assert_eq!(response.status, 200);
        response.header("set-cookie").map(str::to_owned)
    });
    let (pair, rest) = set.split_once("; ").unwrap();
    assert_eq!(pair, cookie);
    let seconds: u64 = rest.strip_prefix("Max-Age=").unwrap().split(';').next().unwrap().parse().unwrap();
    assert!((900..=1000).contains(&seconds), "{set}");
    assert!(rest.ends_with("; Path=/; HttpOnly"), "{set}");
    eventually("the record's life", || {
        let left: i64 = shop.world.redis().command(&["TTL", &key]);
        (left > 900).then_some(())
    });
    assert_eq!(shop.ask("/home", pair).json()["user"]["id"], "alice");
}
