//! `[admin]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::check::http;
use crate::config::check::names::{NAME_ACCEPTED, is_name};
use crate::config::check::server::{Taken, address};
use crate::config::check::table::{Checker, Table};
use crate::config::raw::RawAdmin;
use crate::config::{Admin, AdminToken};

const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);
/// 80 bits in base64, and more than anybody makes up.
const TOKEN_BYTES_MIN: usize = 20;

/// Checks `[admin]`, if it is there.
pub(crate) fn check(checker: &mut Checker<'_>, taken: &mut Taken) -> Option<Admin> {
    let (file, raw) = checker.main()?;
    let raw = raw.admin.as_ref()?;
    let mut table = Table { checker, file, name: "admin".to_owned(), at: file.at(raw) };
    let raw = raw.get();
    let listen = raw.listen.as_ref().and_then(|raw| address(&mut table, raw, taken)).unwrap_or(ADMIN);
    Some(Admin { listen, hosts: hosts(&mut table, raw), tokens: tokens(&mut table, raw) })
}

fn hosts(table: &mut Table<'_, '_>, raw: &RawAdmin) -> Vec<String> {
    let mut hosts = Vec::new();
    for raw in raw.hosts.iter().flatten() {
        let text = raw.get();
        if text.contains(':') || http::authority(text).is_none() {
            let accepted = "a host name without scheme and port, as \"gateway.ops.internal\"";
            table.refuse(table.file.at(raw), "hosts", format!("`{text}` is not a host name"), accepted);
        } else {
            hosts.push(text.to_ascii_lowercase());
        }
    }
    hosts
}

fn tokens(table: &mut Table<'_, '_>, raw: &RawAdmin) -> Vec<AdminToken> {
    let mut tokens: Vec<AdminToken> = Vec::new();
    for (name, raw) in &raw.tokens {
        let (at, name) = (table.file.at(name), name.get().as_str());
        if !is_name(name) {
            table.refuse(at, &format!("tokens.{name}"), format!("`{name}` is not a name"), NAME_ACCEPTED);
        }
        let (at, key, raw) = (table.file.at(&raw.get().token), format!("tokens.{name}.token"), raw.get());
        let Some(token) = table.secret(&key, &raw.token) else { continue };
        let same = tokens.iter().find(|known| known.token.expose() == token.expose());
        if token.expose().len() < TOKEN_BYTES_MIN || !token.expose().iter().all(u8::is_ascii_graphic) {
            let accepted = format!("{TOKEN_BYTES_MIN} visible characters or more");
            let hint = "openssl rand -hex 32";
            table.refuse_with(at, &key, "a token that can be guessed, or not be sent", accepted, hint);
        } else if let Some(same) = same {
            let found = format!("the same token as `{}`", same.name);
            table.refuse(at, &key, found, "one of its own for each, or the log could not say who it was");
        }
        tokens.push(AdminToken { name: name.to_owned(), token, role: *raw.role.get() });
    }
    tokens
}
