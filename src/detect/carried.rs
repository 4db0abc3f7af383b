//! Cookies that are a session by themselves, so that no look at a store would ever find them.

use crate::config::{DuplicateCookie, Secret};
use crate::detect::proof::names;
use crate::format::cookies::{self, CookieRules};
use crate::format::jws::{self, ALGORITHMS, JwsKey, Kind, Typ};
use crate::request::Cookies;

/// What is worth saying of each cookie that holds a token.
pub(crate) fn notes(cookies: &Cookies, secrets: &[Secret]) -> Vec<String> {
    let read = |name: &String| {
        let value =
            cookies::pick(cookies, name, CookieRules::EXPRESS, DuplicateCookie::AsFramework).ok()??;
        note(name, &value, secrets)
    };
    names(cookies).iter().filter_map(read).collect()
}

fn note(name: &str, value: &[u8], secrets: &[Secret]) -> Option<String> {
    let (token, prefix) = match value.strip_prefix(b"Bearer ") {
        Some(token) => (token, ", `cookie_prefix = \"Bearer \"`"),
        None => (value, ""),
    };
    let algorithm = match Kind::of(token)? {
        Kind::Encrypted => {
            return Some(format!(
                "cookie `{name}` is an encrypted token (JWE), as Auth.js keeps it: only the app itself can open it"
            ));
        }
        Kind::Signed(algorithm) => algorithm,
    };
    let all = ALGORITHMS.map(|(_, algorithm)| algorithm);
    let verifies = |secret: &Secret| {
        let key = JwsKey::new(secret).ok()?;
        jws::verify(token, &[key], &all, &Typ::Usual).ok()
    };
    let proof = match secrets.iter().position(|secret| verifies(secret).is_some()) {
        Some(at) => format!("; secret {} of {} verifies it", at + 1, secrets.len()),
        None if secrets.is_empty() => String::new(),
        None => "; none of the secrets verifies it".to_owned(),
    };
    Some(format!(
        "cookie `{name}` is a JWT ({algorithm}), complete in itself and in no store: `framework = \"jwt\"`, `cookie = \"{name}\"`{prefix}{proof}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::seal::{Base64, Hash, MacKey};

    fn told(line: &str, secrets: &[&str]) -> Vec<String> {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::new((*text).into())).collect();
        notes(&Cookies::from_line(line.to_owned()), &secrets)
    }

    #[test]
    fn a_token_is_told_without_being_shown_and_with_the_secret_that_verifies_it() {
        let signed =
            [r#"{"alg":"HS256"}"#, "{}"].map(|part| Base64::UrlNoPad.encode(part.as_bytes())).join(".");
        let tag = MacKey::new(Hash::Sha256, b"s").sign(&[signed.as_bytes()]);
        let token = format!("{signed}.{}", Base64::UrlNoPad.encode(&tag));
        let line = format!("theme=dark; t={token}; b=Bearer%20{token}; short=a.b.c");
        let said = told(&line, &["x", "s"]);
        assert_eq!(said.len(), 2);
        assert!(
            said[0].ends_with("`framework = \"jwt\"`, `cookie = \"t\"`; secret 2 of 2 verifies it"),
            "{said:?}"
        );
        assert!(said[1].contains("`cookie_prefix = \"Bearer \"`"), "{said:?}");
        assert!(!said.concat().contains(&token));
        assert!(told(&line, &["x"])[0].ends_with("none of the secrets verifies it"));
    }

    #[test]
    fn an_encrypted_token_is_for_the_app_alone() {
        let header = Base64::UrlNoPad.encode(br#"{"alg":"dir","enc":"A256CBC-HS512"}"#);
        let said = told(&format!("authjs.session-token={header}..iv.text.tag"), &[]);
        assert!(said.concat().contains("an encrypted token (JWE)"), "{said:?}");
    }
}
