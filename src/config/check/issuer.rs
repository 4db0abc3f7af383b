//! `[issuers.X]`.

use std::time::Duration;

use crate::config::check::http;
use crate::config::check::names::{Entry, Names};
use crate::config::check::profile::{attributes, sub};
use crate::config::check::table::{Checker, Table};
use crate::config::raw::{Placed, RawIntrospection, RawIssuer};
use crate::config::{ConfigError, Introspection, Issuer, IssuerKeys, JwsAlgorithm, Located, WebAddress};

/// Clocks that differ by more are wrong, and a token that ended so long ago has ended.
const LEEWAY_MAX: Duration = Duration::from_secs(300);
/// A token that was revoked ten minutes ago is taken by nobody.
const HOLD_MAX: Duration = Duration::from_secs(600);
const ASYMMETRIC: [JwsAlgorithm; 9] = [
    JwsAlgorithm::RS256,
    JwsAlgorithm::RS384,
    JwsAlgorithm::RS512,
    JwsAlgorithm::PS256,
    JwsAlgorithm::PS384,
    JwsAlgorithm::PS512,
    JwsAlgorithm::ES256,
    JwsAlgorithm::ES384,
    JwsAlgorithm::EdDSA,
];

/// Checks one issuer. `own` is the `iss` of our own tokens, and `skew` how far clocks may differ anyway.
pub(crate) fn check(
    checker: &mut Checker<'_>,
    entry: &Entry<'_, RawIssuer>,
    profiles: &Names<'_>,
    own: &str,
    skew: Duration,
) -> Issuer {
    let raw = entry.raw;
    let mut table = entry.table(checker, "issuers");
    if profiles.has(entry.name) {
        let found =
            format!("`{}` is a session profile's name, and both become the `client_id` claim", entry.name);
        let error = ConfigError::new(table.at, table.name.clone(), found, "a name of its own");
        table.checker.push(error);
    }
    let keys = keys(&mut table, raw);
    let file = table.file;
    let leeway = table.duration_or_zero("leeway", raw.leeway.as_ref(), skew);
    if let Some(raw) = raw.leeway.as_ref().filter(|_| leeway > LEEWAY_MAX) {
        table.refuse(
            file.at(raw),
            "leeway",
            format!("`{}` is no difference of clocks", raw.get().0),
            "up to 5m",
        );
    }
    Issuer {
        name: entry.name.to_owned(),
        at: entry.at,
        issuer: match &keys {
            IssuerKeys::Introspection(_) if raw.issuer.is_none() => String::new(),
            IssuerKeys::Own => issuer(&mut table, raw, Some(own)),
            _ => issuer(&mut table, raw, None),
        },
        algorithms: algorithms(&mut table, raw, &keys),
        keys,
        audience: audience(&mut table, raw),
        typ: raw.typ.as_ref().map(|raw| raw.get().clone()),
        leeway,
        subject: match &raw.subject {
            Some(raw) => file.located(raw),
            None => Located { value: "sub".to_owned(), at: table.at },
        },
        sub: sub(&mut table, raw.sub.as_ref()),
        attributes: attributes(&mut table, &raw.attributes),
    }
}

fn issuer(table: &mut Table<'_, '_>, raw: &RawIssuer, own: Option<&str>) -> String {
    match (&raw.issuer, own) {
        (None, Some(own)) => own.to_owned(),
        (None, None) => {
            table.refuse(
                table.at,
                "issuer",
                "`issuer` is missing",
                "the `iss` of its tokens, as \"https://login.example.com\"",
            );
            String::new()
        }
        (Some(raw), own) => {
            let text = raw.get();
            if text.is_empty() || !http::is_visible(text) {
                let accepted = "a URL or name without spaces, as \"https://login.example.com\"";
                table.refuse(table.file.at(raw), "issuer", format!("`{text}` is not an issuer"), accepted);
            } else if let Some(own) = own.filter(|own| own != text) {
                let found = format!("our own tokens have the `iss` of `[tokens]`, `{own}`");
                table.refuse(table.file.at(raw), "issuer", found, "no such key beside `jwks = \"own\"`");
            }
            text.clone()
        }
    }
}

