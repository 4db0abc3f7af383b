//! `[logout]`.

use crate::config::check::http;
use crate::config::check::names::Names;
use crate::config::check::route::profiles_named;
use crate::config::check::table::{Checker, Table};
use crate::config::raw::Placed;
use crate::config::{Logout, Profile, ProfileId};

/// Checks `[logout]`, if it is there.
pub(crate) fn check(checker: &mut Checker<'_>, profiles: &[Profile], names: &Names<'_>) -> Option<Logout> {
    let (file, raw) = checker.main()?;
    let raw = raw.logout.as_ref()?;
    let mut table = Table { checker, file, name: "logout".to_owned(), at: file.at(raw) };
    let raw = raw.get();
    let (at, sessions): (_, Vec<ProfileId>) = match &raw.sessions {
        None => (table.at, names.only(&mut table, "sessions").map(ProfileId).into_iter().collect()),
        Some(raw) => (
            file.at(raw),
            profiles_named(&mut table, raw, names, "leave it out for the only profile there is"),
        ),
    };
    for profile in sessions.iter().filter_map(|id| profiles.get(id.0)) {
        let elsewhere = match profile.options.engine.as_ref().map(|engine| engine.value.as_str()) {
            _ if profile.store.is_none() => "the cookie alone, and nothing can end them",
            Some("cached_db") => "a database too, and would come back from there",
            _ => continue,
        };
        let found = format!("the sessions of profile `{}` are in {elsewhere}", profile.name);
        table.refuse_with(
            at,
            "sessions",
            found,
            "profiles whose sessions are in their store",
            "let the app log out",
        );
    }
    let at_path =
        raw.path.as_ref().and_then(|raw| path(&mut table, "path", raw)).unwrap_or_else(|| "/".to_owned());
    let then = raw.then.as_ref().and_then(|raw| path(&mut table, "then", raw));
    Some(Logout {
        sessions,
        then: then.and_then(|then| ::http::HeaderValue::try_from(then).ok()),
        path: at_path,
        domain: raw.domain.as_ref().and_then(|raw| domain(&mut table, raw)),
    })
}

/// A path of this host, and nothing that a browser takes for another.
fn path(table: &mut Table<'_, '_>, key: &str, raw: &Placed<String>) -> Option<String> {
    let text = raw.get();
    let local = text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains(['\\', ';'])
        && http::is_visible(text);
    if !local {
        let accepted = "a path of this host, as \"/\" or \"/goodbye\"";
        table.refuse(table.file.at(raw), key, format!("`{text}` is not a path"), accepted);
    }
    local.then(|| text.clone())
}

fn domain(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Option<String> {
    let text = raw.get();
    let name = text.strip_prefix('.').unwrap_or(text);
    let fine = name.contains('.')
        && name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    if !fine {
        let accepted = "a domain, as \"shop.example\"";
        table.refuse(table.file.at(raw), "domain", format!("`{text}` is not a domain"), accepted);
    }
    fine.then(|| text.clone())
}
