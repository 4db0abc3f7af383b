//! Tokens that end before their time: at the gateway, at introspection and on the list, all at once.

use crate::support::{Ask, Gateway, Redis, Response, Upstream, World, eventually};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const SECRET: &str = "a secret of the services";
const ALICE: &str = r#"{"user":{"id":"alice"}}"#;

/// With `[pair]`, a service that asks and ends, and a route to it by cookie.
fn world(upstream: &Upstream, more: &str) -> World {
    World::without_redis()
        .profile("app", crate::support::SESSIONS)
        .environment("SECRET", SECRET)
        .environment("SEAL", "a key to seal keys with, of a test")
        .table("[state]\nstore = \"app\"\n[logout]\n[pair]\naudience = \"orders\"\nrefresh = \"body\"\ngrace = \"0s\"")
        .table("[tokens.keys]\nseal = [{ env = \"SEAL\" }]\n[clients.orders]\nsecrets = [{ env = \"SECRET\" }]")
        .recorded("orders", upstream)
        .route("path = \"/*\"\nupstream = \"orders\"")
        .route("path = \"/reference/*\"\nupstream = \"orders\"\nprofile = \"reference\"")
        .server(more)
}

fn redis() -> Redis {
    let redis = Redis::start();
    redis.set("sess:s1", ALICE);
    redis
}

fn form(ask: Ask, body: &str) -> Ask {
    ask.header("Content-Type", "application/x-www-form-urlencoded").body(body.to_owned())
}

fn counter(gateway: &Gateway, path: &str, token: &str) -> Response {
    let basic = STANDARD.encode(format!("orders:{}", SECRET.replace(' ', "+")));
    let ask = Ask::new("POST", path).header("Authorization", &format!("Basic {basic}"));
    form(ask, &format!("token={token}")).at(gateway.internal)
}

fn is_active(gateway: &Gateway, token: &str) -> bool {
    let said = counter(gateway, "/introspect", token);
    assert_eq!(said.status, 200, "{}", said.text());
    said.json()["active"] == true
}

fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("three parts")).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// Those on the list under this name.
fn listed(gateway: &Gateway, kind: &str) -> Vec<Value> {
    gateway.internal("/revoked").json()[kind].as_array().expect("a list").clone()
}

