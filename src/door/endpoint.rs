//! Which endpoints there are.

/// What every path of ours begins with; nothing below it is ever routed.
const ROOT: &str = "/.cloakroom/";

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An issuer's word that sessions are over.
    Backchannel,
    /// The end of a session.
    Logout,
    /// A session for a pair of tokens.
    Token,
    /// A pair for the next one.
    Refresh,
    /// The end of a pair (RFC 7009).
    Revoke,
}

impl Endpoint {
    /// Whether a path is ours; it may be none that there is.
    pub fn is_ours(path: &str) -> bool {
        path.starts_with(ROOT)
    }

    /// The endpoint at a path.
    pub fn at(path: &str) -> Option<Self> {
        match path.strip_prefix(ROOT)? {
            "backchannel-logout" => Some(Self::Backchannel),
            "logout" => Some(Self::Logout),
            "token" => Some(Self::Token),
            "refresh" => Some(Self::Refresh),
            "revoke" => Some(Self::Revoke),
            _ => None,
        }
    }

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Backchannel => "backchannel-logout",
            Self::Logout => "logout",
            Self::Token => "token",
            Self::Refresh => "refresh",
            Self::Revoke => "revoke",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_paths_are_endpoints() {
        for path in
            ["/.cloakroom/", "/.cloakroom/Token", "/.cloakroom/token/", "/.cloakroom/token/x", "/token"]
        {
            assert_eq!(Endpoint::at(path), None, "{path}");
        }
        for endpoint in
            [Endpoint::Backchannel, Endpoint::Logout, Endpoint::Token, Endpoint::Refresh, Endpoint::Revoke]
        {
            assert_eq!(Endpoint::at(&format!("/.cloakroom/{}", endpoint.word())), Some(endpoint));
        }
        assert!(
            Endpoint::is_ours("/.cloakroom/x")
                && !Endpoint::is_ours("/.cloakroom")
                && !Endpoint::is_ours("/")
        );
    }
}