/// A mistake is noted, and an empty file goes on in their place.
fn keys(table: &mut Table<'_, '_>, raw: &RawIssuer) -> IssuerKeys {
    let file = table.file;
    if let Some(asked) = &raw.introspection {
        let beside = [
            ("jwks", raw.jwks.as_ref().map(|raw| file.at(raw))),
            ("secret", raw.secret.as_ref().map(|raw| file.at(raw))),
            ("algorithms", raw.algorithms.as_ref().and_then(|all| all.first()).map(|raw| file.at(raw))),
            ("typ", raw.typ.as_ref().map(|raw| file.at(raw))),
        ];
        for (key, at) in beside.into_iter().filter_map(|(key, at)| Some((key, at?))) {
            let found = "`introspection` is there too, and its answer is the proof";
            table.refuse(at, key, found, "keys, or `introspection`; two tables for an issuer with both");
        }
        let empty = IssuerKeys::File(Located { value: Vec::new(), at: table.at });
        return introspection(table, asked.get(), raw.ca.as_ref()).map_or(empty, IssuerKeys::Introspection);
    }
    let keys = match (&raw.jwks, &raw.secret) {
        (None, None) => {
            let accepted = "`jwks`, `secret` for an issuer that signs with HS256, or `introspection`";
            table.refuse(table.at, "jwks", "it has no keys", accepted);
            None
        }
        (Some(_), Some(secret)) => {
            let found = "`jwks` is there too, and a public key must never count as a secret";
            table.refuse(file.at(secret), "secret", found, "one of `jwks` and `secret`");
            None
        }
        (None, Some(raw)) => {
            let at = file.at(raw);
            table.secret("secret", raw).map(|value| IssuerKeys::Secret(Located { value, at }))
        }
        (Some(raw), None) if raw.get() == "own" => Some(IssuerKeys::Own),
        (Some(jwks), None) if jwks.get().contains("://") => {
            address(table, "jwks", jwks, raw.ca.as_ref()).map(IssuerKeys::Url)
        }
        (Some(raw), None) => {
            let at = file.at(raw);
            table.read(at, "jwks", raw.get()).map(|value| IssuerKeys::File(Located { value, at }))
        }
    };
    if let Some(ca) = &raw.ca
        && !matches!(&keys, Some(IssuerKeys::Url(url)) if url.tls)
        && keys.is_some()
    {
        table.refuse(
            file.at(ca),
            "ca",
            "nothing is fetched over TLS, so `ca` would not be used",
            "an `https://` URL in `jwks`",
        );
    }
    keys.unwrap_or(IssuerKeys::File(Located { value: Vec::new(), at: table.at }))
}

fn introspection(
    table: &mut Table<'_, '_>,
    raw: &RawIntrospection,
    ca: Option<&Placed<String>>,
) -> Option<Introspection> {
    let range = Duration::from_secs(1)..=HOLD_MAX;
    let hold = table.duration_within("introspection.hold", raw.hold.as_ref(), Duration::from_secs(30), range);
    let client_secret = table.secret("introspection.client_secret", &raw.client_secret);
    let address = address(table, "introspection.url", &raw.url, ca);
    let client_id = raw.client_id.get().clone();
    Some(Introspection { address: address?, client_id, client_secret: client_secret?, hold })
}

/// An absolute URL that we call ourselves.
pub(crate) fn address(
    table: &mut Table<'_, '_>,
    key: &str,
    raw: &Placed<String>,
    ca: Option<&Placed<String>>,
) -> Option<WebAddress> {
    let (at, text) = (table.file.at(raw), raw.get().as_str());
    let ca = ca.and_then(|ca| table.certificates("ca", ca));
    let parsed = WebAddress::parse(text, at, ca);
    if parsed.is_none() {
        let accepted = "an absolute URL, as \"https://login.example.com/.well-known/jwks.json\"";
        table.refuse(at, key, format!("`{text}` is not a URL that can be called"), accepted);
    }
    parsed
}

fn audience(table: &mut Table<'_, '_>, raw: &RawIssuer) -> Vec<String> {
    let at = table.file.at(&raw.audience);
    let all: Vec<String> = raw.audience.get().0.iter().map(|one| one.get().clone()).collect();
    if all.is_empty() || all.iter().any(String::is_empty) {
        let found = "without an audience a token for any other service would be one for us";
        table.refuse(at, "audience", found, "the `aud` that its tokens for us have");
    }
    all
}

fn algorithms(table: &mut Table<'_, '_>, raw: &RawIssuer, keys: &IssuerKeys) -> Vec<JwsAlgorithm> {
    let secret = matches!(keys, IssuerKeys::Secret(_));
    let Some(named) = &raw.algorithms else {
        return if secret { vec![JwsAlgorithm::HS256] } else { ASYMMETRIC.to_vec() };
    };
    if named.is_empty() {
        table.refuse(table.at, "algorithms", "an empty list", "at least one; leave it out for the default");
    }
    for raw in named.iter().filter(|raw| raw.get().is_hmac() != secret) {
        let (found, accepted) = if secret {
            ("this one takes a public key, and a `secret` is none", "HS256, HS384 or HS512")
        } else {
            (
                "this one takes a secret, and every reader of a JWKS would have it",
                "algorithms with public keys, as ES256",
            )
        };
        table.refuse(table.file.at(raw), "algorithms", found, accepted);
    }
    named.iter().map(|raw| *raw.get()).collect()
}
