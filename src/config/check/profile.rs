//! `[sessions.X]`.

use crate::config::check::names::{Entry, Names};
use crate::config::check::table::{Checker, Table};
use crate::config::place::File;
use crate::config::raw::{IdleTouchWord, Placed, RawAttribute, RawIdleTouch, RawProfile, SecretRef};
use crate::config::{
    Access, AttributeSource, Condition, Config, ConfigError, CookieAttribute, DuplicateCookie, Expected,
    FormatOptions, Framework, IN_USER_RECORD, IdleTouch, Located, Profile, ProfileId, Secret, StoreId,
    UserRecord,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// A session that may idle for less is none that one could keep alive; a year is longer than any is meant to.
const IDLE_MIN: Duration = Duration::from_secs(1);
const IDLE_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Checks one profile. Its format's options go on as they are: only the format knows which it uses.
pub(crate) fn check(
    checker: &mut Checker<'_>,
    entry: &Entry<'_, RawProfile>,
    stores: &Names<'_>,
    skew: Duration,
) -> Profile {
    let raw = entry.raw;
    let mut table = entry.table(checker, "sessions");
    let file = entry.file;
    let store = store(&mut table, raw, stores);
    let secrets = secrets(&mut table, "secrets", raw.secrets.as_deref());
    let encryption_secrets = secrets_beside(&mut table, raw);
    Profile {
        name: entry.name.to_owned(),
        at: entry.at,
        framework: file.located(&raw.framework),
        store,
        skew,
        options: FormatOptions {
            cookie: raw.cookie.as_ref().map(|raw| file.located(raw)),
            key: raw.key.as_ref().map(|raw| file.located(raw)),
            secrets,
            encryption_secrets,
            signed: raw.signed.as_ref().map(|raw| file.located(raw)),
            cookie_prefix: raw.cookie_prefix.as_ref().map(|raw| file.located(raw)),
            engine: raw.engine.as_ref().map(|raw| file.located(raw)),
            serializer: raw.serializer.as_ref().map(|raw| file.located(raw)),
            store_serializer: raw.store_serializer.as_ref().map(|raw| file.located(raw)),
            compressor: raw.compressor.as_ref().map(|raw| file.located(raw)),
            cipher: raw.cipher.as_ref().map(|raw| file.located(raw)),
            encrypted: raw.encrypted.as_ref().map(|raw| file.located(raw)),
            issuer: raw.issuer.as_ref().map(|raw| file.located(raw)),
            audience: audience(file, raw),
            algorithms: raw.algorithms.iter().flatten().map(|raw| file.located(raw)).collect(),
            typ: raw.typ.as_ref().map(|raw| file.located(raw)),
            missing_exp: raw.missing_exp.as_ref().map(|raw| file.located(raw)),
        },
        subject: raw.subject.as_ref().map(|raw| path(&mut table, "subject", raw)),
        act: raw.act.as_ref().map(|raw| path(&mut table, "act", raw)),
        sub: sub(&mut table, raw.sub.as_ref()),
        attributes: attributes(&mut table, &raw.attributes),
        user_record: user_record(&mut table, raw, store, stores),
        valid_if: valid_if(&mut table, raw),
        duplicate_cookie: raw.duplicate_cookie.as_ref().map_or(DuplicateCookie::Reject, |raw| *raw.get()),
        cookie_repair: cookie_repair(&mut table, raw),
        idle_touch: raw.idle_touch.as_ref().map(|raw| idle_touch(&mut table, raw)),
    }
}

/// What is put right about the cookie; SameSite can have one value only.
fn cookie_repair(table: &mut Table<'_, '_>, raw: &RawProfile) -> Vec<CookieAttribute> {
    let Some(raw) = &raw.cookie_repair else { return Vec::new() };
    let has = |attribute| raw.get().contains(&attribute);
    if has(CookieAttribute::SameSiteLax) && has(CookieAttribute::SameSiteStrict) {
        let found = "`SameSite=Lax` and `SameSite=Strict` at once";
        table.refuse(table.file.at(raw), "cookie_repair", found, "one of them");
    }
    raw.get().clone()
}

/// The store of the records, if there are any.
fn store(table: &mut Table<'_, '_>, raw: &RawProfile, stores: &Names<'_>) -> Option<StoreId> {
    if *raw.framework.get() != Framework::Jwt {
        return Some(named_store(table, raw, stores));
    }
    if let (Some(name), None) = (&raw.store, &raw.user_record) {
        let found = "framework `jwt` keeps the whole session in the cookie, and no store has a record of it";
        table.refuse(table.file.at(name), "store", found, "no such key");
    }
    None
}

/// The store that is named, or the only one. A mistake is noted and the first store goes on in its place.
fn named_store(table: &mut Table<'_, '_>, raw: &RawProfile, stores: &Names<'_>) -> StoreId {
    let store = match &raw.store {
        Some(name) => stores.resolve(table, table.file.at(name), "store", name.get()),
        None => stores.only(table, "store"),
    };
    StoreId(store.unwrap_or(0))
}

/// Notes profiles that would call two people by one name: the same audience, the same template of `sub`.
pub(crate) fn distinct_subjects(checker: &mut Checker<'_>, config: &Config) {
    let mut told: Vec<(usize, usize)> = Vec::new();
    for (audience, first, second) in collisions(config) {
        let pair = (first.0.min(second.0), first.0.max(second.0));
        let (Some(one), Some(other)) = (config.profiles.get(pair.0), config.profiles.get(pair.1)) else {
            continue;
        };
        if told.contains(&pair) {
            continue;
        }
        told.push(pair);
        let found = format!(
            "`{}` and `{}` both reach the audience `{audience}` with the same `sub`, `{}`",
            one.name, other.name, other.sub.value
        );
        let accepted = "templates that differ, or one user could be taken for another";
        let key = format!("sessions.{}.sub", other.name);
        let hint = format!("sub = \"{}:{{subject}}\"", other.name);
        checker.push(ConfigError::new(other.sub.at, key, found, accepted).hint(hint));
    }
}

/// Pairs of different profiles with the same template that get tokens for the same audience.
fn collisions(config: &Config) -> Vec<(String, ProfileId, ProfileId)> {
    let mut reached: Vec<(&str, ProfileId)> = Vec::new();
    for route in config.routes.iter().filter(|route| route.access != Access::Open) {
        for audience in &route.audience {
            reached.extend(route.sessions.iter().map(|profile| (audience.as_str(), *profile)));
        }
    }
    let template = |id: ProfileId| config.profiles.get(id.0).map(|profile| profile.sub.value.as_str());
    let mut pairs = Vec::new();
    for (index, (audience, first)) in reached.iter().enumerate() {
        for (other_audience, second) in reached.iter().skip(index + 1) {
            if audience == other_audience && first != second && template(*first) == template(*second) {
                pairs.push(((*audience).to_owned(), *first, *second));
            }
        }
    }
    pairs
}

fn secrets(table: &mut Table<'_, '_>, key: &str, raw: Option<&[Placed<SecretRef>]>) -> Vec<Located<Secret>> {
    let mut secrets = Vec::new();
    for raw in raw.into_iter().flatten() {
        let at = table.file.at(raw);
        secrets.extend(table.secret(key, raw).map(|value| Located { value, at }));
    }
    secrets
}

/// All at the place of the key: a single text has no place of its own.
fn audience(file: File, raw: &RawProfile) -> Vec<Located<String>> {
    let Some(list) = &raw.audience else { return Vec::new() };
    let at = file.at(list);
    list.get().0.iter().map(|raw| Located { value: raw.get().clone(), at }).collect()
}

fn secrets_beside(table: &mut Table<'_, '_>, raw: &RawProfile) -> Vec<Located<Secret>> {
    let beside = raw.secrets.as_ref().map_or(0, Vec::len);
    let list = raw.encryption_secrets.as_deref();
    if let Some(extra) = list.and_then(|list| list.get(beside)) {
        let found = "there is no entry of `secrets` beside this one";
        table.refuse(
            table.file.at(extra),
            "encryption_secrets",
            found,
            "as many entries as `secrets` at most",
        );
    }
    secrets(table, "encryption_secrets", list)
}

/// A dotted path; its steps are the format's and session's to follow.
fn path(table: &mut Table<'_, '_>, key: &str, raw: &Placed<String>) -> Located<String> {
    if raw.get().is_empty() {
        table.refuse(table.file.at(raw), key, "an empty path", "a path in the session, as \"user.email\"");
    }
    table.file.located(raw)
}

/// The template of `sub`.
pub(crate) fn sub(table: &mut Table<'_, '_>, raw: Option<&Placed<String>>) -> Located<String> {
    let Some(raw) = raw else { return Located { value: "{subject}".to_owned(), at: table.at } };
    of_subject(table, "sub", raw, "text with `{subject}` in it, as \"shop:{subject}\"")
}

/// A template that differs from user to user.
fn of_subject(
    table: &mut Table<'_, '_>,
    key: &str,
    raw: &Placed<String>,
    accepted: &'static str,
) -> Located<String> {
    let (at, text) = (table.file.at(raw), raw.get());
    match text.split_once("{subject}") {
        None => table.refuse(at, key, format!("`{text}` would be the same for every user"), accepted),
        Some((before, after)) if [before, after].concat().contains(['{', '}']) => {
            table.refuse(at, key, format!("`{text}` has a placeholder that is unknown"), accepted);
        }
        Some(_) => {}
    }
    table.file.located(raw)
}

/// Where the records of users are: beside the sessions, or for sessions without a record in the store that is named for them.
fn user_record(
    table: &mut Table<'_, '_>,
    raw: &RawProfile,
    sessions: Option<StoreId>,
    stores: &Names<'_>,
) -> Option<UserRecord> {
    let template = raw.user_record.as_ref()?;
    let accepted = "text with `{subject}` in it once, as \"cloakroom:user:{subject}\"";
    let key = of_subject(table, "user_record", template, accepted);
    let store = sessions.unwrap_or_else(|| named_store(table, raw, stores));
    Some(UserRecord { store, key })
}

/// What must hold; a path into the record of a user takes one.
fn valid_if(table: &mut Table<'_, '_>, raw: &RawProfile) -> Vec<Condition> {
    let mut written: Vec<_> = raw.valid_if.iter().collect();
    written.sort_by_key(|(path, _)| path.span().start);
    let mut conditions = Vec::new();
    for (path, value) in written {
        let key = format!("valid_if.{}", path.get());
        let at = table.file.at(value);
        let Some(equals) = expected(value.get()) else {
            let accepted = "a string, a number, true or false, or the path of another value in braces";
            table.refuse(at, &key, "a list or a table", accepted);
            continue;
        };
        let other = matches!(&equals, Expected::Path(other) if other.starts_with(IN_USER_RECORD));
        if raw.user_record.is_none() && (other || path.get().starts_with(IN_USER_RECORD)) {
            let found = "a path into the record of the user, and there is no `user_record`";
            let accepted = "`user_record`, as \"cloakroom:user:{subject}\", or a path in the session";
            table.refuse(at, &key, found, accepted);
        }
        conditions.push(Condition { at: table.file.at(path), path: path.get().clone(), equals });
    }
    conditions
}

/// A path in braces, or a value as text; `None` for what is no single value.
fn expected(value: &serde_json::Value) -> Option<Expected> {
    match value {
        serde_json::Value::String(text) => {
            let path = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            Some(path.map_or_else(|| Expected::Text(text.clone()), |path| Expected::Path(path.to_owned())))
        }
        serde_json::Value::Bool(truth) => Some(Expected::Text(truth.to_string())),
        serde_json::Value::Number(number) => Some(Expected::Text(match number.as_f64() {
            Some(float) if number.is_f64() => float.to_string(),
            Some(_) | None => number.to_string(),
        })),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    }
}

fn idle_touch(table: &mut Table<'_, '_>, raw: &Placed<RawIdleTouch>) -> IdleTouch {
    let timed = match raw.get() {
        RawIdleTouch::Word(IdleTouchWord::Off) => return IdleTouch::Off,
        RawIdleTouch::Word(IdleTouchWord::Gateway) => {
            return IdleTouch::Gateway { life: None, set_cookie: None };
        }
        RawIdleTouch::Timed(timed) => timed,
    };
    let range = IDLE_MIN..=IDLE_MAX;
    let life = table.duration_within("idle_touch.gateway", Some(&timed.gateway), IDLE_MAX, range);
    let set_cookie = timed.set_cookie.as_ref().map(|raw| {
        let text = raw.get();
        let visible = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !visible || text.to_ascii_lowercase().contains("max-age") {
            let found = format!("`{text}` is not a list of attributes without Max-Age");
            let accepted = "attributes as the app sets them, as \"Path=/; HttpOnly; Secure; SameSite=Lax\"";
            table.refuse(table.file.at(raw), "idle_touch.set_cookie", found, accepted);
        }
        text.clone()
    });
    IdleTouch::Gateway { life: Some(life), set_cookie }
}

/// The names that claims and conditions use.
pub(crate) fn attributes(
    table: &mut Table<'_, '_>,
    raw: &BTreeMap<Placed<String>, Placed<RawAttribute>>,
) -> Vec<(String, AttributeSource)> {
    let mut named: Vec<_> = raw.iter().collect();
    named.sort_by_key(|(name, _)| name.span().start);
    let mut attributes = Vec::new();
    for (name, source) in named {
        if name.get().is_empty() {
            table.refuse(
                table.file.at(name),
                "attributes",
                "an empty name",
                "a name for claims and conditions",
            );
        }
        let source = match source.get() {
            RawAttribute::Path(path) => {
                if path.is_empty() {
                    let accepted = "a path in the session, as \"user.email\", or { const = value }";
                    let key = format!("attributes.{}", name.get());
                    table.refuse(table.file.at(source), &key, "an empty path", accepted);
                }
                AttributeSource::Path(path.clone())
            }
            RawAttribute::Const(value) => AttributeSource::Const(value.clone()),
        };
        attributes.push((name.get().clone(), source));
    }
    attributes
}
