//! Real apps of other frameworks behind the gateway: what each writes into Redis today is what the gateway must read.
//!
//! The apps (`tests/apps`) keep users, login form, cookies and sessions as their frameworks do, and know nothing of a
//! gateway. Every claim here goes in through the gateway as a browser does, and out at a service that has the token only.
//! What the frameworks wrote once, version by version, is held by the captured vectors; this holds the round trip.

mod django;
mod flask;
mod php;
mod rack;

use crate::support::{Ask, Process, Redis, Response, Running, Upstream, World, eventually, verify};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// The field of Django's forms that a page of another site cannot know.
const FORGERY: &str = "csrfmiddlewaretoken";
/// Who can log in at each app; the password is in `tests/apps`.
const USERS: [&str; 2] = ["alice", "bob"];

/// An app, the gateway before it, and a service that the app's users reach at `/api/`.
struct Site {
    world: Running,
    service: Upstream,
    _app: App,
}

/// A program that listens on a port of its own.
struct App {
    port: u16,
    _process: Process,
}

/// What a browser keeps of a site.
struct Browser<'site> {
    site: &'site Site,
    cookies: BTreeMap<String, String>,
}

/// A file below `tests/apps`.
fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(path)
}

/// The Python that `tests/run` gives the packages to.
fn python() -> Command {
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    assert!(python.exists(), "{} is missing; `tests/run` installs it", python.display());
    Command::new(python)
}

impl App {
    /// Starts one that says `listening` and its port.
    fn start(command: &mut Command) -> Self {
        let process = Process::start(command);
        let port = process.out.wait_for("the app's port", |text| port_in(text, "listening ", '\n'));
        Self::at(port, process)
    }

    fn at(port: Option<u16>, process: Process) -> Self {
        Self { port: port.expect("the app ended; `tests/run` installs what it needs"), _process: process }
    }
}

/// The number between these.
fn port_in(text: &str, before: &str, after: char) -> Option<u16> {
    text.split_once(before)?.1.split_once(after)?.0.parse().ok()
}

impl Site {
    /// The app is started with its sessions in this Redis.
    fn open(profile: &str, start: impl FnOnce(&Redis) -> App) -> Self {
        let world = World::new();
        let app = start(world.redis());
        let service = Upstream::echoing();
        let world = world
            .profile("app", profile)
            .upstream("app", format!("127.0.0.1:{}", app.port))
            .recorded("service", &service)
            .route("path = \"/*\"\nupstream = \"app\"\naccess = \"open\"")
            .route("path = \"/api/*\"\nupstream = \"service\"")
            .start();
        Self { world, service, _app: app }
    }

    fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookies: BTreeMap::new() }
    }

    /// A browser in which this user has logged in by the app's form.
    fn logged_in(&self, user: &str) -> Browser<'_> {
        let mut browser = self.browser();
        browser.log_in(user);
        browser
    }

    /// Who logs in at the app is that user at the service, which gets a token and not the session's cookie.
    fn knows_who_logs_in(&self, ids: [&str; 2]) {
        assert_eq!(self.world.get("/api/x").refusal(), Some("login-required"));
        let mut browsers = USERS.map(|user| self.logged_in(user));
        for (browser, id) in browsers.iter_mut().zip(ids) {
            assert_eq!(browser.get("/home").json()["user"], id);
            assert_eq!(browser.known_as(), id);
            assert_eq!(browser.get("/home").json()["user"], id, "the app still knows its user");
        }
        assert_eq!(self.service.requests().len(), 2);
    }

    /// A visitor whose session has no user is nobody, and the same browser is somebody once it has logged in.
    fn knows_no_visitor(&self, cookie: &str, id: &str) {
        let mut browser = self.browser();
        assert_eq!(browser.get("/visit").status, 200);
        assert!(browser.cookies.contains_key(cookie), "a session of the visitor's own");
        browser.is_refused();
        browser.log_in("alice");
        assert_eq!(browser.known_as(), id);
    }

    /// The cookie of a session that the user has left is worth nothing, while another user's stays good.
    fn refuses_who_logged_out(&self, id_of_bob: &str) {
        let (mut alice, mut bob) = (self.logged_in("alice"), self.logged_in("bob"));
        alice.known_as();
        let old = Browser { site: self, cookies: alice.cookies.clone() };
        let left = alice.log_out();
        assert!(leads_home(&left), "{left:?}");
        old.is_refused();
        alice.is_refused();
        assert_eq!(bob.known_as(), id_of_bob);
    }

    /// An id that the app never gave is nobody's, at the app and at the gateway.
    fn refuses_a_tampered_cookie(&self, cookie: &str) {
        let mut browser = self.logged_in("alice");
        let good = browser.cookies[cookie].clone();
        let (start, last) = good.split_at(good.len() - 1);
        let swapped = if last == "1" { "2" } else { "1" };
        for bad in [format!("{start}{swapped}"), start.to_owned(), format!("{good}1"), String::new()] {
            let tampered = self.world.ask(&Ask::get("/api/x").cookie(&format!("{cookie}={bad}")));
            assert_eq!((tampered.status, tampered.refusal()), (401, Some("login-required")), "{bad}");
            assert!(tampered.all("set-cookie").is_empty(), "the app's cookie stays the app's");
            let at_app = self.world.ask(&Ask::get("/home").cookie(&format!("{cookie}={bad}")));
            assert_eq!(at_app.json()["user"], serde_json::Value::Null, "{bad}");
        }
        assert!(self.service.requests().is_empty());
        browser.known_as();
    }
}

