//! `[tokens.keys]`.

use std::time::Duration;

use crate::config::check::table::Table;
use crate::config::raw::{DurationText, Placed, RawKeys, SecretRef};
use crate::config::{KeySource, Located, Rotation, Secret};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A key set in an HTTP cache is good for whole seconds, and each gateway looks at the ring once a second.
const PUBLISH_MIN: Duration = Duration::from_secs(3);
const EVERY_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
/// 128 bits, as hex.
const SEAL_BYTES_MIN: usize = 32;

/// Where the keys are.
pub(crate) fn source(table: &mut Table<'_, '_>, raw: Option<&Placed<RawKeys>>) -> KeySource {
    let file = table.file;
    let at = raw.map_or(table.at, |raw| file.at(raw));
    let absent = RawKeys::default();
    let raw = raw.map_or(&absent, Placed::get);
    let has_state = table.checker.main().is_some_and(|(_, raw)| raw.state.is_some());
    let wants_state = raw.state.as_ref().map_or(raw.seal.is_some(), |raw| *raw.get());
    let places = [raw.directory.is_some(), raw.files.is_some(), wants_state];
    if places.into_iter().filter(|there| *there).count() > 1 {
        let later = raw.files.as_ref().map(|raw| file.at(raw)).or(raw.state.as_ref().map(|raw| file.at(raw)));
        let found = if raw.directory.is_some() { "`directory` is there too" } else { "`files` is there too" };
        table.refuse(later.unwrap_or(at), "keys", found, "one of `directory`, `files` and `state`");
    }
    if wants_state {
        if !has_state {
            let hint = "name a store for what the gateway keeps: [state] store = \"app\"";
            table.refuse_with(
                at,
                "keys.state",
                "there is nowhere to keep the keys",
                "[state] beside it",
                hint,
            );
        }
        return KeySource::State { at, seals: seals(table, at, raw.seal.as_ref()) };
    }
    match (&raw.files, &raw.directory) {
        (Some(files), _) => {
            if files.get().is_empty() {
                let accepted = "at least one PEM file with a private key";
                table.refuse(file.at(files), "keys.files", "an empty list", accepted);
            }
            let path =
                |raw: &Placed<String>| Located { value: table.path("keys.files", raw), at: file.at(raw) };
            KeySource::Files(files.get().iter().map(path).collect())
        }
        (None, Some(directory)) => KeySource::Directory(Located {
            value: table.path("keys.directory", directory),
            at: file.at(directory),
        }),
        (None, None) => {
            KeySource::Directory(Located { value: table.checker.given.directory.join("keys"), at })
        }
    }
}

/// When they change.
pub(crate) fn rotation(table: &mut Table<'_, '_>, raw: Option<&Placed<RawKeys>>) -> Rotation {
    let absent = RawKeys::default();
    let raw = raw.map_or(&absent, Placed::get);
    let given = |key: &'static str, raw: &Option<Placed<DurationText>>| raw.as_ref().map(|_| key);
    let first = given("rotate_every", &raw.rotate_every).or(given("publish", &raw.publish));
    if let (Some(key), Some(files), None) = (first, &raw.files, &raw.directory) {
        let found = format!("`{key}` is there too, but files of your own change only by your hand");
        table.refuse(table.file.at(files), "keys.files", found, "`directory` or `state`, or no schedule");
    }
    let range = PUBLISH_MIN..=EVERY_MAX;
    let publish = table.duration_within("keys.publish", raw.publish.as_ref(), DAY, range.clone());
    let every = table.duration_within("keys.rotate_every", raw.rotate_every.as_ref(), 30 * DAY, range);
    if publish >= every {
        let at = raw.rotate_every.as_ref().or(raw.publish.as_ref()).map(|raw| table.file.at(raw));
        let found = format!("a key would sign for {every:?} and have to be published for {publish:?} before");
        table.refuse(at.unwrap_or(table.at), "keys.rotate_every", found, "longer than `publish`");
    }
    Rotation { every, publish }
}

fn seals(
    table: &mut Table<'_, '_>,
    at: crate::config::At,
    raw: Option<&Placed<Vec<Placed<SecretRef>>>>,
) -> Vec<Secret> {
    let Some(raw) = raw.filter(|raw| !raw.get().is_empty()) else {
        let hint = "seal = [{ env = \"CLOAKROOM_SEAL_KEY\" }], made by: openssl rand -hex 32";
        let found = "nothing to seal the private keys with";
        table.refuse_with(at, "keys.seal", found, "at least one secret, as a reference", hint);
        return Vec::new();
    };
    let mut seals = Vec::new();
    for raw in raw.get() {
        let at = table.file.at(raw);
        let Some(secret) = table.secret("keys.seal", raw) else { continue };
        if secret.expose().len() < SEAL_BYTES_MIN {
            let accepted = format!("{SEAL_BYTES_MIN} characters or more");
            table.refuse_with(
                at,
                "keys.seal",
                "a secret that can be guessed",
                accepted,
                "openssl rand -hex 32",
            );
        }
        seals.push(secret);
    }
    seals
}
