//! `[server]`, `[internal]` and `[csrf]`.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::check::acme;
use crate::config::check::edge;
use crate::config::check::http;
use crate::config::check::memory;
use crate::config::check::pem;
use crate::config::check::table::{Checker, Table};
use crate::config::place::File;
use crate::config::raw::{Placed, RawCertificate, RawInternal, RawLimits, RawServer};
use crate::config::{At, Certificate, Internal, Limits, Located, Server};

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const INTERNAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9900);
const ADDRESS: &str = "an address and a port, as \"127.0.0.1:8080\" or \"[::]:8080\"";
const KIB: u64 = 1024;
/// Bytes a second: a modem of 1990 sends thirty times as much.
const BODY_RATE: u64 = 100;
const MIB: u64 = 1024 * KIB;

/// Addresses that are listened on already, with their places.
pub(crate) type Taken = Vec<(SocketAddr, At)>;

/// The listeners, whose addresses must differ, and those addresses.
pub(crate) fn check(checker: &mut Checker<'_>) -> (Server, Option<Internal>, Taken) {
    let main = checker.main();
    let raw_server = main.and_then(|(file, raw)| raw.server.as_ref().map(|table| (file, table)));
    let raw_internal = main.and_then(|(file, raw)| raw.internal.as_ref().map(|table| (file, table)));
    let mut taken = Taken::new();
    let server = {
        let absent = RawServer::default();
        let (mut table, raw) = open(checker, "server", raw_server, &absent);
        server(&mut table, raw, &mut taken)
    };
    let internal = raw_internal.is_some().then(|| {
        let absent = RawInternal::default();
        let (mut table, raw) = open(checker, "internal", raw_internal, &absent);
        let listen = match &raw.listen {
            Some(listen) => address(&mut table, listen, &mut taken).unwrap_or(INTERNAL),
            None => INTERNAL,
        };
        Internal { listen }
    });
    (server, internal, taken)
}

/// `[csrf] trusted_origins`.
pub(crate) fn trusted_origins(checker: &mut Checker<'_>) -> Vec<String> {
    let Some((file, raw)) = checker.main() else { return Vec::new() };
    let Some(csrf) = &raw.csrf else { return Vec::new() };
    let mut table = Table { checker, file, name: "csrf".to_owned(), at: file.at(csrf) };
    let mut origins = Vec::new();
    for raw in csrf.get().trusted_origins.iter().flatten() {
        let text = raw.get();
        match http::origin(text) {
            Some(origin) => origins.push(origin),
            None => {
                let hint = match http::origin(text.trim_end_matches('/')) {
                    Some(origin) => format!("without the slash: \"{origin}\""),
                    None if text.contains('*') => {
                        "name each origin; a pattern would trust whoever fits it".to_owned()
                    }
                    None if text.contains('.') && http::origin(&format!("https://{text}")).is_some() => {
                        format!("with its scheme: \"https://{text}\"")
                    }
                    None => "an origin has no path, query or user".to_owned(),
                };
                let found = format!("`{text}` is not an origin");
                let accepted = "scheme://host or scheme://host:port, of http or https";
                table.refuse_with(file.at(raw), "trusted_origins", found, accepted, hint);
            }
        }
    }
    origins
}

/// A table of the main file, or its defaults where it is left out.
pub(super) fn open<'t, 'a, 'r, T>(
    checker: &'t mut Checker<'a>,
    name: &str,
    raw: Option<(File, &'r Placed<T>)>,
    absent: &'r T,
) -> (Table<'t, 'a>, &'r T) {
    let (file, at) = raw.map_or((File(0), File(0).range(&(0..0))), |(file, raw)| (file, file.at(raw)));
    (Table { checker, file, name: name.to_owned(), at }, raw.map_or(absent, |(_, raw)| raw.get()))
}

