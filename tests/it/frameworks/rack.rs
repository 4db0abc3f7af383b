//! Rack 2.2.22 on Ruby 3.1.2 with `Rack::Session::Redis` of redis-rack 2.1.2 (redis-store 1.9.0) and WEBrick 1.8.1 (Debian 12).

use crate::frameworks::{App, Site, file};
use crate::support::Ask;
use std::process::Command;

const COOKIE: &str = "rack.session";
const IDS: [&str; 2] = ["42", "9f1c2b34-0000-4000-8000-00000000b0b0"];

fn site() -> Site {
    Site::open("framework = \"rack\"\nsubject = \"user_id\"", |redis| {
        let mut command = Command::new("ruby");
        command.arg(file("rack/app.rb")).env("REDIS_URL", redis.url());
        App::start(&mut command)
    })
}

#[test]
fn who_logs_in_at_rack_is_known_to_the_service() {
    site().knows_who_logs_in(IDS);
}

#[test]
fn a_visitor_of_rack_is_nobody_until_logging_in() {
    site().knows_no_visitor(COOKIE, IDS[0]);
}

#[test]
fn who_logs_out_of_rack_is_refused_by_the_gateway() {
    site().refuses_who_logged_out(IDS[1]);
}

#[test]
fn a_tampered_cookie_of_rack_is_refused() {
    site().refuses_a_tampered_cookie(COOKIE);
}

/// The app itself takes it: redis-rack looks for the cookie's text as a key too.
#[test]
fn who_can_list_the_keys_of_rack_cannot_log_in_with_one_at_the_gateway() {
    let mut site = site();
    site.logged_in("alice");
    let keys: Vec<String> = site.world.redis().command(&["KEYS", "rack:session:2::*"]);
    let [key] = &keys[..] else { panic!("one session: {keys:?}") };
    let stolen = format!("{COOKIE}={}", key.strip_prefix("rack:session:").unwrap());
    assert_eq!(site.world.ask(&Ask::get("/home").cookie(&stolen)).json()["user"], IDS[0]);
    let refused = site.world.ask(&Ask::get("/api/x").cookie(&stolen));
    assert_eq!((refused.status, refused.refusal()), (401, Some("login-required")));
}
