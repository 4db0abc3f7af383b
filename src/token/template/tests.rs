use super::*;
use crate::config::At;
use crate::token::fixture;

fn claim(name: &str, start: usize) -> Located<String> {
    Located { value: name.into(), at: At { file: 0, start, end: start + name.len() } }
}

#[test]
fn a_session_cannot_set_a_claim_that_the_gateway_or_a_standard_owns() {
    for (start, name) in RESERVED_CLAIMS.into_iter().enumerate() {
        let mut config = fixture::config(vec![fixture::route("orders", Access::Required)]);
        config.routes[0].token.claims = vec![claim("email", 900), claim(name, start)];
        let errors = Templates::build(&config).unwrap_err();
        assert_eq!(errors.len(), 1, "{name}");
        assert_eq!(errors[0].at.start, start);
    }
}

#[test]
fn a_claim_that_would_be_written_twice_is_refused() {
    let mut config = fixture::config(vec![fixture::route("orders", Access::Required)]);
    config.routes[0].token.claims = vec![claim("email", 1), claim("email", 2)];
    assert_eq!(Templates::build(&config).unwrap_err()[0].found, "`email` comes twice");
}

#[test]
fn a_mistake_that_routes_inherit_is_reported_once() {
    let mut config =
        fixture::config(["a", "b"].map(|audience| fixture::route(audience, Access::Required)).into());
    config.tokens.defaults.claims = vec![claim("sub", 1)];
    for route in &mut config.routes {
        route.token.claims.clone_from(&config.tokens.defaults.claims);
    }
    let errors = Templates::build(&config).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].key, "tokens.claims");
}

#[test]
fn routes_share_a_template_only_if_nothing_about_their_tokens_differs() {
    let mut routes: Vec<_> = (0..8).map(|_| fixture::route("orders", Access::Required)).collect();
    routes[1].access = Access::Optional;
    routes[2].audience = vec!["other".into()];
    routes[3].audience.push("other".into());
    routes[4].token.ttl = Duration::from_secs(5);
    routes[5].token.profiles = vec![TokenProfile::Jwt];
    routes[6].token.header = HeaderName::from_static("x-token");
    routes[7].token.claims = vec![claim("email", 1)];
    let templates = Templates::build(&fixture::config(routes)).unwrap();
    assert_eq!(templates.of(RouteId(0)), templates.of(RouteId(1)));
    assert_eq!(templates.len(), 7);
}

#[test]
fn an_open_route_has_no_template() {
    let templates = Templates::build(&fixture::config(vec![fixture::route("orders", Access::Open)])).unwrap();
    assert_eq!(templates.of(RouteId(0)), None);
    assert!(templates.is_empty());
}
