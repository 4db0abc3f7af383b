//! `attest` against services that validate tokens, most of them wrongly, each in its own way.

use crate::support::{Gateway, Redis, Request, Upstream, World, answer_with, eventually, now};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom::codec::seal::{Hash, MacKey};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};

const SEAL: &str = "0123456789abcdef0123456789abcdef";

/// What a service does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    AlgNone,
    AudienceAsPart,
    BreaksOnGarbage,
    CritIgnored,
    ExpiryNotDemanded,
    IssuerIgnored,
    JkuFollowed,
    JwkBelieved,
    NobodyLetIn,
    OneAudienceOnly,
    RefusesWithALogin,
    SecretFromPublicKey,
    SignatureIgnored,
    TypeIgnored,
}

fn point(jwk: &Value) -> Option<Vec<u8>> {
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
    Some([vec![4], part("x")?, part("y")?].concat())
}

fn fetched(url: &str) -> Option<Value> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(host).ok()?;
    stream.write_all(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(serde_json::from_str::<Value>(text.split("\r\n\r\n").nth(1)?).ok()?["keys"][0].clone())
}

/// What a service with this flaw makes of a request; the status.
fn judge(planted: Planted, own: &[Value], request: &Request) -> u16 {
    let Some(value) = request.one("authorization") else {
        return if planted == Planted::NobodyLetIn { 200 } else { 401 };
    };
    let taken = |token: &str| verify(planted, own, token).is_some();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && taken(token) => 200,
        Some((_, token)) if planted == Planted::BreaksOnGarbage && token.split('.').count() != 3 => 500,
        _ if planted == Planted::RefusesWithALogin => 302,
        _ => 401,
    }
}

/// `own` are the gateway's keys: the one that signs, and soon one that stands by, in no order.
fn verify(planted: Planted, own: &[Value], token: &str) -> Option<()> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, tag] = parts[..] else { return None };
    let object = |part: &str| {
        let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
        value.is_object().then_some(value)
    };
    let (header, claims) = (object(head).filter(|_| token.len() <= 8192)?, object(body)?);
    let signed = &token[..head.len() + 1 + body.len()];
    let alg = header["alg"].as_str()?;
    let genuine = match (planted, alg) {
        (Planted::SignatureIgnored, _) => true,
        (Planted::AlgNone, "none") => true,
        (Planted::SecretFromPublicKey, "HS256") => {
            let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
            let with = |key: &Value| {
                MacKey::new(Hash::Sha256, key.to_string().as_bytes()).sign(&[signed.as_bytes()])
            };
            own.iter().any(|key| with(key) == tag)
        }
        (_, "ES256") => {
            let keys = match planted {
                Planted::JwkBelieved if header["jwk"].is_object() => vec![header["jwk"].clone()],
                Planted::JkuFollowed if header["jku"].is_string() => vec![fetched(header["jku"].as_str()?)?],
                _ => own.to_vec(),
            };
            let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
            let points = keys.iter().filter_map(point);
            let mut keys = points.map(|point| UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point));
            keys.any(|key| key.verify(signed.as_bytes(), &tag).is_ok())
        }
        _ => false,
    };
    let is = |right: bool, flaw: Planted| (right || planted == flaw).then_some(());
    is(genuine, Planted::AlgNone).filter(|()| genuine)?;
    is(header.get("crit").is_none(), Planted::CritIgnored)?;
    is(header["typ"] == "at+jwt", Planted::TypeIgnored)?;
    is(claims["iss"] == "https://gateway.internal", Planted::IssuerIgnored)?;
    let for_us = match &claims["aud"] {
        Value::String(one) if planted == Planted::AudienceAsPart => one.contains("orders"),
        Value::String(one) => one == "orders",
        Value::Array(all) if planted != Planted::OneAudienceOnly => all.iter().any(|one| one == "orders"),
        _ => false,
    };
    for_us.then_some(())?;
    let time = |name: &str| claims[name].as_u64();
    is(time("exp").is_some_and(|end| end + 5 > now()), Planted::ExpiryNotDemanded)?;
    let begun = claims.get("nbf").is_none_or(|begin| begin.as_u64().is_some_and(|begin| begin < now() + 5));
    (begun && claims["sub"].is_string()).then_some(())
}

