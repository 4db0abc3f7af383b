//! How the `https://` endpoints of `[upstreams.X]` are spoken to.

use crate::config::check::http;
use crate::config::check::pem::private_key;
use crate::config::check::table::Table;
use crate::config::raw::{Placed, RawUpstream};
use crate::config::{Endpoint, Secret, UpstreamTls};

/// Checks the keys for TLS.
pub(crate) fn check(table: &mut Table<'_, '_>, raw: &RawUpstream, endpoints: &[Endpoint]) -> UpstreamTls {
    let known = endpoints.len() == raw.endpoints.get().len();
    if known && !endpoints.iter().any(|endpoint| endpoint.tls) {
        unused(table, raw);
        return UpstreamTls::default();
    }
    UpstreamTls {
        ca: raw.ca.as_ref().and_then(|raw| table.certificates("ca", raw)),
        client: client(table, raw),
        server_name: raw.server_name.as_ref().and_then(|raw| server_name(table, raw)),
        http2: raw.http2.as_ref().is_none_or(|raw| *raw.get()),
    }
}

/// Notes every key that would do nothing.
fn unused(table: &mut Table<'_, '_>, raw: &RawUpstream) {
    let at = |raw: &Option<Placed<String>>| raw.as_ref().map(|raw| table.file.at(raw));
    let keys = [
        ("ca", at(&raw.ca)),
        ("client_cert", at(&raw.client_cert)),
        ("client_key", at(&raw.client_key)),
        ("server_name", at(&raw.server_name)),
        ("http2", raw.http2.as_ref().map(|raw| table.file.at(raw))),
    ];
    for (key, at) in keys.into_iter().filter_map(|(key, at)| Some((key, at?))) {
        let found = format!("no endpoint has TLS, so `{key}` would not be used");
        table.refuse(at, key, found, "`https://` in `endpoints`");
    }
}

fn client(table: &mut Table<'_, '_>, raw: &RawUpstream) -> Option<(Vec<u8>, Secret)> {
    let (lone, key, missing) = match (&raw.client_cert, &raw.client_key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => {
            let certificate = table.certificates("client_cert", certificate);
            return certificate.zip(private_key(table, "client_key", key));
        }
        (Some(lone), None) => (lone, "client_cert", "client_key"),
        (None, Some(lone)) => (lone, "client_key", "client_cert"),
    };
    table.refuse(table.file.at(lone), key, format!("`{missing}` is missing beside it"), "both, or neither");
    None
}

fn server_name(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<String> {
    match http::authority(raw.get()) {
        Some((host, None)) => Some(host),
        Some((_, Some(_))) | None => {
            let found = format!("`{}` is no name that a certificate has", raw.get());
            table.refuse(
                table.file.at(raw),
                "server_name",
                found,
                "a host without port, as \"orders.internal\"",
            );
            None
        }
    }
}