/// The token that the service gets for the cookie.
fn given(gateway: &Gateway, path: &str) -> String {
    let response = eventually("an answer", || {
        let response = Ask::get(path).cookie("sid=s1").at(gateway.public);
        (response.status == 200).then_some(response)
    });
    response.echoed("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

fn pair(response: &Response) -> (String, String) {
    let said = response.json();
    let text = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("{}", response.text())).to_owned();
    (text("access_token"), text("refresh_token"))
}

fn trade(gateway: &Gateway) -> (String, String) {
    given(gateway, "/ready");
    pair(&Ask::new("POST", "/.cloakroom/token").cookie("sid=s1").body("").at(gateway.public))
}

fn refresh(gateway: &Gateway, token: &str) -> Response {
    form(Ask::new("POST", "/.cloakroom/refresh"), &format!("refresh_token={token}")).at(gateway.public)
}

fn revoke(gateway: &Gateway, token: &str) {
    let done = form(Ask::new("POST", "/.cloakroom/revoke"), &format!("token={token}")).at(gateway.public);
    assert_eq!(done.status, 200, "{}", done.text());
}

#[test]
fn one_that_was_ended_is_handed_out_no_more_at_any_gateway() {
    let (upstream, redis) = (Upstream::echoing(), redis());
    let world = world(&upstream, "");
    let (one, other) = (world.start_beside(&redis), world.start_beside(&redis));
    for path in ["/x", "/reference/x"] {
        let (first, second) = (given(&one, path), given(&other, path));
        assert_eq!((given(&one, path), given(&other, path)), (first.clone(), second.clone()), "kept");
        assert_eq!(counter(&one, "/revoke", &first).status, 200);
        let next = given(&one, path);
        assert!(next != first && is_active(&one, &next), "at once, where it was ended");
        assert_eq!(counter(&one, "/revoke", &second).status, 200);
        eventually("the other gateway to hear", || (given(&other, path) != second).then_some(()));
        assert_eq!(given(&one, path), next, "no other is made for that");
    }
}

#[test]
fn an_access_token_that_its_client_ends_is_over_and_its_pair_goes_on() {
    let (upstream, redis) = (Upstream::echoing(), redis());
    let gateway = world(&upstream, "").start_beside(&redis);
    let (access, fresh) = trade(&gateway);
    let internal = given(&gateway, "/x");
    assert!(is_active(&gateway, &access));
    revoke(&gateway, &access);
    assert!(!is_active(&gateway, &access) && is_active(&gateway, &internal));
    assert_eq!(listed(&gateway, "tokens")[0]["jti"], claims(&access)["jti"]);
    let mut forged = access.clone();
    forged.replace_range(access.len() - 4.., "AAAA");
    revoke(&gateway, &forged);
    assert_eq!(listed(&gateway, "tokens").len(), 1);
    assert_eq!(refresh(&gateway, &fresh).status, 200);
}

#[test]
fn a_refresh_token_that_is_ended_takes_the_access_tokens_of_its_family_and_no_others() {
    let (upstream, redis) = (Upstream::echoing(), redis());
    let gateway = world(&upstream, "").start_beside(&redis);
    let (first, fresh) = trade(&gateway);
    let (second, fresh) = pair(&refresh(&gateway, &fresh));
    let (others, _) = trade(&gateway);
    revoke(&gateway, &fresh);
    assert_eq!([&first, &second, &others].map(|token| is_active(&gateway, token)), [false, false, true]);
    assert_eq!(listed(&gateway, "tokens").len(), 2);
    assert_eq!(refresh(&gateway, &fresh).json()["error"], "invalid_grant");
}

#[test]
fn a_refresh_token_that_comes_back_takes_the_access_tokens_of_its_family_too() {
    let (upstream, redis) = (Upstream::echoing(), redis());
    let gateway = world(&upstream, "").start_beside(&redis);
    let (first, stolen) = trade(&gateway);
    let (second, _) = pair(&refresh(&gateway, &stolen));
    assert_eq!(refresh(&gateway, &stolen).json()["error"], "invalid_grant");
    assert_eq!([&first, &second].map(|token| is_active(&gateway, token)), [false, false]);
    let mut ids: Vec<Value> = listed(&gateway, "tokens").iter().map(|entry| entry["jti"].clone()).collect();
    ids.retain(|id| *id == claims(&first)["jti"] || *id == claims(&second)["jti"]);
    assert_eq!(ids.len(), 2);
    let keys: Vec<String> = redis.command(&["KEYS", "cloakroom:pair:*"]);
    assert!(keys.is_empty(), "nothing is left of it: {keys:?}");
}

/// What a service does by the list, and what introspection says, after a login under the id of a session that ended.
#[test]
fn who_logs_in_again_under_the_same_id_is_not_locked_out_and_the_tokens_from_before_are() {
    let (upstream, redis) = (Upstream::echoing(), redis());
    let gateway = world(&upstream, "skew = \"20s\"").start_beside(&redis);
    let before = given(&gateway, "/x");
    let out = Ask::new("POST", "/.cloakroom/logout").cookie("sid=s1").body("").at(gateway.public);
    assert_eq!(out.status, 204);
    // Seen to be gone before there is another: what the app makes at a login.
    eventually("the session to be gone", || {
        (Ask::get("/x").cookie("sid=s1").at(gateway.public).status == 401).then_some(())
    });
    std::thread::sleep(std::time::Duration::from_millis(2));
    redis.set("sess:s1", r#"{"user":{"id":"alice"},"login":2}"#);
    let after = given(&gateway, "/x");
    let ended = listed(&gateway, "sessions");
    assert_eq!(ended[0]["sid"], claims(&after)["sid"]);
    let at = ended[0]["at"].as_u64().unwrap();
    let iat = |token: &str| claims(token)["iat"].as_u64().unwrap();
    assert!(iat(&before) <= at, "{} {at}", iat(&before));
    assert!(iat(&after) > at, "{} {at}", iat(&after));
    assert!(!is_active(&gateway, &before) && is_active(&gateway, &after));
}

#[test]
fn of_gateways_with_different_skews_the_least_counts() {
    let (upstream, redis) = (Upstream::echoing(), redis());
    let far = world(&upstream, "skew = \"30s\"").start_beside(&redis);
    let near = world(&upstream, "skew = \"1s\"").start_beside(&redis);
    let theirs = given(&near, "/x");
    given(&far, "/x");
    // Each says its skew.
    eventually("both to have told", || {
        let list: Vec<String> = redis.command(&["ZRANGE", "cloakroom:ended:list", "0", "-1"]);
        let has = |millis: &str| list.iter().any(|entry| entry.contains(millis));
        (has(":1000}") && has(":30000}")).then_some(())
    });
    let out = Ask::new("POST", "/.cloakroom/logout").cookie("sid=s1").body("").at(far.public);
    assert_eq!(out.status, 204);
    eventually("the far gateway to list it as the near one would", || {
        let at = listed(&far, "sessions").first()?["at"].as_u64()?;
        (claims(&theirs)["iat"].as_u64()? <= at).then_some(())
    });
    assert_eq!(json!(listed(&far, "sessions").len()), json!(1));
}
