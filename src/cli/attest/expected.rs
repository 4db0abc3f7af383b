//! What tokens a service gets, as the configuration has it.

use crate::config::{Access, Algorithm, Config, Route, TokenOptions, TokenProfile};
use http::HeaderName;

/// Where a transaction token travels.
const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// A token that a service is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) algorithm: Algorithm,
    pub(super) typ: &'static str,
    pub(super) header: HeaderName,
    pub(super) scope: Option<String>,
}

/// That of the routes whose tokens are for this audience, or of the one that is named; of an audience that is no route's, that of
/// `[pair]` or `[tokens]`.
///
/// # Errors
/// In words: there is no such route, or several differ.
pub(super) fn expected(config: &Config, audience: &str, named: Option<&str>) -> Result<Expected, String> {
    let signed = config.routes.iter().filter(|route| route.access != Access::Open);
    let tokens = signed.flat_map(|route| route.token.profiles.iter().map(move |profile| (route, *profile)));
    let tokens = tokens.filter(|(route, profile)| is_for(config, audience, &route.audience, *profile));
    let tokens = tokens.map(|(route, profile)| (pattern(route), Expected::of(&route.token, profile)));
    let mut distinct: Vec<(String, Expected)> = Vec::new();
    let mut all = Vec::new();
    for (path, expected) in tokens {
        all.push(path.clone());
        if named.is_none_or(|named| named == path) && !distinct.iter().any(|(_, known)| *known == expected) {
            distinct.push((path, expected));
        }
    }
    match (distinct.as_slice(), named) {
        ([(_, only)], _) => Ok(only.clone()),
        ([], Some(named)) if all.is_empty() => {
            Err(format!("route `{named}` has no token for `{audience}`, and no other has"))
        }
        ([], Some(named)) => {
            all.dedup();
            Err(format!(
                "no route `{named}` has a token for `{audience}`; such routes: `{}`",
                all.join("`, `")
            ))
        }
        ([], None) => Ok(elsewhere(config, audience)),
        (several, _) => {
            let words: Vec<_> =
                several.iter().map(|(path, expected)| format!("{path}: {expected}")).collect();
            let hint = match named {
                None => "say which with --route",
                Some(_) => "give the second an audience of its own",
            };
            Err(format!("tokens for `{audience}` differ; {hint}\n  {}", words.join("\n  ")))
        }
    }
}

impl Expected {
    fn of(token: &TokenOptions, profile: TokenProfile) -> Self {
        let (typ, header) = match profile {
            // What services that only introspect make of JWTs is worth knowing all the same.
            TokenProfile::AtJwt | TokenProfile::Reference => ("at+jwt", token.header.clone()),
            TokenProfile::Jwt => ("JWT", token.header.clone()),
            TokenProfile::Txn => ("txntoken+jwt", TXN_TOKEN),
        };
        Self { algorithm: token.algorithm, typ, header, scope: token.scope.clone() }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { algorithm, typ, header, scope } = self;
        write!(f, "{algorithm:?} {typ} in {header}")?;
        scope.iter().try_for_each(|scope| write!(f, ", scope \"{scope}\""))
    }
}

/// The `aud` of a transaction token is the trust domain.
fn is_for(config: &Config, audience: &str, named: &[String], profile: TokenProfile) -> bool {
    match profile {
        TokenProfile::AtJwt | TokenProfile::Jwt | TokenProfile::Reference => {
            named.iter().any(|known| known == audience)
        }
        TokenProfile::Txn => config.tokens.txn.trust_domain == audience,
    }
}

/// As `check` writes it.
fn pattern(route: &Route) -> String {
    let hosts: Vec<&str> = route.hosts.iter().map(|host| host.value.as_str()).collect();
    format!("{}{}", hosts.join(","), route.path.value)
}

fn elsewhere(config: &Config, audience: &str) -> Expected {
    let of_pair = config.pair.iter().find(|pair| pair.audience.iter().any(|known| known == audience));
    let token = of_pair.map_or(&config.tokens.defaults, |pair| &pair.token);
    Expected::of(token, token.profiles.first().copied().unwrap_or(TokenProfile::AtJwt))
}

#[cfg(test)]
mod tests;
