//! Services that trade tokens.

use crate::config::{Access, Config};

/// Audiences that clients may call and that no route has: mostly a slip of the finger.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let signed = || config.routes.iter().filter(|route| route.access != Access::Open);
    let is_known = |audience: &String| signed().any(|route| route.audience.contains(audience));
    let calls = config.clients.iter().flat_map(|client| client.may_call.iter().map(move |to| (client, to)));
    let unknown = calls.filter(|(_, audience)| !is_known(audience));
    let warning = |(client, audience): (&crate::config::Client, &String)| {
        format!(
            "client `{}` may call `{audience}`, and no route has that audience: its tokens are as [tokens] says",
            client.name
        )
    };
    unknown.map(warning).collect()
}
