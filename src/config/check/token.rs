//! `[tokens]`, and the token keys of routes.

use std::time::Duration;

use crate::config::check::http;
use crate::config::check::keys;
use crate::config::check::shared_secret;
use crate::config::check::table::{Checker, Table};
use crate::config::place::File;
use crate::config::raw::{DurationText, OneOrMany, Placed, RawTokens, RawTxn};
use crate::config::{Algorithm, Confirmation, Located, SubjectType, TokenOptions, TokenProfile, Tokens, Txn};

/// Claims that say something about the token itself or that verifiers give a meaning of their own (RFC 7519 §4.1, RFC 7800,
/// RFC 8693, RFC 9068, OpenID Connect Core §2, transaction tokens). An app that could set one of them could forge it.
const RESERVED: [&str; 29] = [
    "act",
    "anonymous",
    "at_hash",
    "aud",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "crit",
    "events",
    "exp",
    "htm",
    "htu",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "rctx",
    "req_wl",
    "sid",
    "sub",
    "sub_id",
    "sub_jwk",
    "tctx",
    "toe",
    "txn",
    "typ",
];
/// Headers that the gateway writes itself, besides those of any request.
const OWN_HEADERS: &[&str] =
    &["forwarded", "traceparent", "tracestate", "txn-token", "via", "x-real-ip", "x-request-id"];
/// A token is for seconds; a day is beyond any use, and a slip of the unit.
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Claims count in seconds.
const TTL_MIN: Duration = Duration::from_secs(1);
const KIB: u64 = 1024;

/// Checks `[tokens]`.
pub(crate) fn check(checker: &mut Checker<'_>) -> Tokens {
    let main = checker.main();
    let absent = RawTokens::default();
    let file = main.map_or(File(0), |(file, _)| file);
    let placed = main.and_then(|(_, raw)| raw.tokens.as_ref());
    let raw = placed.map_or(&absent, Placed::get);
    let at = placed.map_or(file.range(&(0..0)), |placed| file.at(placed));
    let mut table = Table { checker, file, name: "tokens".to_owned(), at };
    let given = Given {
        profile: raw.profile.as_ref(),
        header: raw.header.as_ref(),
        algorithm: raw.algorithm.as_ref(),
        ttl: raw.ttl.as_ref(),
        claims: raw.claims.as_deref(),
        scope: raw.scope.as_ref(),
        subject_type: raw.subject_type.as_ref(),
        cnf: raw.cnf.as_ref(),
    };
    let issuer = issuer(&mut table, raw);
    Tokens {
        txn: txn(&mut table, raw.txn.as_ref(), &issuer),
        issuer,
        jwks_uri: jwks_uri(&mut table, raw),
        defaults: options(&mut table, given, &TokenOptions::default()),
        algorithm: algorithm(&mut table, raw),
        more_algorithms: Vec::new(),
        secrets: shared_secret::secrets(&mut table, raw),
        max_bytes: table.size("max_bytes", raw.max_bytes.as_ref(), 4 * KIB, 512..=64 * KIB),
        keys: keys::source(&mut table, raw.keys.as_ref()),
        rotation: keys::rotation(&mut table, raw.keys.as_ref()),
        publish_jwks: raw.publish_jwks.as_ref().is_some_and(|raw| *raw.get()),
        stand_in: false,
    }
}

fn algorithm(table: &mut Table<'_, '_>, raw: &RawTokens) -> Located<Algorithm> {
    let Some(raw) = &raw.algorithm else { return Located { value: Algorithm::ES256, at: table.at } };
    let at = table.file.at(raw);
    if *raw.get() == Algorithm::HS256 {
        let found = "HS256 for all services, and whoever can verify such a token can make one";
        let accepted = "ES256, EdDSA, ES384, PS256 or RS256";
        let hint = "a route may have it, with a secret of its audience's own in `tokens.secrets`";
        table.refuse_with(at, "algorithm", found, accepted, hint);
    }
    table.file.located(raw)
}

