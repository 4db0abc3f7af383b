//! Our own access tokens as bearers: each is what its session's cookie is, and ends with it.

use crate::support::{Ask, Client, Redis, Response, Running, Upstream, World, agreement, eventually};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const SECRET: &str = "a secret of the services";
const STATE: &str = "[state]\nstore = \"app\"\n[logout]\n[pair]\naudience = \"orders\"\nrefresh = \"body\"\n\
    [clients.orders]\nsecrets = [{ env = \"SECRET\" }]\nmay_call = [\"billing\"]\n\
    [clients.billing]\nsecrets = [{ env = \"BILLING\" }]\nmay_call = [\"orders\"]";
const OWN: &str = "[issuers.own]\njwks = \"own\"\naudience = \"orders\"\nattributes = { role = \"role\" }";
const PROFILE: &str = "framework = \"json\"\ncookie = \"sid\"\nkey = \"sess:{id}\"\nsubject = \"user.id\"\n\
    act = \"staff\"\nattributes = { role = \"role\" }";
const BEARERS: &str = "path = \"/b/*\"\nupstream = \"orders\"\nclaims = [\"role\"]\nsessions = [\"shop\"]\n\
    accept = [\"session\", \"bearer\"]\nissuers = [\"own\"]";
const ALICE: &str = r#"{"user":{"id":"alice"},"staff":"sam","role":"admin"}"#;

fn made(world: World, upstream: &Upstream) -> World {
    world
        .profile("shop", &format!("{PROFILE}\nstore = \"app\""))
        .environment("SECRET", SECRET)
        .environment("BILLING", &format!("{SECRET}: billing"))
        .table(OWN)
        .recorded("orders", upstream)
        .route(BEARERS)
        .route("path = \"/alone/*\"\nupstream = \"orders\"\naccept = [\"bearer\"]\nissuers = [\"own\"]")
        .route(
            "path = \"/pair/*\"\nupstream = \"orders\"\nsubject_type = \"pairwise\"\nsessions = [\"shop\"]",
        )
}

fn world(upstream: &Upstream) -> Running {
    let world = made(World::new(), upstream).table(STATE);
    world.redis().set("sess:s1", ALICE);
    world.start()
}

/// An access token of the session.
fn traded(world: &Running) -> String {
    let pair = world.ask(&Ask::new("POST", "/.cloakroom/token").cookie("sid=s1").body(""));
    pair.json()["access_token"].as_str().expect("an access token").to_owned()
}

fn show(world: &Running, token: &str) -> Response {
    world.ask(&Ask::get("/b/x").header("Authorization", &format!("Bearer {token}")))
}

