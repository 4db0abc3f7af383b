//! HS256 for our own tokens: a secret for each audience, and never by default.

use crate::config::check::table::{Checker, Table};
use crate::config::raw::RawTokens;
use crate::config::{Access, Algorithm, Config, ConfigError, Route, Secret, TokenProfile};

/// RFC 7518 §3.2: as long as the hash.
const SECRET_BYTES_MIN: usize = 32;

/// `tokens.secrets`.
pub(crate) fn secrets(table: &mut Table<'_, '_>, raw: &RawTokens) -> Vec<(String, Vec<Secret>)> {
    let file = table.file;
    let mut all = Vec::new();
    for (audience, references) in &raw.secrets {
        let key = format!("secrets.{}", audience.get());
        if references.is_empty() {
            table.refuse(file.at(audience), &key, "an empty list", "at least one secret");
        }
        let mut secrets = Vec::new();
        for reference in references {
            let Some(secret) = table.secret(&key, reference) else { continue };
            if secret.expose().len() < SECRET_BYTES_MIN {
                let found = format!("a secret of {} bytes", secret.expose().len());
                let accepted = format!("at least {SECRET_BYTES_MIN} bytes, as `openssl rand -hex 32` makes");
                table.refuse(file.at(reference), &key, found, accepted);
            }
            secrets.push(secret);
        }
        all.push((audience.get().clone(), secrets));
    }
    all
}

/// Notes routes that cannot sign with a secret.
pub(crate) fn routes(checker: &mut Checker<'_>, config: &Config) {
    let signed = config.routes.iter().filter(|route| route.access != Access::Open);
    for route in signed.filter(|route| route.token.algorithm == Algorithm::HS256) {
        if let Some((found, accepted)) = flaw(route, config) {
            let error = ConfigError::new(route.path.at, "routes.algorithm", found, accepted);
            checker.push(
                error.hint("HS256 is for services that can do nothing else: whoever verifies can sign"),
            );
        }
    }
}

fn flaw(route: &Route, config: &Config) -> Option<(String, String)> {
    if route.token.profiles.contains(&TokenProfile::Txn) {
        let found = "HS256, and transaction tokens are for all services of a trust domain";
        return Some((found.to_owned(), "an algorithm with public keys, as ES256".to_owned()));
    }
    let [audience] = route.audience.as_slice() else {
        let found = format!("HS256 for {} audiences, which do not share one secret", route.audience.len());
        return Some((found, "one audience".to_owned()));
    };
    let known = config.tokens.secrets.iter().any(|(known, _)| known == audience);
    (!known).then(|| {
        let found = format!("HS256, and `{audience}` shares no secret with us");
        (found, format!("tokens.secrets with an entry for it: secrets.{audience} = [{{ env = \"SECRET\" }}]"))
    })
}