impl Browser<'_> {
    fn get(&mut self, target: &str) -> Response {
        let ask = self.with_cookies(Ask::get(target).navigation());
        self.keep(self.site.world.ask(&ask))
    }

    /// Fills in the app's login form, with the token that is hidden in it if one is.
    fn log_in(&mut self, user: &str) {
        let form = self.get("/login");
        assert_eq!(form.status, 200, "{}", form.text());
        let password = format!("{user}'s password");
        let mut fields = vec![("username", user), ("password", &password)];
        let text = form.text();
        fields.extend(hidden(&text, FORGERY).map(|token| (FORGERY, token)));
        let sent = self.submit("/login", &fields);
        assert!(leads_home(&sent), "{sent:?}");
    }

    /// Presses the app's button, as its script does: Django's takes the token from the cookie.
    fn log_out(&mut self) -> Response {
        let token = self.cookies.get("csrftoken").cloned();
        let fields: Vec<_> = token.iter().map(|token| (FORGERY, token.as_str())).collect();
        self.submit("/logout", &fields)
    }

    /// Sends a form of this site.
    fn submit(&mut self, target: &str, fields: &[(&str, &str)]) -> Response {
        let escaped = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| escaped(name) + "=" + &escaped(value)).collect();
        let ask = Ask::new("POST", target)
            .navigation()
            .header("Sec-Fetch-Site", "same-origin")
            .header("Origin", "http://gw.test")
            .header("Content-Type", "application/x-www-form-urlencoded");
        let ask = self.with_cookies(ask).body(pairs.join("&"));
        self.keep(self.site.world.ask(&ask))
    }

    /// Whom the service takes it for.
    fn known_as(&mut self) -> String {
        let ask = self.with_cookies(Ask::get("/api/x"));
        // What the app changed reaches the gateway's memory a moment behind the app's answer.
        let response = eventually("the gateway to know the user", || {
            Some(self.site.world.ask(&ask)).filter(|response| response.status == 200)
        });
        // Django's token against forgery is no credential and may pass.
        let passed = response.echoed("cookie").unwrap_or_default();
        assert!(passed.is_empty() || passed == csrf_pair(&self.cookies), "{passed}");
        let header = response.echoed("authorization").expect("a token");
        let token = header.strip_prefix("Bearer ").expect("a bearer token");
        let claims =
            verify(token, &self.site.world.gateway.keys(), "service").expect("a token that verifies");
        claims["sub"].as_str().expect("a text").to_owned()
    }

    fn is_refused(&self) {
        let ask = self.with_cookies(Ask::get("/api/x"));
        let response = eventually("the gateway to know nobody", || {
            Some(self.site.world.ask(&ask)).filter(|response| response.status != 200)
        });
        assert_eq!(
            (response.status, response.refusal()),
            (401, Some("login-required")),
            "{}",
            response.text()
        );
    }

    fn with_cookies(&self, ask: Ask) -> Ask {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { ask } else { ask.cookie(&pairs.join("; ")) }
    }

    /// Keeps and drops cookies as the answer says.
    fn keep(&mut self, response: Response) -> Response {
        for line in response.all("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect("a cookie is a pair");
            let attributes = attributes.to_ascii_lowercase();
            if attributes.contains("max-age=0") || attributes.contains("expires=thu, 01 jan 1970") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }
}

/// WEBrick writes the whole address out, by the host that the browser asked.
fn leads_home(response: &Response) -> bool {
    response.status == 302 && matches!(response.header("location"), Some("/home" | "http://gw.test/home"))
}

fn csrf_pair(cookies: &BTreeMap<String, String>) -> String {
    cookies.get("csrftoken").map_or_else(String::new, |token| format!("csrftoken={token}"))
}

/// The value of a hidden field of this form.
fn hidden<'form>(form: &'form str, name: &str) -> Option<&'form str> {
    let field = form.split_once(&format!("name=\"{name}\" value=\""))?.1;
    Some(field.split_once('"')?.0)
}
