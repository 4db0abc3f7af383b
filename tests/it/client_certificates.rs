//! Clients that show a certificate, through curl, OpenSSL and our own client.

use crate::support::{Ask, Authority, Client, Issuer, Running, SESSIONS, Upstream, World, now, verify};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;

/// `[[server.client_certificates]]` for `hosts`, with the authority's own root.
fn entry(clients: &Authority, hosts: &[&str], more: &str) -> String {
    let hosts = if hosts.is_empty() { String::new() } else { format!("hosts = {hosts:?}\n") };
    format!("[[server.client_certificates]]\nca = \"{}\"\n{hosts}{more}", clients.root().display())
}

/// A server for all names below `test`, and an authority of clients with `alice` and `bob`.
struct Parties {
    servers: Authority,
    clients: Authority,
    upstream: Upstream,
}

impl Parties {
    fn new() -> Self {
        let parties =
            Self { servers: Authority::new(), clients: Authority::new(), upstream: Upstream::echoing() };
        parties.servers.issue("server", &["a.test", "b.test", "c.test"]);
        parties.clients.issue("alice", &["alice.test"]);
        parties.clients.issue("bob", &["bob.test"]);
        parties
    }

    fn world(&self) -> World {
        let world = World::new().profile("app", SESSIONS).recorded("app", &self.upstream);
        world.redis().set("sess:one", r#"{"user":{"id":"one"}}"#);
        world.table(&self.servers.entry("server"))
    }

    /// What curl prints of `https://{host}{path}`, asked as `client`.
    fn curl(
        &self,
        world: &Running,
        client: Option<(&Authority, &str)>,
        options: &[&str],
        urls: &[&str],
    ) -> String {
        let port = world.gateway.public.port();
        let mut command = Command::new("curl");
        command.args(["-sS", "-m", "50", "--cacert"]).arg(self.servers.root()).args(options);
        if let Some((authority, name)) = client {
            command.arg("--cert").arg(authority.path(name, "pem"));
            command.arg("--key").arg(authority.path(name, "key"));
        }
        for host in ["a.test", "b.test", "c.test"] {
            command.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]);
        }
        for url in urls {
            command.arg(format!("https://{}", url.replacen('/', &format!(":{port}/"), 1)));
        }
        let printed = command.output().unwrap();
        String::from_utf8_lossy(&[printed.stdout, printed.stderr].concat()).into_owned()
    }
}

/// The `x5t#S256` of a certificate, by OpenSSL.
fn thumbprint(authority: &Authority, name: &str) -> String {
    let script = "openssl x509 -in \"$1\" -outform DER | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=\\n'";
    let path = authority.path(name, "pem");
    let printed = Command::new("sh").args(["-c", script, "sh"]).arg(path).output().unwrap();
    String::from_utf8(printed.stdout).unwrap()
}

const OPEN: &str = "path = \"/*\"\nupstream = \"app\"\naccess = \"open\"";

#[test]
fn a_host_that_requires_a_certificate_lets_nobody_in_without_one_that_its_authority_signed() {
    let (parties, strangers) = (Parties::new(), Authority::new());
    strangers.issue("mallory", &["alice.test"]);
    let required = entry(&parties.clients, &["b.test"], "required = true");
    let world = parties.world().table(&required).route(OPEN).start();
    for client in [None, Some((&strangers, "mallory"))] {
        for tls in ["--tls-max=1.2", "--tlsv1.3"] {
            let (option, value) = tls.split_once('=').unwrap_or((tls, "--http1.1"));
            let told = parties.curl(&world, client, &[option, value], &["b.test/x"]);
            assert!(told.contains("curl: (") && !told.contains("HTTP/"), "{told}");
        }
    }
    assert!(parties.upstream.requests().is_empty());
    let told = parties.curl(&world, Some((&parties.clients, "alice")), &["-i"], &["b.test/x"]);
    assert!(told.starts_with("HTTP/2 200"), "{told}");
    let told = parties.curl(&world, None, &["-i"], &["a.test/x"]);
    assert!(told.starts_with("HTTP/2 200"), "{told}");
    let page = world.gateway.internal("/metrics").text();
    assert!(page.contains("cloakroom_connections_turned_away_total{cause=\"handshake\"} 4"), "{page}");
}

