//! Django, Flask-Session, starsessions.

use crate::codec::Limits;
use crate::codec::inflate::{self, Compression};
use crate::codec::seal::Base64;
use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark, Need, Opt, Seen};
use crate::detect::ids::{Alphabet, Ids};

/// django-redis's; `None` is its default too.
const COMPRESSORS: [Option<&str>; 6] =
    [None, Some("zlib"), Some("gzip"), Some("lzma"), Some("lz4"), Some("zstd")];
const DJANGO_IDS: &[Ids] = &[Ids::Fixed(32, Alphabet::Lower)];

/// What Python's frameworks write.
pub(super) fn candidates() -> Vec<Candidate> {
    let mut candidates = vec![django_signed("json"), django_signed("pickle"), starlette()];
    for serializer in ["pickle", "json", "msgpack"] {
        candidates.push(flask(serializer));
        for compressor in COMPRESSORS {
            candidates.push(django(serializer, compressor, false));
            candidates.push(django(serializer, compressor, true));
        }
    }
    candidates
}

fn django(serializer: &'static str, compressor: Option<&'static str>, cached_db: bool) -> Candidate {
    let mut options: Vec<Opt> = Vec::new();
    options.extend(cached_db.then_some(("engine", "cached_db")));
    options.extend((serializer != "pickle").then_some(("serializer", serializer)));
    options.extend(compressor.map(|compressor| ("compressor", compressor)));
    let (key, name) = if cached_db {
        (":1:django.contrib.sessions.cached_db{id}", "Django with its `cached_db` sessions")
    } else {
        (":1:django.contrib.sessions.cache{id}", "Django with its `cache` sessions")
    };
    let of_key: fn(&Seen<'_>) -> bool = if cached_db {
        |seen| seen.family.prefix.ends_with("django.contrib.sessions.cached_db")
    } else {
        |seen| seen.family.prefix.ends_with("django.contrib.sessions.cache")
    };
    Candidate {
        ids: DJANGO_IDS,
        serializer,
        options,
        // Values too short to be compressed decode either way: without need no compressor is claimed.
        base: if compressor.is_some() { -3 } else { 0 },
        marks: vec![
            Mark::every(60, "are under a key that names Django's session engine", of_key),
            Mark::some(20, "hold `_auth_user_id` and `_auth_user_backend`", |seen| {
                seen.holds("_auth_user_id") && seen.holds("_auth_user_backend")
            }),
        ],
        ..Candidate::new(Framework::Django, name, "sessionid", key)
    }
}

/// django-redis-sessions. Its values are signed, not sealed, so what is in them shows without a secret.
fn django_signed(serializer: &'static str) -> Candidate {
    let mut options = vec![("engine", "redis_sessions")];
    options.extend((serializer != "json").then_some(("serializer", serializer)));
    let of_serializer: fn(&[u8]) -> bool = if serializer == "json" {
        |bytes| signed_payload(bytes).is_some_and(|payload| payload.starts_with(b"{"))
    } else {
        |bytes| signed_payload(bytes).is_some_and(|payload| !payload.starts_with(b"{"))
    };
    Candidate {
        ids: DJANGO_IDS,
        serializer,
        options,
        secrets: Need::Value,
        base: 65,
        sealed: Some(of_serializer),
        ..Candidate::new(Framework::Django, "Django with django-redis-sessions", "sessionid", "session:{id}")
    }
}

/// What is inside a text that Django signed, its signature unseen.
fn signed_payload(text: &[u8]) -> Option<Vec<u8>> {
    let parts: Vec<_> = text.splitn(4, |byte| *byte == b':').collect();
    match parts.as_slice() {
        // [.]payload:time:signature, all of base64url or base62
        [payload, time, signature] => {
            let url = |part: &[u8]| part.iter().all(|byte| Alphabet::Url.has(*byte));
            if time.len() != 6 || signature.len() != 43 || !url(time) || !url(signature) {
                return None;
            }
            match payload.strip_prefix(b".") {
                Some(packed) => {
                    let packed = Base64::UrlNoPad.decode(packed)?;
                    inflate::read(Compression::Zlib, &packed, Limits::default()).ok()
                }
                None => Base64::UrlNoPad.decode(payload).filter(|payload| !payload.is_empty()),
            }
        }
        // Before 3.1: base64 of 40 hexadecimal digits, a colon and the payload.
        [whole] => {
            let decoded = Base64::Standard.decode(whole)?;
            let (tag, payload) = decoded.split_at_checked(40)?;
            let payload = payload.strip_prefix(b":").filter(|payload| !payload.is_empty())?;
            tag.iter().all(|byte| Alphabet::Hex.has(*byte)).then(|| payload.to_vec())
        }
        _ => None,
    }
}

fn flask(serializer: &'static str) -> Candidate {
    Candidate {
        ids: &[Ids::Fixed(43, Alphabet::Url), Ids::Uuid],
        serializer,
        options: if serializer == "msgpack" { Vec::new() } else { vec![("serializer", serializer)] },
        cookies: &[&[], &[("signed", "true")]],
        secrets: Need::Perhaps,
        // The new serializers read old pickles too; that alone must not speak for them.
        base: if serializer == "pickle" { 0 } else { -3 },
        marks: vec![
            Mark::every(60, "hold `_permanent`", |seen| seen.holds("_permanent")),
            Mark::some(4, "are in the serialisation of Flask-Session 0.7 and later", |seen| {
                !seen.bytes().starts_with(b"\x80") && !seen.bytes().starts_with(b"{")
            }),
            Mark::some(5, "hold `_user_id` and `_fresh` of Flask-Login", |seen| {
                seen.holds("_user_id") && seen.holds("_fresh")
            }),
        ],
        ..Candidate::new(Framework::Flask, "Flask-Session", "session", "session:{id}")
    }
}

fn starlette() -> Candidate {
    Candidate {
        ids: &[Ids::Fixed(32, Alphabet::Hex)],
        marks: vec![Mark::every(70, "are JSON with `__metadata__`", |seen| {
            seen.field("__metadata__").and_then(|metadata| metadata.get("lifetime")).is_some()
        })],
        ..Candidate::new(
            Framework::Starlette,
            "starsessions (Starlette, FastAPI)",
            "session",
            "starsessions.{id}",
        )
    }
}