fn gateway() -> Gateway {
    Gateway::start(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[internal]\nlisten = \"127.0.0.1:0\"\n",
        &[],
    )
}

fn service(gateway: &Gateway, planted: Planted) -> Upstream {
    let keys: Value = serde_json::from_slice(&gateway.internal("/.well-known/jwks.json").body).unwrap();
    let own = keys["keys"].as_array().unwrap().clone();
    Upstream::playing(move |wire| {
        let Some(request) = wire.request() else { return };
        let status = judge(planted, &own, &request);
        let answer = String::from_utf8(answer_with(&request, b"")).unwrap();
        wire.say(answer.replacen("200", &status.to_string(), 1));
        wire.hang_up();
    })
}

fn attest(gateway: &Gateway, service: &Upstream, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    command.arg("attest").arg(format!("http://{}/orders", service.address()));
    command.arg("--config").arg(gateway.dir().join("gateway.toml")).env("SEAL", SEAL);
    if !more.contains(&"--audience") {
        command.args(["--audience", "orders"]);
    }
    command.args(more).output().unwrap()
}

/// Status and the kinds that were found.
fn found(gateway: &Gateway, planted: Planted) -> (Option<i32>, Vec<String>) {
    let service = service(gateway, planted);
    let output = attest(gateway, &service, &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{planted:?}: {error}: {}", String::from_utf8_lossy(&output.stderr)));
    let tried = report["tried"].as_array().unwrap();
    assert!(tried.len() > 100, "{} kinds", tried.len());
    let flawed = tried.iter().filter(|one| !one["flaw"].is_null());
    (output.status.code(), flawed.map(|one| one["kind"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn each_planted_flaw_is_found_by_its_name() {
    let gateway = gateway();
    let planted = [
        (Planted::AlgNone, "alg-none"),
        (Planted::AudienceAsPart, "aud-longer"),
        (Planted::BreaksOnGarbage, "garbage"),
        (Planted::CritIgnored, "crit-unknown"),
        (Planted::ExpiryNotDemanded, "exp-an-hour-ago"),
        (Planted::IssuerIgnored, "iss-wrong"),
        (Planted::JkuFollowed, "jku-in-header"),
        (Planted::JwkBelieved, "jwk-in-header"),
        (Planted::NobodyLetIn, "no-token"),
        (Planted::OneAudienceOnly, "aud-among-others"),
        (Planted::SecretFromPublicKey, "hs256-public-jwk"),
        (Planted::SignatureIgnored, "signed-by-a-stranger"),
        (Planted::TypeIgnored, "typ-missing"),
    ];
    for (planted, kind) in planted {
        let (status, found) = found(&gateway, planted);
        assert!(found.iter().any(|name| name == kind), "{planted:?}: {found:?}");
        assert_eq!(status, Some(1), "{planted:?}");
    }
}

#[test]
fn nothing_is_found_in_a_service_that_does_it_right() {
    let gateway = gateway();
    assert_eq!(found(&gateway, Planted::Nothing), (Some(0), vec![]));
    assert_eq!(found(&gateway, Planted::RefusesWithALogin), (Some(0), vec![]), "a redirect lets nobody in");
}

#[test]
fn a_service_that_takes_no_good_token_is_not_called_fine() {
    let gateway = gateway();
    let shut =
        Upstream::answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let output = attest(&gateway, &shut, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not take a good token (401)"));
    let login = "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let output = attest(&gateway, &Upstream::answering(login), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not take a good token (302)"));
    let no_keys = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .args(["attest", "http://127.0.0.1:9/", "--audience", "orders", "--config", "/nonexistent.toml"])
        .output()
        .unwrap();
    assert_eq!(no_keys.status.code(), Some(2));
}

#[test]
fn people_get_a_table_with_fixes_and_ci_a_junit_file() {
    let gateway = gateway();
    let service = service(&gateway, Planted::IssuerIgnored);
    let file = gateway.dir().join("attest.xml");
    let output = attest(&gateway, &service, &["--junit", file.to_str().unwrap()]);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(text.contains("high      iss-wrong                   accepted  200"), "{text}");
    assert!(text.contains("  -> compare `iss` with the gateway's issuer"), "{text}");
    let xml = std::fs::read_to_string(file).unwrap();
    assert!(xml.contains("<testcase classname=\"attest\" name=\"plain\"/>"), "{xml}");
    assert!(xml.contains("name=\"iss-wrong\">\n    <failure type=\"high\""), "{xml}");
}

/// The default once there is a `[state]`.
#[test]
fn the_sealed_ring_of_all_gateways_is_read_and_left_as_it_is() {
    let mut redis = Redis::start();
    let world = World::without_redis().environment("SEAL", SEAL);
    let world = world.table("[state]\nstore = \"app\"\n[tokens.keys]\nseal = [{ env = \"SEAL\" }]");
    let gateway = world.start_beside(&redis);
    let published = || gateway.internal("/.well-known/jwks.json").json();
    eventually("a ring", || published()["keys"].as_array().filter(|keys| keys.len() > 1).map(|_| ()));
    let before: Vec<String> = redis.command(&["HMGET", "cloakroom:ring:keys", "leader", "fence", "ring"]);
    assert_eq!(found(&gateway, Planted::Nothing), (Some(0), vec![]));
    let after: Vec<String> = redis.command(&["HMGET", "cloakroom:ring:keys", "leader", "fence", "ring"]);
    assert_eq!(before, after);
    redis.kill();
    let output = attest(&gateway, &service(&gateway, Planted::Nothing), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot read the key ring: the store of `[state]` cannot be asked"), "{said}");
}

/// The token that a service sees first, by the routes of the gateway; header and claims as text.
fn first(gateway: &Gateway, more: &[&str], header: &str) -> (String, String) {
    let shut =
        Upstream::answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let output = attest(gateway, &shut, more);
    let requests = shut.requests();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let token = requests.first().and_then(|request| request.one(header)).expect(&said);
    let mut parts = token.trim_start_matches("Bearer ").split('.');
    let mut text = || String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap();
    (text(), text())
}

#[test]
fn a_service_gets_tokens_as_its_route_makes_them_and_claims_of_ones_own_once() {
    let nowhere = "127.0.0.1:1";
    let world = World::with_sessions(&[]).upstream("orders", nowhere);
    let world = world
        .route("path = \"/ed/*\"\nupstream = \"orders\"\naudience = \"ed\"\nalgorithm = \"EdDSA\"")
        .route("path = \"/own/*\"\nupstream = \"orders\"\nprofile = \"jwt\"\nheader = \"x-tok\"")
        .route("path = \"/other/*\"\nupstream = \"orders\"\nscope = \"read\"")
        .start();
    let gateway = &world.gateway;
    let (header, _) = first(gateway, &["--audience", "ed"], "authorization");
    assert!(header.contains("\"alg\":\"EdDSA\",\"typ\":\"at+jwt\""), "{header}");
    let claims = ["--route", "/own/*", "--claim", "sub=\"u1\"", "--claim", "more=1"];
    let (header, claims) = first(gateway, &claims, "x-tok");
    assert!(header.contains("\"alg\":\"ES256\",\"typ\":\"JWT\""), "{header}");
    assert_eq!(
        (claims.matches("\"sub\":").count(), claims.contains("\"sub\":\"u1\"")),
        (1, true),
        "{claims}"
    );
    assert!(claims.contains("\"more\":1"), "{claims}");
    let (_, claims) = first(gateway, &["--route", "/other/*"], "authorization");
    assert!(claims.contains("\"scope\":\"read\""), "{claims}");
    let unsaid = attest(gateway, &Upstream::echoing(), &[]);
    let said = String::from_utf8_lossy(&unsaid.stderr).into_owned();
    assert_eq!(unsaid.status.code(), Some(2));
    assert!(said.contains("--route") && said.contains("/own/*") && said.contains("/other/*"), "{said}");
}
