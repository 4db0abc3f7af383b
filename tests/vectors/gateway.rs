//! The session part of a request, with a vector's state in the place of Redis.

use cloakroom::clock::UnixMillis;
use cloakroom::codec::Value;
use cloakroom::config::Profile;
use cloakroom::format::{Decoded, Lookup, Presented, Reject, SessionFormat, build};
use cloakroom::request::Cookies;
use cloakroom::session::{SubjectPath, user_id};
use cloakroom::store::{Record, RecordKind};
use serde_json::Value as Json;

pub(crate) struct Gateway {
    format: Box<dyn SessionFormat>,
    subject: Option<SubjectPath>,
    database: u64,
}

/// What the gateway makes of a cookie.
#[derive(Debug)]
pub(crate) enum Seen {
    Absent,
    Rejected(#[expect(dead_code, reason = "printed by Debug")] Reject),
    Session { user: Option<String>, data: Value },
}

impl Seen {
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Session { user, .. } => user.as_deref(),
            Self::Absent | Self::Rejected(_) => None,
        }
    }
}

impl Gateway {
    pub(crate) fn new((profile, database): (Profile, u64)) -> Result<Self, String> {
        let format = build(&profile).map_err(|errors| {
            let errors: Vec<_> =
                errors.iter().map(|error| format!("{}: {}", error.key, error.found)).collect();
            errors.join("; ")
        })?;
        let subject = match profile.subject {
            Some(path) => Some(SubjectPath::parse(&path.value).ok_or("a bad subject path")?),
            None => None,
        };
        Ok(Self { format, subject, database })
    }

    /// What a request with this Cookie header is, in this state and at this time.
    pub(crate) fn see(&self, cookies: &str, state: &Json, now: UnixMillis) -> Seen {
        let cookies = Cookies::from_line(cookies.as_bytes().to_vec());
        match self.format.present(&cookies) {
            Presented::Absent => Seen::Absent,
            Presented::Rejected(reject) => Seen::Rejected(reject),
            Presented::Session(lookup) => self.look_up(&lookup, state, now).unwrap_or_else(Seen::Rejected),
            Presented::Carried(carried) => {
                let judged = carried.judge(now).and_then(|()| self.seen(carried.decoded.clone()));
                judged.unwrap_or_else(Seen::Rejected)
            }
        }
    }

    fn look_up(&self, lookup: &Lookup, state: &Json, now: UnixMillis) -> Result<Seen, Reject> {
        let entries: Vec<_> = state.as_array().into_iter().flatten().collect();
        let found = lookup.keys.iter().find_map(|key| {
            entries.iter().copied().find(|entry| self.is_live(entry) && key_of(entry) == key.expose())
        });
        let entry = found.ok_or(Reject::UnknownSession)?;
        let decoded = self.format.decode(&record(entry, self.format.record_kind())?, lookup)?;
        let ends = decoded.ends_at.into_iter().chain(lookup.ends_at).min();
        if ends.is_some_and(|ends| ends <= now) {
            return Err(Reject::Expired);
        }
        self.seen(decoded)
    }

    fn seen(&self, decoded: Decoded) -> Result<Seen, Reject> {
        let user = match &self.subject {
            Some(path) => path.find(&decoded.data).map(user_id),
            None => self.format.subject(&decoded.data).as_ref().map(user_id),
        };
        Ok(Seen::Session { user: user.transpose()?.flatten(), data: decoded.data })
    }

    /// Whether the key is in the profile's database and has not run out; -1 is no TTL.
    fn is_live(&self, entry: &Json) -> bool {
        let ttl = entry["ttl_ms"].as_i64().unwrap_or(-1);
        entry["db"].as_u64() == Some(self.database) && (ttl == -1 || ttl > 0)
    }
}

fn key_of(entry: &Json) -> Vec<u8> {
    match entry["key_hex"].as_str() {
        Some(hex) => unhex(hex),
        None => entry["key"].as_str().unwrap_or_default().into(),
    }
}

/// The value, if it has the type that is asked for; Redis answers WRONGTYPE otherwise.
fn record(entry: &Json, kind: RecordKind) -> Result<Record, Reject> {
    match (kind, entry["type"].as_str().unwrap_or_default()) {
        (RecordKind::String, "string") => {
            Ok(Record::String(unhex(entry["value_hex"].as_str().expect("a string has a value"))))
        }
        (RecordKind::Hash, "hash") => {
            let fields = entry["hash_hex"].as_object().expect("a hash has fields");
            let field = |(name, value): (&String, &Json)| {
                (name.as_bytes().to_vec(), unhex(value.as_str().expect("hex")))
            };
            Ok(Record::Hash(fields.iter().map(field).collect()))
        }
        _ => Err(Reject::WrongType),
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(digit).collect()
}
