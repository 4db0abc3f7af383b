//! `[upstreams.X]`.

use std::time::Duration;

use crate::config::check::http;
use crate::config::check::names::Entry;
use crate::config::check::table::{Checker, Table};
use crate::config::raw::{Placed, RawTimeouts, RawUpstream};
use crate::config::{Endpoint, Upstream};

const ENDPOINT: &str = "`http://host:port` or `https://host:port`";

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
        endpoints,
        host: raw.host.as_ref().and_then(|raw| host(&mut table, raw)),
        connect_timeout: table.duration("timeouts.connect", timeouts.connect.as_ref(), seconds(2)),
        first_byte_timeout: table.duration("timeouts.first_byte", timeouts.first_byte.as_ref(), seconds(60)),
        idle_timeout: table.duration_or_zero("timeouts.idle", timeouts.idle.as_ref(), seconds(4)),
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
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        "h2c" | "unix" => {
            table.refuse(at, "endpoints", format!("`{scheme}:` is not in this build yet"), ENDPOINT);
            return None;
        }
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
        let hint = format!("the path is forwarded as it comes: \"{scheme}://{authority}\"");
        table.refuse_with(at, "endpoints", format!("`{text}` has a path"), ENDPOINT, hint);
        return None;
    }
    let Some((host, port)) = http::authority(authority) else {
        table.refuse(at, "endpoints", format!("`{text}` has no valid host and port"), ENDPOINT);
        return None;
    };
    Some(Endpoint { tls, host, port: port.unwrap_or(if tls { 443 } else { 80 }) })
}
