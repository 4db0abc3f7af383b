//! What this room's tests share: a ring, a configuration and a session.

use crate::clock::UnixMillis;
use crate::config::{
    Access, Algorithm, At, Config, CsrfMode, KeySource, Limits, Located, Preflight, ProfileId, Rotation,
    Route, Server, TokenOptions, Tokens, Txn, UpstreamId,
};
use crate::session::{Fingerprint, Session, VerifiedSession, Voucher};
use crate::token::key::Key;
use crate::token::keys::KeyRing;
use crate::token::mint::Minter;
use crate::token::pair::Pair;
use crate::token::template::Templates;
use crate::token::transaction::Transaction;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) const AT: At = At { file: 0, start: 1, end: 2 };

pub(super) const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

pub(super) const fn located<T>(value: T) -> Located<T> {
    Located { value, at: AT }
}

/// The committed test key for this algorithm.
pub(super) fn pem(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => unreachable!("it has no key in a ring"),
        Algorithm::ES256 => include_str!("../../tests/keys/test-p256-sec1.pem"),
        Algorithm::ES384 => include_str!("../../tests/keys/test-p384-sec1.pem"),
        Algorithm::EdDSA => include_str!("../../tests/keys/test-ed25519-pkcs8.pem"),
        Algorithm::PS256 | Algorithm::RS256 => include_str!("../../tests/keys/test-rsa2048-pkcs1.pem"),
    }
}

pub(super) fn key(algorithm: Algorithm) -> Key {
    Key::new(Pair::from_pem(pem(algorithm).as_bytes()).ok().unwrap(), algorithm).unwrap()
}

pub(super) fn tokens(keys: KeySource, algorithm: Algorithm) -> Tokens {
    Tokens {
        issuer: "https://gateway.internal".into(),
        jwks_uri: None,
        defaults: TokenOptions::default(),
        algorithm: located(algorithm),
        more_algorithms: Vec::new(),
        secrets: Vec::new(),
        max_bytes: 4096,
        txn: Txn { trust_domain: "shop.internal".into(), workload: "gateway.shop.internal".into() },
        keys,
        rotation: Rotation { every: Duration::from_secs(3600), publish: Duration::from_secs(600) },
        publish_jwks: false,
        stand_in: false,
    }
}

/// A ring of the committed keys for these algorithms, the first of which signs.
pub(super) fn ring(algorithms: &[Algorithm]) -> Arc<KeyRing> {
    let folder = tempfile::tempdir().unwrap();
    let files = algorithms.iter().enumerate().map(|(index, algorithm)| {
        let path = folder.path().join(format!("{index}.pem"));
        write_private(&path, pem(*algorithm));
        located(path)
    });
    let source = KeySource::Files(files.collect());
    Arc::new(KeyRing::load(&tokens(source, algorithms[0])).unwrap())
}

pub(super) fn directory(path: PathBuf, algorithm: Algorithm) -> Tokens {
    tokens(KeySource::Directory(located(path)), algorithm)
}

pub(super) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(super) fn route(audience: &str, access: Access) -> Route {
    Route {
        at: AT,
        path: located("/*".into()),
        hosts: Vec::new(),
        methods: Vec::new(),
        upstream: UpstreamId(0),
        access,
        sessions: vec![ProfileId(0)],
        issuers: Vec::new(),
        audience: vec![audience.into()],
        token: TokenOptions::default(),
        freshness: None,
        outage: None,
        require: Vec::new(),
        client_certificate: false,
        forward_cookie: false,
        forward_authorization: false,
        other_bearers: None,
        csrf: CsrfMode::Off,
        preflight: Preflight::Forward,
        rates: crate::config::RouteRates::default(),
        shadow: false,
        rollout: None,
        streams: crate::config::StreamEnd::Close,
        rewrite: None,
        request_headers: crate::config::HeaderRules::default(),
        response_headers: crate::config::HeaderRules::default(),
        login: None,
        allow_in_path: Vec::new(),
        body_limit: None,
        total_timeout: None,
    }
}

pub(super) fn config(routes: Vec<Route>) -> Config {
    let second = Duration::from_secs(1);
    Config {
        marks: crate::config::Marks::default(),
        server: Server {
            listen: Vec::new(),
            proxy_protocol: false,
            workers: 1,
            trusted_proxies: Vec::new(),
            reserved_headers: Vec::new(),
            skew: Duration::from_secs(5),
            certificates: Vec::new(),
            acme: None,
            client_certificates: Vec::new(),
            hsts: None,
            redirect_http: None,
            limits: Limits {
                header_bytes: 1,
                headers: 1,
                header_timeout: second,
                handshake_timeout: Duration::from_secs(5),
                idle_timeout: second,
                body_rate: None,
                requests: 1000,
                body_timeout: second,
                body: None,
                connections: 1,
                session_memory: 1024 * 1024,
                memory: crate::config::MemoryLimit::None,
                delay: None,
                drain_timeout: second,
            },
        },
        internal: None,
        admin: None,
        stores: Vec::new(),
        state: None,
        issuers: Vec::new(),
        clients: Vec::new(),
        pair: None,
        logout: None,
        profiles: Vec::new(),
        tokens: directory(PathBuf::new(), Algorithm::ES256),
        rates: crate::config::Rates::default(),
        trusted_origins: Vec::new(),
        upstreams: Vec::new(),
        routes,
    }
}

/// A minter whose tokens are signed with the ring's first key.
pub(super) fn minter(ring: Arc<KeyRing>, mut routes: Vec<Route>) -> Minter {
    if let Some(first) = ring.now().keys().next() {
        routes.iter_mut().for_each(|route| route.token.algorithm = first.algorithm());
    }
    Minter::new(ring, Templates::build(&config(routes)))
}

/// A request, where it does not matter which.
pub(super) const TRANSACTION: Transaction<'static> = Transaction {
    id: "0123456789abcdef",
    client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
    https: true,
    target: None,
    certificate: None,
};

/// How many signatures of whatever kind it made.
pub(super) fn signatures(minter: &Minter) -> u64 {
    minter.signatures().map(|(_, made)| made).sum()
}

/// A live session of user 42 that ends at `ends_at`.
pub(super) fn session<T: Default>(ends_at: Option<UnixMillis>) -> VerifiedSession<T> {
    session_of(Some("42"), &[("email", json!("a@example.org"))], ends_at)
}

pub(super) fn session_of<T: Default>(
    subject: Option<&str>,
    attributes: &[(&str, Value)],
    ends_at: Option<UnixMillis>,
) -> VerifiedSession<T> {
    let session = Session {
        by: Voucher::Profile(ProfileId(0)),
        client_id: "shop".into(),
        subject: subject.map(str::to_owned),
        sub: subject.unwrap_or("guest:abcdefghijklmnopqrstuv").to_owned(),
        act: None,
        sid: Fingerprint::pretend("abcdefghijklmnopqrstuv"),
        attributes: attributes.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
        attached: T::default(),
        marks: Default::default(),
        beside: Default::default(),
    };
    VerifiedSession::pretend(Arc::new(session), ends_at)
}
