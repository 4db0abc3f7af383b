//! What nobody's marks are on: a bare id and a serialisation.

use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark};

/// JSON and MessagePack that no framework wrote.
pub(super) fn candidates() -> Vec<Candidate> {
    let unguessable =
        Mark::every(30, "are under a key that nobody guesses", |seen| seen.family.ids.is_random());
    vec![
        Candidate {
            marks: vec![unguessable],
            ..Candidate::new(Framework::Json, "JSON under a bare id", "sid", "sess:{id}")
        },
        Candidate {
            serializer: "msgpack",
            marks: vec![unguessable],
            ..Candidate::new(Framework::Msgpack, "MessagePack under a bare id", "sid", "sess:{id}")
        },
    ]
}