/// Whoever shook hands for another host, or for none, was not asked.
#[test]
fn a_connection_that_was_not_asked_cannot_reach_a_host_that_asks() {
    let parties = Parties::new();
    let world = parties
        .world()
        .table(&entry(&parties.clients, &["b.test"], "required = true"))
        .table(&entry(&parties.clients, &["c.test"], ""))
        .route(OPEN)
        .start();
    let client = parties.servers.client();
    let ask = |name: &str, host: &str| {
        let mut client = Client::secure(world.gateway.public, name, &client);
        client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let answer = client.response("GET").unwrap();
        // The connection is good for what it was made for.
        client.send(format!("GET /x HTTP/1.1\r\nHost: {name}\r\n\r\n"));
        assert_eq!(client.response("GET").unwrap().status, 200);
        (answer.status, answer.refusal().map(str::to_owned))
    };
    let misdirected = (421, Some("misdirected".to_owned()));
    for host in ["b.test", "B.TEST", "b.test.", "b.test:443", "c.test"] {
        assert_eq!(ask("a.test", host), misdirected, "{host}");
    }
    assert_eq!(ask("c.test", "b.test"), misdirected, "asked, but by another entry");
    assert_eq!(ask("c.test", "a.test"), misdirected, "asked, where nobody is");
    // The certificate names both hosts, so curl would like to ask for the second over the connection of the first.
    let urls = ["a.test/x", "b.test/x"];
    let told =
        parties.curl(&world, None, &["-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} "], &urls);
    assert!(told.starts_with("200 ") && !told.contains("200 200"), "{told}");
    let reached = parties.upstream.requests();
    assert!(!reached.iter().any(|request| format!("{request:?}").to_lowercase().contains("b.test")));
}

