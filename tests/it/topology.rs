//! The ways to a store that need no more than one server: a socket, TLS with certificates on both sides, a user of an ACL.

use crate::support::{Ask, Gateway, Redis, SESSIONS, Upstream, Watch, World, eventually};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn world(upstream: &Upstream, store: &str) -> World {
    World::without_redis()
        .store(&format!("timeout = \"5s\"\n{store}"))
        .profile("app", SESSIONS)
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/strict/*\"\nupstream = \"app\"\nfreshness = \"strict\"")
}

fn status(gateway: &Gateway, path: &str) -> u16 {
    Ask::get(path).cookie("sid=s1").at(gateway.public).status
}

/// A session that is honoured, cached, and revoked at once.
fn check(gateway: &Gateway, redis: &Redis, read: impl Fn(&Redis, &[&str])) {
    read(redis, &["SET", "sess:s1", &Watch::record("s1")]);
    for path in ["/x", "/strict/x"] {
        eventually("a login", || (status(gateway, path) == 200).then_some(()));
    }
    let hit = |line: &serde_json::Value| line["session_from"] == "cache";
    eventually("a hit", || {
        status(gateway, "/x");
        gateway.lines().iter().any(hit).then_some(())
    });
    read(redis, &["DEL", "sess:s1"]);
    eventually("the deletion", || (status(gateway, "/x") == 401).then_some(()));
    assert_eq!(status(gateway, "/strict/x"), 401);
}

/// An authority, a server's certificate for 127.0.0.1 and a client's.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let openssl = |words: &[&str]| {
            let out = Command::new("openssl").args(words).current_dir(dir.path()).output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let make = |name: &str, more: &[&str]| {
            let (file, out, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
            let mut words = vec!["req", "-x509", "-keyout", &file, "-out", &out, "-subj", &subject];
            words.extend(key);
            words.extend(more);
            openssl(&words);
        };
        make("ca", &["-addext", "keyUsage=critical,keyCertSign"]);
        let by_ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];
        let server = ["-addext", "subjectAltName=IP:127.0.0.1"];
        make("server", &[&by_ca[..], &server[..]].concat());
        make("client", &[&by_ca[..], &["-addext", "extendedKeyUsage=clientAuth"][..]].concat());
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What makes a server speak TLS, to clients with a certificate alone.
    fn options(&self) -> Vec<String> {
        let path = |name| self.path(name).display().to_string();
        let pairs = [
            ("--tls-cert-file", path("server.pem")),
            ("--tls-key-file", path("server.key")),
            ("--tls-ca-cert-file", path("ca.pem")),
            ("--tls-auth-clients", "yes".to_owned()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// What a store needs to trust it, and to be trusted.
    fn lines(&self) -> String {
        format!(
            "ca = \"{}\"\nclient_cert = \"{}\"\nclient_key = \"{}\"",
            self.path("ca.pem").display(),
            self.path("client.pem").display(),
            self.path("client.key").display()
        )
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn plainly(redis: &Redis, words: &[&str]) {
    redis.command::<redis::Value>(words);
}

#[test]
fn a_socket_leads_to_the_database_that_the_url_names() {
    let (upstream, dir) = (Upstream::echoing(), TempDir::new().unwrap());
    let socket = dir.path().join("redis.sock");
    let redis = Redis::start_with(&["--unixsocket", &socket.display().to_string()]);
    let gateway = world(&upstream, "").start_at(&format!("redis+unix://{}?db=3", socket.display()));
    check(&gateway, &redis, |redis, words| {
        let client = redis::Client::open(redis.url().replace("/0", "/3")).unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query::<()>(&mut client.get_connection().unwrap()).unwrap();
    });
}

#[test]
fn tls_takes_our_authority_and_shows_our_certificate() {
    let (upstream, certificates, port) = (Upstream::echoing(), Certificates::new(), free_port());
    let mut options = certificates.options();
    options.extend(["--tls-port".to_owned(), port.to_string()]);
    let redis = Redis::start_with(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let url = format!("rediss://127.0.0.1:{port}/0");
    check(&world(&upstream, &certificates.lines()).start_at(&url), &redis, plainly);
    // Without a certificate, and without the authority, there is no store.
    redis.set("sess:s1", &Watch::record("s1"));
    for lines in [format!("ca = \"{}\"", certificates.path("ca.pem").display()), String::new()] {
        let gateway = world(&upstream, &lines).start_at(&url);
        assert_eq!(status(&gateway, "/x"), 503, "{lines}");
    }
}

#[test]
fn sentinels_have_tls_and_a_user_of_their_own() {
    let (upstream, certificates, port) = (Upstream::echoing(), Certificates::new(), free_port());
    let redis = Redis::start_with(&["--requirepass", "primary-password"]).log_in_with(":primary-password");
    let text = format!(
        "port 0\ntls-port {port}\nbind 127.0.0.1\n{}\n\
         sentinel monitor main 127.0.0.1 {} 1\nsentinel auth-pass main primary-password\n",
        include_str!("../../deploy/redis/sentinel.acl"),
        redis.port()
    );
    let file = redis.dir().join("sentinel.conf");
    std::fs::write(&file, text).unwrap();
    let sentinel = sentinel(&file, &certificates.options());
    let url = format!("redis+sentinel://127.0.0.1:{port}/main");
    let tls = "sentinel_tls = true\npassword = { insecure_literal = \"primary-password\" }";
    let tls = format!("{tls}\n{}", certificates.lines());
    let user = "sentinel_username = \"cloakroom\"\nsentinel_password = { insecure_literal = \"cloakroom-password\" }";
    let gateway = world(&upstream, &format!("{tls}\n{user}")).start_at(&url);
    check(&gateway, &redis, plainly);
    redis.set("sess:s1", &Watch::record("s1"));
    for lines in [&tls, user] {
        let gateway = world(&upstream, lines).start_at(&url);
        assert_eq!(status(&gateway, "/x"), 503, "{lines}");
    }
    drop(sentinel);
}

fn sentinel(file: &Path, options: &[String]) -> crate::support::Process {
    let process = crate::support::Process::start(
        Command::new("redis-server").arg(file).arg("--sentinel").args(options),
    );
    let found = process.out.wait_for("the sentinel", |text| text.contains("Sentinel ID is").then_some(()));
    assert!(found.is_some(), "{}", process.out.text());
    process
}
