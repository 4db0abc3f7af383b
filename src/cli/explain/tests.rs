use super::*;
use crate::clock::UnixMillis;
use crate::codec::seal::{Base64, Hash, MacKey};
use crate::store::Record;
use std::time::Duration;

const CONFIG: &str = r#"
[stores.app]
url = "memory:"
[sessions.shop]
framework = "express"
secrets = [{ env = "NEW" }, { env = "OLD" }]
subject = "passport.user"
attributes = { email = "user.email", roles = "user.roles" }
[tokens]
claims = ["email"]
[tokens.keys]
directory = "no-such-keys"
[upstreams.app]
endpoints = ["http://127.0.0.1:3000"]
[upstreams.orders]
endpoints = ["http://127.0.0.1:3001"]
[[routes]]
path = "/*"
upstream = "app"
access = "open"
[[routes]]
path = "/api/*"
upstream = "orders"
login = "/login?next={path}"
[[routes]]
path = "/api/admin/*"
upstream = "orders"
methods = ["POST"]
rate = "5/s burst 20"
require = { roles = ["admin"] }
"#;
const RECORD: &str = r#"{"cookie":{},"passport":{"user":4711},"user":{"email":"ann@shop.test","roles":["staff"]},"csrfSecret":"k3y"}"#;
const ID: &str = "Zk29slq81";

/// What is asked with which cookies and headers, of a store with these keys, and what is said.
struct Scene {
    keys: Vec<(&'static str, &'static str)>,
    cookies: String,
    headers: &'static str,
    show_values: bool,
    store: String,
}

impl Scene {
    fn new(cookies: String) -> Self {
        let keys = vec![("sess:Zk29slq81", RECORD)];
        Self { keys, cookies, headers: "", show_values: false, store: "memory:".to_owned() }
    }

    fn explain(&self, method: &str, url: &str) -> Explanation {
        let config = CONFIG.replace("memory:", &self.store);
        let (config, _) =
            crate::config::from_text("gateway.toml", &config, Path::new("/nonexistent"), &|name| {
                Some(name.to_lowercase())
            })
            .unwrap();
        let clock = Clock::manual(UnixMillis::from_secs(1_700_000_000));
        let rehearsal = Rehearsal::prepare(config, clock).unwrap();
        let store = rehearsal.memory_store("app");
        for (store, (key, value)) in
            store.iter().flat_map(|store| self.keys.iter().map(move |key| (store, key)))
        {
            let ttl = Some(Duration::from_secs(3600));
            assert!(store.write(key.as_bytes(), Record::String(value.as_bytes().to_vec()), ttl));
        }
        let question = Question::new(method, url, Some(&self.cookies), Some(self.headers)).unwrap();
        ask(&rehearsal, question, self.show_values).unwrap()
    }

    fn text(&self, method: &str, url: &str) -> String {
        as_text(&self.explain(method, url)).join("\n")
    }
}

/// The cookie that the app would have set with `secret`.
fn cookie(secret: &str) -> String {
    let tag = MacKey::new(Hash::Sha256, secret.as_bytes()).sign(&[ID.as_bytes()]);
    format!("theme=dark; connect.sid=s:{ID}.{}", Base64::StandardNoPad.encode(&tag))
}

