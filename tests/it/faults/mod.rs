//! Upstreams that fail in every way we could think of: [`shapes::shapes`] has them as a table.
//!
//! The claim for each: the client gets the answer that the table says, in bounded time; what was cut off never looks
//! whole; and the upstream got the request once, or a second time only where that is safe.

mod seen;
mod shapes;

use crate::support::{Ask, Client, Gateway, Upstream, World};
use seen::Seen;
use shapes::{Act, Shape, Then, shapes};
use std::collections::HashMap;
use std::time::Duration;

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// Gateways that share the table among them.
const GATEWAYS: usize = 4;

/// Plays the shape whose number is in the target's second segment.
fn faulty(table: Vec<Shape>) -> Upstream {
    Upstream::playing(move |wire| {
        while let Some(head) = wire.head() {
            let number = head.target.split(['/', '?']).nth(2).and_then(|text| text.parse::<usize>().ok());
            let Some(shape) = number.and_then(|number| table.get(number)) else {
                wire.say(GOOD);
                continue;
            };
            for act in &shape.acts {
                match act {
                    Act::Say(bytes) => wire.say(bytes),
                    Act::Drip(bytes, times) => {
                        for byte in bytes.iter().cycle().take(bytes.len() * times) {
                            wire.say([*byte]);
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    }
                    Act::HangUp => wire.hang_up(),
                    Act::Reset => wire.reset(),
                }
            }
            if matches!(shape.then, Then::Whole(..)) {
                // It has answered, and would be asked again.
                wire.hang_up();
            }
            return;
        }
    })
}

fn gateway(upstream: &Upstream) -> Gateway {
    let table = |name: &str, idle: &str| {
        format!(
            "[upstreams.{name}]\nendpoints = [\"http://{}\"]\n\
             timeouts = {{ connect = \"5s\", first_byte = \"2s\", idle = \"{idle}\" }}\n\
             [[routes]]\npath = \"/{name}/*\"\nupstream = \"{name}\"\naccess = \"open\"\ncsrf = \"off\"\n\
             limits = {{ total = \"4s\" }}",
            upstream.address()
        )
    };
    World::without_redis()
        .table(&table("fresh", "0s"))
        .table(&table("kept", "30s"))
        .start_at("redis://127.0.0.1:1/0")
}

/// Sends one request and reads all that comes.
fn ask(gateway: &Gateway, method: &str, target: &str) -> Seen {
    let mut client = Client::connect(gateway.public);
    let ask = Ask::new(method, target).header("Connection", "close");
    let ask = if method == "POST" { ask.body("hello") } else { ask };
    client.send(ask.bytes());
    Seen::of(&client.rest())
}

/// What is wrong with one shape, over new connections and kept ones, with and without a body.
fn complaints(gateway: &Gateway, number: usize, shape: &Shape) -> Vec<String> {
    let mut complaints = Vec::new();
    for pool in ["fresh", "kept"] {
        for method in ["GET", "POST"] {
            if pool == "kept" {
                assert_eq!(ask(gateway, "GET", "/kept/good"), Seen::Whole(200, "ok".into()));
            }
            let seen = ask(gateway, method, &format!("/{pool}/{number}?{method}"));
            let fits = match &shape.then {
                Then::Broken => seen == Seen::Refused(502, "upstream-broken".into()),
                Then::TimedOut => seen == Seen::Refused(504, "upstream-timed-out".into()),
                Then::Cut => seen == Seen::Cut,
                Then::BrokenOrCut => {
                    matches!(&seen, Seen::Cut) || seen == Seen::Refused(502, "upstream-broken".into())
                }
                Then::Whole(status, body) => seen == Seen::Whole(*status, (*body).to_owned()),
            };
            if !fits {
                complaints.push(format!("{} ({pool} {method}): {seen:?}, not {:?}", shape.name, shape.then));
            }
        }
    }
    complaints
}

#[test]
fn every_fault_has_a_defined_end_and_is_asked_for_no_more_often_than_is_safe() {
    let table = shapes();
    assert!(table.len() >= 60, "{} shapes", table.len());
    let upstream = faulty(shapes());
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let share = |first: usize| {
            let (table, upstream) = (&table, &upstream);
            scope.spawn(move || {
                let gateway = gateway(upstream);
                let mine = table.iter().enumerate().skip(first).step_by(GATEWAYS);
                mine.flat_map(|(number, shape)| complaints(&gateway, number, shape)).collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..GATEWAYS).map(share).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let mut came: HashMap<String, usize> = HashMap::new();
    for request in upstream.requests() {
        *came.entry(request.target).or_default() += 1;
    }
    for (number, shape) in table.iter().enumerate() {
        for (pool, method) in [("fresh", "GET"), ("fresh", "POST"), ("kept", "GET"), ("kept", "POST")] {
            let times = came.get(&format!("/{pool}/{number}?{method}")).copied().unwrap_or_default();
            // Silence on a connection that had served before may be its keep-alive, and a GET may be repeated.
            let most = if pool == "kept" && method == "GET" && shape.is_silent_end() { 2 } else { 1 };
            assert!((1..=most).contains(&times), "{} ({pool} {method}) came {times} times", shape.name);
        }
    }
}

/// A response with this framing, longer than the offsets at which it is cut.
fn long(framing: &str) -> Vec<u8> {
    let body = "0123456789abcdef".repeat(16);
    match framing {
        "length" => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        "chunks" => {
            let chunks: String = (0..16).map(|_| "10\r\n0123456789abcdef\r\n".to_owned()).collect();
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        }
        _ => format!("HTTP/1.0 200 OK\r\n\r\n{body}"),
    }
    .into_bytes()
}

#[test]
fn a_reset_at_any_of_the_first_200_bytes_never_leaves_a_whole_answer() {
    const OFFSETS: usize = 200;
    let upstream = Upstream::playing(|wire| {
        let Some(head) = wire.head() else { return };
        let mut words = head.target.split('/').skip(2);
        let (framing, offset) = (words.next().unwrap(), words.next().unwrap().parse::<usize>().unwrap());
        wire.say(&long(framing)[..offset]);
        wire.reset();
    });
    let gateway = gateway(&upstream);
    for framing in ["length", "chunks", "close"] {
        for offset in 0..OFFSETS {
            assert!(long(framing).len() > OFFSETS);
            let seen = ask(&gateway, "GET", &format!("/fresh/{framing}/{offset}"));
            let broken = Seen::Refused(502, "upstream-broken".into());
            assert!(seen == broken || seen == Seen::Cut, "{framing} at {offset}: {seen:?}");
        }
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 3 * OFFSETS, "each was asked for once");
}

#[test]
fn an_upstream_that_cannot_be_reached_is_said_to_be() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // A queue of one that is full: Linux drops further handshakes without a word.
    let hole = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    hole.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    hole.listen(0).unwrap();
    let address = hole.local_addr().unwrap().as_socket().unwrap();
    let _queued = std::net::TcpStream::connect(address).unwrap();
    let endpoints = [
        ("refused", format!("http://{dead}")),
        ("hole", format!("http://{address}")),
        ("nameless", "http://no-such-name.invalid".to_owned()),
        ("socketless", "unix:/no/such/socket".to_owned()),
    ];
    let mut world = World::without_redis();
    for (name, endpoint) in &endpoints {
        world = world
            .table(&format!(
                "[upstreams.{name}]\nendpoints = [\"{endpoint}\"]\ntimeouts = {{ connect = \"300ms\" }}"
            ))
            .route(&format!("path = \"/{name}\"\nupstream = \"{name}\"\naccess = \"open\"\ncsrf = \"off\""));
    }
    let gateway = world.start_at("redis://127.0.0.1:1/0");
    for (name, _) in &endpoints {
        for method in ["GET", "POST"] {
            let seen = ask(&gateway, method, &format!("/{name}"));
            assert_eq!(seen, Seen::Refused(502, "upstream-unreachable".into()), "{name} {method}");
        }
    }
}
