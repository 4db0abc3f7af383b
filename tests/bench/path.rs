//! The pure parts of the path of a request beside the formats.

use crate::micros;
use cloakroom::clock::{Clock, UnixMillis};
use cloakroom::config::{Config, Freshness, Outage, ProfileId, RouteId, from_text};
use cloakroom::request::{Cookies, Path};
use cloakroom::session::{
    Authenticator, FingerprintKey, Policy, Profile, SessionCache, StoreRules, Verdict, VerifiedSession,
};
use cloakroom::store::{MemoryStore, Record, Store};
use cloakroom::token::{KeyRing, Minter, Slots, Templates, Transaction};
use http::uri::PathAndQuery;
use std::sync::Arc;

/// A session of the plainest kind, so that what is around the format shows.
const COOKIE: &str = "sid=0123456789abcdef0123456789abcdef";
const RECORD: &str =
    r#"{"user_id":42,"email":"a@example.org","roles":["admin","staff"],"cart":{"items":[1,2,3]}}"#;
const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

const CONFIG: &str = r#"
[stores.app]
url = "memory:"
[sessions.shop]
framework = "json"
subject = "user_id"
attributes = { email = "email", roles = "roles" }
[tokens]
issuer = "https://gateway.example"
claims = ["email", "roles"]
[upstreams.orders]
endpoints = ["http://127.0.0.1:3001"]
[[routes]]
path = "/*"
upstream = "orders"
"#;

pub(crate) fn run() {
    println!("\n| step | µs |\n|---|---:|");
    for (what, path) in [("path, plain", "/api/orders/17/items"), ("path, odd", "/API/%7Eorders/caf%C3%A9/")]
    {
        let target = PathAndQuery::from_static(path);
        row(what, micros(|| Path::parse(&target).is_ok()));
    }
    let folder = tempfile::tempdir().expect("a folder for the keys");
    let (config, _) = from_text("gateway.toml", CONFIG, folder.path(), &|_| None).expect("a configuration");
    let ring = Arc::new(KeyRing::load(&config.tokens).expect("a key is made"));
    let session = authenticated(&config);
    let templates = Templates::build(&config);
    let minter = Minter::new(ring, templates);
    let templates = minter.templates_of(RouteId(0)).expect("the route's");
    let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let transaction = Transaction {
        id: "0123456789abcdef0123456789abcdef",
        client,
        https: true,
        target: None,
        certificate: None,
    };
    row("token minted (ES256)", micros(|| minter.mint(&session, templates.first, &transaction, NOW).is_ok()));
    row("token found", micros(|| minter.tokens_for(&session, templates, &transaction, NOW).is_ok()));
}

/// Measures the session on the way: cookie, memory store, cache.
fn authenticated(config: &Config) -> VerifiedSession<Slots> {
    let profile = Profile::build(ProfileId(0), &config.profiles[0]).expect("a profile");
    let store = MemoryStore::new(Clock::manual(NOW));
    store.write(b"sess:0123456789abcdef0123456789abcdef", Record::String(RECORD.into()), None);
    let rules = vec![StoreRules { freshness: Freshness::Strict, outage: Outage::Deny }];
    let cache = Arc::new(SessionCache::new(1, 1 << 20));
    let fingerprints = FingerprintKey::new(&[7; 32]);
    let authenticator = Authenticator::<Slots>::new(
        Arc::new([profile]),
        vec![Store::Memory(store)],
        rules,
        cache,
        fingerprints,
    );
    let cookies = Cookies::from_line(COOKIE);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let read =
        || runtime.block_on(authenticator.authenticate(&cookies, &[ProfileId(0)], Policy::default(), NOW));
    row("session, cached (memory store)", micros(read));
    match read().expect("memory does not fail").verdict {
        Verdict::Verified(session) => session,
        Verdict::Absent | Verdict::Rejected(_) => panic!("the session is live"),
    }
}

fn row(what: &str, micros: f64) {
    println!("| {what} | {micros:.2} |");
}
