//! What a request carries.

use crate::token::mint::InternalToken;

/// The token of a request, or both where its route has two kinds.
#[derive(Clone, Debug)]
pub struct Tokens {
    first: InternalToken,
    second: Option<InternalToken>,
}

impl Tokens {
    pub(super) const fn new(first: InternalToken, second: Option<InternalToken>) -> Self {
        Self { first, second }
    }

    /// The one that the route names first.
    pub const fn first(&self) -> &InternalToken {
        &self.first
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &InternalToken> {
        std::iter::once(&self.first).chain(&self.second)
    }
}

impl From<InternalToken> for Tokens {
    fn from(one: InternalToken) -> Self {
        Self::new(one, None)
    }
}
