//! What a service sees of paths and headers, where that is not what came.

use crate::config::{Config, ConfigError};
use crate::pipeline::gateway::Worker;
use crate::pipeline::refusal::{Cause, Refusal};
use crate::request::{Inbound, ParseError, Reserved, exception_text, refuse_reserved};
use crate::respond::Reason;
use crate::route::{Route, RouteTable};
use http::Method;

impl Worker {
    /// The path as the service knows it: judged as if it had come so, and none that a stricter route keeps.
    pub(super) fn rewrite<B>(
        &self,
        inbound: &Inbound<B>,
        route: &Route,
        method: &Method,
    ) -> Result<(), Refusal> {
        let Some(rewrite) = &route.rules.rewrite else { return Ok(()) };
        let seen = inbound.rewrite(&rewrite.strip, &rewrite.add).map_err(Refusal::malformed)?;
        if let Some(exception) = seen.needs().beyond(route.allowed) {
            return Err(Refusal::malformed(ParseError::PathNeedsAllowance(exception_text(exception))));
        }
        if self.routes().is_guarded_more(inbound.host().name(), seen, method, route) {
            return Err(Refusal::caused(Reason::NotFound, Cause::Guarded(seen.as_str().to_owned())));
        }
        Ok(())
    }
}

/// Names that only the gateway may say: those of the configuration, and the headers that tokens travel in.
///
/// # Errors
/// Every header rule that is about one of them.
pub(super) fn reserved(config: &Config, routes: &RouteTable) -> Result<Reserved, Vec<ConfigError>> {
    let of_routes = routes.routes().iter().map(|route| route.rules.token.header.as_str());
    let of_tokens = of_routes.chain([config.tokens.defaults.header.as_str()]);
    let names = config.server.reserved_headers.iter().map(String::as_str).chain(of_tokens);
    let reserved = Reserved::new(names);
    let mistakes = reserved_names(config, routes, &reserved);
    if mistakes.is_empty() { Ok(reserved) } else { Err(mistakes) }
}

/// Header rules for names that only the gateway may say, of all upstreams and routes.
fn reserved_names(config: &Config, routes: &RouteTable, reserved: &Reserved) -> Vec<ConfigError> {
    let of_upstreams = config.upstreams.iter().map(|upstream| {
        (format!("upstreams.{}", upstream.name), &upstream.request_headers, &upstream.response_headers)
    });
    let of_routes = routes
        .routes()
        .iter()
        .map(|Route { rules, .. }| ("routes".to_owned(), &rules.request_headers, &rules.response_headers));
    let mut mistakes = Vec::new();
    for (table, asked, answered) in of_upstreams.chain(of_routes) {
        mistakes.extend(refuse_reserved(asked, &format!("{table}.request_headers"), reserved));
        mistakes.extend(refuse_reserved(answered, &format!("{table}.response_headers"), reserved));
    }
    mistakes
}
