//! Routes on their way from the app's sessions to our tokens: what is only decided, and for whom it is done.

use crate::admin::operators;
use crate::express::{Program, SECRET};
use crate::support::line::Line;
use crate::support::{Ask, Client, Gateway, Redis, Response, Running, Upstream, World, eventually};
use std::collections::BTreeMap;
use std::process::Command;

const USERS: usize = 40;
const STATE: &str = "[state]\nstore = \"app\"";

fn id(user: usize) -> String {
    format!("id-of-user-{user:04}")
}

fn world() -> World {
    let users: Vec<(String, String)> = (0..USERS).map(|user| (id(user), format!("user-{user}"))).collect();
    let users: Vec<(&str, &str)> = users.iter().map(|(id, user)| (id.as_str(), user.as_str())).collect();
    World::with_sessions(&users)
}

fn as_user(user: usize, target: &str) -> Ask {
    Ask::get(target).cookie(&format!("sid={}", id(user)))
}

/// Counts of `cloakroom_comparisons_total`, by agreement and cause.
fn compared(gateway: &Gateway) -> BTreeMap<(String, String), u64> {
    let page = gateway.internal("/metrics").text();
    let label = |line: &str, name: &str| {
        line.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    page.lines()
        .filter(|line| line.starts_with("cloakroom_comparisons_total"))
        .map(|line| {
            (
                (label(line, "agreement"), label(line, "cause")),
                line.rsplit(' ').next().unwrap().parse().unwrap(),
            )
        })
        .collect()
}

fn count(gateway: &Gateway, agreement: &str, cause: &str) -> u64 {
    compared(gateway).get(&(agreement.to_owned(), cause.to_owned())).copied().unwrap_or(0)
}

fn share(gateway: &Gateway) -> f64 {
    let page = gateway.internal("/metrics").text();
    let line = page.lines().find(|line| line.starts_with("cloakroom_rollout_share{")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Whether an echoing upstream got a token and no session cookie, or the other way round.
fn has_token(response: &Response) -> bool {
    assert_eq!(response.status, 200, "{}", response.text());
    let (token, cookie) = (response.echoed("authorization"), response.echoed("cookie"));
    assert_ne!(token.is_some(), cookie.is_some_and(|cookie| cookie.contains("sid=")), "{}", response.text());
    token.is_some()
}

#[test]
fn a_shadow_blocks_nobody_and_changes_nothing() {
    let upstream = Upstream::echoing();
    let rules =
        "mode = \"shadow\"\nlogin = \"/login\"\npreflight = \"refuse\"\nrequire = { roles = [\"admin\"] }";
    let world = world()
        .table("[sessions.app.attributes]\nroles = \"user.roles\"")
        .recorded("app", &upstream)
        .route(&format!("path = \"/*\"\nupstream = \"app\"\n{rules}"))
        .start();
    let cross_site =
        |ask: Ask| ask.header("Sec-Fetch-Site", "cross-site").header("Origin", "https://evil.test");
    for ask in [
        Ask::get("/x"),
        Ask::get("/x").navigation(),
        Ask::get("/x").cookie("sid=unknown; theme=dark"),
        as_user(1, "/x"),
        cross_site(Ask::new("POST", "/x").cookie(&format!("sid={}", id(1))).body("a")),
        cross_site(Ask::new("OPTIONS", "/x").header("Access-Control-Request-Method", "PUT")),
    ] {
        let ask = ask.header("Authorization", "Basic of-the-app").header("X-User", "root");
        let response = world.ask(&ask);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.echoed("authorization").as_deref(), Some("Basic of-the-app"));
        assert_eq!(response.echoed("cloakroom-verdict"), None);
        assert_eq!(response.echoed("x-user"), None, "a name that only we may say");
    }
    assert_eq!(world.ask(&as_user(1, "/x")).echoed("cookie"), Some(format!("sid={}", id(1))));
    assert_eq!(count(&world.gateway, "would-refuse", "forbidden"), 2);
    assert_eq!(count(&world.gateway, "would-refuse", "cross-site"), 1);
}

#[test]
fn a_shadow_says_where_its_rules_and_the_app_differ() {
    let upstream = Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let status = request.target.trim_start_matches("/").to_owned();
            wire.say(format!("HTTP/1.1 {status} X\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let mut world = world()
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\nmode = \"shadow\"")
        .start();
    world.redis().set("sess:nobody", r#"{"cart":[1]}"#);
    for (target, cookie) in [
        ("/200", None),
        ("/200", Some("unknown")),
        ("/200", Some("nobody")),
        ("/302", None),
        ("/401", Some("unknown")),
        ("/500", Some("unknown")),
        ("/200", Some(id(3).as_str())),
        ("/403", Some(id(3).as_str())),
    ] {
        let ask = cookie.map_or(Ask::get(target), |cookie| Ask::get(target).cookie(&format!("sid={cookie}")));
        let response = world.ask(&ask);
        assert_eq!(format!("/{}", response.status), target);
    }
    let expected = [
        ("agrees", "absent", 1),
        ("agrees", "token", 1),
        ("agrees", "unknown-session", 1),
        ("unclear", "unknown-session", 1),
        ("would-admit", "token", 1),
        ("would-refuse", "absent", 1),
        ("would-refuse", "no-subject", 1),
        ("would-refuse", "unknown-session", 1),
    ];
    let expected: BTreeMap<_, u64> = expected
        .into_iter()
        .map(|(agreement, cause, count)| ((agreement.to_owned(), cause.to_owned()), count))
        .collect();
    assert_eq!(compared(&world.gateway), expected);
    let line = world.gateway.line(|line| line["would"] == "no-subject");
    assert_eq!((&line["status"], &line["decision"]), (&200.into(), &"forwarded".into()));
    assert!(line.get("kid").is_none(), "no token was sent: {line}");
}

#[test]
fn a_shadow_blocks_no_spelling_and_no_method_that_passed_before_it() {
    let upstream = Upstream::echoing();
    let world = world()
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .route("path = \"/sh/*\"\nupstream = \"app\"\nmode = \"shadow\"")
        .route("path = \"/shm\"\nmethods = [\"GET\"]\nupstream = \"app\"\nmode = \"shadow\"")
        .start();
    for (method, target) in [("GET", "/SH/1"), ("GET", "/%73h/1"), ("POST", "/shm"), ("GET", "/shm")] {
        assert_eq!(world.ask(&Ask::new(method, target)).status, 200, "{method} {target}");
    }
}

#[test]
fn a_store_that_is_down_is_no_outage_of_a_shadow() {
    let upstream = Upstream::echoing();
    let mut world = world()
        .store("timeout = \"300ms\"")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\nmode = \"shadow\"")
        .start();
    world.redis().kill();
    assert!(!has_token(&world.ask(&as_user(1, "/x"))));
    assert_eq!(count(&world.gateway, "would-refuse", "store-unavailable"), 1);
}

fn rolling(old: &Upstream, new: &Upstream, rollout: &str) -> World {
    world()
        .table(STATE)
        .recorded("old", old)
        .recorded("new", new)
        .route(&format!("path = \"/*\"\nupstream = \"new\"\nrollout = {{ {rollout}, rest = \"old\" }}"))
}

#[test]
fn the_same_users_are_moved_at_every_gateway_and_all_others_stay_as_they_were() {
    let (old, new) = (Upstream::echoing(), Upstream::echoing());
    let redis = Redis::start();
    let world = rolling(&old, &new, "share = \"50%\"");
    (0..USERS).for_each(|user| {
        redis.set(&format!("sess:{}", id(user)), &format!(r#"{{"user":{{"id":"user-{user}"}}}}"#));
    });
    let gateways = [world.start_beside(&redis), world.start_beside(&redis)];
    let moved: Vec<Vec<usize>> = gateways
        .iter()
        .map(|gateway| {
            (0..USERS).filter(|user| has_token(&as_user(*user, "/x").at(gateway.public))).collect()
        })
        .collect();
    assert_eq!(moved[0], moved[1]);
    assert!((USERS / 4..USERS * 3 / 4).contains(&moved[0].len()), "{moved:?}");
    assert_eq!(new.requests().len(), 2 * moved[0].len());
    // Who is nobody is served by the old side, which knows what to do with them.
    for ask in [Ask::get("/x"), Ask::get("/x").cookie("sid=unknown")] {
        let response = ask.at(gateways[0].public);
        assert_eq!((response.status, response.echoed("authorization")), (200, None));
    }
    assert_eq!(new.requests().len(), 2 * moved[0].len());
}

#[test]
fn a_store_that_is_down_sends_nobody_away_while_there_is_an_old_side() {
    let (old, new) = (Upstream::echoing(), Upstream::echoing());
    let mut world = rolling(&old, &new, "share = \"50%\"").store("timeout = \"300ms\"").start();
    world.redis().kill();
    let response = world.ask(&as_user(1, "/x"));
    assert_eq!((response.status, response.echoed("authorization")), (200, None));
    assert!(new.requests().is_empty());
}

#[test]
fn a_new_side_that_fails_is_left_by_everybody_at_every_gateway() {
    let old = Upstream::echoing();
    let new = Upstream::answering("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    let redis = Redis::start();
    let world = rolling(&old, &new, "share = \"50%\", minimum = 2000");
    (0..USERS).for_each(|user| {
        redis.set(&format!("sess:{}", id(user)), &format!(r#"{{"user":{{"id":"user-{user}"}}}}"#));
    });
    let gateways = [world.start_beside(&redis), world.start_beside(&redis)];
    let moved = (0..USERS).find(|user| as_user(*user, "/x").at(gateways[0].public).status == 500).unwrap();
    let mut client = Client::connect(gateways[0].public);
    let failed = (0..10_000).take_while(|_| client.ask(&as_user(moved, "/x")).status == 500).count();
    assert!((1999..3000).contains(&failed), "{failed} failed before everybody went back");
    assert_eq!(share(&gateways[0]), 0.0);
    // Asked now and then only, so that it cannot come to the same conclusion by itself.
    let mut asked = 0;
    eventually("the other gateway to follow", || {
        asked += 1;
        assert!(asked < 1000);
        std::thread::sleep(std::time::Duration::from_millis(50));
        (as_user(moved, "/x").at(gateways[1].public).status == 200).then_some(())
    });
    let again = world.start_beside(&redis);
    eventually("a gateway that starts later to know it too", || {
        (as_user(moved, "/x").at(again.public).status == 200).then_some(())
    });
}

#[test]
fn a_new_side_that_works_gets_everybody_step_by_step_and_then_the_rules_count_for_all() {
    let (old, new) = (Upstream::echoing(), Upstream::echoing());
    let steps = "share = \"25%\", steps = [\"60%\", \"100%\"], every = \"1s\", minimum = 1";
    let world = rolling(&old, &new, steps).start();
    eventually("the last step", || {
        (0..USERS).for_each(|user| assert_eq!(world.ask(&as_user(user, "/x")).status, 200));
        (share(&world.gateway) == 1.0).then_some(())
    });
    assert!((0..USERS).all(|user| has_token(&world.ask(&as_user(user, "/x")))));
    assert_eq!(world.get("/x").refusal(), Some("login-required"));
}

/// The Express app behind a route that is on its way, with a mistake in its profile.
fn express(profile: &str, route: &str) -> (Running, Program, String) {
    let world = World::new();
    let app = Program::node("app.js", &[("REDIS_URL", &world.redis().url()), ("SESSION_SECRET", SECRET)]);
    let world = world
        .environment("SESSION_SECRET", SECRET)
        .environment("WRONG_SECRET", "not-the-secret-of-this-app")
        .profile("shop", &format!("framework = \"express\"\n{profile}"))
        .upstream("app", app.endpoint())
        .upstream("again", app.endpoint())
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .route(&format!("path = \"/account\"\nupstream = \"again\"\n{route}"))
        .start();
    let form = Ask::new("POST", "/login").header("Content-Type", "application/x-www-form-urlencoded");
    let login = world.ask(&form.body("user=alice"));
    let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    (world, app, cookie)
}

const RIGHT: &str = "secrets = [{ env = \"SESSION_SECRET\" }]\nsubject = \"user.id\"";
const WRONG_SECRET: &str = "secrets = [{ env = \"WRONG_SECRET\" }]\nsubject = \"user.id\"";
const WRONG_SUBJECT: &str = "secrets = [{ env = \"SESSION_SECRET\" }]\nsubject = \"passport.user\"";

#[test]
fn a_wrong_secret_or_subject_shows_in_the_shadow_of_a_real_app() {
    for (profile, agreement, cause) in [
        (RIGHT, "agrees", "token"),
        (WRONG_SECRET, "would-refuse", "bad-signature"),
        (WRONG_SUBJECT, "would-refuse", "no-subject"),
    ] {
        let (world, _app, cookie) = express(profile, "mode = \"shadow\"");
        let response = world.ask(&Ask::get("/account").cookie(&cookie));
        assert_eq!(response.json()["user"], "alice");
        assert_eq!(world.get("/account").header("location"), Some("/login"));
        assert_eq!(count(&world.gateway, agreement, cause), 1, "{:?}", compared(&world.gateway));
        assert_eq!(count(&world.gateway, "agrees", "absent"), 1, "the app sends strangers to its login");
    }
}

#[test]
fn a_wrong_secret_or_subject_takes_a_rollout_back_before_anybody_is_logged_out() {
    let route = "rollout = { share = \"50%\", rest = \"app\", minimum = 20 }";
    for profile in [WRONG_SECRET, WRONG_SUBJECT] {
        let (world, _app, cookie) = express(profile, route);
        for _ in 0..30 {
            assert_eq!(world.ask(&Ask::get("/account").cookie(&cookie)).json()["user"], "alice");
        }
        assert_eq!(share(&world.gateway), 0.0);
    }
}

const OPERATORS: &str =
    "[admin]\nlisten = \"127.0.0.1:0\"\n[admin.tokens.root]\ntoken = { env = \"ROOT\" }\nrole = \"all\"";
const ROOT: &str = "root-0123456789abcdef";

/// `cloakroom migration`, with these arguments.
fn migration(gateway: &Gateway, arguments: &[&str]) -> String {
    let token = gateway.dir().join("token");
    std::fs::write(&token, ROOT).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .args(["migration", "--admin", &format!("http://{}", operators(gateway)), "--token-file"])
        .arg(token)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_operator_is_told_what_stands_against_taking_the_cookie_away() {
    let (old, new) = (Upstream::echoing(), Upstream::echoing());
    let world = rolling(&old, &new, "share = \"100%\"")
        .tokens("publish_jwks = true")
        .table(OPERATORS)
        .environment("ROOT", ROOT)
        .start();
    assert!(has_token(&world.ask(&as_user(1, "/x"))));
    let safe = |report: &serde_json::Value| {
        let upstream =
            report["upstreams"].as_array().unwrap().iter().find(|one| one["upstream"] == "new").unwrap();
        upstream["safe_without_cookie"].as_bool().unwrap()
    };
    let told = || serde_json::from_str::<serde_json::Value>(&migration(&world.gateway, &["--json"])).unwrap();
    assert!(!safe(&told()), "nobody has fetched the keys");
    let stranger = Ask::get("/.well-known/jwks.json").header("User-Agent", "a service");
    assert_eq!(world.ask(&stranger).status, 200);
    assert_eq!(told()["fetched_by"], serde_json::json!([]), "anybody may fetch them from the public port");
    world.gateway.keys();
    let report = told();
    assert_eq!(report["fetched_by"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["routes"][0]["with_token"], 1, "{report}");
    assert!(!safe(&report), "its rollout is not over: {report}");
    let text = migration(&world.gateway, &[]);
    assert!(text.contains("rollout: 100% since") && text.contains("the others at old"), "{text}");
}

#[test]
fn the_cookies_of_those_who_stay_are_booked_to_the_service_that_gets_them() {
    let (old, new) = (Upstream::echoing(), Upstream::echoing());
    let world = rolling(&old, &new, "share = \"0%\"")
        .table(OPERATORS)
        .environment("ROOT", ROOT)
        .route("path = \"/moved/*\"\nupstream = \"old\"")
        .start();
    world.gateway.keys();
    assert!(has_token(&world.ask(&as_user(1, "/moved/x"))));
    assert!(!has_token(&world.ask(&as_user(1, "/x"))));
    assert_eq!(world.gateway.line(|line| line["path"] == "/x")["upstream"], "old");
    let report: serde_json::Value = serde_json::from_str(&migration(&world.gateway, &["--json"])).unwrap();
    let of = |name: &str| {
        let one = report["upstreams"].as_array().unwrap().iter().find(|one| one["upstream"] == name).unwrap();
        (
            one["with_token"].as_u64().unwrap(),
            one["with_cookie"].as_u64().unwrap(),
            one["safe_without_cookie"].clone(),
        )
    };
    assert_eq!(of("old"), (1, 1, false.into()), "{report}");
    assert_eq!(of("new"), (0, 0, false.into()), "{report}");
}

#[test]
fn an_operator_has_a_rollout_begin_again() {
    let old = Upstream::echoing();
    let new = Upstream::answering("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    let world = rolling(&old, &new, "share = \"50%\", minimum = 20")
        .table(OPERATORS)
        .environment("ROOT", ROOT)
        .start();
    let moved = (0..USERS).find(|user| world.ask(&as_user(*user, "/x")).status == 500).unwrap();
    eventually("everybody to be back", || (world.ask(&as_user(moved, "/x")).status == 200).then_some(()));
    assert!(migration(&world.gateway, &[]).contains("WENT BACK: 100.0% of"));
    migration(&world.gateway, &["--resume", "/*"]);
    eventually("the share to be back", || (share(&world.gateway) == 0.5).then_some(()));
    assert_eq!(world.ask(&as_user(moved, "/x")).status, 500);
}

#[test]
fn what_was_compared_is_forgotten_only_when_a_route_judges_otherwise() {
    let app = Upstream::echoing();
    let route = "path = \"/*\"\nupstream = \"app\"\nmode = \"shadow\"\naccess = \"session\"";
    let world = world().recorded("app", &app).table(OPERATORS).environment("ROOT", ROOT).route(route).start();
    let line = Line::of(&world.gateway);
    let edit = |from: &str, to: &str| {
        let file = world.gateway.dir().join("gateway.toml");
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace(from, to)).unwrap();
        line.reload();
    };
    let told = || {
        let report: serde_json::Value =
            serde_json::from_str(&migration(&world.gateway, &["--json"])).unwrap();
        let routes = report["routes"].as_array().unwrap();
        let route = routes.iter().find(|route| route["route"] == "/*").unwrap();
        route["compared"].as_array().cloned().unwrap_or_default()
    };
    assert_eq!(world.get("/x").status, 200);
    let before = told();
    assert_eq!(before.len(), 1, "{before:?}");
    edit("[[routes]]", "[[routes]]\npath = \"/other\"\nupstream = \"app\"\naccess = \"open\"\n[[routes]]");
    assert_eq!(told(), before);
    edit("access = \"session\"", "access = \"required\"");
    assert_eq!(told(), [] as [serde_json::Value; 0]);
}
