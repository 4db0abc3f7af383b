//! PHP 8.2.35 with phpredis 5.3.7 (Debian 12), PHP's own sessions, PHP's own web server.
//!
//! Visitors' text in the record that looks like a record (`tests/apps/php/app.php`) is in every session here.

use crate::frameworks::{App, Site, file, port_in};
use crate::support::Process;
use std::process::Command;

const COOKIE: &str = "PHPSESSID";
const IDS: [&str; 2] = ["42", "9f1c2b34-0000-4000-8000-00000000b0b0"];

fn site(handler: &str) -> Site {
    let profile = format!("framework = \"php\"\nsubject = \"user_id\"\nserializer = \"{handler}\"");
    Site::open(&profile, |redis| {
        let mut command = Command::new("php");
        let save_path = redis.url().replacen("redis://", "tcp://", 1);
        let save_path = save_path.strip_suffix("/0").unwrap();
        command.args(["-d", "session.save_handler=redis", "-d", &format!("session.save_path={save_path}")]);
        command.args([
            "-d",
            &format!("session.serialize_handler={handler}"),
            "-d",
            "session.use_strict_mode=1",
        ]);
        command.args(["-S", "127.0.0.1:0"]).arg(file("php/app.php"));
        let process = Process::start(&mut command);
        let port = process.err.wait_for("PHP's port", |text| port_in(text, "(http://127.0.0.1:", ')'));
        App::at(port, process)
    })
}

#[test]
fn who_logs_in_at_php_is_known_to_the_service() {
    site("php").knows_who_logs_in(IDS);
}

#[test]
fn who_logs_in_at_php_with_one_serialised_array_is_known_to_the_service() {
    site("php_serialize").knows_who_logs_in(IDS);
}

#[test]
fn a_visitor_of_php_is_nobody_until_logging_in() {
    site("php").knows_no_visitor(COOKIE, IDS[0]);
}

#[test]
fn who_logs_out_of_php_is_refused_by_the_gateway() {
    site("php").refuses_who_logged_out(IDS[1]);
}

#[test]
fn a_tampered_cookie_of_php_is_refused() {
    site("php").refuses_a_tampered_cookie(COOKIE);
}