fn server(table: &mut Table<'_, '_>, raw: &RawServer, taken: &mut Taken) -> Server {
    let file = table.file;
    let listen: Vec<SocketAddr> = match &raw.listen {
        Some(list) if list.get().is_empty() => {
            table.refuse(file.at(list), "listen", "an empty list", "at least one address");
            Vec::new()
        }
        Some(list) => list.get().iter().filter_map(|raw| address(table, raw, taken)).collect(),
        None => {
            taken.push((LISTEN, table.at));
            vec![LISTEN]
        }
    };
    let workers = match table.count("workers", raw.workers.as_ref(), 0, 0..=1024) {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        workers => workers,
    };
    let proxies = raw.trusted_proxies.iter().flatten();
    let trusted_proxies = proxies.filter_map(|raw| network(table, raw)).collect();
    let proxy_protocol = proxy_protocol(table, raw);
    let names = raw.reserved_headers.iter().flatten();
    let reserved_headers = names.filter_map(|raw| reserved(table, raw)).collect();
    let skew = table.duration_or_zero("skew", raw.skew.as_ref(), Duration::from_secs(5));
    let mut certificates: Vec<_> =
        raw.certificates.iter().filter_map(|raw| certificate(table, raw)).collect();
    let acme = acme::acme(table, raw, &mut certificates);
    let client_certificates = edge::client_certificates(table, raw);
    let hsts = edge::hsts(table, raw.hsts.as_ref());
    let redirect_http = edge::redirect_http(table, raw, taken);
    let absent = RawLimits::default();
    let limits = raw.limits.as_ref().map_or(&absent, Placed::get);
    let limits = self::limits(
        &mut Table { checker: table.checker, file, name: "server.limits".to_owned(), at: table.at },
        limits,
    );
    Server {
        listen,
        proxy_protocol,
        workers,
        trusted_proxies,
        reserved_headers,
        skew,
        certificates,
        acme,
        client_certificates,
        hsts,
        redirect_http,
        limits,
    }
}

/// A PROXY header can claim any address, so somebody must be named who may.
fn proxy_protocol(table: &mut Table<'_, '_>, raw: &RawServer) -> bool {
    let Some(wanted) = raw.proxy_protocol.as_ref().filter(|wanted| *wanted.get()) else { return false };
    if raw.trusted_proxies.as_ref().is_none_or(Vec::is_empty) {
        let found = "`true` without `trusted_proxies`: nobody may say who the client is";
        table.refuse_with(
            table.file.at(wanted),
            "proxy_protocol",
            found,
            "`true` beside the addresses of the balancers",
            "add trusted_proxies = [\"10.0.0.0/8\"], with the balancer's own network",
        );
    }
    true
}

fn certificate(table: &mut Table<'_, '_>, raw: &Placed<RawCertificate>) -> Option<Certificate> {
    let (file, at, raw) = (table.file, table.file.at(raw), raw.get());
    let mut table = Table { checker: table.checker, file, name: "server.certificates".to_owned(), at };
    let chain = table.certificates("cert", &raw.cert);
    let key = pem::private_key(&mut table, "key", &raw.key);
    Some(Certificate {
        chain: Located { value: chain?, at: file.at(&raw.cert) },
        key: Located { value: key?, at: file.at(&raw.key) },
        renews: false,
    })
}

