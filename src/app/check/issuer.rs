//! What is said of issuers.

use crate::app::check::HMAC_BYTES_MIN;
use crate::config::{Access, Config, Issuer, IssuerKeys, Route, WebAddress};

/// An issuer, in words.
#[derive(Debug)]
pub struct CheckedIssuer {
    /// Its name in the configuration.
    pub name: String,
    /// Its `iss`.
    pub issuer: String,
    /// Where its keys come from.
    pub keys: String,
    /// The audiences of which a token must name one.
    pub audience: Vec<String>,
}

pub(super) fn checked(issuer: &Issuer) -> CheckedIssuer {
    let keys = match &issuer.keys {
        IssuerKeys::Own => "keys of our own ring".to_owned(),
        IssuerKeys::File(_) => "keys in a file".to_owned(),
        IssuerKeys::Secret(_) => "a shared secret".to_owned(),
        IssuerKeys::Url(address) => format!("keys from {}", address.text),
        IssuerKeys::Introspection(asked) => {
            format!("asked about each at {}, every {:?}", asked.address.text, asked.hold)
        }
    };
    let (name, iss, audience) = (issuer.name.clone(), issuer.issuer.clone(), issuer.audience.clone());
    CheckedIssuer { name, issuer: iss, keys, audience }
}

pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings: Vec<String> = config.issuers.iter().flat_map(of_one).collect();
    let ends =
        |at: usize| config.logout.iter().flat_map(|logout| &logout.backchannel).any(|one| one.issuer.0 == at);
    let used =
        |at: usize| ends(at) || config.routes.iter().any(|route| route.issuers.iter().any(|id| id.0 == at));
    for (_, issuer) in config.issuers.iter().enumerate().filter(|(at, _)| !used(*at)) {
        warnings.push(format!("no route accepts bearers of issuer `{}`", issuer.name));
    }
    warnings.extend(one_name_for_two(config));
    warnings
}

fn of_one(issuer: &Issuer) -> Option<String> {
    let name = &issuer.name;
    match &issuer.keys {
        IssuerKeys::Secret(secret) if secret.value.expose().len() < HMAC_BYTES_MIN => Some(format!(
            "issuer `{name}`: a secret of {} bytes can be guessed from one token; HS256 wants {HMAC_BYTES_MIN}",
            secret.value.expose().len()
        )),
        IssuerKeys::Url(address) if !address.tls && !is_this_machine(address) => Some(format!(
            "issuer `{name}`: its keys come over plain HTTP, and whoever is on the way can put theirs in their place"
        )),
        IssuerKeys::Introspection(asked) if !asked.address.tls && !is_this_machine(&asked.address) => {
            Some(format!(
                "issuer `{name}`: it is asked over plain HTTP, and whoever is on the way reads tokens and the client's secret"
            ))
        }
        IssuerKeys::Introspection(_)
        | IssuerKeys::Own
        | IssuerKeys::File(_)
        | IssuerKeys::Url(_)
        | IssuerKeys::Secret(_) => None,
    }
}

fn is_this_machine(address: &WebAddress) -> bool {
    let loopback = |address: std::net::IpAddr| address.is_loopback();
    address.host == "localhost" || address.host.parse().is_ok_and(loopback)
}

/// Issuers whose users a service cannot tell from those of a profile or another issuer: right only if they are the same people.
fn one_name_for_two(config: &Config) -> Vec<String> {
    let names = |route: &Route| {
        let profiles = route.sessions.iter().filter_map(|id| config.profiles.get(id.0));
        let profiles = profiles.map(|profile| (profile.name.as_str(), profile.sub.value.as_str()));
        let issuers = route.issuers.iter().filter_map(|id| config.issuers.get(id.0));
        // Tokens of our own have the `sub` of their session.
        let issuers = issuers.filter(|issuer| !issuer.keys.are_own());
        let issuers = issuers.map(|issuer| (issuer.name.as_str(), issuer.sub.value.as_str()));
        profiles.chain(issuers).map(|(name, sub)| (name.to_owned(), sub.to_owned())).collect::<Vec<_>>()
    };
    let mut told: Vec<(String, String)> = Vec::new();
    let mut warnings = Vec::new();
    for route in config.routes.iter().filter(|route| route.access != Access::Open) {
        let names = names(route);
        for id in &route.issuers {
            let issuer = config.issuers.get(id.0).filter(|issuer| !issuer.keys.are_own());
            let Some(issuer) = issuer else { continue };
            let same = names.iter().filter(|(name, sub)| *name != issuer.name && *sub == issuer.sub.value);
            for (other, sub) in same {
                let pair = (issuer.name.clone(), other.clone());
                let turned = (other.clone(), issuer.name.clone());
                if told.contains(&pair) || told.contains(&turned) {
                    continue;
                }
                told.push(pair);
                warnings.push(format!(
                    "`{other}` and issuer `{}` have the same `sub`, `{sub}`: right if both call one person by one id, else say sub = \"{}:{{subject}}\"",
                    issuer.name, issuer.name
                ));
            }
        }
    }
    warnings
}