/// What the service is told.
fn told(response: &Response) -> Value {
    let token = response.echoed("authorization").expect("a token");
    let payload = token.split('.').nth(1).unwrap().to_owned();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn post(world: &Running, client: &str, path: &str, form: &str) -> Response {
    let more = if client == "billing" { "%3A+billing" } else { "" };
    let basic = STANDARD.encode(format!("{client}:{}{more}", SECRET.replace(' ', "+")));
    Ask::new("POST", path)
        .header("Authorization", &format!("Basic {basic}"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .at(world.gateway.internal)
}

fn refused(response: &Response) {
    assert_eq!((response.status, response.refusal()), (401, Some("bearer-rejected")), "{}", response.text());
}

#[test]
fn after_its_sessions_logout_it_opens_nothing() {
    let upstream = Upstream::echoing();
    let world = world(&upstream);
    let given = traded(&world);
    assert_eq!(show(&world, &given).status, 200);
    let out = Ask::new("POST", "/.cloakroom/logout").cookie("sid=s1").body("");
    assert_eq!(world.ask(&out).status, 204);
    refused(&show(&world, &given));
    let line = world.gateway.line(|line| line["reason"] == "inactive");
    assert_eq!((&line["verdict"], &line["issuer"]), (&json!("rejected"), &json!("own")));
}

#[test]
fn the_apps_own_logout_and_another_user_under_the_same_id_end_it() {
    let upstream = Upstream::echoing();
    let mut world = world(&upstream);
    let given = traded(&world);
    assert_eq!(show(&world, &given).status, 200);
    world.redis().set("sess:s1", r#"{"user":{"id":"mallory"},"role":"admin"}"#);
    eventually("the other user's session to count", || (show(&world, &given).status == 401).then_some(()));
    world.redis().delete("sess:s1");
    refused(&show(&world, &given));
}

#[test]
fn one_that_was_ended_by_its_id_opens_nothing_and_its_session_goes_on() {
    let upstream = Upstream::echoing();
    let world = world(&upstream);
    let (given, other) = (traded(&world), traded(&world));
    assert_eq!(show(&world, &given).status, 200);
    assert_eq!(post(&world, "orders", "/revoke", &format!("token={given}")).status, 200);
    refused(&show(&world, &given));
    assert_eq!(show(&world, &other).status, 200);
}

#[test]
fn a_state_store_that_cannot_be_asked_is_503() {
    let upstream = Upstream::echoing();
    let (sessions, mut kept) = (Redis::start(), Redis::start());
    sessions.set("sess:s1", ALICE);
    let state = STATE.replace("store = \"app\"", "store = \"own\"");
    let world = made(World::without_redis(), &upstream)
        .table(&format!("[stores.own]\nurl = \"{}\"\ntimeout = \"5s\"\n{state}", kept.url()));
    let gateway = world.start_beside(&sessions);
    let trade = Ask::new("POST", "/.cloakroom/token").cookie("sid=s1").body("");
    let token = || trade.at(gateway.public).json()["access_token"].as_str().unwrap().to_owned();
    let (known, fresh) = (token(), token());
    let show =
        |token: &str| Ask::get("/b/x").header("Authorization", &format!("Bearer {token}")).at(gateway.public);
    assert_eq!(show(&known).status, 200);
    kept.kill();
    let unsure = show(&fresh);
    assert_eq!((unsure.status, unsure.refusal()), (503, Some("issuer-unavailable")));
}

#[test]
fn it_is_the_same_internal_token_as_the_cookies() {
    let upstream = Upstream::echoing();
    let world = world(&upstream);
    let by_cookie = told(&world.ask(&Ask::get("/b/x").cookie("sid=s1")));
    let given = traded(&world);
    let by_bearer = told(&show(&world, &given));
    for claim in ["sub", "sid", "client_id", "act", "role", "aud"] {
        assert!(!by_cookie[claim].is_null(), "{claim}");
        assert_eq!(by_bearer[claim], by_cookie[claim], "{claim}");
    }
    let again = told(&show(&world, &given));
    assert_eq!(again["jti"], by_bearer["jti"], "one signature serves");
    let alone = Ask::get("/alone/x").header("Authorization", &format!("Bearer {given}"));
    assert_eq!(told(&world.ask(&alone))["sid"], by_cookie["sid"], "where no cookie is taken too");
    let pairwise = world.ask(&Ask::get("/pair/x").cookie("sid=s1")).echoed("authorization").unwrap();
    let unveiled = told(&world.ask(&Ask::get("/b/x").header("Authorization", &pairwise)));
    for claim in ["sub", "sid", "client_id"] {
        assert_eq!(unveiled[claim], by_cookie[claim], "of a token without a sid: {claim}");
    }
}

#[test]
fn an_exchanged_one_says_who_acts() {
    let upstream = Upstream::echoing();
    let world = world(&upstream);
    let mut given = traded(&world);
    for (client, audience) in [("orders", "billing"), ("billing", "orders")] {
        let form = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={given}&audience={audience}\
             &subject_token_type=urn:ietf:params:oauth:token-type:access_token"
        );
        let response = post(&world, client, "/token", &form);
        given = response.json()["access_token"].as_str().expect("a token").to_owned();
    }
    let acts = json!({ "sub": "billing", "act": { "sub": "orders", "act": { "sub": "sam" } } });
    assert_eq!(told(&show(&world, &given))["act"], acts);
}

#[test]
fn without_state_it_keeps_its_sessions_names_and_lives_until_its_exp() {
    let upstream = Upstream::echoing();
    let world = made(World::new(), &upstream);
    world.redis().set("sess:s1", ALICE);
    let mut world = world.start();
    let by_cookie = world.ask(&Ask::get("/b/x").cookie("sid=s1"));
    let given = by_cookie.echoed("authorization").unwrap();
    let given = given.strip_prefix("Bearer ").unwrap();
    for claim in ["sub", "sid", "client_id", "act"] {
        assert_eq!(told(&show(&world, given))[claim], told(&by_cookie)[claim], "{claim}");
    }
    world.redis().delete("sess:s1");
    assert_eq!(show(&world, given).status, 200);
}

#[test]
fn a_stream_that_it_began_ends_with_its_session_and_with_its_id() {
    let upstream = Upstream::playing(|wire| {
        let Some(request) = wire.request() else { return };
        wire.say(agreement(request.one("sec-websocket-key").unwrap_or_default(), ""));
        wire.echo();
    });
    let world = world(&upstream);
    let (ended, other) = (traded(&world), traded(&world));
    let open = |token: &str| {
        let mut client = Client::connect(world.gateway.public);
        let ask = Ask::get("/b/ws").header("Authorization", &format!("Bearer {token}"));
        let ask = ask.header("Connection", "Upgrade").header("Upgrade", "websocket");
        let ask = ask.header("Sec-WebSocket-Version", "13");
        client.send(ask.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==").bytes());
        assert_eq!(client.head().expect("an answer").status, 101);
        client
    };
    let (mut one, mut two) = (open(&ended), open(&other));
    assert_eq!(post(&world, "orders", "/revoke", &format!("token={ended}")).status, 200);
    over(&mut one);
    let out = Ask::new("POST", "/.cloakroom/logout").cookie("sid=s1").body("");
    assert_eq!(world.ask(&out).status, 204);
    over(&mut two);
}

/// Waits for a close frame by policy.
fn over(client: &mut Client) {
    let mut frame = [0; 4];
    std::io::Read::read_exact(client.reader(), &mut frame).expect("a close frame");
    assert_eq!((frame[0], u16::from_be_bytes([frame[2], frame[3]])), (0x88, 1008));
}
