//! `[upstreams.X]`.

use std::time::Duration;

use crate::config::check::headers;
use crate::config::check::http;
use crate::config::check::names::Entry;
use crate::config::check::table::{Checker, Table};
use crate::config::check::upstream_tls;
use crate::config::raw::{Placed, RawEjection, RawHealth, RawTimeouts, RawUpstream, RawUpstreamLimits};
use crate::config::{At, Balance, Ejection, Endpoint, Health, Upstream, UpstreamLimits};

/// More would not fit the arithmetic of the queue, and no machine.
const COUNT_MAX: u32 = 1_000_000;
/// Nobody waits longer for a page, and each that waits holds its request.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// An hour of failing is no lapse any more; who wants an endpoint out takes it out.
const EJECTION_MAX: Duration = Duration::from_secs(3600);

const ENDPOINT: &str = "`http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`";
/// Linux has 108 bytes for the name of a socket, and needs one of them.
const SOCKET_BYTES_MAX: usize = 107;

/// Checks one upstream.
pub(crate) fn check(checker: &mut Checker<'_>, entry: &Entry<'_, RawUpstream>) -> Upstream {
    let raw = entry.raw;
    let mut table = entry.table(checker, "upstreams");
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for raw in raw.endpoints.get() {
        let Some(endpoint) = endpoint(&mut table, raw) else { continue };
        if endpoints.contains(&endpoint) {
            table.refuse(
                table.file.at(raw),
                "endpoints",
                format!("`{}` is there twice", raw.get()),
                "each once",
            );
        }
        endpoints.push(endpoint);
    }
    if let Some((at, first)) = endpoints.first().and_then(|first| {
        let other = endpoints.iter().position(|endpoint| endpoint.http2 != first.http2)?;
        Some((raw.endpoints.get().get(other)?, first))
    }) {
        let found = format!("`{}` beside `{first}`", at.get());
        table.refuse(
            table.file.at(at),
            "endpoints",
            found,
            "`h2c://` for all endpoints of an upstream or for none",
        );
    }
    if raw.endpoints.get().is_empty() {
        table.refuse(
            table.file.at(&raw.endpoints),
            "endpoints",
            "an empty list",
            format!("at least one {ENDPOINT}"),
        );
    }
    let absent = RawTimeouts::default();
    let timeouts = raw.timeouts.as_ref().map_or(&absent, Placed::get);
    let seconds = Duration::from_secs;
    Upstream {
        name: entry.name.to_owned(),
        at: entry.at,
        tls: upstream_tls::check(&mut table, raw, &endpoints),
        endpoints,
        host: raw.host.as_ref().and_then(|raw| host(&mut table, raw)),
        connect_timeout: table.duration("timeouts.connect", timeouts.connect.as_ref(), seconds(2)),
        first_byte_timeout: table.duration("timeouts.first_byte", timeouts.first_byte.as_ref(), seconds(60)),
        idle_timeout: table.duration_or_zero("timeouts.idle", timeouts.idle.as_ref(), seconds(4)),
        balance: raw.balance.as_ref().map_or(Balance::LeastRequest, |raw| *raw.get()),
        proxy_protocol: raw.proxy_protocol.as_ref().map(|raw| *raw.get()),
        limits: limits(&mut table, raw.limits.as_ref()),
        ejection: ejection(&mut table, raw.ejection.as_ref()),
        health: raw.health.as_ref().and_then(|raw| health(&mut table, raw.get())),
        request_headers: headers::rules(&mut table, "request_headers", raw.request_headers.as_ref()),
        response_headers: headers::rules(&mut table, "response_headers", raw.response_headers.as_ref()),
    }
}

fn health(table: &mut Table<'_, '_>, raw: &RawHealth) -> Option<Health> {
    let path = raw.path.get();
    let good = path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && path.parse::<::http::Uri>().is_ok();
    if !good {
        let (found, accepted) = (format!("`{path}` is no path"), "a path, as \"/healthz\"");
        table.refuse(table.file.at(&raw.path), "health.path", found, accepted);
        return None;
    }
    let range = Duration::from_millis(10)..=EJECTION_MAX;
    let count = |count: usize| u32::try_from(count).unwrap_or(COUNT_MAX);
    Some(Health {
        path: path.clone(),
        interval: table.duration_within(
            "health.interval",
            raw.interval.as_ref(),
            Duration::from_secs(5),
            range.clone(),
        ),
        timeout: table.duration_within("health.timeout", raw.timeout.as_ref(), Duration::from_secs(2), range),
        failures: count(table.count("health.failures", raw.failures.as_ref(), 2, 1..=1000)),
        passes: count(table.count("health.passes", raw.passes.as_ref(), 2, 1..=1000)),
    })
}

