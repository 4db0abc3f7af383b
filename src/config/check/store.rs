//! `[stores.X]`.

use std::time::Duration;

use crate::config::check::names::Entry;
use crate::config::check::pem::private_key;
use crate::config::check::store_url::{Place, StoreUrl};
use crate::config::check::table::{Checker, Table};
use crate::config::raw::{RawStore, UrlRef};
use crate::config::{Backend, Freshness, Outage, Secret, SentinelGroup, Store, Topology};

const KIB: u64 = 1024;
/// Four heartbeats fit into it, and a busy machine may be late by some milliseconds for each.
const REVOCATION_BOUND_MIN: Duration = Duration::from_millis(200);

/// Checks one store.
pub(crate) fn check(checker: &mut Checker<'_>, entry: &Entry<'_, RawStore>) -> Store {
    let raw = entry.raw;
    let mut table = entry.table(checker, "stores");
    let seconds = Duration::from_secs;
    Store {
        name: entry.name.to_owned(),
        at: entry.at,
        backend: backend(&mut table, raw),
        timeout: table.duration("timeout", raw.timeout.as_ref(), Duration::from_millis(100)),
        revocation_bound: table.duration_within(
            "revocation_bound",
            raw.revocation_bound.as_ref(),
            seconds(2),
            REVOCATION_BOUND_MIN..=seconds(3600),
        ),
        freshness: raw.freshness.as_ref().map_or(Freshness::Lease, |raw| *raw.get()),
        outage: table.outage(raw.outage.as_ref()).unwrap_or(Outage::Deny),
        value_bytes: table.size("value_bytes", raw.value_bytes.as_ref(), 256 * KIB, 1..=64 * KIB * KIB),
    }
}

fn backend(table: &mut Table<'_, '_>, raw: &RawStore) -> Backend {
    let at = table.file.at(&raw.url);
    let url = match raw.url.get() {
        UrlRef::Text(text) => {
            if has_password(text) {
                let found = "the URL holds a password, and whoever reads this file could use it";
                let accepted = "a URL without one, or where it is: { env = \"NAME\" } or { file = \"path\" }";
                let hint = "password = { env = \"REDIS_PASSWORD\" } beside the URL, or url = { env = \"REDIS_URL\" }";
                table.refuse_with(at, "url", found, accepted, hint);
            }
            Some(Secret::new(text.clone().into_bytes()))
        }
        UrlRef::Secret(reference) => table.secret_at(at, "url", reference),
    };
    let Some(url) = url else { return Backend::Memory };
    let Some(url) = StoreUrl::read(table, at, &url) else { return Backend::Memory };
    without_sentinels(table, raw, &url);
    match url {
        StoreUrl::Memory => {
            let lone = raw.username.as_ref().map(|raw| ("username", table.file.at(raw)));
            let lone = lone.or(raw.password.as_ref().map(|raw| ("password", table.file.at(raw))));
            if let Some((key, at)) = lone {
                table.refuse(at, key, format!("`{key}` means nothing to `memory:`"), "");
            }
            without_tls(table, raw, "memory:");
            Backend::Memory
        }
        StoreUrl::Redis { url, scheme, tls, place } => {
            let sentinel_tls = raw.sentinel_tls.as_ref().map_or(tls, |raw| *raw.get());
            let topology = match place {
                Place::Single => Topology::Single,
                Place::Cluster(nodes) => Topology::Cluster(nodes),
                Place::Sentinel(sentinels, service) => Topology::Sentinel(Box::new(SentinelGroup {
                    sentinels,
                    service,
                    username: raw.sentinel_username.as_ref().map(|raw| raw.get().clone()),
                    password: raw
                        .sentinel_password
                        .as_ref()
                        .and_then(|raw| table.secret("sentinel_password", raw)),
                    tls: sentinel_tls,
                })),
            };
            let (ca, client) = if tls || matches!(&topology, Topology::Sentinel(_)) && sentinel_tls {
                (raw.ca.as_ref().and_then(|raw| table.certificates("ca", raw)), client(table, raw))
            } else {
                without_tls(table, raw, scheme);
                (None, None)
            };
            let username = raw.username.as_ref().map(|raw| raw.get().clone());
            let password = raw.password.as_ref().and_then(|raw| table.secret("password", raw));
            Backend::Redis { url, topology, username, password, ca, client }
        }
    }
}

/// Notes every key for sentinels of a store that has none.
fn without_sentinels(table: &mut Table<'_, '_>, raw: &RawStore, url: &StoreUrl) {
    if matches!(url, StoreUrl::Redis { place: Place::Sentinel(..), .. }) {
        return;
    }
    let keys = [
        ("sentinel_username", raw.sentinel_username.as_ref().map(|raw| table.file.at(raw))),
        ("sentinel_password", raw.sentinel_password.as_ref().map(|raw| table.file.at(raw))),
        ("sentinel_tls", raw.sentinel_tls.as_ref().map(|raw| table.file.at(raw))),
    ];
    for (key, at) in keys.into_iter().filter_map(|(key, at)| Some((key, at?))) {
        let found = format!("there are no sentinels, so `{key}` would not be used");
        table.refuse(at, key, found, "`redis+sentinel://` in `url`");
    }
}

fn client(table: &mut Table<'_, '_>, raw: &RawStore) -> Option<(Vec<u8>, Secret)> {
    let (lone, key, missing) = match (&raw.client_cert, &raw.client_key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => {
            let certificate = table.certificates("client_cert", certificate);
            return certificate.zip(private_key(table, "client_key", key));
        }
        (Some(lone), None) => (lone, "client_cert", "client_key"),
        (None, Some(lone)) => (lone, "client_key", "client_cert"),
    };
    table.refuse(table.file.at(lone), key, format!("`{missing}` is missing beside it"), "both, or neither");
    None
}

/// Whether a URL that is written out names a password.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("//").map_or(url, |(_, rest)| rest);
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}

/// Notes every TLS file of a store that has no TLS.
fn without_tls(table: &mut Table<'_, '_>, raw: &RawStore, scheme: &str) {
    let files = [("ca", &raw.ca), ("client_cert", &raw.client_cert), ("client_key", &raw.client_key)];
    for (key, file) in files.iter().filter_map(|(key, file)| file.as_ref().map(|file| (*key, file))) {
        let found = format!("`{scheme}` has no TLS, so `{key}` would not be used");
        table.refuse(table.file.at(file), key, found, "`rediss` instead of `redis` in `url`");
    }
}
