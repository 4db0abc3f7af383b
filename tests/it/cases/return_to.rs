//! Where a browser is sent to log in: never to another host, whatever it asked for.

use crate::cases::case::Case;
use crate::support::{Client, Process, Upstream, World};
use cloakroom::request::safe_return;
use std::process::Command;

/// Resolves every path of its argument as a browser does, and prints the origins.
const RESOLVE: &str = "console.log(JSON.parse(process.argv[1])\
    .map((path) => new URL(path, 'http://gw.test/login').origin).join('\\n'))";

#[test]
fn who_has_logged_in_goes_back_to_this_host_whatever_next_says() {
    let cases: Vec<Case> = Case::all().into_iter().filter(|case| case.proto == "return_to").collect();
    assert!(!cases.is_empty());
    let mut nexts: Vec<String> = cases.iter().map(Case::text).collect();
    for case in cases.iter().filter(|case| case.expect == "allow") {
        assert_eq!(safe_return(&case.text()), case.text(), "{}", case.id);
    }
    // What an attacker would try next: each of them escaped once more, and behind a harmless start.
    let again = nexts
        .clone()
        .into_iter()
        .flat_map(|next| [next.replace('/', "%2f"), next.replace('\\', "%5c"), format!("/{next}")]);
    nexts.extend(again.collect::<Vec<_>>());
    let taken: Vec<&str> = nexts.iter().map(|next| safe_return(next)).collect();
    let paths = serde_json::to_string(&taken).unwrap();
    let mut node = Process::start(Command::new("node").args(["-e", RESOLVE, &paths]));
    assert!(node.wait().success(), "{}", node.err.text());
    let origins = node.out.text();
    assert_eq!(origins.lines().count(), nexts.len());
    for (origin, next) in origins.lines().zip(&nexts) {
        assert_eq!(origin, "http://gw.test", "{next}");
    }
}

#[test]
fn a_login_redirect_stays_on_this_host_whatever_was_asked_for() {
    let upstream = Upstream::echoing();
    let world = World::with_sessions(&[])
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"\nlogin = \"/login?next={path}\"")
        .start();
    let cases = Case::all().into_iter().filter(|case| case.proto == "return_to").collect::<Vec<_>>();
    assert!(!cases.is_empty());
    for case in cases {
        let mut client = Client::connect(world.gateway.public);
        let text = case.text();
        client.send(format!("GET {text} HTTP/1.1\r\nHost: gw.test\r\nSec-Fetch-Mode: navigate\r\n\r\n"));
        let response = client.response("GET").expect("an answer");
        assert_eq!(response.all("set-cookie").len(), usize::from(response.status == 302), "{}", case.id);
        match response.header("location") {
            Some(location) => {
                let next = location
                    .strip_prefix("/login?next=")
                    .unwrap_or_else(|| panic!("{}: {location}", case.id));
                assert!(
                    next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)),
                    "{next}"
                );
                assert!(next.starts_with("%2F"), "{}: {next}", case.id);
            }
            None => assert!(matches!(response.status, 400 | 404), "{}: {}", case.id, response.status),
        }
        if case.expect == "allow" {
            assert_eq!(response.status, 302, "{}", case.id);
        }
    }
    assert!(upstream.requests().is_empty());
}