/// What a table says about tokens.
pub(crate) struct Given<'a> {
    pub(crate) profile: Option<&'a Placed<OneOrMany<TokenProfile>>>,
    pub(crate) header: Option<&'a Placed<String>>,
    pub(crate) algorithm: Option<&'a Placed<Algorithm>>,
    pub(crate) ttl: Option<&'a Placed<DurationText>>,
    pub(crate) claims: Option<&'a [Placed<String>]>,
    pub(crate) scope: Option<&'a Placed<String>>,
    pub(crate) subject_type: Option<&'a Placed<SubjectType>>,
    pub(crate) cnf: Option<&'a Placed<Confirmation>>,
}

/// What a table says about tokens, and `base` where it says nothing.
pub(crate) fn options(table: &mut Table<'_, '_>, given: Given<'_>, base: &TokenOptions) -> TokenOptions {
    let ttl = table.duration("ttl", given.ttl, base.ttl);
    if let Some(raw) = given.ttl
        && !(TTL_MIN..=TTL_MAX).contains(&ttl)
    {
        let found = format!("`{}` is out of range", raw.get().0);
        table.refuse(
            table.file.at(raw),
            "ttl",
            found,
            "from 1s to 24h; the shorter, the sooner a logout counts",
        );
    }
    TokenOptions {
        profiles: given.profile.map_or_else(|| base.profiles.clone(), |raw| profiles(table, raw)),
        header: given.header.and_then(|raw| header(table, raw)).unwrap_or_else(|| base.header.clone()),
        algorithm: given.algorithm.map_or(base.algorithm, |raw| *raw.get()),
        ttl,
        claims: given.claims.map_or_else(|| base.claims.clone(), |raw| claims(table, raw)),
        scope: given.scope.map_or_else(|| base.scope.clone(), |raw| Some(scope(table, raw))),
        subject_type: given.subject_type.map_or(base.subject_type, |raw| *raw.get()),
        bound: false,
        cnf: given.cnf.map_or(base.cnf, |raw| confirmation(table, raw)),
    }
}

/// What is bound to the certificate of whoever is asked for one is bound to nothing where nobody is.
fn confirmation(table: &mut Table<'_, '_>, raw: &Placed<Confirmation>) -> Confirmation {
    let server = table.checker.main().and_then(|(_, raw)| raw.server.as_ref());
    let asks = server.is_some_and(|server| !server.get().client_certificates.is_empty());
    if *raw.get() == Confirmation::ClientCertificate && !asks {
        let found = "nobody is asked for a certificate, so tokens would be bound to nothing";
        table.refuse(table.file.at(raw), "cnf", found, "[[server.client_certificates]] beside it");
    }
    *raw.get()
}

/// One kind for the header of tokens, and one for Txn-Token.
fn profiles(table: &mut Table<'_, '_>, raw: &Placed<OneOrMany<TokenProfile>>) -> Vec<TokenProfile> {
    let mut profiles: Vec<TokenProfile> = Vec::new();
    for raw in &raw.get().0 {
        let profile = *raw.get();
        if let Some(first) = profiles.iter().find(|known| is_txn(**known) == is_txn(profile)) {
            let found = format!("`{}` and `{}` would go into one header", first.word(), profile.word());
            let accepted = "one of `at+jwt`, `jwt` and `reference`, and `txn` beside it";
            table.refuse(table.file.at(raw), "profile", found, accepted);
        } else {
            profiles.push(profile);
        }
    }
    if profiles.is_empty() {
        table.refuse(table.file.at(raw), "profile", "an empty list", "at least one kind of token");
    }
    profiles
}

const fn is_txn(profile: TokenProfile) -> bool {
    matches!(profile, TokenProfile::Txn)
}

