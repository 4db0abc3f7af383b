//! Flask 3.1.3 with Flask-Session 0.8.0 (msgspec 0.22.0, redis 8.1.0) and Flask-Login 0.6.3.
//!
//! Logging out leaves the session alive and takes the user out of it.

use crate::frameworks::{App, Site, file, python};

const COOKIE: &str = "session";
const IDS: [&str; 2] = ["42", "9f1c2b34-0000-4000-8000-00000000b0b0"];

fn msgpack() -> Site {
    site("framework = \"flask\"", "msgpack")
}

fn json() -> Site {
    site("framework = \"flask\"\nserializer = \"json\"", "json")
}

fn site(profile: &str, serialization: &str) -> Site {
    Site::open(profile, |redis| {
        let mut command = python();
        command.arg(file("flask/app.py")).env("REDIS_URL", redis.url());
        command.env("SERIALIZATION_FORMAT", serialization);
        App::start(&mut command)
    })
}

#[test]
fn who_logs_in_at_flask_is_known_to_the_service() {
    msgpack().knows_who_logs_in(IDS);
}

#[test]
fn who_logs_in_at_flask_with_sessions_in_json_is_known_to_the_service() {
    json().knows_who_logs_in(IDS);
}

#[test]
fn a_visitor_of_flask_is_nobody_until_logging_in() {
    msgpack().knows_no_visitor(COOKIE, IDS[0]);
}

#[test]
fn who_logs_out_of_flask_is_refused_by_the_gateway() {
    msgpack().refuses_who_logged_out(IDS[1]);
}

#[test]
fn a_tampered_cookie_of_flask_is_refused() {
    msgpack().refuses_a_tampered_cookie(COOKIE);
}
