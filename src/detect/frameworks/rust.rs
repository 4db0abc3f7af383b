//! tower-sessions, actix-session.

use crate::codec::Value;
use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark, Need};
use crate::detect::ids::{Alphabet, Ids};

const ALNUM_64: Ids = Ids::Fixed(64, Alphabet::Alnum);

/// What Rust's frameworks write.
pub(super) fn candidates() -> Vec<Candidate> {
    vec![tower(), actix()]
}

fn tower() -> Candidate {
    Candidate {
        ids: &[Ids::Fixed(22, Alphabet::Url)],
        serializer: "msgpack",
        cookies: &[&[], &[("signed", "true")], &[("encrypted", "true")]],
        secrets: Need::Perhaps,
        base: 40,
        marks: vec![Mark::every(
            30,
            "are MessagePack of the key's own id, the session and an expiry",
            |_| true,
        )],
        ..Candidate::new(Framework::Tower, "tower-sessions with its redis store", "id", "{id}")
    }
}

fn actix() -> Candidate {
    Candidate {
        ids: &[ALNUM_64],
        cookies: &[&[], &[("signed", "true")]],
        secrets: Need::Cookie,
        marks: vec![
            Mark::every(40, "are JSON objects whose every value is a text of JSON", |seen| {
                match &seen.json {
                    Some(Value::Map(fields)) => fields.iter().all(|(_, value)| value.as_text().is_some()),
                    _ => false,
                }
            }),
            Mark::every(20, "are under a key of 64 letters and digits", |seen| seen.family.ids == ALNUM_64),
            Mark::some(10, "hold `actix_identity.user_id`", |seen| seen.holds("actix_identity.user_id")),
        ],
        ..Candidate::new(Framework::Actix, "actix-session", "id", "{id}")
    }
}
