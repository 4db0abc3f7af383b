//! `[server.acme]`

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::config::check::http;
use crate::config::check::issuer::address;
use crate::config::check::secret::reason;
use crate::config::check::table::Table;
use crate::config::raw::{Placed, RawAcme, RawExternalAccount, RawServer};
use crate::config::{Acme, AcmeChallenge, Certificate, ExternalAccount, Located, Secret, WebAddress};

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Let's Encrypt gives out 300 orders in three hours.
const NAMES_MAX: usize = 100;
/// Authorities show such keys with padding and without.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const NAME: &str = "a host name, as \"app.example.com\"";

/// What is ordered; the certificates that were ordered before join `certificates`.
pub(super) fn acme(
    table: &mut Table<'_, '_>,
    server: &RawServer,
    certificates: &mut Vec<Certificate>,
) -> Option<Acme> {
    let placed = server.acme.as_ref()?;
    let (file, at, raw) = (table.file, table.file.at(placed), placed.get());
    let mut table = Table { checker: table.checker, file, name: "server.acme".to_owned(), at };
    if !raw.agree_to_terms.get() {
        let found = "`false`: an authority gives certificates to those only who agree";
        table.refuse(
            file.at(&raw.agree_to_terms),
            "agree_to_terms",
            found,
            "`true`, once you have read them",
        );
    }
    let challenge = raw.challenge.as_ref().map_or(AcmeChallenge::TlsAlpn01, |raw| *raw.get());
    if let Some(raw) = raw.challenge.as_ref().filter(|_| challenge == AcmeChallenge::Http01)
        && server.redirect_http.is_none()
    {
        let found = "`http-01`, and nothing listens without TLS";
        table.refuse(
            file.at(raw),
            "challenge",
            found,
            "[server.redirect_http] beside it, reached on port 80",
        );
    }
    let names = names(&mut table, &raw.names);
    let contact = raw.contact.iter().flatten().filter_map(|raw| contact(&mut table, raw)).collect();
    let directory = directory(&mut table, raw);
    let external_account = raw.external_account.as_ref().and_then(|raw| external(&mut table, raw.get()));
    let storage = storage(&mut table, &raw.storage)?;
    for name in &names {
        certificates.extend(kept(&mut table, &storage.value, name));
    }
    Some(Acme { directory: directory?, names, storage, contact, challenge, external_account })
}

fn names(table: &mut Table<'_, '_>, raw: &Placed<Vec<Placed<String>>>) -> Vec<Located<String>> {
    let at = table.file.at(raw);
    if raw.get().is_empty() {
        table.refuse(at, "names", "an empty list", "at least one host");
    }
    if raw.get().len() > NAMES_MAX {
        let found = format!("{} names", raw.get().len());
        let hint =
            "where tenants bring names of their own, let a program beside the gateway write certificates";
        table.refuse_with(at, "names", found, format!("at most {NAMES_MAX}"), hint);
    }
    let mut names: Vec<Located<String>> = Vec::new();
    for raw in raw.get() {
        let (at, text) = (table.file.at(raw), raw.get());
        let found = match http::authority(text) {
            Some((host, None)) if host.parse::<std::net::IpAddr>().is_err() && !host.starts_with('.') => {
                if names.iter().all(|other| other.value != host) {
                    names.push(Located { value: host, at });
                    continue;
                }
                format!("`{text}` twice")
            }
            _ => format!("`{text}` is no name that a certificate can be ordered for"),
        };
        if text.starts_with("*.") {
            let hint =
                "a wildcard takes a proof in the DNS: certbot, lego or acme.sh, and [[server.certificates]]";
            table.refuse_with(at, "names", found, NAME, hint);
        } else {
            table.refuse(at, "names", found, NAME);
        }
    }
    names
}

fn contact(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<String> {
    let text = raw.get();
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let is_address = address
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && matches!(http::authority(host), Some((_, None))));
    if !is_address || address.contains([' ', ',', '?']) {
        table.refuse(
            table.file.at(raw),
            "contact",
            format!("`{text}` is no mail address"),
            "as \"ops@example.com\"",
        );
        return None;
    }
    Some(format!("mailto:{address}"))
}

fn directory(table: &mut Table<'_, '_>, raw: &RawAcme) -> Option<WebAddress> {
    let Some(url) = &raw.directory else {
        if let Some(ca) = &raw.ca {
            let found = "a `ca` for an authority that the system trusts already";
            table.refuse(table.file.at(ca), "ca", found, "`directory` beside it");
        }
        return WebAddress::parse(LETS_ENCRYPT, table.at, None);
    };
    let address = address(table, "directory", url, raw.ca.as_ref())?;
    if !address.tls {
        let found = format!("`{}` without TLS", url.get());
        table.refuse(table.file.at(url), "directory", found, "an https:// URL (RFC 8555 section 6.1)");
    }
    Some(address)
}

fn external(table: &mut Table<'_, '_>, raw: &RawExternalAccount) -> Option<ExternalAccount> {
    let key = table.secret("external_account.key", &raw.key)?;
    match BASE64URL.decode(key.expose().trim_ascii()) {
        Ok(key) => Some(ExternalAccount { kid: raw.kid.get().clone(), key: Secret::new(key) }),
        Err(_) => {
            let found = "a key that is not base64url";
            table.refuse(
                table.file.at(&raw.key),
                "external_account.key",
                found,
                "the HMAC key as the authority shows it",
            );
            None
        }
    }
}

fn storage(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<Located<PathBuf>> {
    let at = table.file.at(raw);
    if raw.get().is_empty() {
        table.refuse(at, "storage", "an empty path", "a folder that outlives the gateway");
        return None;
    }
    let value = table.checker.given.directory.join(raw.get());
    if value.exists() && !value.is_dir() {
        table.refuse(
            at,
            "storage",
            format!("`{}` is no folder", raw.get()),
            "a folder, or a path where one can be made",
        );
        return None;
    }
    Some(Located { value, at })
}

/// What was ordered for `name` before. Its file is looked at again like all others, so that a new one comes in by a reload.
fn kept(table: &mut Table<'_, '_>, storage: &Path, name: &Located<String>) -> Option<Certificate> {
    let path = Acme::file(storage, &name.value);
    let read = std::fs::read(&path);
    table.checker.premises.add_file(&path, &read);
    match read {
        Ok(bytes) => Some(Certificate {
            chain: Located { value: bytes.clone(), at: name.at },
            key: Located { value: Secret::new(bytes), at: name.at },
            renews: true,
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let found = format!("cannot read `{}`: {}", path.display(), reason(&error));
            table.refuse(name.at, "storage", found, "files that the gateway wrote itself");
            None
        }
    }
}
