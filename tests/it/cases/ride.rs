//! One case in a world of its own: how it comes, and before what.

use crate::cases::case::{Case, EVIL, Place};
use crate::cases::h2;
use crate::cases::oracle::{FIRST, MARKER, Outcome, first_line, judge};
use crate::cases::readers::{Server, Tap};
use crate::support::{Authority, Client, Redis, Response, Upstream, World, answer_with};
use std::fmt::Display;
use std::sync::Arc;

/// What a client speaks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Speech<'a> {
    Plain,
    Tls(&'a Authority),
    Http2,
}

/// Where a case stands on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    First,
    /// After the answer to another request.
    Second,
    /// In one write with another request.
    AtOnce,
}

/// A case, and how it comes.
#[derive(Clone, Debug)]
pub(super) struct Ride<'a> {
    pub(super) case: Case,
    pub(super) place: Place,
    pub(super) speech: Speech<'a>,
    pub(super) position: Position,
}

/// What is behind the gateway.
#[derive(Clone, Debug)]
pub(super) enum Behind {
    Recorder,
    /// These, of which one answers.
    Servers(Arc<Vec<Server>>, usize),
}

enum Upstreams {
    Recorder(Upstream),
    Servers(Tap),
}

impl Ride<'_> {
    /// Whatever is wrong with what became of it.
    pub(super) fn violations(&self, behind: &Behind, redis: &Redis) -> Vec<String> {
        let (outcome, mut found) = self.run(behind, redis);
        found.extend(judge(&self.case, &outcome));
        let Self { case, place, speech, position } = self;
        let speech = match speech {
            Speech::Plain => "plain",
            Speech::Tls(_) => "TLS",
            Speech::Http2 => "HTTP/2",
        };
        let how = format!("{} ({}, {place:?}, {speech}, {position:?})", case.id, case.row);
        found.into_iter().map(|why| format!("{how}: {why}")).collect()
    }

    fn run(&self, behind: &Behind, redis: &Redis) -> (Outcome, Vec<String>) {
        let upstreams = match behind {
            Behind::Recorder => Upstreams::Recorder(recorder()),
            Behind::Servers(servers, leader) => Upstreams::Servers(Tap::before(servers, *leader)),
        };
        let world = match &upstreams {
            Upstreams::Recorder(upstream) => world(self.place, upstream.address()),
            Upstreams::Servers(tap) => world(self.place, tap.address()),
        };
        let (world, scheme) = match self.speech {
            Speech::Plain | Speech::Http2 => (world, "http"),
            Speech::Tls(authority) => (world.table(&authority.entry("gw")), "https"),
        };
        let mut gateway = world.start_beside(redis);
        let keys = gateway.keys();
        redis.command::<()>(&["CONFIG", "RESETSTAT"]);
        let second = self.position != Position::First;
        let (first, responses) = match self.speech {
            Speech::Plain => self.speak(Client::connect(gateway.public)),
            Speech::Tls(authority) => {
                self.speak(Client::secure(gateway.public, "gw.test", &authority.client()))
            }
            Speech::Http2 => h2::speak(&self.case, second, gateway.public),
        };
        let mut found = Vec::new();
        let fine = |first: &Response| first.status == 200 && first_line(first) == format!("GET {FIRST}");
        if second && !first.as_ref().is_some_and(fine) {
            found.push(format!("the answer before it was {first:?}"));
        }
        assert!(gateway.stop().success(), "{}: the gateway did not end well", self.case.id);
        let lookups = lookups(redis);
        let upstream = match upstreams {
            Upstreams::Recorder(upstream) => upstream.finish(),
            Upstreams::Servers(tap) => {
                let heard = tap.finish().into_iter();
                heard
                    .map(|heard| {
                        found.extend(heard.differences);
                        heard.sent
                    })
                    .collect()
            }
        };
        let (place, lines) = (self.place, gateway.lines());
        (Outcome { place, second, scheme, responses, upstream, lines, lookups, keys }, found)
    }

    /// Sends the case, in its position, and the marker. The answer before it, and those from it on.
    fn speak(&self, mut client: Client) -> (Option<Response>, Vec<Response>) {
        let before = format!("GET {FIRST} HTTP/1.1\r\nHost: gw.test\r\nCookie: sid={}\r\n\r\n", EVIL.0);
        let case = self.case.bytes();
        let first = match self.position {
            Position::First => {
                client.send(case);
                None
            }
            Position::Second => {
                client.send(before);
                let first = client.response("GET");
                client.send(case);
                first
            }
            Position::AtOnce => {
                client.send([before.into_bytes(), case].concat());
                client.response("GET")
            }
        };
        let mut responses = Vec::new();
        let method = if self.case.text().starts_with("HEAD ") { "HEAD" } else { "GET" };
        if let Some(response) = client.response(method) {
            responses.push(response);
            client.send(format!("GET {MARKER} HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n"));
            responses.extend(std::iter::from_fn(|| client.response("GET")));
        }
        (first, responses)
    }
}

fn recorder() -> Upstream {
    Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let body = format!("{} {}", request.method, request.target);
            wire.say(answer_with(&request, body.as_bytes()));
        }
    })
}

fn world(place: Place, upstream: impl Display) -> World {
    let route = |path: &str, access: &str| {
        format!("host = \"gw.test\"\npath = \"{path}\"\nupstream = \"recorder\"\naccess = \"{access}\"")
    };
    let world = World::without_redis()
        .limits("header_timeout = \"2s\"\nbody_timeout = \"2s\"\nidle_timeout = \"5s\"")
        // What is asserted is no matter of a busy machine's milliseconds.
        .store("timeout = \"5s\"")
        .profile("app", crate::support::SESSIONS)
        .upstream("recorder", upstream)
        .route(&route("/public/*", "open"))
        .route(&route("/*", "required"));
    let also: &[&str] = match place {
        Place::Required => &[],
        Place::Open => &["/p", "/p2", "/ws", "/early-401"],
    };
    also.iter().fold(world, |world, path| world.route(&route(path, "open")))
}

/// How many records were asked for since the last reset.
fn lookups(redis: &Redis) -> usize {
    let stats: String = redis.command(&["INFO", "commandstats"]);
    let lines = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_get:calls="));
    lines.filter_map(|rest| rest.split(',').next()?.parse::<usize>().ok()).sum()
}
