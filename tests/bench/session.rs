//! One typical session of a vector file.

use cloakroom::config::Profile;
use cloakroom::format::{Decoded, Lookup, Presented, Reject, SessionFormat, build};
use cloakroom::request::Cookies;
use cloakroom::store::Record;
use serde_json::Value as Json;
use std::path::Path;

/// The vector files by name.
pub(crate) fn files() -> Vec<(String, Json)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sessions/vectors"));
    let entries = std::fs::read_dir(folder).expect("the vectors are in the repository");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let read = |path: &Path| std::fs::read(path).expect("a readable file");
    let parse = |path: &Path| serde_json::from_slice(&read(path)).expect("a vector file is JSON");
    paths.iter().map(|path| (name(path), parse(path))).collect()
}

/// A cookie, what it leads to, and the format that knows both.
pub(crate) struct Sample {
    format: Box<dyn SessionFormat>,
    cookies: Cookies,
    lookup: Lookup,
    pub(crate) record: Record,
}

impl Sample {
    /// The positive vector whose record is of middle size.
    pub(crate) fn find(profile: &Profile, database: u64, file: &Json) -> Self {
        let format = build(profile).unwrap_or_else(|errors| panic!("{errors:?}"));
        let vectors = file["vectors"].as_array().into_iter().flatten();
        let positive = vectors.filter(|vector| vector["kind"] == "positive");
        let mut found: Vec<_> = positive
            .filter_map(|vector| {
                let cookies = Cookies::from_line(vector["cookie_header"].as_str()?.to_owned());
                let Presented::Session(lookup) = format.present(&cookies) else { return None };
                let state = &file["states"][vector["redis"].as_str()?];
                let record = record(&lookup, state, database)?;
                format.decode(&record, &lookup).is_ok().then_some((cookies, lookup, record))
            })
            .collect();
        found.sort_by_key(|(_, _, record)| record.len());
        let (cookies, lookup, record) = found.swap_remove(found.len() / 2);
        Self { format, cookies, lookup, record }
    }

    pub(crate) fn present(&self) -> Presented {
        self.format.present(&self.cookies)
    }

    pub(crate) fn decode(&self) -> Result<Decoded, Reject> {
        self.format.decode(&self.record, &self.lookup)
    }
}

fn record(lookup: &Lookup, state: &Json, database: u64) -> Option<Record> {
    let mut entries = state.as_array()?.iter().filter(|entry| entry["db"].as_u64() == Some(database));
    let key = |entry: &Json| match entry["key_hex"].as_str() {
        Some(hex) => unhex(hex),
        None => entry["key"].as_str().unwrap_or_default().into(),
    };
    let entry = entries.find(|entry| lookup.keys.iter().any(|wanted| wanted.expose() == key(entry)))?;
    let field = |(name, value): (&String, &Json)| {
        (name.as_bytes().to_vec(), unhex(value.as_str().expect("a field's value is hex")))
    };
    match entry["hash_hex"].as_object() {
        Some(fields) => Some(Record::Hash(fields.iter().map(field).collect())),
        None => Some(Record::String(unhex(entry["value_hex"].as_str()?))),
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(digit).collect()
}
