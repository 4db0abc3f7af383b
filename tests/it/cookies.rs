//! The session cookie that the app itself sets.

use crate::support::{Ask, Response, Running, SESSIONS, Upstream, World, eventually};

fn world(upstream: &Upstream, profile: &str) -> Running {
    World::new()
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .profile("app", &format!("{SESSIONS}\n{profile}"))
        .recorded("app", upstream)
        .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
        .start()
}

fn logging_in() -> Upstream {
    let answer = "HTTP/1.1 200 OK\r\nSet-Cookie: theme=dark\r\nSet-Cookie: sid=new; Path=/\r\nContent-Length: 0\r\n\r\n";
    Upstream::answering(answer)
}

fn over_https(world: &Running) -> Response {
    world.ask(&Ask::new("POST", "/login").header("X-Forwarded-Proto", "https"))
}

#[test]
fn what_a_session_cookie_lacks_is_warned_of_once_for_each_cause() {
    let upstream = logging_in();
    let world = world(&upstream, "");
    assert_eq!(world.ask(&Ask::new("POST", "/login")).status, 200);
    for _ in 0..3 {
        let response = over_https(&world);
        assert_eq!(response.all("set-cookie"), ["theme=dark", "sid=new; Path=/"], "and left as it is");
    }
    let causes = ["it has no HttpOnly", "it has no Secure", "it has no SameSite"];
    eventually("all of them to be told", || {
        let told = world.gateway.process.err.text();
        causes.iter().all(|cause| told.contains(cause)).then_some(())
    });
    let told = world.gateway.process.err.text();
    for cause in causes {
        assert_eq!(told.matches(cause).count(), 1, "{cause}: {told}");
    }
}

#[test]
fn what_is_asked_for_is_repaired_and_secure_only_over_https() {
    let upstream = logging_in();
    let world = world(&upstream, "cookie_repair = [\"Secure\", \"HttpOnly\", \"SameSite=Lax\"]");
    let plain = world.ask(&Ask::new("POST", "/login"));
    assert_eq!(plain.all("set-cookie"), ["theme=dark", "sid=new; Path=/; HttpOnly; SameSite=Lax"]);
    let secure = over_https(&world);
    assert_eq!(secure.all("set-cookie"), ["theme=dark", "sid=new; Path=/; Secure; HttpOnly; SameSite=Lax"]);
    assert!(!world.gateway.process.err.text().contains("not as it should be"));
}
