use super::*;
use crate::config::{At, Located};
use crate::token::fixture;

fn claim(name: &str, start: usize) -> Located<String> {
    Located { value: name.into(), at: At { file: 0, start, end: start + name.len() } }
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
    let templates = Templates::build(&fixture::config(routes));
    assert_eq!(templates.of(RouteId(0)), templates.of(RouteId(1)));
    assert_eq!(templates.len(), 7);
}

#[test]
fn an_open_route_has_no_template() {
    let templates = Templates::build(&fixture::config(vec![fixture::route("orders", Access::Open)]));
    assert_eq!(templates.of(RouteId(0)), None);
    assert!(templates.is_empty());
}
