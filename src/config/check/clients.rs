//! `[clients.X]`.

use crate::config::check::http;
use crate::config::check::names::Entry;
use crate::config::check::route::audiences;
use crate::config::check::table::{Checker, Table};
use crate::config::raw::{Placed, RawClient};
use crate::config::{Access, Client, Config, ConfigError, Secret, State, TokenProfile};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// A shorter one can be guessed by who may try a few a second for a year.
const SECRET_BYTES_MIN: usize = 16;

/// Checks one client.
pub(crate) fn check(
    checker: &mut Checker<'_>,
    entry: &Entry<'_, RawClient>,
    state: Option<&State>,
    internal: bool,
) -> Client {
    let raw = entry.raw;
    let mut table = entry.table(checker, "clients");
    let file = table.file;
    if state.is_none() {
        let found = "nothing says which session a token is of";
        let hint = "name a store for what the gateway keeps: [state] store = \"app\"";
        table.refuse_with(table.at, "state", found, "[state] beside it", hint);
    }
    if !internal {
        let found = "there is no listener that it could ask";
        table.refuse(table.at, "internal", found, "[internal] beside it");
    }
    if raw.secrets.is_empty() {
        table.refuse(table.at, "secrets", "an empty list", "at least one secret");
    }
    let mut secrets = Vec::new();
    for reference in &raw.secrets {
        let Some(secret) = table.secret("secrets", reference) else { continue };
        if secret.expose().len() < SECRET_BYTES_MIN {
            let found = format!("a secret of {} bytes", secret.expose().len());
            let accepted = format!("at least {SECRET_BYTES_MIN} bytes, as `openssl rand -hex 32` makes");
            table.refuse(file.at(reference), "secrets", found, accepted);
        }
        secrets.push(secret);
    }
    let audience = match &raw.audience {
        Some(raw) => audiences(&mut table, raw, "at least one audience"),
        None => vec![entry.name.to_owned()],
    };
    for raw in &raw.may_call {
        let text = raw.get();
        if text.is_empty() || !http::is_visible(text) {
            let found = format!("`{text}` is not an audience");
            table.refuse(file.at(raw), "may_call", found, "a name or URL without spaces");
        }
    }
    let may_call = raw.may_call.iter().map(|raw| raw.get().clone()).collect();
    let certificate = raw.certificate.as_ref().and_then(|raw| thumbprint(&mut table, raw));
    Client { name: entry.name.to_owned(), secrets, audience, certificate, may_call }
}

/// The `x5t#S256` of the first certificate in a file, which is the client's own; authorities may follow.
fn thumbprint(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<String> {
    let pem = table.certificates("certificate", raw)?;
    let certificate = CertificateDer::pem_slice_iter(&pem).next()?.ok()?;
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate)))
}

/// Notes clients that one secret opens: which of them asks would be anybody's word.
pub(crate) fn distinct_secrets(
    checker: &mut Checker<'_>,
    entries: &[Entry<'_, RawClient>],
    clients: &[Client],
) {
    for (at, (entry, client)) in entries.iter().zip(clients).enumerate() {
        let has = |other: &Client, own: &Secret| other.secrets.iter().any(|one| one.expose() == own.expose());
        let shares = |other: &&Client| client.secrets.iter().any(|own| has(other, own));
        if let Some(other) = clients.iter().take(at).find(shares) {
            let mut table = entry.table(checker, "clients");
            let found = format!("a secret that `{}` has too", other.name);
            table.refuse(table.at, "secrets", found, "secrets of its own, as `openssl rand -hex 32` makes");
        }
    }
}

/// Notes routes whose tokens nobody could read.
pub(crate) fn readers(checker: &mut Checker<'_>, config: &Config) {
    let blind = config.routes.iter().filter(|route| {
        let reads = |client: &Client| client.audience.iter().any(|named| route.audience.contains(named));
        route.access != Access::Open
            && route.token.profiles.contains(&TokenProfile::Reference)
            && !config.clients.iter().any(reads)
    });
    let errors: Vec<ConfigError> = blind
        .map(|route| {
            let found = format!(
                "a `reference` token for `{}`, which nobody may introspect",
                route.audience.join("`, `")
            );
            let accepted = "one of [clients] whose `audience` it is, or another kind of token";
            ConfigError::new(route.at, "routes.profile", found, accepted)
        })
        .collect();
    errors.into_iter().for_each(|error| checker.push(error));
}
