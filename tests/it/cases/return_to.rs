//! Where a browser is sent to log in: never to another host, whatever it asked for.

use crate::cases::case::Case;
use crate::support::{Client, Upstream, World};

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
