//! `[[server.client_certificates]]`, `[server.hsts]` and `[server.redirect_http]`.

use std::time::Duration;

use crate::config::check::http;
use crate::config::check::server::{Taken, address};
use crate::config::check::table::Table;
use crate::config::raw::{Placed, RawClientCertificates, RawHsts, RawRedirectHttp, RawServer};
use crate::config::{ClientCertificates, Located, RedirectHttp};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const HOST: &str = "a host, as \"api.example.com\", or \"*.example.com\"";
const NO_TLS: &str = "[[server.certificates]] or [server.acme] beside it";
const NO_TLS_HINT: &str = "behind a proxy that speaks TLS, let that one do it";

/// Who is asked for a certificate.
pub(crate) fn client_certificates(table: &mut Table<'_, '_>, raw: &RawServer) -> Vec<ClientCertificates> {
    let file = table.file;
    let mut entries: Vec<ClientCertificates> = Vec::new();
    for raw_entry in &raw.client_certificates {
        let at = file.at(raw_entry);
        let name = "server.client_certificates".to_owned();
        let mut table = Table { checker: table.checker, file, name, at };
        if !raw.speaks_tls() {
            table.refuse_with(
                at,
                "ca",
                "there is no TLS in which a client could show one",
                NO_TLS,
                NO_TLS_HINT,
            );
        }
        let Some(entry) = entry(&mut table, raw_entry.get()) else { continue };
        for other in &entries {
            let twice = entry.hosts.iter().find(|host| other.hosts.contains(host));
            let found = match twice {
                Some(host) => format!("`{host}` is in another entry too"),
                None if entry.hosts.is_empty() && other.hosts.is_empty() => {
                    "two entries for all hosts".to_owned()
                }
                None => continue,
            };
            table.refuse(at, "hosts", found, "each host in one entry, and one entry at most without `hosts`");
        }
        entries.push(entry);
    }
    entries
}

fn entry(table: &mut Table<'_, '_>, raw: &RawClientCertificates) -> Option<ClientCertificates> {
    let file = table.file;
    let mut hosts = Vec::new();
    if let Some(list) = &raw.hosts {
        if list.get().is_empty() {
            table.refuse(file.at(list), "hosts", "an empty list", "at least one host; leave it out for all");
        }
        hosts.extend(list.get().iter().filter_map(|raw| host(table, raw)));
    }
    let crl = raw.crl.as_ref().and_then(|raw| {
        let at = file.at(raw);
        table.read(at, "crl", raw.get()).map(|value| Located { value, at })
    });
    let ca = table.certificates("ca", &raw.ca)?;
    Some(ClientCertificates {
        at: table.at,
        hosts,
        required: raw.required.as_ref().is_some_and(|raw| *raw.get()),
        ca: Located { value: ca, at: file.at(&raw.ca) },
        crl,
        forward: raw.forward.as_ref().is_some_and(|raw| *raw.get()),
    })
}

fn host(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<String> {
    let text = raw.get();
    let name = text.strip_prefix("*.").unwrap_or(text);
    match http::authority(name) {
        // An address is never asked for by name.
        Some((host, None)) if host.parse::<std::net::IpAddr>().is_err() => {
            Some(if name.len() < text.len() { format!("*.{host}") } else { host })
        }
        _ => {
            table.refuse(table.file.at(raw), "hosts", format!("`{text}` is not a host pattern"), HOST);
            None
        }
    }
}

/// The value of Strict-Transport-Security.
pub(crate) fn hsts(table: &mut Table<'_, '_>, raw: Option<&Placed<RawHsts>>) -> Option<String> {
    let raw = raw?.get();
    let max_age = table.duration_or_zero("hsts.max_age", Some(&raw.max_age), YEAR);
    let subdomains = raw.include_subdomains.as_ref().is_some_and(|raw| *raw.get());
    let preload = raw.preload.as_ref().filter(|raw| *raw.get());
    if let Some(preload) = preload
        && (max_age < YEAR || !subdomains)
    {
        let found = "`true` with less than a year, or without `include_subdomains`";
        let accepted = "max_age = \"365d\" and include_subdomains = true beside it";
        table.refuse(table.file.at(preload), "hsts.preload", found, accepted);
    }
    let mut value = format!("max-age={}", max_age.as_secs());
    value += if subdomains { "; includeSubDomains" } else { "" };
    value += if preload.is_some() { "; preload" } else { "" };
    Some(value)
}

/// The listener without TLS.
pub(crate) fn redirect_http(
    table: &mut Table<'_, '_>,
    raw: &RawServer,
    taken: &mut Taken,
) -> Option<RedirectHttp> {
    let placed = raw.redirect_http.as_ref()?;
    let RawRedirectHttp { listen, port } = placed.get();
    if !raw.speaks_tls() {
        let found = "there is no TLS to send anybody to";
        table.refuse_with(table.file.at(placed), "redirect_http", found, NO_TLS, NO_TLS_HINT);
    }
    if listen.get().is_empty() {
        table.refuse(table.file.at(listen), "redirect_http.listen", "an empty list", "at least one address");
    }
    let addresses = listen.get().iter().filter_map(|raw| address(table, raw, taken)).collect();
    if let Some(zero) = port.as_ref().filter(|port| *port.get() == 0) {
        table.refuse(table.file.at(zero), "redirect_http.port", "`0` is no port", "a port, as 443");
    }
    Some(RedirectHttp { listen: addresses, port: port.as_ref().map_or(443, |port| *port.get()) })
}
