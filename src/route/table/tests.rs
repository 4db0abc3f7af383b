//! Tables of routes and requests.

use super::*;
use crate::config::{Access, At, CsrfMode, Located, PathException, Preflight, TokenOptions, UpstreamId};
use http::uri::PathAndQuery;

fn route(hosts: &[&str], path: &str, methods: &[Method], access: Access) -> crate::config::Route {
    let at = At { file: 0, start: 0, end: 0 };
    let located = |text: &str| Located { value: text.to_owned(), at };
    crate::config::Route {
        at,
        path: located(path),
        hosts: hosts.iter().map(|host| located(host)).collect(),
        methods: methods.to_vec(),
        upstream: UpstreamId(0),
        access,
        sessions: vec![],
        issuers: vec![],
        audience: vec![],
        token: TokenOptions::default(),
        freshness: None,
        outage: None,
        require: vec![],
        client_certificate: false,
        forward_cookie: false,
        forward_authorization: false,
        other_bearers: None,
        csrf: CsrfMode::FetchMetadata,
        preflight: Preflight::Forward,
        rates: crate::config::RouteRates::default(),
        shadow: false,
        rollout: None,
        streams: crate::config::StreamEnd::Close,
        rewrite: None,
        request_headers: crate::config::HeaderRules::default(),
        response_headers: crate::config::HeaderRules::default(),
        login: None,
        allow_in_path: vec![],
        body_limit: None,
        total_timeout: None,
    }
}

fn table(routes: Vec<crate::config::Route>) -> RouteTable {
    RouteTable::build(routes).expect("routes that do not collide")
}

/// The pattern that a request falls under, or why none.
fn found(table: &RouteTable, host: &str, path: &str, method: Method) -> String {
    let path = Path::parse(&PathAndQuery::try_from(path).unwrap()).unwrap();
    match table.find(host, &path, &method) {
        Found::Route(route) => route.rules.path.value.clone(),
        Found::OtherMethods(allow) => format!("405 {allow}"),
        Found::Nothing => "404".to_owned(),
    }
}

#[test]
fn a_lax_spelling_of_a_stricter_path_is_not_found() {
    let table = table(vec![
        route(&["gw.test"], "/*", &[], Access::Open),
        route(&["gw.test"], "/admin/*", &[], Access::Required),
        route(&["gw.test"], "/Staff", &[], Access::Required),
    ]);
    for path in ["/ADMIN", "/Admin/x", "/%61dmin", "/staff", "/STAFF/", "/Staff/"] {
        assert_eq!(found(&table, "gw.test", path, Method::GET), "404", "{path}");
    }
    assert_eq!(found(&table, "gw.test", "/admin/", Method::GET), "/admin/*");
    assert_eq!(found(&table, "gw.test", "/Staff", Method::GET), "/Staff");
    assert_eq!(found(&table, "gw.test", "/Public/", Method::GET), "/*");
}

#[test]
fn a_lax_spelling_of_a_laxer_path_is_an_ordinary_path() {
    let table =
        table(vec![route(&[], "/*", &[], Access::Required), route(&[], "/public/*", &[], Access::Open)]);
    assert_eq!(found(&table, "x", "/PUBLIC/a", Method::GET), "/*");
}

#[test]
fn a_stricter_route_without_host_guards_lax_spellings_on_every_host() {
    let table = table(vec![
        route(&["gw.test"], "/*", &[], Access::Open),
        route(&[], "/admin", &[], Access::Required),
    ]);
    assert_eq!(found(&table, "gw.test", "/ADMIN", Method::GET), "404");
}

#[test]
fn the_most_specific_path_wins_in_any_order() {
    let table = table(vec![
        route(&[], "/*", &[], Access::Open),
        route(&[], "/api/*", &[], Access::Required),
        route(&[], "/api/{id}/posts", &[], Access::Required),
        route(&[], "/api/me", &[], Access::Required),
    ]);
    for (path, pattern) in [
        ("/", "/*"),
        ("/x/y", "/*"),
        ("/api", "/api/*"),
        ("/api/", "/api/*"),
        ("/api/7", "/api/*"),
        ("/api/7/posts", "/api/{id}/posts"),
        ("/api/7/posts/1", "/api/*"),
        ("/api/me", "/api/me"),
        ("/apix", "/*"),
    ] {
        assert_eq!(found(&table, "x", path, Method::GET), pattern, "{path}");
    }
}

#[test]
fn a_method_that_fails_never_falls_to_a_less_specific_route() {
    let table = table(vec![
        route(&[], "/*", &[], Access::Open),
        route(&[], "/api", &[Method::GET, Method::POST], Access::Required),
    ]);
    assert_eq!(found(&table, "x", "/api", Method::DELETE), "405 GET, HEAD, POST");
    assert_eq!(found(&table, "x", "/api", Method::HEAD), "/api");
    assert_eq!(found(&table, "x", "/api/", Method::DELETE), "404", "a lax app would serve /api");
}

fn shadow(path: &str, methods: &[Method]) -> crate::config::Route {
    crate::config::Route { shadow: true, ..route(&[], path, methods, Access::Required) }
}

