//! `[stores.X]`.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::check::http;
use crate::config::check::names::Entry;
use crate::config::check::table::{Checker, Table};
use crate::config::raw::{Placed, RawStore, UrlRef};
use crate::config::{At, Backend, Freshness, Outage, Secret, Store};

const SCHEMES: &str =
    "`redis://host:port/database`, `rediss://` for TLS, or `memory:` for the demo and tests";
/// Schemes that the design has and this build does not.
const PENDING: &[&str] =
    &["redis+unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"];
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
    let Some(scheme) = scheme(table, at, &url) else { return Backend::Memory };
    match scheme {
        Scheme::Memory => {
            let lone = raw.username.as_ref().map(|raw| ("username", table.file.at(raw)));
            let lone = lone.or(raw.password.as_ref().map(|raw| ("password", table.file.at(raw))));
            if let Some((key, at)) = lone {
                table.refuse(at, key, format!("`{key}` means nothing to `memory:`"), "");
            }
            without_tls(table, raw, "memory:");
            Backend::Memory
        }
        Scheme::Redis => {
            without_tls(table, raw, "redis://");
            redis(table, raw, url, (None, None))
        }
        Scheme::Rediss => {
            let tls = (raw.ca.as_ref().and_then(|raw| certificates(table, "ca", raw)), client(table, raw));
            redis(table, raw, url, tls)
        }
    }
}

/// What `rediss://` trusts, and what it shows of itself.
type TlsFiles = (Option<Vec<u8>>, Option<(Vec<u8>, Secret)>);

fn redis(table: &mut Table<'_, '_>, raw: &RawStore, url: Secret, (ca, client): TlsFiles) -> Backend {
    let username = raw.username.as_ref().map(|raw| raw.get().clone());
    let password = raw.password.as_ref().and_then(|raw| table.secret("password", raw));
    Backend::Redis { url, username, password, ca, client }
}

fn client(table: &mut Table<'_, '_>, raw: &RawStore) -> Option<(Vec<u8>, Secret)> {
    let (lone, key, missing) = match (&raw.client_cert, &raw.client_key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => {
            let certificate = certificates(table, "client_cert", certificate);
            return certificate.zip(private_key(table, "client_key", key));
        }
        (Some(lone), None) => (lone, "client_cert", "client_key"),
        (None, Some(lone)) => (lone, "client_key", "client_cert"),
    };
    table.refuse(table.file.at(lone), key, format!("`{missing}` is missing beside it"), "both, or neither");
    None
}

enum Scheme {
    Memory,
    Redis,
    Rediss,
}

/// The URL's scheme, if all of the URL is right. No message holds any of it but the scheme: the rest may be secret.
fn scheme(table: &mut Table<'_, '_>, at: At, url: &Secret) -> Option<Scheme> {
    let Ok(text) = std::str::from_utf8(url.expose()) else {
        table.refuse(at, "url", "the URL is not UTF-8", SCHEMES);
        return None;
    };
    let Some((name, rest)) = text.split_once(':') else {
        table.refuse(at, "url", "this is not a URL", SCHEMES);
        return None;
    };
    let scheme = match name {
        "memory" if rest.is_empty() => return Some(Scheme::Memory),
        "memory" => {
            table.refuse(at, "url", "`memory:` has nothing behind it", "`memory:`");
            return None;
        }
        "redis" => Scheme::Redis,
        "rediss" => Scheme::Rediss,
        name if PENDING.contains(&name) => {
            table.refuse(at, "url", format!("`{name}:` is not in this build yet"), SCHEMES);
            return None;
        }
        "valkey" | "valkeys" | "tcp" | "tls" => {
            table.refuse_with(
                at,
                "url",
                format!("`{name}:` is another scheme"),
                SCHEMES,
                "Valkey speaks the same protocol: `redis://`",
            );
            return None;
        }
        _ => {
            // Of an address without a scheme this is the host, and no secret; of anything else nobody knows.
            let bare = http::authority(text).is_some();
            let hint = if bare { format!("\"redis://{text}\"") } else { "Redis speaks no HTTP".to_owned() };
            let known = bare || matches!(name, "http" | "https");
            match known {
                true => table.refuse_with(at, "url", "an unknown scheme", SCHEMES, hint),
                false => table.refuse(at, "url", "an unknown scheme", SCHEMES),
            }
            return None;
        }
    };
    match wrong_part(rest) {
        Some(found) => {
            table.refuse(at, "url", found, SCHEMES);
            None
        }
        None => Some(scheme),
    }
}

/// Whether a URL that is written out names a password.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("//").map_or(url, |(_, rest)| rest);
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}

/// What is wrong behind `redis:`.
fn wrong_part(rest: &str) -> Option<&'static str> {
    let Some(rest) = rest.strip_prefix("//") else { return Some("`//` is missing behind the scheme") };
    if !http::is_visible(rest) {
        return Some("the URL has spaces or characters that need percent-encoding");
    }
    if rest.contains(['?', '#']) {
        return Some("the URL has a query or fragment, which nothing reads");
    }
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if http::authority(host).is_none() {
        return Some("the URL has no valid host and port");
    }
    if !database.is_empty() && database.parse::<u16>().is_err() {
        return Some("the URL's path is not a database number");
    }
    None
}

/// Notes every TLS file of a store that has no TLS.
fn without_tls(table: &mut Table<'_, '_>, raw: &RawStore, scheme: &str) {
    let files = [("ca", &raw.ca), ("client_cert", &raw.client_cert), ("client_key", &raw.client_key)];
    for (key, file) in files.iter().filter_map(|(key, file)| file.as_ref().map(|file| (*key, file))) {
        let found = format!("`{scheme}` has no TLS, so `{key}` would not be used");
        table.refuse(table.file.at(file), key, found, "`rediss://` in `url`");
    }
}

fn certificates(table: &mut Table<'_, '_>, key: &str, path: &Placed<String>) -> Option<Vec<u8>> {
    let at = table.file.at(path);
    let bytes = table.read(at, key, path.get())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Some(bytes),
        Ok(_) | Err(_) => {
            table.refuse(at, key, format!("`{}` holds no certificate", path.get()), "certificates in PEM");
            None
        }
    }
}

fn private_key(table: &mut Table<'_, '_>, key: &str, path: &Placed<String>) -> Option<Secret> {
    let at = table.file.at(path);
    let bytes = table.read(at, key, path.get())?;
    if PrivateKeyDer::from_pem_slice(&bytes).is_err() {
        table.refuse(at, key, format!("`{}` holds no private key", path.get()), "a private key in PEM");
        return None;
    }
    Some(Secret::new(bytes))
}
