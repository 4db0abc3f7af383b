//! Tokens that are signed with a secret.

use crate::config::{Access, Algorithm, Config};

/// Whoever can verify such a token can make one.
pub(super) fn warnings(config: &Config) -> impl Iterator<Item = String> {
    let signed = config.routes.iter().filter(|route| route.access != Access::Open);
    let shared = signed.filter(|route| route.token.algorithm == Algorithm::HS256);
    shared.map(|route| {
        format!(
            "{}: its tokens are signed with HS256, so whoever has the secret of `{}` to verify them can make them for any user",
            route.path.value,
            route.audience.join(", ")
        )
    })
}
