//! The captured sessions, as seeds and as the profiles that formats are built from.

use cloakroom::config::{DuplicateCookie, Framework, Profile};
use cloakroom::store::Record;
use serde_json::Value as Json;
use std::path::Path;

#[path = "../../vectors/profile.rs"]
mod profile;

/// One vector file.
pub struct File {
    pub name: String,
    pub json: Json,
}

impl File {
    /// All of them, in the order of their names.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../sessions/vectors"));
        let entries = std::fs::read_dir(folder).expect("the vectors are in the repository");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
        paths.sort();
        let read = |path: &std::path::PathBuf| {
            let text = std::fs::read(path).expect("a readable file");
            let json = serde_json::from_slice(&text).expect("a vector file is JSON");
            Self { name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), json }
        };
        paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json")).map(read).collect()
    }

    pub fn profile(&self) -> Profile {
        profile::read(&self.json["profile"], DuplicateCookie::Reject).expect("a profile").0
    }

    /// Every distinct Cookie header, the shortest first.
    pub fn cookies(&self) -> Vec<&str> {
        let vectors = self.json["vectors"].as_array().into_iter().flatten();
        let mut cookies: Vec<_> = vectors.filter_map(|vector| vector["cookie_header"].as_str()).collect();
        cookies.sort_by_key(|line| (line.len(), *line));
        cookies.dedup();
        cookies
    }

    /// Every distinct record, the shortest first.
    pub fn records(&self) -> Vec<Record> {
        let states = self.json["states"].as_object().into_iter().flatten();
        let entries = states.flat_map(|(_, state)| state.as_array()).flatten();
        let mut records: Vec<_> = entries.filter_map(record).collect();
        records.sort_by_key(|record| (record.len(), pack(record)));
        records.dedup();
        records
    }
}

/// The family that a framework's format is fuzzed with.
pub fn family(framework: Framework) -> &'static str {
    match framework {
        Framework::Django | Framework::Flask | Framework::Starlette => "python",
        Framework::Rails | Framework::Rack => "ruby",
        Framework::Express | Framework::Fastify | Framework::Koa | Framework::BetterAuth => "node",
        Framework::Php | Framework::Laravel | Framework::Symfony => "php",
        Framework::Spring => "java",
        Framework::GoScs | Framework::Gorilla | Framework::Gin => "go",
        Framework::Actix | Framework::Tower => "rust",
        Framework::Aspnet => "dotnet",
        Framework::Json | Framework::Msgpack | Framework::Jwt => "bare",
    }
}

/// Profiles of families that no capture was made of.
pub fn by_hand(family: &str) -> Vec<Json> {
    let profile = |framework: &str, serializer: Option<&str>, secrets: Json| {
        serde_json::json!({
            "framework": framework, "serializer": serializer, "secrets": secrets, "db": 0,
            "subject": "user_id",
        })
    };
    let master = serde_json::json!(["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]);
    match family {
        "dotnet" => ["text", "int32"].map(|kind| profile("aspnet", Some(kind), master.clone())).into(),
        "bare" => {
            let mut bare = Vec::from(["json", "msgpack"].map(|framework| profile(framework, None, serde_json::json!([]))));
            bare.push(profile("jwt", None, serde_json::json!(["secret"])));
            bare
        }
        _ => Vec::new(),
    }
}

/// As [`File::profile`], of such a block.
pub fn profile_of(block: &Json) -> Profile {
    profile::read(block, DuplicateCookie::Reject).expect("a profile").0
}

/// A record as a fuzzer's bytes: a string is itself, a hash a row of name and value, each behind its length.
pub fn pack(record: &Record) -> Vec<u8> {
    match record {
        Record::String(bytes) => bytes.clone(),
        Record::Hash(fields) => {
            let mut packed = Vec::new();
            for (name, value) in fields {
                packed.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
                packed.extend(name.iter().take(255));
                packed.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
                packed.extend(value.iter().take(65_535));
            }
            packed
        }
    }
}

/// The other way; what is cut off is as long as it is.
pub fn unpack(mut packed: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields = Vec::new();
    let part = |length: usize, packed: &mut &[u8]| {
        let (part, rest) = packed.split_at(length.min(packed.len()));
        *packed = rest;
        part.to_vec()
    };
    while let Some((length, rest)) = packed.split_first() {
        packed = rest;
        let name = part(usize::from(*length), &mut packed);
        let length = part(2, &mut packed).iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        fields.push((name, part(length, &mut packed)));
    }
    fields
}

fn record(entry: &Json) -> Option<Record> {
    match entry["type"].as_str()? {
        "string" => Some(Record::String(unhex(entry["value_hex"].as_str()?))),
        "hash" => {
            let fields = entry["hash_hex"].as_object()?.iter();
            let field = |(name, value): (&String, &Json)| {
                (name.as_bytes().to_vec(), unhex(value.as_str().unwrap_or_default()))
            };
            Some(Record::Hash(fields.map(field).collect()))
        }
        _ => None,
    }
}

pub fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len() / 2 * 2).step_by(2).map(digit).collect()
}