#[test]
fn a_handshake_without_a_name_falls_under_the_entry_for_all() {
    let parties = Parties::new();
    let world = parties.world().table(&entry(&parties.clients, &[], "")).route(OPEN).start();
    let port = world.gateway.public.port();
    let told = Command::new("openssl")
        .args(["s_client", "-noservername", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("the tests' own authority") && told.contains("Acceptable client certificate CA names"),
        "{told}"
    );
}

#[test]
fn a_route_that_takes_a_certificate_refuses_who_has_shown_none() {
    let parties = Parties::new();
    let world = parties
        .world()
        .table(&entry(&parties.clients, &[], "forward = true"))
        .route(&format!("{OPEN}\nclient_certificate = true"))
        .route("path = \"/free/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start();
    let told = parties.curl(&world, None, &["-i"], &["a.test/x"]);
    assert!(
        told.starts_with("HTTP/2 403") && told.contains("cloakroom-refusal: certificate-required"),
        "{told}"
    );
    let alice = Some((&parties.clients, "alice"));
    let spoof = [
        "-H",
        "Client-Cert: :ZXZpbA==:",
        "-H",
        "Client-Cert-Chain: :ZXZpbA==:",
        "-H",
        "X-SSL-Client-Verify: SUCCESS",
        "-H",
        "X_SSL_Client_S_DN: CN=root",
        "-H",
        "SSL-Client-Cert: evil",
        "-H",
        "X-Client-Cert: evil",
        "-H",
        "X-Forwarded-Client-Cert: evil",
        "-H",
        "X-Client-Verify: evil",
    ];
    for (client, path) in [(None, "a.test/free/x"), (alice, "a.test/x")] {
        let told = parties.curl(&world, client, &spoof, &[path]);
        let lower = told.to_lowercase();
        assert!(!lower.contains("evil") && !lower.contains("zxzpba") && !lower.contains("cn=root"), "{told}");
        assert!(!lower.contains("success"), "{told}");
        assert_eq!(lower.contains("\nclient-cert: :"), client.is_some(), "{told}");
    }
    let told = parties.curl(&world, alice, &[], &["a.test/x"]);
    let field =
        told.lines().find_map(|line| line.strip_prefix("client-cert: :")).unwrap().trim_end_matches(':');
    let pem = std::fs::read_to_string(parties.clients.path("alice", "pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    assert_eq!(field, body);
}

#[test]
fn a_token_is_bound_to_the_certificate_of_its_client_and_to_no_other() {
    let parties = Parties::new();
    let world = parties
        .world()
        .table(&entry(&parties.clients, &[], ""))
        .tokens("cnf = \"client-certificate\"")
        .route("path = \"/*\"\nupstream = \"app\"\ncsrf = \"off\"")
        .start();
    let claims = |client: Option<&str>| -> Value {
        let client = client.map(|name| (&parties.clients, name));
        let told = parties.curl(&world, client, &["-b", "sid=one"], &["a.test/x"]);
        let token = told
            .lines()
            .find_map(|line| line.strip_prefix("authorization: Bearer "))
            .unwrap_or_else(|| panic!("{told}"));
        verify(token, &world.gateway.keys(), "app").unwrap()
    };
    let thumbprint = |name: &str| thumbprint(&parties.clients, name);
    let alice = claims(Some("alice"));
    assert_eq!(alice["cnf"]["x5t#S256"], Value::from(thumbprint("alice")));
    assert_eq!(claims(None).get("cnf"), None, "the session's kept token is another client's");
    assert_eq!(claims(Some("bob"))["cnf"]["x5t#S256"], Value::from(thumbprint("bob")));
    assert_eq!(claims(Some("alice"))["jti"], alice["jti"], "one signature serves a certificate");
}

#[test]
fn a_certificate_that_was_revoked_is_good_no_more() {
    let parties = Parties::new();
    let crl = parties.clients.revoke("alice");
    let more = format!("required = true\ncrl = \"{}\"", crl.display());
    let world = parties.world().table(&entry(&parties.clients, &[], &more)).route(OPEN).start();
    let told =
        parties.curl(&world, Some((&parties.clients, "alice")), &["-i", "--tls-max", "1.2"], &["a.test/x"]);
    assert!(told.contains("curl: (") && told.contains("revoked"), "{told}");
    let told = parties.curl(&world, Some((&parties.clients, "bob")), &["-i"], &["a.test/x"]);
    assert!(told.starts_with("HTTP/2 200"), "{told}");
}

/// What a list does not say any more, nobody knows.
#[test]
fn a_list_that_runs_out_lets_nobody_in_and_is_not_taken_again() {
    let parties = Parties::new();
    let soon = cloakroom::clock::Clock::System.now().as_secs() + 10;
    let crl = parties.clients.revoke_until("alice", soon);
    let more = format!("required = true\ncrl = \"{}\"", crl.display());
    let running = parties.world().table(&entry(&parties.clients, &[], &more)).route(OPEN).start();
    let ask = || {
        parties.curl(&running, Some((&parties.clients, "bob")), &["-i", "--tls-max", "1.2"], &["a.test/x"])
    };
    assert!(ask().starts_with("HTTP/2 200"));
    let warned = running.gateway.process.err.text();
    assert!(warned.contains("a list in `crl` has to be replaced by"), "{warned}");
    crate::support::eventually("the list to be out of date", || ask().contains("curl: (").then_some(()));
    running.gateway.process.signal("HUP");
    let told = running.gateway.process.err.wait_for("a refusal", |text| {
        text.lines().find(|line| line.contains("not reloaded")).map(str::to_owned)
    });
    assert!(told.as_ref().unwrap().contains("one of its lists was to be replaced by"), "{told:?}");
}

/// A ticket would let a session begin without the certificate being judged again.
#[test]
fn who_is_asked_for_a_certificate_gets_no_ticket() {
    let parties = Parties::new();
    let world = parties.world().table(&entry(&parties.clients, &["b.test"], "")).route(OPEN).start();
    let port = world.gateway.public.port();
    for version in ["-tls1_2", "-tls1_3"] {
        for (host, tickets) in [("a.test", true), ("b.test", false)] {
            let script = format!(
                "printf 'GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n' | \
                 openssl s_client {version} -ign_eof -connect 127.0.0.1:{port} -servername {host}"
            );
            let printed = Command::new("sh").args(["-c", &script]).output().unwrap();
            let told = String::from_utf8_lossy(&printed.stdout).into_owned();
            assert!(told.contains("HTTP/1.1 200"), "{told}");
            assert_eq!(told.contains("TLS session ticket:"), tickets, "{version} {host}: {told}");
        }
    }
}

/// Our own client with a certificate, on one connection: what it showed counts for each of its requests.
#[test]
fn a_certificate_counts_for_every_request_of_its_connection() {
    let parties = Parties::new();
    let world = parties
        .world()
        .table(&entry(&parties.clients, &[], ""))
        .route(&format!("{OPEN}\nclient_certificate = true"))
        .start();
    let config: Arc<rustls::ClientConfig> = parties.servers.client_as(&parties.clients, "alice");
    let mut client = Client::secure(world.gateway.public, "a.test", &config);
    for _ in 0..3 {
        assert_eq!(client.ask(&Ask::get("/x")).status, 200);
    }
    assert_eq!(
        Client::secure(world.gateway.public, "a.test", &parties.servers.client()).ask(&Ask::get("/x")).status,
        403
    );
}

#[test]
fn a_bearer_that_is_bound_to_a_certificate_counts_with_that_alone_and_one_bound_to_what_we_cannot_check_never()
 {
    let (parties, issuer) = (Parties::new(), Issuer::start());
    let world = parties
        .world()
        .table(&entry(&parties.clients, &[], ""))
        .table(&format!(
            "[issuers.mobile]\nissuer = \"https://login.test\"\njwks = \"{}\"\naudience = \"shop\"",
            issuer.url()
        ))
        .route("path = \"/*\"\nupstream = \"app\"\naccept = [\"bearer\"]")
        .start();
    let status = |client: Option<&str>, cnf: Value| {
        let mut claims = json!({ "iss": "https://login.test", "aud": "shop", "sub": "alice", "exp": now() + 600, "cnf": cnf });
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let field = format!("Authorization: Bearer {}", issuer.token(&claims));
        let client = client.map(|name| (&parties.clients, name));
        let options = ["-H", &field, "-o", "/dev/null", "-w", "%{http_code}"];
        // Asked twice: what was remembered of a token is not what comes with it.
        [(); 2].map(|()| parties.curl(&world, client, &options, &["a.test/x"]))
    };
    let alices = json!({ "x5t#S256": thumbprint(&parties.clients, "alice") });
    assert_eq!(status(Some("alice"), alices.clone()), ["200", "200"]);
    assert_eq!(status(Some("bob"), alices.clone()), ["401", "401"]);
    assert_eq!(status(None, alices), ["401", "401"]);
    assert_eq!(status(None, Value::Null), ["200", "200"]);
    for cnf in [json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }), json!({}), json!("x")] {
        assert_eq!(status(Some("alice"), cnf.clone()), ["401", "401"], "{cnf}");
    }
    assert_eq!(world.gateway.line(|line| line["reason"] == "not-theirs")["refusal"], "bearer-rejected");
}

#[test]
fn a_pair_that_is_bound_to_a_certificate_is_renewed_with_that_alone() {
    let parties = Parties::new();
    let world = parties
        .world()
        .table(&entry(&parties.clients, &[], ""))
        .table("[state]\n[pair]\naudience = \"orders\"\nrefresh = \"body\"\ncnf = \"client-certificate\"")
        .start();
    let ask = |client: Option<&str>, options: &[&str], path: &str| {
        let client = client.map(|name| (&parties.clients, name));
        parties.curl(&world, client, options, &[&format!("a.test/.cloakroom/{path}")])
    };
    let opened =
        |told: &str| serde_json::from_str::<Value>(told).unwrap_or_else(|error| panic!("{error}: {told}"));
    assert!(ask(None, &["-b", "sid=one", "-d", ""], "token").contains("certificate-required"));
    let pair = opened(&ask(Some("alice"), &["-b", "sid=one", "-d", ""], "token"));
    let claims = verify(pair["access_token"].as_str().unwrap(), &world.gateway.keys(), "orders").unwrap();
    assert_eq!(claims["cnf"]["x5t#S256"], Value::from(thumbprint(&parties.clients, "alice")));
    let form = |pair: &Value| format!("refresh_token={}", pair["refresh_token"].as_str().unwrap());
    assert!(ask(None, &["-d", &form(&pair)], "refresh").contains("certificate-required"));
    let next = opened(&ask(Some("alice"), &["-d", &form(&pair)], "refresh"));
    assert!(ask(Some("bob"), &["-d", &form(&next)], "refresh").contains("invalid-grant"), "a stolen one");
}
