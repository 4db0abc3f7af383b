//! Rails with each of its Redis stores, Rack.

use crate::codec::Value;
use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark, Need, Opt};
use crate::detect::ids::{Alphabet, Ids};

/// Private ids, and the public ones from before them that are still read.
const IDS: &[Ids] = &[Ids::Rack, Ids::Fixed(32, Alphabet::Hex), Ids::Fixed(64, Alphabet::Hex)];

/// What Ruby's frameworks write.
pub(super) fn candidates() -> Vec<Candidate> {
    vec![redis_store(), redis_session_store(), json("json"), json("hybrid"), cache_store(), rack()]
}

/// redis-actionpack.
fn redis_store() -> Candidate {
    Candidate {
        hints: &["session"],
        base: 20,
        marks: vec![
            RACK_ID,
            OF_RAILS,
            Mark { points: -12, ..INDIFFERENT },
            Mark { points: -25, ..NAMES_RACK },
        ],
        ..rails("Rails with redis-actionpack (`:redis_store`)", "session:{id}", "marshal", vec![])
    }
}

fn redis_session_store() -> Candidate {
    let options = vec![("engine", "redis_session_store")];
    Candidate {
        hints: &["session"],
        base: 18,
        marks: vec![RACK_ID, OF_RAILS, INDIFFERENT, Mark { points: -25, ..NAMES_RACK }],
        ..rails("Rails with redis-session-store", "{id}", "marshal", options)
    }
}

/// redis-session-store's other serializers: `hybrid` writes the very same JSON, and still reads Marshal. Only where some of that
/// is left do they differ.
fn json(serializer: &'static str) -> Candidate {
    let (base, name) = match serializer {
        "hybrid" => (24, "Rails with redis-session-store and its `hybrid` serializer"),
        _ => (25, "Rails with redis-session-store and JSON"),
    };
    let options = vec![("engine", "redis_session_store"), ("serializer", serializer)];
    Candidate {
        ids: &[Ids::Rack],
        base,
        marks: vec![
            RACK_ID,
            OF_RAILS,
            // `json` reads none of these, so this only holds `hybrid` back where nothing but Marshal is there.
            Mark::every(-20, "are Marshal", |seen| seen.bytes().starts_with(b"\x04\x08")),
        ],
        ..rails(name, "{id}", serializer, options)
    }
}

fn cache_store() -> Candidate {
    Candidate {
        hints: &["_session_id:"],
        base: 25,
        marks: vec![RACK_ID, Mark::every(10, "are entries of a Rails cache", |_| true), OF_RAILS],
        ..rails("Rails with `:cache_store`", "_session_id:{id}", "marshal", vec![("engine", "cache_store")])
    }
}

fn rack() -> Candidate {
    Candidate {
        hints: &["rack:"],
        base: 15,
        marks: vec![RACK_ID, NAMES_RACK],
        ids: IDS,
        ids_only: true,
        public_id: Some(64),
        serializer: "marshal",
        ..Candidate::new(Framework::Rack, "Rack with redis-rack", "rack.session", "rack:session:{id}")
    }
}

const RACK_ID: Mark =
    Mark::every(40, "are under a key of Rack's private ids", |seen| seen.family.ids == Ids::Rack);

const NAMES_RACK: Mark =
    Mark::every(20, "are under a key that names Rack", |seen| seen.family.prefix.contains("rack:"));

/// redis-session-store makes its hashes so all the way down; redis-actionpack leaves them as the app made them, which may be such
/// too, but hardly all.
const INDIFFERENT: Mark =
    Mark::some(10, "hold no nested hash but HashWithIndifferentAccess", |seen| match seen.data {
        Value::Map(fields) => {
            let hashes: usize = fields.iter().map(|(_, value)| hashes(value)).sum();
            hashes > 0 && indifferent(seen.bytes()) >= hashes
        }
        _ => false,
    });

const OF_RAILS: Mark = Mark::some(10, "hold what Rails leaves in a session", |seen| {
    let marks = ["_csrf_token", "flash", "session_id", "warden.user.user.key"];
    marks.iter().any(|name| seen.holds(name))
});

/// Hashes in the value.
fn hashes(value: &Value) -> usize {
    match value {
        Value::Map(fields) => 1 + fields.iter().map(|(_, value)| hashes(value)).sum::<usize>(),
        Value::List(items) => items.iter().map(hashes).sum(),
        _ => 0,
    }
}

/// Subclasses of Hash in what Marshal wrote, if one is HashWithIndifferentAccess: `C`, its name or a link to it, `{` or, with a
/// default, `}`.
fn indifferent(bytes: &[u8]) -> usize {
    let Some(named) = memchr::memmem::find(bytes, b"C:-ActiveSupport::HashWithIndifferentAccess") else {
        return 0;
    };
    let rest = bytes.get(named..).unwrap_or_default();
    1 + rest.windows(4).filter(|window| matches!(window, [b'C', b';', _, b'{' | b'}'])).count()
}

fn rails(name: &'static str, key: &'static str, serializer: &'static str, options: Vec<Opt>) -> Candidate {
    Candidate {
        ids: IDS,
        ids_only: true,
        public_id: Some(32),
        serializer,
        options,
        cookies: &[&[], &[("signed", "true")]],
        secrets: Need::Perhaps,
        ..Candidate::new(Framework::Rails, name, "_session_id", key)
    }
}