/// RFC 6749 §3.3: visible ASCII but for quotes and backslashes, with single blanks between.
fn scope(table: &mut Table<'_, '_>, raw: &Placed<String>) -> String {
    let text = raw.get();
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
    };
    if !text.split(' ').all(is_word) {
        let accepted = "words with single blanks between, as \"orders.read\"";
        table.refuse(table.file.at(raw), "scope", format!("`{text}` is not a scope"), accepted);
    }
    text.clone()
}

fn txn(table: &mut Table<'_, '_>, raw: Option<&Placed<RawTxn>>, issuer: &str) -> Txn {
    let raw = raw.map(Placed::get);
    let mut name = |key: &str, raw: Option<&Placed<String>>| {
        let Some(raw) = raw else { return issuer.to_owned() };
        let text = raw.get();
        if text.is_empty() || !http::is_visible(text) {
            let accepted = "a name or URL without spaces, as \"shop.internal\"";
            table.refuse(table.file.at(raw), key, format!("`{text}` is not a name"), accepted);
        }
        text.clone()
    };
    Txn {
        trust_domain: name("txn.trust_domain", raw.and_then(|raw| raw.trust_domain.as_ref())),
        workload: name("txn.workload", raw.and_then(|raw| raw.workload.as_ref())),
    }
}

fn header(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<::http::HeaderName> {
    let (at, text) = (table.file.at(raw), raw.get());
    let accepted = "`authorization`, or a name of your own, as \"x-internal-token\"";
    let Ok(name) = ::http::HeaderName::from_bytes(text.as_bytes()) else {
        table.refuse(at, "header", format!("`{text}` is not a header name"), accepted);
        return None;
    };
    let own = OWN_HEADERS.contains(&name.as_str())
        || ["proxy-", "x-forwarded", "cloakroom-", "sec-"]
            .iter()
            .any(|start| name.as_str().starts_with(start));
    if own || http::is_structural(name.as_str()) {
        table.refuse(at, "header", format!("`{text}` means something else in every request"), accepted);
        return None;
    }
    Some(name)
}

fn claims(table: &mut Table<'_, '_>, raw: &[Placed<String>]) -> Vec<Located<String>> {
    let mut claims: Vec<Located<String>> = Vec::new();
    for raw in raw {
        let name = raw.get();
        if RESERVED.contains(&name.as_str()) {
            let found = format!("`{name}` is a claim that the gateway itself or a standard gives a meaning");
            let accepted = "attribute names that are no registered claims of tokens";
            let hint = format!("give the attribute another name in its profile, as `app_{name}`");
            table.refuse_with(table.file.at(raw), "claims", found, accepted, hint);
        } else if claims.iter().any(|claim| claim.value == *name) {
            table.refuse(table.file.at(raw), "claims", format!("`{name}` is there twice"), "each claim once");
        } else {
            claims.push(table.file.located(raw));
        }
    }
    claims
}

fn issuer(table: &mut Table<'_, '_>, raw: &RawTokens) -> String {
    let Some(raw) = &raw.issuer else { return "https://gateway.internal".to_owned() };
    let text = raw.get();
    if text.is_empty() || !http::is_visible(text) {
        let accepted = "a URL or name without spaces, as \"https://gateway.internal\"";
        table.refuse(table.file.at(raw), "issuer", format!("`{text}` is not an issuer"), accepted);
    }
    text.clone()
}

fn jwks_uri(table: &mut Table<'_, '_>, raw: &RawTokens) -> Option<String> {
    let raw = raw.jwks_uri.as_ref()?;
    let text = raw.get();
    let host = text.split_once("://").map(|(scheme, rest)| (scheme, rest.split(['/', '?', '#']).next()));
    let valid = matches!(host, Some(("http" | "https", Some(host))) if http::authority(host).is_some());
    if !valid || !http::is_visible(text) {
        let accepted = "an absolute URL, as \"https://gateway.internal/.well-known/jwks.json\"";
        table.refuse(table.file.at(raw), "jwks_uri", format!("`{text}` is not an absolute URL"), accepted);
    }
    Some(text.clone())
}