/// The text with the fingerprint and key id, which differ from run to run, put aside.
fn steady(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let random = ["sid       ", "sid: ", "header    "]
            .into_iter()
            .find_map(|name| line.find(name).map(|at| at + name.len()));
        random
            .and_then(|end| line.get(..end))
            .map_or_else(|| line.to_owned(), |kept| format!("{}~", kept.trim_end()))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_forwarded_request_is_told_stage_by_stage_and_its_values_are_masked() {
    let scene = Scene { headers: "Authorization: Basic c2VjcmV0\nX-User-Id: 1", ..Scene::new(cookie("old")) };
    let text = steady(&scene.text("GET", "http://shop.test/api/orders?card=4242"));
    let expected = "\
GET http://shop.test/api/orders
  ok        request   one well-formed message for shop.test over http, from 127.0.0.1
            cookies     connect.sid, theme
  ok        route     `/api/*`, the most specific that fits
            access      required
            sessions    shop
  ok        session   profile shop (express): a live session
            cookie      connect.sid
            sid~
            secret      2 of 2 verifies it
            key         sess:…
            record      a string of 108 bytes, TTL 1 h 0 min
            data        passport: a map of 1
            data          user: an integer
            data        user: a map of 2
            data          email: text
            data          roles: a list of 1
            data            0: text
            data        csrfSecret: text
            subject     `passport.user`: …
            ends        in 1 h 0 min, by the key's TTL
  ok        guard     access required: a live session with a user
  ok        csrf      GET asks for nothing to change
  ok        token     in `authorization`, for orders
            keys        `serve` has made none yet; this token and the sid are of stand-ins
            header~
            claim       iss: \"https://gateway.internal\"
            claim       aud: \"orders\"
            claim       sub: …
            claim       exp: 1700000030 (in 30 s)
            claim       iat: 1699999995 (5 s ago)
            claim       client_id: \"shop\"
            claim       sid:~
            claim       email: …
  ok        strip     taken away before anything of ours is set
            headers     authorization, x-user-id
            cookies     connect.sid
  ok        upstream  `orders`; it was not called
            endpoints   http://127.0.0.1:3001
            host        shop.test
=> forwarded to `orders` with a token";
    assert_eq!(text, expected);
}

#[test]
fn nothing_that_opens_a_session_is_ever_told() {
    for show_values in [false, true] {
        let scene = Scene { show_values, ..Scene::new(cookie("new")) };
        let explanation = scene.explain("GET", "https://shop.test/api/x");
        let (text, json) = (as_text(&explanation).join("\n"), as_json(&explanation).to_string());
        let cookie = cookie("new");
        let signature = cookie.rsplit('.').next().unwrap();
        for told in [&text, &json] {
            assert!(!told.contains(signature) && !told.contains("k3y") && !told.contains("eyJ"), "{told}");
            assert_eq!(told.contains(ID), show_values, "{told}");
            assert_eq!(told.contains("ann@shop.test"), show_values, "{told}");
            assert_eq!(told.contains("4711"), show_values, "{told}");
        }
    }
}

#[test]
fn a_key_with_another_prefix_is_told_by_what_is_there() {
    let keys = vec![("myapp:sess:a1", "{}"), ("myapp:sess:b2", "{}"), ("queue:c3", "{}")];
    let text = Scene { keys, ..Scene::new(cookie("new")) }.text("GET", "http://shop.test/api/orders");
    assert!(text.contains("no key `sess:…`"), "{text}");
    assert!(text.contains("of 3 keys, none is like `sess:…`; 2 start with `myapp:sess:`"), "{text}");
    assert!(text.ends_with("=> refused: 401 login-required (unknown-session)"), "{text}");
}

#[test]
fn a_cookie_of_another_secret_never_reaches_the_store() {
    let text = Scene::new(cookie("other")).text("GET", "http://shop.test/api/orders");
    assert!(text.contains("REFUSED   session   profile shop (express): the cookie's MAC does not verify with any of 2 secrets"), "{text}");
    assert!(!text.contains("key  "), "{text}");
    assert!(text.ends_with("=> refused: 401 login-required (bad-signature)"), "{text}");
}

#[test]
fn a_navigation_is_told_where_it_would_be_sent() {
    let scene = Scene { headers: "Accept: text/html", ..Scene::new(String::new()) };
    let text = scene.text("GET", "http://shop.test/api/orders?x=1");
    assert!(
        text.ends_with(
            "=> refused: 401 login-required; the browser is sent to /login?next=%2Fapi%2Forders%3Fx%3D1"
        ),
        "{text}"
    );
}

#[test]
fn each_guard_says_what_it_missed() {
    let cross = Scene {
        headers: "Sec-Fetch-Site: cross-site\nOrigin: https://evil.test",
        ..Scene::new(cookie("new"))
    };
    for (scene, method, path, said, end) in [
        (
            &Scene::new(cookie("new")),
            "POST",
            "/api/admin/x",
            "`roles` has none of the accepted values",
            "403 forbidden (require: roles)",
        ),
        (&cross, "POST", "/api/x", "another site's page made it", "403 cross-site"),
        (
            &Scene::new(cookie("new")),
            "GET",
            "/api/admin/x",
            "takes POST only, not GET",
            "405 method-not-allowed; Allow: POST",
        ),
        (
            &Scene::new(String::new()),
            "GET",
            "/API/x",
            "would take it for `/api/*`, which is stricter",
            "404 not-found",
        ),
        (&Scene::new(String::new()), "GET", "/a/../b", "a dot segment in the path", "400 path-dot-segment"),
        (
            &Scene::new(String::new()),
            "GET",
            "/a%2Fb",
            "needs `allow_in_path = [\"%2F\"]`",
            "400 path-needs-allowance",
        ),
    ] {
        let text = scene.text(method, &format!("http://shop.test{path}"));
        assert!(text.contains(said), "{text}");
        assert!(text.ends_with(&format!("=> refused: {end}")), "{text}");
    }
}

#[test]
fn an_open_route_reads_no_cookie() {
    let text = Scene::new(cookie("new")).text("GET", "http://shop.test/cart");
    assert!(text.contains("no cookie is read and no store is asked"), "{text}");
    assert!(text.ends_with("=> forwarded to `app` without a token"), "{text}");
}

#[test]
fn a_store_that_is_down_is_said_to_be_down_and_nobody_to_be_logged_out() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let scene = Scene { store: format!("redis://{closed}"), ..Scene::new(cookie("new")) };
    let text = scene.text("GET", "http://shop.test/api/orders");
    assert!(text.contains("store `app` cannot be asked, which says nothing about the session"), "{text}");
    assert!(text.contains("refused"), "{text}");
    assert!(text.contains("=> refused: 503 store-unavailable"), "{text}");
}

