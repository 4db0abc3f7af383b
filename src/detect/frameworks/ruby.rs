//! Rails with each of its Redis stores, Rack.

use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark, Need, Opt, Seen};
use crate::detect::ids::{Alphabet, Ids};

/// Private ids, and the public ones from before them that are still read.
const IDS: &[Ids] = &[Ids::Rack, Ids::Fixed(32, Alphabet::Hex), Ids::Fixed(64, Alphabet::Hex)];

/// What Ruby's frameworks write.
pub(super) fn candidates() -> Vec<Candidate> {
    let wide = Mark::every(40, "are under a key of Rack's private ids", |seen| seen.family.ids == Ids::Rack);
    let hashes: fn(&Seen<'_>) -> bool =
        |seen| memchr::memmem::find(seen.bytes(), b"ActiveSupport::HashWithIndifferentAccess").is_some();
    let of_rails = Mark::some(10, "hold what Rails leaves in a session", |seen| {
        let marks = ["_csrf_token", "flash", "session_id", "warden.user.user.key"];
        marks.iter().any(|name| seen.holds(name))
    });
    let rack_in_key = |points| {
        Mark::every(points, "are under a key that names Rack", |seen| seen.family.prefix.contains("rack:"))
    };
    vec![
        Candidate {
            hints: &["session"],
            marks: vec![
                wide,
                of_rails,
                Mark::some(-12, "hold a HashWithIndifferentAccess", hashes),
                rack_in_key(-25),
            ],
            base: 20,
            ..rails("Rails with redis-actionpack (`:redis_store`)", "session:{id}", "marshal", vec![])
        },
        Candidate {
            hints: &["session"],
            marks: vec![
                wide,
                of_rails,
                Mark::some(10, "hold a HashWithIndifferentAccess", hashes),
                rack_in_key(-25),
            ],
            base: 18,
            ..rails(
                "Rails with redis-session-store",
                "{id}",
                "marshal",
                vec![("engine", "redis_session_store")],
            )
        },
        Candidate {
            marks: vec![wide, of_rails],
            ids: &[Ids::Rack],
            base: 25,
            ..rails(
                "Rails with redis-session-store and its JSON serializer",
                "{id}",
                "json",
                vec![("engine", "redis_session_store"), ("serializer", "json")],
            )
        },
        Candidate {
            marks: vec![wide, of_rails],
            base: 20,
            ..rails(
                "Rails with redis-session-store and its hybrid serializer",
                "{id}",
                "hybrid",
                vec![("engine", "redis_session_store"), ("serializer", "hybrid")],
            )
        },
        Candidate {
            hints: &["_session_id:"],
            marks: vec![wide, Mark::every(10, "are entries of a Rails cache", |_| true), of_rails],
            base: 25,
            ..rails(
                "Rails with `:cache_store`",
                "_session_id:{id}",
                "marshal",
                vec![("engine", "cache_store")],
            )
        },
        Candidate {
            hints: &["rack:"],
            marks: vec![wide, rack_in_key(20)],
            base: 15,
            ids: IDS,
            ids_only: true,
            serializer: "marshal",
            ..Candidate::new(Framework::Rack, "Rack with redis-rack", "rack.session", "rack:session:{id}")
        },
    ]
}

fn rails(name: &'static str, key: &'static str, serializer: &'static str, options: Vec<Opt>) -> Candidate {
    Candidate {
        ids: IDS,
        ids_only: true,
        serializer,
        options,
        cookies: &[&[], &[("signed", "true")]],
        secrets: Need::Perhaps,
        ..Candidate::new(Framework::Rails, name, "_session_id", key)
    }
}
