//! The page of metrics.

use super::*;

#[test]
fn no_family_is_declared_twice() {
    let metrics = Metrics::new();
    // A family of no line has none of its head either.
    metrics.issuer("own").count("accepted");
    metrics.route("/");
    metrics.store("app");
    metrics.upstream("app");
    metrics.endpoint("app", "a:1", &["serving"]);
    metrics.count_refusal("/", "x");
    metrics.count_limited("/", "client");
    metrics.count_reject("app", "x");
    metrics.count_own("logout", "done");
    metrics.count_stream_closed("/", "x");
    metrics.count_configuration(UnixMillis::new(0), Some(true));
    metrics.count_order(true);
    metrics.show_certificates([("a.test", UnixMillis::new(0))].into_iter());
    metrics.set_turned_away("x", 1);
    metrics.set_signatures(TokenProfile::Jwt, 1);
    metrics.migration.set_rollout_share("/", 1.0);
    let page = metrics.page();
    let mut names: Vec<&str> = page.lines().filter(|line| line.starts_with("# HELP ")).collect();
    assert!(names.len() > 20, "{page}");
    names.sort_unstable();
    let declared = names.len();
    names.dedup();
    assert_eq!(names.len(), declared, "{page}");
}

#[test]
fn the_page_shows_what_was_counted() {
    let metrics = Metrics::new();
    metrics.route("/api/*").with_token.inc();
    assert!(
        metrics.page().contains(
            "cloakroom_requests_total{route=\"/api/*\",decision=\"forwarded\",credential=\"token\"} 1"
        ),
        "{}",
        metrics.page()
    );
}
