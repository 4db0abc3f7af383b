//! What can be called.

use crate::admin::problem::Problem;
use crate::config::Role;
use http::Method;

/// One thing that an operator can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `GET /api/keys`
    Keys,
    /// `POST /api/keys/import`
    Import,
    /// `POST /api/keys/KID/retire`
    Retire(String),
    /// `POST /api/keys/rotate`
    Rotate,
    /// `GET /api/migration`
    Migration,
    /// `POST /api/migration/resume`
    ResumeRollout,
    /// `GET /api`: whether a token is good.
    Who,
}

impl Call {
    /// The call at this path, and whether it changes something.
    pub(super) fn find(method: &Method, path: &str) -> Result<(Self, bool), Problem> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let (allow, call) = match parts.as_slice() {
            ["api"] => ("GET, HEAD", Self::Who),
            ["api", "migration"] => ("GET, HEAD", Self::Migration),
            ["api", "migration", "resume"] => ("POST", Self::ResumeRollout),
            ["api", "keys"] => ("GET, HEAD", Self::Keys),
            ["api", "keys", "rotate"] => ("POST", Self::Rotate),
            ["api", "keys", "import"] => ("POST", Self::Import),
            ["api", "keys", kid, "retire"] => ("POST", Self::Retire((*kid).to_owned())),
            _ => return Err(Problem::NotFound),
        };
        let changes = allow == "POST";
        let fits =
            if changes { method == Method::POST } else { [Method::GET, Method::HEAD].contains(method) };
        if fits { Ok((call, changes)) } else { Err(Problem::MethodNotAllowed { allow }) }
    }

    /// The role that it takes, or `all`.
    pub(super) const fn needs(&self) -> Role {
        match self {
            Self::Keys | Self::Migration | Self::Who => Role::Read,
            // It changes who is served by what, which no lesser role is for.
            Self::ResumeRollout => Role::All,
            Self::Import | Self::Retire(_) | Self::Rotate => Role::Keys,
        }
    }

    /// Whether one of this role may call it. Every role may look.
    pub(super) fn is_for(&self, role: Role) -> bool {
        match self.needs() {
            Role::Read => true,
            needs @ (Role::Revoke | Role::Keys | Role::All) => role == needs || role == Role::All,
        }
    }

    /// Its name in the log.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Keys => "keys list",
            Self::Import => "keys import",
            Self::Retire(_) => "keys retire",
            Self::Rotate => "keys rotate",
            Self::Migration => "migration",
            Self::ResumeRollout => "migration resume",
            Self::Who => "who",
        }
    }
}
