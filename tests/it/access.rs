//! Who passes, in whose name, and what the others are told.

use crate::support::{Ask, Client, Response, Running, SESSIONS, Upstream, World, eventually, verify};
use serde_json::json;

const ALICE: (&str, &str) = ("id-of-alice-51c0", "alice");
const GUEST: &str = "id-of-a-guest-77";

fn world() -> World {
    World::with_sessions(&[ALICE])
}

fn running(upstream: &Upstream, route: &str) -> Running {
    let world =
        world().recorded("app", upstream).route(&format!("path = \"/*\"\nupstream = \"app\"\n{route}"));
    world.redis().set(&format!("sess:{GUEST}"), r#"{"cart":[1,2]}"#);
    world.start()
}

fn as_alice(target: &str) -> Ask {
    Ask::get(target).cookie(&format!("sid={}", ALICE.0))
}

/// The subject of the token that an echoing upstream got.
fn sub(world: &Running, response: &Response, audience: &str) -> String {
    let value = response.echoed("authorization").unwrap_or_else(|| panic!("{}", response.text()));
    let token = value.strip_prefix("Bearer ").unwrap();
    let claims = verify(token, &world.gateway.keys(), audience).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

#[test]
fn an_optional_route_says_anonymous_and_never_by_silence() {
    let upstream = Upstream::echoing();
    let world = running(&upstream, "access = \"optional\"");
    let forged =
        Ask::get("/x").header("Cloakroom-Verdict", "verified").header("Authorization", "Bearer evil");
    for ask in [Ask::get("/x"), Ask::get("/x").cookie("sid=unknown"), forged] {
        let response = world.ask(&ask);
        assert_eq!(response.status, 200);
        assert_eq!(response.echoed("cloakroom-verdict").as_deref(), Some("anonymous"));
        assert_eq!(response.echoed("authorization"), None);
        assert_eq!(response.echoed("cookie"), None);
    }
    let known = world.ask(&as_alice("/x"));
    assert_eq!(sub(&world, &known, "app"), "alice");
    assert_eq!(known.echoed("cloakroom-verdict"), None);
}

#[test]
fn a_live_session_without_a_user_is_a_guest_and_no_login() {
    let upstream = Upstream::echoing();
    let guest = Ask::get("/x").cookie(&format!("sid={GUEST}"));
    assert_eq!(running(&upstream, "access = \"required\"").ask(&guest).refusal(), Some("login-required"));
    let any = running(&upstream, "access = \"session\"");
    let sub = sub(&any, &any.ask(&guest), "app");
    assert!(sub.starts_with("guest:") && !sub.contains(GUEST), "{sub}");
    assert_eq!(any.get("/x").status, 401);
}

#[test]
fn of_two_profiles_the_first_that_verifies_wins() {
    let upstream = Upstream::echoing();
    let other = "framework = \"json\"\ncookie = \"staff\"\nkey = \"staff:{id}\"\nsubject = \"id\"\nsub = \"staff:{subject}\"";
    let world = world()
        .profile("staff", other)
        .recorded("app", &upstream)
        .route("path = \"/a/*\"\nupstream = \"app\"\nsessions = [\"staff\", \"app\"]")
        .route("path = \"/b/*\"\nupstream = \"app\"\nsessions = [\"app\", \"staff\"]")
        .route("path = \"/c/*\"\nupstream = \"app\"\nsessions = [\"staff\"]");
    world.redis().set("staff:s1", r#"{"id":7}"#);
    let world = world.start();
    let both = format!("staff=s1; sid={}", ALICE.0);
    assert_eq!(sub(&world, &world.ask(&Ask::get("/a/x").cookie(&both)), "app"), "staff:7");
    assert_eq!(sub(&world, &world.ask(&Ask::get("/b/x").cookie(&both)), "app"), "alice");
    assert_eq!(sub(&world, &world.ask(&as_alice("/a/x")), "app"), "alice");
    assert_eq!(world.ask(&as_alice("/c/x")).status, 401);
}

#[test]
fn a_condition_that_is_not_met_is_403_and_nothing_is_forwarded() {
    let upstream = Upstream::echoing();
    let roles = format!("{SESSIONS}\nattributes = {{ roles = \"user.roles\" }}");
    let world = World::new()
        .profile("app", &roles)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\nrequire = { roles = [\"admin\", \"staff\"] }");
    for (id, roles) in [("s-admin", json!(["x", "admin"])), ("s-user", json!(["x"])), ("s-none", json!(null))]
    {
        let record = json!({ "user": { "id": 1, "roles": roles } });
        world.redis().set(&format!("sess:{id}"), &record.to_string());
    }
    let world = world.start();
    for id in ["s-user", "s-none"] {
        let response = world.ask(&Ask::get("/").cookie(&format!("sid={id}")));
        assert_eq!((response.status, response.refusal()), (403, Some("forbidden")), "{id}");
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(world.ask(&Ask::get("/").cookie("sid=s-admin")).status, 200);
}

#[test]
fn a_navigation_goes_to_the_login_page_once_and_a_call_never() {
    let upstream = Upstream::echoing();
    let world = running(&upstream, "login = \"/login?next={path}\"");
    let call = world.ask(&Ask::get("/a?b=c").header("Accept", "application/json"));
    assert_eq!((call.status, call.header("location")), (401, None));
    assert_eq!(world.ask(&Ask::new("POST", "/a").navigation().body("x")).status, 401);
    let first = world.ask(&Ask::get("/a?b=c").navigation());
    assert_eq!((first.status, first.header("location")), (302, Some("/login?next=%2Fa%3Fb%3Dc")));
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let mark = first.header("set-cookie").unwrap().split(';').next().unwrap();
    let again = world.ask(&Ask::get("/a?b=c").navigation().cookie(mark));
    assert_eq!((again.status, again.header("location")), (401, None));
    assert!(again.header("content-type").unwrap().starts_with("text/html"));
    assert_eq!(world.ask(&Ask::get("/other").navigation().cookie(mark)).status, 302);
    let plain = world.ask(&Ask::get("/a").header("Accept", "text/html,*/*"));
    assert_eq!(plain.status, 302, "a browser on plain HTTP sends no Sec-Fetch-Mode");
}

#[test]
fn a_refusal_is_a_problem_with_a_code_and_the_request_id() {
    let upstream = Upstream::echoing();
    let world = running(&upstream, "");
    let response = world.get("/secret");
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.header("www-authenticate").is_some());
    let problem = response.json();
    assert_eq!((&problem["status"], &problem["code"]), (&json!(401), &json!("login-required")));
    let id = response.header("x-request-id").unwrap();
    assert_eq!(problem["request_id"], id);
    let line = world.gateway.line(|line| line["request_id"] == id);
    assert_eq!((&line["decision"], &line["refusal"]), (&json!("refused"), &json!("login-required")));
    let mut broken = Client::connect(world.gateway.public);
    broken.send("GET /x HTTP/1.1\r\nHost: gw.test\r\nBad Field: x\r\n\r\n");
    assert_eq!(broken.response("GET").unwrap().refusal(), Some("bad-field"));
    assert_eq!(world.gateway.line(|line| line["refusal"] == "bad-field")["client"], "127.0.0.1");
    let grpc =
        world.ask(&Ask::new("POST", "/pkg.Svc/Call").header("Content-Type", "application/grpc").body(""));
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some("16")));
}

#[test]
fn a_preflight_passes_without_cookie_and_token_or_is_refused() {
    let upstream = Upstream::echoing();
    let preflight = || {
        Ask::new("OPTIONS", "/x")
            .header("Origin", "https://spa.test")
            .header("Access-Control-Request-Method", "PUT")
    };
    let with_cookie = preflight().cookie(&format!("sid={}; a=b", ALICE.0));
    let world = running(&upstream, "");
    for ask in [preflight(), with_cookie.clone()] {
        let response = world.ask(&ask);
        assert_eq!(response.status, 200);
        assert_eq!((response.echoed("authorization"), response.echoed("cookie")), (None, None));
        assert_eq!(response.echoed("access-control-request-method").as_deref(), Some("PUT"));
    }
    let strict = running(&upstream, "preflight = \"refuse\"");
    let response = strict.ask(&with_cookie);
    assert_eq!((response.status, response.refusal()), (403, Some("preflight-refused")));
    let plain = Ask::new("OPTIONS", "/x").header("Origin", "https://spa.test");
    assert_eq!(world.ask(&plain).status, 401, "an OPTIONS that is no preflight is a request like any other");
}

#[test]
fn a_trusted_page_may_read_a_refusal_and_another_may_not() {
    let upstream = Upstream::echoing();
    let world = world()
        .table("[csrf]\ntrusted_origins = [\"https://spa.test\"]")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .start();
    let trusted = world.ask(&Ask::get("/x").header("Origin", "https://spa.test"));
    assert_eq!(trusted.header("access-control-allow-origin"), Some("https://spa.test"));
    assert_eq!(trusted.header("vary"), Some("Origin"));
    let other = world.ask(&Ask::get("/x").header("Origin", "https://evil.test"));
    assert_eq!(other.header("access-control-allow-origin"), None);
}

#[test]
fn another_sites_page_cannot_use_the_cookie_for_anything_that_changes() {
    let upstream = Upstream::echoing();
    let world = running(&upstream, "");
    let judge = |method: &str, fields: &[(&str, &str)]| {
        let ask = Ask::new(method, "/x").cookie(&format!("sid={}", ALICE.0));
        let ask = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        world.ask(&if method == "POST" { ask.body("a=b") } else { ask }).status
    };
    let site = |site: &'static str| ("Sec-Fetch-Site", site);
    let origin = |origin: &'static str| ("Origin", origin);
    for (method, fields, expected) in [
        ("POST", vec![site("cross-site"), origin("https://evil.test")], 403),
        ("POST", vec![site("same-site"), origin("https://blog.gw.test")], 403),
        ("POST", vec![site("cross-site")], 403),
        ("POST", vec![origin("https://evil.test")], 403),
        ("POST", vec![origin("null")], 403),
        ("DELETE", vec![origin("https://evil.test")], 403),
        ("PUT", vec![site("cross-site")], 403),
        ("POST", vec![site("same-origin"), site("cross-site")], 403),
        ("POST", vec![site("cross-site"), site("same-origin")], 403),
        ("POST", vec![origin("https://gw.test"), origin("https://evil.test")], 403),
        ("POST", vec![site("same-origin"), origin("https://gw.test"), origin("https://gw.test")], 403),
        ("POST", vec![site("same-origin"), origin("https://gw.test")], 200),
        ("POST", vec![site("none")], 200),
        ("POST", vec![origin("http://gw.test")], 200),
        ("POST", vec![], 200),
        ("GET", vec![site("cross-site")], 200),
        ("HEAD", vec![site("cross-site"), origin("https://evil.test")], 200),
    ] {
        assert_eq!(judge(method, &fields), expected, "{method} {fields:?}");
    }
}

#[test]
fn csrf_can_be_only_logged_or_off() {
    let upstream = Upstream::echoing();
    let evil = || as_alice_posting().header("Sec-Fetch-Site", "cross-site").body("x");
    let log = running(&upstream, "csrf = \"log\"");
    assert_eq!(log.ask(&evil()).status, 200);
    assert_eq!(log.gateway.line(|line| line["method"] == "POST")["cross_site"], true);
    assert_eq!(running(&upstream, "csrf = \"off\"").ask(&evil()).status, 200);
}

fn as_alice_posting() -> Ask {
    Ask::new("POST", "/x").cookie(&format!("sid={}", ALICE.0))
}

#[test]
fn a_clients_own_authorization_passes_only_where_a_route_says_so() {
    let upstream = Upstream::echoing();
    let world = world()
        .recorded("app", &upstream)
        .route("path = \"/kept/*\"\nupstream = \"app\"\naccess = \"open\"\nforward_authorization = true")
        .route("path = \"/open/*\"\nupstream = \"app\"\naccess = \"open\"")
        .route("path = \"/own/*\"\nupstream = \"app\"\nheader = \"x-token\"\nforward_authorization = true")
        .start();
    let ask = |target: &str| world.ask(&as_alice(target).header("Authorization", "Basic YTpi"));
    assert_eq!(ask("/kept/x").echoed("authorization").as_deref(), Some("Basic YTpi"));
    assert_eq!(ask("/open/x").echoed("authorization"), None);
    let own = ask("/own/x");
    assert_eq!(own.echoed("authorization").as_deref(), Some("Basic YTpi"));
    verify(&own.echoed("x-token").unwrap(), &world.gateway.keys(), "app").unwrap();
    let forged = world.ask(&Ask::get("/open/x").header("X_Token", "evil"));
    assert_eq!(forged.echoed("x_token"), None, "a token header is reserved on every route");
    let warned = world.gateway.process.err.text();
    assert_eq!(
        warned.matches("forward_authorization").count(),
        1,
        "once for the route that removes it: {warned}"
    );
}

#[test]
fn an_upstream_that_never_gets_the_cookie_cannot_replace_it() {
    let answer = "HTTP/1.1 200 OK\r\nSet-Cookie: sid=stolen; Path=/\r\nSet-Cookie: theme=dark\r\nContent-Length: 0\r\n\r\n";
    let upstream = Upstream::answering(answer);
    let world = world()
        .recorded("app", &upstream)
        .route("path = \"/api/*\"\nupstream = \"app\"")
        .route("path = \"/app/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    assert_eq!(world.ask(&as_alice("/api/x")).all("set-cookie"), ["theme=dark"]);
    assert_eq!(world.ask(&as_alice("/app/x")).all("set-cookie").len(), 2);
    assert_eq!(world.ask(&as_alice("/api/x")).header("cache-control"), Some("private"));
    assert_eq!(world.ask(&as_alice("/app/x")).header("cache-control"), None);
}

#[test]
fn other_cookies_pass_byte_for_byte_and_the_session_cookie_does_not() {
    let upstream = Upstream::echoing();
    let world = running(&upstream, "");
    let ask = Ask::get("/x").cookie(&format!("a=\"b c\";  sid={}; d=%20;e", ALICE.0));
    let kept = world.ask(&ask).echoed("cookie").unwrap();
    assert!(!kept.contains("sid") && kept.contains("a=\"b c\"") && kept.contains("d=%20;e"), "{kept}");
    let only = world.ask(&as_alice("/x"));
    assert_eq!(only.echoed("cookie"), None);
}

#[test]
fn a_path_that_an_app_may_read_as_a_stricter_one_is_not_found() {
    let upstream = Upstream::echoing();
    let world = world()
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .route("path = \"/api/*\"\nupstream = \"app\"")
        .route("path = \"/admin\"\nupstream = \"app\"\nmethods = [\"GET\"]")
        .start();
    for target in ["/API/x", "/Api", "/%61pi/x", "/admin/", "/ADMIN", "/adm%69n"] {
        assert!(
            matches!(world.get(target).status, 400 | 401 | 404),
            "{target}: {}",
            world.get(target).status
        );
    }
    assert!(upstream.requests().is_empty());
    let post = world.ask(&Ask::new("POST", "/admin").body("x"));
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(world.get("/public").status, 200);
}

#[test]
fn a_revoked_session_is_refused_at_the_next_request() {
    let upstream = Upstream::echoing();
    let mut world = running(&upstream, "");
    let mut client = Client::connect(world.gateway.public);
    assert_eq!(client.ask(&as_alice("/x")).status, 200);
    world.redis().delete(&format!("sess:{}", ALICE.0));
    let refused =
        eventually("the revocation", || Some(client.ask(&as_alice("/x"))).filter(|it| it.status != 200));
    assert_eq!(refused.refusal(), Some("login-required"));
}

#[test]
fn the_record_of_a_session_decides_and_never_its_form() {
    let upstream = Upstream::echoing();
    let mut world = running(&upstream, "");
    let long = format!(r#"{{"user":{{"id":1}},"x":"{}"}}"#, "y".repeat(300 * 1024));
    let nested = "[".repeat(100_000);
    for record in [
        "",
        "null",
        "[]",
        "{",
        "\u{0}",
        r#"{"user":{"id":{"$ne":null}}}"#,
        r#"{"user":{"id":[1]}}"#,
        &long,
        &nested,
    ] {
        world.redis().set("sess:odd", record);
        let response = world.ask(&Ask::get("/").cookie("sid=odd"));
        assert_eq!(response.status, 401, "{:.40}", record);
    }
    for absent in ["0", "\"\"", "false", "null"] {
        world.redis().set("sess:odd", &format!(r#"{{"user":{{"id":{absent}}}}}"#));
        assert_eq!(world.ask(&Ask::get("/").cookie("sid=odd")).status, 401, "{absent}");
    }
    world.redis().command::<()>(&["DEL", "sess:odd"]);
    world.redis().command::<()>(&["LPUSH", "sess:odd", "x"]);
    assert_eq!(world.ask(&Ask::get("/").cookie("sid=odd")).status, 401);
    assert_eq!(world.ask(&as_alice("/")).status, 200, "and the connection to Redis is still good");
    assert_eq!(upstream.requests().len(), 1);
}
