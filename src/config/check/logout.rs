//! `[logout]`.

use crate::config::check::http;
use crate::config::check::names::Names;
use crate::config::check::route::{audiences, profiles_named};
use crate::config::check::table::{Checker, Table};
use crate::config::raw::{Placed, RawBackchannel, RawLogout};
use crate::config::{At, Backchannel, Config, IssuerId, IssuerKeys, Logout, ProfileId};

/// Checks `[logout]`, if it is there.
pub(crate) fn check(
    checker: &mut Checker<'_>,
    config: &Config,
    (names, issuers): (&Names<'_>, &Names<'_>),
) -> Option<Logout> {
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
    endable(&mut table, (at, "sessions"), config, &sessions);
    let backchannel = backchannels(&mut table, raw, config, (names, issuers, &sessions));
    let at_path =
        raw.path.as_ref().and_then(|raw| path(&mut table, "path", raw)).unwrap_or_else(|| "/".to_owned());
    let then = raw.then.as_ref().and_then(|raw| path(&mut table, "then", raw));
    Some(Logout {
        sessions,
        then: then.and_then(|then| ::http::HeaderValue::try_from(then).ok()),
        path: at_path,
        domain: raw.domain.as_ref().and_then(|raw| domain(&mut table, raw)),
        backchannel,
    })
}

/// Notes profiles whose sessions cannot be ended.
fn endable(table: &mut Table<'_, '_>, (at, key): (At, &str), config: &Config, sessions: &[ProfileId]) {
    for profile in sessions.iter().filter_map(|id| config.profiles.get(id.0)) {
        let elsewhere = match profile.options.engine.as_ref().map(|engine| engine.value.as_str()) {
            _ if profile.store.is_none() => "the cookie alone, and nothing can end them",
            Some("cached_db") => "a database too, and would come back from there",
            _ => continue,
        };
        let found = format!("the sessions of profile `{}` are in {elsewhere}", profile.name);
        table.refuse_with(
            at,
            key,
            found,
            "profiles whose sessions are in their store",
            "let the app log out",
        );
    }
}

fn backchannels(
    table: &mut Table<'_, '_>,
    raw: &RawLogout,
    config: &Config,
    (names, issuers, sessions): (&Names<'_>, &Names<'_>, &[ProfileId]),
) -> Vec<Backchannel> {
    let file = table.file;
    let mut all = Vec::new();
    for (name, raw) in &raw.backchannel {
        let (at, key) = (file.at(name), format!("backchannel.{}", name.get()));
        if config.state.is_none() {
            let found = "nothing says which sessions a user has";
            let hint = "name a store for what the gateway keeps: [state] store = \"app\"";
            table.refuse_with(at, &key, found, "[state] beside it", hint);
        }
        let Some(issuer) = issuers.resolve(table, at, &key, name.get()).map(IssuerId) else { continue };
        if let Some(known) = config.issuers.get(issuer.0)
            && matches!(known.keys, IssuerKeys::Own | IssuerKeys::Introspection(_))
        {
            let found =
                format!("`{}` has no keys of its own that logout tokens could be verified with", known.name);
            table.refuse(at, &key, found, "an issuer with `jwks` or `secret`");
        }
        all.push(backchannel(table, (&key, raw.get()), config, (names, issuer, sessions)));
    }
    all
}

fn backchannel(
    table: &mut Table<'_, '_>,
    (key, raw): (&str, &RawBackchannel),
    config: &Config,
    (names, issuer, sessions): (&Names<'_>, IssuerId, &[ProfileId]),
) -> Backchannel {
    let (file, at) = (table.file, table.at);
    let mut own = Table { checker: table.checker, file, name: format!("logout.{key}"), at };
    let table = &mut own;
    let sessions = match &raw.sessions {
        None => sessions.to_vec(),
        Some(raw) => {
            let named = profiles_named(table, raw, names, "leave it out for those of [logout]");
            endable(table, (file.at(raw), "sessions"), config, &named);
            named
        }
    };
    let profiles: Vec<_> = sessions.iter().filter_map(|id| config.profiles.get(id.0)).collect();
    if let Some(raw) = &raw.sid {
        for profile in
            profiles.iter().filter(|profile| !profile.attributes.iter().any(|(name, _)| name == raw.get()))
        {
            let found = format!("profile `{}` has no attribute `{}`", profile.name, raw.get());
            let accepted = "the name of an attribute that holds the `sid` of the ID token";
            table.refuse(file.at(raw), "sid", found, accepted);
        }
    }
    Backchannel {
        issuer,
        audience: match &raw.audience {
            Some(raw) => audiences(table, raw, "leave it out for the issuer's"),
            None => config.issuers.get(issuer.0).map(|issuer| issuer.audience.clone()).unwrap_or_default(),
        },
        sid: raw.sid.as_ref().map(|raw| raw.get().clone()),
        sessions,
    }
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
