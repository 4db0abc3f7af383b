//! Paths and headers that a service sees otherwise than they came.

use crate::support::{Ask, Client, Gateway, Upstream, World};

/// One app: what is below `/api` is open and known to it without that, what is below `/admin` is for users.
fn world(app: &Upstream) -> Gateway {
    World::without_redis()
        .profile("app", crate::support::SESSIONS)
        .recorded("app", app)
        .route("path = \"/api/*\"\nupstream = \"app\"\naccess = \"open\"\nstrip_prefix = \"/api\"")
        .route("path = \"/old/*\"\nupstream = \"app\"\naccess = \"open\"\nstrip_prefix = \"/old\"\nadd_prefix = \"/admin\"")
        .route("path = \"/v/*\"\nupstream = \"app\"\naccess = \"open\"\nadd_prefix = \"/base\"\nallow_in_path = [\"//\"]\nstrip_prefix = \"/v\"")
        .route("path = \"/admin/*\"\nupstream = \"app\"\naccess = \"required\"")
        .start_at("redis://127.0.0.1:1/0")
}

#[test]
fn a_rewritten_path_never_reaches_what_a_stricter_route_guards() {
    let app = Upstream::echoing();
    let gateway = world(&app);
    for target in
        ["/api/admin", "/api/admin/x?y", "/api/Admin/x", "/api/%61dmin/", "/old/x", "/old", "/api/admin/?a"]
    {
        let refused = Ask::get(target).at(gateway.public);
        assert_eq!((refused.status, refused.refusal()), (404, Some("not-found")), "{target}");
    }
    assert!(app.requests().is_empty());
    let line = gateway.line(|line| line["path"] == "/api/admin");
    assert_eq!(line["reason"], "a stricter route to the same upstream has `/admin`");
}

#[test]
fn what_is_left_of_a_path_is_judged_as_if_it_had_come_so() {
    let app = Upstream::echoing();
    let gateway = world(&app);
    for (target, refusal) in [
        ("/v//x", None),
        ("/api//x", Some("path-needs-allowance")),
        ("/api/%2e%2e/x", Some("path-dot-segment")),
        ("/api/..", Some("path-dot-segment")),
        ("/apis/x", Some("not-found")),
    ] {
        assert_eq!(Ask::get(target).at(gateway.public).refusal(), refusal, "{target}");
    }
    let targets: Vec<_> = app.requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, ["/base//x"]);
}

#[test]
fn a_prefix_goes_and_comes_and_the_rest_stays_byte_for_byte() {
    let app = Upstream::echoing();
    let gateway = world(&app);
    let mut client = Client::connect(gateway.public);
    for (target, seen) in [
        ("/api", "/"),
        ("/api/", "/"),
        ("/api?q=/api", "/?q=/api"),
        ("/api/api/caf%C3%A9/A?x=%2F..", "/api/caf%C3%A9/A?x=%2F.."),
        ("http://gw.test/api/x", "/x"),
        ("/v", "/base"),
        ("/v/a/", "/base/a/"),
    ] {
        let answer = client.ask(&Ask::get(target));
        assert!(answer.text().starts_with(&format!("GET {seen}\n")), "{target}: {}", answer.text());
    }
}

#[test]
fn rules_set_remove_and_append_headers_whatever_the_client_sends() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: app/1.0\r\nVary: accept\r\nX-Frame-Options: no\r\n\r\n";
    let app = Upstream::answering(answer);
    let gateway = World::without_redis()
        .table(&format!(
            "[upstreams.app]\nendpoints = [\"http://{}\"]\n\
             request_headers = {{ set = {{ x-tenant = \"acme\", x-stage = \"upstream\" }}, remove = [\"x-debug\"] }}\n\
             response_headers = {{ remove = [\"server\"] }}",
            app.address()
        ))
        .route(
            "path = \"/*\"\nupstream = \"app\"\naccess = \"open\"\n\
             request_headers = { set = { x-stage = \"route\" }, append = { x-seen = \"gateway\" } }\n\
             response_headers = { set = { x-frame-options = \"DENY\" }, append = { vary = \"origin\" } }",
        )
        .start_at("redis://127.0.0.1:1/0");
    let ask = Ask::get("/x")
        .header("X-Tenant", "evil")
        .header("X_Tenant", "evil")
        .header("x-debug", "1")
        .header("x_debug", "1")
        .header("x-seen", "client");
    let got = ask.at(gateway.public);
    let request = &app.requests()[0];
    let all = |name: &str| -> Vec<String> {
        let fields = request.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.clone()).collect()
    };
    assert_eq!((all("x-tenant"), all("x-stage")), (vec!["acme".to_owned()], vec!["route".to_owned()]));
    assert!(all("x_tenant").is_empty() && all("x-debug").is_empty() && all("x_debug").is_empty());
    assert_eq!(all("x-seen"), ["client", "gateway"]);
    assert_eq!((got.header("server"), got.header("x-frame-options")), (None, Some("DENY")));
    assert_eq!(got.all("vary"), ["accept", "origin"]);
}

#[test]
fn a_rule_for_a_name_that_only_the_gateway_says_does_not_load() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("gateway.toml");
    let rules = "x-tenant_ = \"1\", Authorization = \"x\", x-http-method-override = \"PUT\", fine = \"1\"";
    let config = format!(
        "[server]\nreserved_headers = [\"x-tenant\"]\n[upstreams.app]\nendpoints = [\"http://127.0.0.1:1\"]\n\
         response_headers = {{ remove = [\"Cloakroom-Verdict\"] }}\n\
         [[routes]]\npath = \"/*\"\nupstream = \"app\"\naccess = \"open\"\nrequest_headers = {{ set = {{ {rules} }} }}\n"
    );
    std::fs::write(&file, config).unwrap();
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    let output =
        check.args(["check", "--json", "--config"]).arg(&file).current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<_> = told["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mistake| (mistake["key"].as_str().unwrap().to_owned(), mistake["line"].as_u64().unwrap()))
        .collect();
    let route = || ("routes.request_headers".to_owned(), 10);
    assert_eq!(keys, [("upstreams.app.response_headers".to_owned(), 5), route(), route(), route()], "{told}");
}

#[test]
fn the_service_that_served_before_gets_what_came() {
    let (new, old) = (Upstream::echoing(), Upstream::echoing());
    let gateway = World::without_redis()
        .profile("app", crate::support::SESSIONS)
        .recorded("new", &new)
        .recorded("old", &old)
        .route(
            "path = \"/api/*\"\nupstream = \"new\"\nstrip_prefix = \"/api\"\n\
             rollout = { share = \"10%\", rest = \"old\" }\nrequest_headers = { set = { x-tenant = \"acme\" } }",
        )
        .start_at("redis://127.0.0.1:1/0");
    let answer = Ask::get("/api/x").at(gateway.public);
    assert!(answer.text().starts_with("GET /api/x\n"), "{}", answer.text());
    assert_eq!(answer.echoed("x-tenant"), None);
    assert!(new.requests().is_empty());
}
