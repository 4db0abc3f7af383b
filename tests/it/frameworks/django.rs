//! Django 5.2.19 on Python 3.10 or newer, its own `LoginView` and `LogoutView`, sqlite, the session engine `cache`.
//!
//! The core `RedisCache` (redis 8.1.0) writes pickles, django-redis 7.0.0 with its `JSONSerializer` JSON.

use crate::frameworks::{App, Site, file, python};

const COOKIE: &str = "sessionid";
/// The second is no number that a JSON reader of JavaScript's could hold.
const IDS: [&str; 2] = ["42", "9007199254740993"];

/// Sessions as Django writes them out of the box.
fn core() -> Site {
    site("framework = \"django\"", "django.core.cache.backends.redis.RedisCache", "{}")
}

/// django-redis, told to write JSON.
fn json() -> Site {
    site(
        "framework = \"django\"\nserializer = \"json\"",
        "django_redis.cache.RedisCache",
        r#"{"SERIALIZER": "django_redis.serializers.json.JSONSerializer"}"#,
    )
}

fn site(profile: &str, cache: &str, options: &str) -> Site {
    Site::open(profile, |redis| {
        let mut command = python();
        command.arg(file("django/app.py")).env("REDIS_URL", redis.url());
        command.env("CACHE", cache).env("CACHE_OPTIONS", options);
        App::start(&mut command)
    })
}

#[test]
fn who_logs_in_at_django_is_known_to_the_service() {
    core().knows_who_logs_in(IDS);
}

#[test]
fn who_logs_in_at_django_with_sessions_in_json_is_known_to_the_service() {
    json().knows_who_logs_in(IDS);
}

#[test]
fn a_visitor_of_django_is_nobody_until_logging_in() {
    core().knows_no_visitor(COOKIE, IDS[0]);
    json().knows_no_visitor(COOKIE, IDS[0]);
}

#[test]
fn who_logs_out_of_django_is_refused_by_the_gateway() {
    core().refuses_who_logged_out(IDS[1]);
}

#[test]
fn a_tampered_cookie_of_django_is_refused() {
    core().refuses_a_tampered_cookie(COOKIE);
}