fn limits(table: &mut Table<'_, '_>, raw: &RawLimits) -> Limits {
    let seconds = Duration::from_secs;
    let limits = Limits {
        header_bytes: table.size("header_bytes", raw.header_bytes.as_ref(), 32 * KIB, KIB..=KIB * KIB),
        headers: table.count("headers", raw.headers.as_ref(), 100, 1..=1000),
        header_timeout: table.duration("header_timeout", raw.header_timeout.as_ref(), seconds(10)),
        handshake_timeout: table.duration("handshake_timeout", raw.handshake_timeout.as_ref(), seconds(5)),
        idle_timeout: table.duration("idle_timeout", raw.idle_timeout.as_ref(), seconds(60)),
        body_timeout: table.duration("body_timeout", raw.body_timeout.as_ref(), seconds(30)),
        body_rate: match raw.body_rate.as_ref() {
            None => Some(BODY_RATE),
            raw => table.size_or_none("body_rate", raw).filter(|rate| *rate > 0),
        },
        body: table.size_or_none("body", raw.body.as_ref()),
        connections: table.count("connections", raw.connections.as_ref(), 20_000, 1..=1_000_000),
        session_memory: table.size("session_memory", raw.session_memory.as_ref(), 256 * MIB, MIB..=MIB * MIB)
            as u64,
        memory: memory::read(table, raw.memory.as_ref()),
        requests: table.count("requests", raw.requests.as_ref(), 10_000, 1..=1_000_000),
        delay: table.duration_or_none(
            "delay",
            raw.delay.as_ref(),
            Some(Duration::from_millis(25)),
            Duration::from_millis(1)..=seconds(10),
        ),
        drain_timeout: table.duration_or_zero("drain_timeout", raw.drain_timeout.as_ref(), seconds(30)),
    };
    memory::fits(table, raw, &limits);
    limits
}

/// An address that nothing else listens on.
pub(crate) fn address(
    table: &mut Table<'_, '_>,
    raw: &Placed<String>,
    taken: &mut Taken,
) -> Option<SocketAddr> {
    let (at, text) = (table.file.at(raw), raw.get().as_str());
    let Ok(address) = text.parse::<SocketAddr>() else {
        let hint = match text.rsplit_once(':') {
            Some(("localhost", port)) => format!("\"127.0.0.1:{port}\", or \"[::1]:{port}\""),
            Some(("" | "*", port)) => format!("all interfaces: \"[::]:{port}\", or \"0.0.0.0:{port}\""),
            Some(("http" | "https", _)) => "an address alone, without a scheme".to_owned(),
            None if text.parse::<std::net::IpAddr>().is_ok() => format!("with a port: \"{text}:8080\""),
            _ => "a name is not resolved here; write the address".to_owned(),
        };
        table.refuse_with(at, "listen", format!("`{text}` is not an address"), ADDRESS, hint);
        return None;
    };
    if let Some((_, first)) = taken.iter().find(|(other, _)| *other == address && address.port() != 0) {
        let first = if first.end == 0 {
            "by default".to_owned()
        } else {
            format!("in {}", table.checker.place(*first))
        };
        let found = format!("`{address}` is listened on twice, first {first}");
        table.refuse(at, "listen", found, "each address once, over `server`, `internal` and `admin`");
    }
    taken.push((address, at));
    Some(address)
}

fn network(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<IpNet> {
    let text = raw.get();
    let alone = text.parse::<std::net::IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or(alone);
    if network.is_err() {
        let accepted = "a network or an address, as \"10.0.0.0/8\" or \"::1\"";
        table.refuse(table.file.at(raw), "trusted_proxies", format!("`{text}` is not a network"), accepted);
    }
    network.ok().map(|network| network.trunc())
}

/// A reserved name, folded the way incoming names are.
fn reserved(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<String> {
    let (at, text) = (table.file.at(raw), raw.get().as_str());
    let start = text.strip_suffix('*').unwrap_or(text);
    if ::http::HeaderName::from_bytes(start.as_bytes()).is_err() {
        let accepted = "a header name, as \"x-tenant\", or the start of one with `*`, as \"x-user-*\"";
        table.refuse(at, "reserved_headers", format!("`{text}` is not a header name"), accepted);
        return None;
    }
    let fold = |c: char| if c.is_ascii_alphanumeric() || c == '*' { c.to_ascii_lowercase() } else { '-' };
    let folded: String = text.chars().map(fold).collect();
    if http::is_structural(&folded) {
        let found = format!("`{text}` would remove headers that requests need");
        table.refuse(at, "reserved_headers", found, "names of your own, as \"x-user-*\"");
        return None;
    }
    Some(folded)
}