fn limits(table: &mut Table<'_, '_>, raw: Option<&Placed<RawUpstreamLimits>>) -> UpstreamLimits {
    let absent = RawUpstreamLimits::default();
    let raw = raw.map_or(&absent, Placed::get);
    let wait = Duration::from_millis(1)..=WAIT_MAX;
    UpstreamLimits {
        connections: table.count("limits.connections", raw.connections.as_ref(), 20_000, 1..=COUNT_MAX),
        queue: table.count("limits.queue", raw.queue.as_ref(), 1024, 0..=COUNT_MAX),
        wait: table.duration_within("limits.wait", raw.wait.as_ref(), Duration::from_secs(1), wait.clone()),
        latency: table.duration_or_none("limits.latency", raw.latency.as_ref(), None, wait),
    }
}

fn ejection(table: &mut Table<'_, '_>, raw: Option<&Placed<RawEjection>>) -> Ejection {
    let absent = RawEjection::default();
    let raw = raw.map_or(&absent, Placed::get);
    let range = Duration::from_millis(1)..=EJECTION_MAX;
    let seconds = Duration::from_secs;
    let failures = table.count("ejection.failures", raw.failures.as_ref(), 5, 0..=COUNT_MAX);
    Ejection {
        failures: u32::try_from(failures).unwrap_or(COUNT_MAX),
        time: table.duration_within("ejection.time", raw.time.as_ref(), seconds(5), range.clone()),
        slow_return: table.duration_within(
            "ejection.slow_return",
            raw.slow_return.as_ref(),
            seconds(10),
            range,
        ),
    }
}

fn host(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<String> {
    let text = raw.get();
    if http::authority(text).is_none() {
        let accepted = "a host, as \"orders.internal\", with a port if it has one";
        table.refuse(table.file.at(raw), "host", format!("`{text}` is not a host"), accepted);
        return None;
    }
    Some(text.clone())
}

fn endpoint(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<Endpoint> {
    let (at, text) = (table.file.at(raw), raw.get().as_str());
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    let (tls, http2) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (false, false),
        "https" => (true, false),
        "h2c" => (false, true),
        "unix" => return socket(table, at, rest),
        _ => {
            let found = format!("`{text}` has no scheme that is known");
            match http::authority(text) {
                Some(_) => table.refuse_with(at, "endpoints", found, ENDPOINT, format!("\"http://{text}\"")),
                None => table.refuse(at, "endpoints", found, ENDPOINT),
            }
            return None;
        }
    };
    let Some(rest) = rest.strip_prefix("//") else {
        table.refuse(at, "endpoints", format!("`//` is missing in `{text}`"), ENDPOINT);
        return None;
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if let Some((authority, _)) = authority.split_once(['/', '?', '#']) {
        let hint =
            format!("\"{scheme}://{authority}\"; what goes before every path is `add_prefix` of a route");
        table.refuse_with(at, "endpoints", format!("`{text}` has a path"), ENDPOINT, hint);
        return None;
    }
    let Some((host, port)) = http::authority(authority) else {
        table.refuse(at, "endpoints", format!("`{text}` has no valid host and port"), ENDPOINT);
        return None;
    };
    Some(Endpoint { tls, http2, host, port: port.unwrap_or(if tls { 443 } else { 80 }), socket: None })
}

fn socket(table: &mut Table<'_, '_>, at: At, path: &str) -> Option<Endpoint> {
    if !path.starts_with('/')
        || path.starts_with("//")
        || path.contains('\0')
        || path.len() > SOCKET_BYTES_MAX
    {
        let found = format!("`{path}` is no absolute path of at most {SOCKET_BYTES_MAX} bytes");
        table.refuse(at, "endpoints", found, ENDPOINT);
        return None;
    }
    Some(Endpoint {
        tls: false,
        http2: false,
        host: "localhost".to_owned(),
        port: 80,
        socket: Some(path.into()),
    })
}
