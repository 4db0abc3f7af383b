//! Paths that are the gateway's own.

use crate::config::check::table::Checker;
use crate::config::{ConfigError, Route};

/// Everything below is answered by the gateway itself, whatever the routes say.
const OWN: &str = "/.cloakroom/";

/// Notes routes that no request ever reaches.
pub(crate) fn routes(checker: &mut Checker<'_>, routes: &[Route]) {
    for route in routes.iter().filter(|route| route.path.value.starts_with(OWN)) {
        let found = format!("`{}` is the gateway's own, and no request there is routed", route.path.value);
        checker.push(ConfigError::new(
            route.path.at,
            "routes.path",
            found,
            "a path that is not below /.cloakroom/",
        ));
    }
}
