//! The bearer token of a request (RFC 6750 §2.1).

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Longest token that is looked at; a longer one is no access token of anybody's.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A token as it was sent: a credential, so it has neither `Display` nor a telling `Debug`.
#[derive(Clone, Copy)]
pub struct Bearer<'h>(&'h [u8]);

/// What the Authorization of a request is.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'h> {
    /// No bearer: no Authorization, or one of another scheme.
    Absent,
    /// A bearer that is none: two of them, an empty or overlong one, or one with characters that no token has.
    Malformed,
    /// One.
    Token(Bearer<'h>),
}

impl<'h> Presented<'h> {
    /// Of these fields. Tokens in bodies and queries (RFC 6750 §2.2, §2.3) are not looked for: they end up in logs.
    pub fn of(headers: &'h HeaderMap) -> Self {
        let mut lines = headers.get_all(AUTHORIZATION).iter().map(|line| token_of(line.as_bytes()));
        match (lines.next(), lines.next()) {
            (None, _) | (Some(None), None) => Self::Absent,
            (Some(Some(token)), None) if is_token(token) => Self::Token(Bearer(token)),
            (Some(Some(_)), None) => Self::Malformed,
            // Readers disagree on which of two lines counts.
            (Some(_), Some(_)) => Self::Malformed,
        }
    }
}

impl<'h> Bearer<'h> {
    /// The token's bytes, for who verifies it.
    pub(super) const fn expose(self) -> &'h [u8] {
        self.0
    }
}

impl std::fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer")
    }
}

/// What follows the scheme, if that is Bearer in any case (RFC 9110 §11.1).
fn token_of(line: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = line.split_at_checked(6)?;
    match rest.first() {
        None | Some(b' ') if scheme.eq_ignore_ascii_case(b"bearer") => Some(rest.trim_ascii()),
        _ => None,
    }
}

/// `b64token` of RFC 6750 §2.1.
fn is_token(token: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && token.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, http::HeaderValue::from_static(line));
        }
        match Presented::of(&headers) {
            Presented::Absent => "absent".to_owned(),
            Presented::Malformed => "malformed".to_owned(),
            Presented::Token(token) => String::from_utf8(token.expose().to_vec()).unwrap(),
        }
    }

    #[test]
    fn two_tokens_or_none_that_could_be_one_are_malformed() {
        for lines in [
            &["Bearer"][..],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a, Bearer b"],
            &["Bearer a\"b"],
            &["Bearer a", "Bearer a"],
            &["Basic eDp5", "Bearer a"],
        ] {
            assert_eq!(presented(lines), "malformed", "{lines:?}");
        }
    }

    #[test]
    fn another_scheme_is_no_bearer() {
        for lines in [&[][..], &["Basic eDp5"], &["Bearers a"], &["bear"], &["DPoP a"]] {
            assert_eq!(presented(lines), "absent", "{lines:?}");
        }
    }

    #[test]
    fn the_scheme_knows_no_case_and_may_stand_apart() {
        for line in ["Bearer a.b-_~+/=", "bearer   a.b-_~+/=", "BEARER a.b-_~+/= "] {
            assert_eq!(presented(&[line]), "a.b-_~+/=", "{line}");
        }
    }
}