#[test]
fn a_jwt_in_the_cookie_is_told_without_a_store_and_without_the_token() {
    let config = "[sessions.shop]\nframework = \"jwt\"\nsecrets = [{ env = \"NEW\" }, { env = \"OLD\" }]\n\
                  [tokens.keys]\ndirectory = \"no-such-keys\"\n[upstreams.app]\nendpoints = [\"http://h\"]\n\
                  [[routes]]\npath = \"/*\"\nupstream = \"app\"\n";
    let environment = |name: &str| Some(name.to_lowercase());
    let (config, _) =
        crate::config::from_text("gateway.toml", config, Path::new("/nonexistent"), &environment).unwrap();
    let rehearsal = Rehearsal::prepare(config, Clock::manual(UnixMillis::from_secs(1_700_000_000))).unwrap();
    let told = |claims: &str| {
        let signed =
            [r#"{"alg":"HS256"}"#, claims].map(|part| Base64::UrlNoPad.encode(part.as_bytes())).join(".");
        let tag = MacKey::new(Hash::Sha256, b"old").sign(&[signed.as_bytes()]);
        let cookie = format!("token={signed}.{}", Base64::UrlNoPad.encode(&tag));
        let question = Question::new("GET", "http://shop.test/", Some(&cookie), None).unwrap();
        steady(&as_text(&ask(&rehearsal, question, false).unwrap()).join("\n"))
    };
    let text = told(r#"{"sub":"4711","exp":1700003600}"#);
    let expected = "\
  ok        session   profile shop (jwt): a live session
            cookie      token
            sid~
            secret      2 of 2 verifies it
            record      none: the cookie is the session, and the store is never asked
            data        sub: text
            data        exp: an integer
            subject     `sub`: …
            ends        in 1 h 0 min, by its `exp`; no logout ends it before
";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("eyJ") && !text.contains("4711"), "{text}");
    let text = told(r#"{"sub":"4711","exp":1699999940}"#);
    assert!(text.contains("profile shop (jwt): the session has ended"), "{text}");
    assert!(text.contains("ends        1 min 0 s ago, by its `exp`"), "{text}");
    let text = told(r#"{"sub":"4711","exp":1700003600,"aud":"x"}"#);
    assert!(text.contains("it has an `aud`, and no `audience` is configured"), "{text}");
    assert!(text.contains("compare `issuer`, `audience` and `typ`"), "{text}");
}

#[test]
fn a_rate_is_told_where_there_is_one() {
    let scene = Scene::new(cookie("new"));
    let text = scene.text("POST", "http://shop.test/api/admin/x");
    assert!(text.contains("limit     counted; how much is used up only the running gateway knows"), "{text}");
    assert!(text.contains("client      5/s burst 20 by this address, here"), "{text}");
    assert!(!scene.text("GET", "http://shop.test/api/x").contains("counted"));
}

#[test]
fn a_bearer_is_told_with_its_issuer_and_ends_the_look_where_it_is_wrong() {
    let config = "[sessions.shop]\nframework = \"jwt\"\nsecrets = [{ env = \"APP\" }]\n\
                  [issuers.mobile]\nissuer = \"https://login.test\"\nsecret = { env = \"SHARED\" }\naudience = \"shop\"\n\
                  [tokens.keys]\ndirectory = \"no-such-keys\"\n[upstreams.app]\nendpoints = [\"http://h\"]\n\
                  [upstreams.legacy]\nendpoints = [\"http://l\"]\n\
                  [[routes]]\npath = \"/*\"\nupstream = \"app\"\naccept = [\"session\", \"bearer\"]\n\
                  bind_request = true\nother_bearers = \"legacy\"\n";
    let environment = |name: &str| Some(name.to_lowercase());
    let (config, _) =
        crate::config::from_text("gateway.toml", config, Path::new("/nonexistent"), &environment).unwrap();
    let rehearsal = Rehearsal::prepare(config, Clock::manual(UnixMillis::from_secs(1_700_000_000))).unwrap();
    let token = |secret: &str, claims: &str| {
        let signed =
            [r#"{"alg":"HS256"}"#, claims].map(|part| Base64::UrlNoPad.encode(part.as_bytes())).join(".");
        let tag = MacKey::new(Hash::Sha256, secret.as_bytes()).sign(&[signed.as_bytes()]);
        format!("{signed}.{}", Base64::UrlNoPad.encode(&tag))
    };
    let told = |bearer: &str, cookie: &str| {
        let (cookie, header) = (format!("token={cookie}"), format!("Authorization: Bearer {bearer}"));
        let question = Question::new("GET", "http://shop.test/", Some(&cookie), Some(&header)).unwrap();
        steady(&as_text(&ask(&rehearsal, question, false).unwrap()).join("\n"))
    };
    let of =
        |sub: &str| format!(r#"{{"iss":"https://login.test","aud":"shop","sub":"{sub}","exp":1700003600}}"#);
    let alice = token("app", r#"{"sub":"alice","exp":1700003600}"#);
    let text = told(&token("shared", &of("alice")), &alice);
    assert!(text.contains("bearer    issuer mobile: signature and claims are right"), "{text}");
    assert!(text.contains("the cookie is the same user's"), "{text}");
    assert!(text.contains("=> forwarded to `app` with a token"), "{text}");
    assert!(
        text.contains("signed      for this request alone") && text.contains("claim       htm: …"),
        "{text}"
    );
    assert!(!text.contains("eyJ") && !text.contains("alice"), "{text}");
    for of_others in ["sk_live_0123456789", &token("theirs", r#"{"iss":"https://elsewhere.test"}"#)] {
        let text = told(of_others, &alice);
        assert!(
            text.contains("none of the route's issuers: it goes on to upstream legacy as it came"),
            "{text}"
        );
        assert!(text.contains("nobody has judged it (`other_bearers`)"), "{text}");
        assert!(!text.contains("profile shop") && !text.contains(of_others), "{text}");
    }
    let text = told(&token("shared", &of("bob")), &alice);
    assert!(text.contains("two different users'") && text.contains("401 credentials-disagree"), "{text}");
    let text = told(&token("wrong", &of("alice")), &alice);
    assert!(text.contains("issuer mobile: its signature is not one of its issuer's keys"), "{text}");
    assert!(text.contains("=> refused: 401 bearer-rejected (bad-signature)"), "{text}");
    assert!(!text.contains("profile shop"), "{text}");
}