#[test]
fn a_shadow_takes_nothing_from_the_route_that_was_there_before() {
    let open = || route(&[], "/*", &[], Access::Open);
    let table = table(vec![open(), shadow("/sh/*", &[]), shadow("/shm", &[Method::GET])]);
    for (method, path, expected) in [
        (Method::GET, "/sh/1", "/sh/*"),
        (Method::GET, "/SH/1", "/*"),
        (Method::GET, "/%73h/1", "/*"),
        (Method::HEAD, "/shm", "/shm"),
        (Method::POST, "/shm", "/*"),
        (Method::POST, "/SHM/", "/*"),
    ] {
        assert_eq!(found(&table, "x", path, method.clone()), expected, "{method} {path}");
    }
    let exception = crate::config::Route { allow_in_path: vec![PathException::Slash], ..open() };
    assert!(RouteTable::build(vec![exception, shadow("/sh", &[])]).is_ok());
}

#[test]
fn a_method_that_no_route_but_a_shadow_is_for_is_as_without_it() {
    let table = table(vec![
        shadow("/a", &[Method::GET]),
        route(&[], "/a", &[Method::PUT], Access::Open),
        shadow("/b", &[Method::GET]),
    ]);
    assert_eq!(found(&table, "x", "/a", Method::POST), "405 GET, HEAD, PUT");
    assert_eq!(found(&table, "x", "/b", Method::POST), "404");
}

#[test]
fn a_lax_spelling_of_an_enforced_path_does_not_fall_to_rules_that_are_not_enforced() {
    let rolling = |path: &str| {
        let rollout = crate::config::Rollout {
            share: crate::config::Share::of_parts(1),
            steps: vec![],
            every: std::time::Duration::from_secs(1),
            rest: UpstreamId(1),
            margin: crate::config::Share::of_parts(500),
            minimum: 10,
        };
        crate::config::Route { rollout: Some(rollout), ..route(&[], path, &[], Access::Required) }
    };
    for lax in [shadow("/*", &[]), rolling("/*")] {
        let table = table(vec![lax, route(&[], "/admin/*", &[], Access::Required), rolling("/own/*")]);
        assert_eq!(found(&table, "x", "/ADMIN/1", Method::GET), "404");
        assert_eq!(found(&table, "x", "/other", Method::GET), "/*");
    }
    let table = table(vec![rolling("/*"), rolling("/own/*")]);
    assert_eq!(found(&table, "x", "/OWN/1", Method::GET), "/*");
}

#[test]
fn hosts_go_exact_then_wildcard_then_any() {
    let table = table(vec![
        route(&[], "/any", &[], Access::Open),
        route(&["*.example.com"], "/wild", &[], Access::Open),
        route(&["a.example.com"], "/exact", &[], Access::Open),
    ]);
    assert_eq!(found(&table, "a.example.com", "/exact", Method::GET), "/exact");
    assert_eq!(found(&table, "a.example.com", "/wild", Method::GET), "/wild");
    assert_eq!(found(&table, "a.example.com", "/any", Method::GET), "/any");
    assert_eq!(found(&table, "b.a.example.com", "/wild", Method::GET), "404");
    assert_eq!(found(&table, "example.com", "/wild", Method::GET), "404");
}

#[test]
fn equal_routes_do_not_load() {
    for (a, b) in [
        (route(&[], "/a/{x}", &[], Access::Open), route(&[], "/a/{y}", &[], Access::Required)),
        (
            route(&["h"], "/a", &[Method::GET], Access::Open),
            route(&["g", "h"], "/a", &[Method::GET], Access::Open),
        ),
    ] {
        let errors = RouteTable::build(vec![a, b]).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].found.contains("an earlier route"), "{}", errors[0].found);
    }
}

#[test]
fn routes_that_differ_by_method_share_a_path() {
    let table =
        table(vec![route(&[], "/a", &[Method::GET], Access::Open), route(&[], "/a", &[], Access::Required)]);
    assert!(matches!(
        table.find("x", &Path::parse(&PathAndQuery::from_static("/a")).unwrap(), &Method::GET),
        Found::Route(route) if route.rules.access == Access::Open
    ));
    assert!(matches!(
        table.find("x", &Path::parse(&PathAndQuery::from_static("/a")).unwrap(), &Method::POST),
        Found::Route(route) if route.rules.access == Access::Required
    ));
}

#[test]
fn an_exception_that_leads_to_a_stricter_route_does_not_load() {
    let lax = crate::config::Route {
        allow_in_path: vec![PathException::Slash],
        ..route(&[], "/files/*", &[], Access::Open)
    };
    let errors =
        RouteTable::build(vec![lax, route(&[], "/files/secret", &[], Access::Required)]).unwrap_err();
    assert!(errors[0].found.contains("could reach `/files/secret`"), "{}", errors[0].found);
}

#[test]
fn every_bad_pattern_is_reported() {
    let errors =
        RouteTable::build(vec![route(&[], "a", &[], Access::Open), route(&[], "/*/b", &[], Access::Open)])
            .unwrap_err();
    assert_eq!(errors.len(), 2);
}
