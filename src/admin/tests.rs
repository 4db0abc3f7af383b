use super::*;
use crate::config::{AdminToken, Secret};
use http::StatusCode;
use http_body_util::BodyExt;
use std::net::Ipv4Addr;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn admin(tokens: &[(&str, Role)]) -> Admin {
    let token = |(name, role): &(&str, Role)| AdminToken {
        name: (*name).to_owned(),
        token: Secret::new(format!("token-of-{name}-0123456789").into_bytes()),
        role: *role,
    };
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: vec!["gateway.ops".to_owned()],
        tokens: tokens.iter().map(token).collect(),
    };
    let migration = MigrationDesk {
        report: Box::new(crate::migration::Report::default),
        resume: Box::new(|route| route == "/moving/*"),
    };
    Admin::new(&config, crate::token::KeyDesk::answering(), migration)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::new()).unwrap()
}

async fn asked(admin: &Admin, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let response = admin.answer(PEER, &request(method, path, headers)).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

const HOST: (&str, &str) = ("host", "127.0.0.1:9901");
const ALICE: (&str, &str) = ("authorization", "Bearer token-of-alice-0123456789");

#[tokio::test]
async fn a_host_that_a_page_could_have_is_refused_whatever_is_shown() {
    let admin = admin(&[("alice", Role::All)]);
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:9901",
        "",
        "gateway.ops.",
        "[::1",
        "localhost:x",
    ] {
        let (status, body) = asked(&admin, "GET", "/api/keys", &[("host", host), ALICE]).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"host-refused".into()), "{host}");
    }
    for host in ["localhost", "LOCALHOST:1", "10.0.0.1:9901", "[::1]:9901", "gateway.ops:9901"] {
        assert_eq!(
            asked(&admin, "GET", "/api/keys", &[("host", host), ALICE]).await.0,
            StatusCode::OK,
            "{host}"
        );
    }
}

#[tokio::test]
async fn another_sites_page_is_refused() {
    let admin = admin(&[("alice", Role::All)]);
    for other in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:9902"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let (status, _) = asked(&admin, "GET", "/api/keys", &[HOST, ALICE, other]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{other:?}");
    }
    let own = [HOST, ALICE, ("origin", "http://127.0.0.1:9901"), ("sec-fetch-site", "same-origin")];
    assert_eq!(asked(&admin, "GET", "/api/keys", &own).await.0, StatusCode::OK);
}

#[tokio::test]
async fn without_tokens_nobody_is_answered() {
    let (status, body) = asked(&admin(&[]), "GET", "/api/keys", &[HOST, ALICE]).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"admin-api-off".into()));
}

#[tokio::test(start_paused = true)]
async fn who_guesses_must_wait_and_others_need_not() {
    let admin = admin(&[("alice", Role::Read)]);
    for _ in 0..10 {
        let (status, _) = asked(&admin, "GET", "/api/keys", &[HOST, ("authorization", "Bearer x")]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let (status, body) = asked(&admin, "GET", "/api/keys", &[HOST, ALICE]).await;
    assert_eq!((status, &body["code"]), (StatusCode::TOO_MANY_REQUESTS, &"too-many-attempts".into()));
    let other = admin.answer("10.0.0.9".parse().unwrap(), &request("GET", "/api/keys", &[HOST, ALICE])).await;
    assert_eq!(other.status(), StatusCode::OK);
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(asked(&admin, "GET", "/api/keys", &[HOST, ALICE]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_token_in_another_form_is_none() {
    let admin = admin(&[("alice", Role::Read)]);
    for shown in [
        "",
        "Bearer",
        "Bearer ",
        "Basic token-of-alice-0123456789",
        "token-of-alice-0123456789",
        "Bearer token-of-alice-012345678",
    ] {
        let (status, _) = asked(&admin, "GET", "/api/keys", &[HOST, ("authorization", shown)]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{shown}");
    }
    let (status, _) =
        asked(&admin, "GET", "/api/keys", &[HOST, ("authorization", "bearer token-of-alice-0123456789")])
            .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn only_what_is_there_can_be_called() {
    let admin = admin(&[("alice", Role::All)]);
    for path in ["/x", "/apikeys", "/api/key", "/api/keys/x/y/z", "/API/keys", "//api/keys"] {
        assert_eq!(asked(&admin, "GET", path, &[HOST, ALICE]).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(asked(&admin, "DELETE", "/api/keys", &[HOST, ALICE]).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let (status, body) = asked(&admin, "GET", "/api/keys", &[HOST, ALICE]).await;
    assert_eq!((status, &body["max_age_seconds"]), (StatusCode::OK, &300.into()));
}

#[tokio::test]
async fn a_role_that_may_look_may_not_change_and_what_changes_takes_post() {
    let admin = admin(&[("alice", Role::Read), ("bob", Role::Keys), ("carol", Role::Revoke)]);
    let bob = ("authorization", "Bearer token-of-bob-0123456789");
    let carol = ("authorization", "Bearer token-of-carol-0123456789");
    for path in ["/api/keys/rotate", "/api/keys/import", "/api/keys/x/retire"] {
        for lesser in [ALICE, carol] {
            let (status, body) = asked(&admin, "POST", path, &[HOST, lesser]).await;
            assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"role-lacking".into()), "{path}");
        }
        assert_eq!(asked(&admin, "GET", path, &[HOST, bob]).await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(asked(&admin, "POST", "/api/keys/rotate", &[HOST, bob]).await.0, StatusCode::OK);
    assert_eq!(asked(&admin, "POST", "/api/keys/import", &[HOST, bob]).await.0, StatusCode::BAD_REQUEST);
}
