//! express-session, @fastify/session, koa, better-auth.

use crate::codec::Value;
use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark, Need, Seen};
use crate::detect::ids::{Alphabet, Ids};

const URL_32: &[Ids] = &[Ids::Fixed(32, Alphabet::Url)];

/// What Node.js frameworks write.
pub(super) fn candidates() -> Vec<Candidate> {
    vec![express(), fastify(), koa_session(), koa_generic_session(), better_auth()]
}

fn express() -> Candidate {
    Candidate {
        ids: URL_32,
        secrets: Need::Cookie,
        marks: vec![
            ORIGINAL_MAX_AGE,
            Mark::every(55, "are JSON with a `cookie` object that begins with `originalMaxAge`", |seen| {
                names(seen).first().is_some_and(|first| *first == "originalMaxAge")
            }),
            Mark::some(3, "hold a `passport` object", |seen| seen.holds("passport")),
        ],
        ..Candidate::new(
            Framework::Express,
            "express-session with connect-redis (NestJS and Passport too)",
            "connect.sid",
            "sess:{id}",
        )
    }
}

fn fastify() -> Candidate {
    Candidate {
        ids: URL_32,
        secrets: Need::Cookie,
        marks: vec![
            ORIGINAL_MAX_AGE,
            Mark::every(
                55,
                "are JSON with a `cookie` object that lists `domain` and `sameSite` even where they are unset",
                |seen| {
                    let names = names(seen);
                    ["domain", "sameSite", "secure"].iter().all(|name| names.contains(name))
                        && names.first().is_none_or(|first| *first != "originalMaxAge")
                },
            ),
        ],
        ..Candidate::new(Framework::Fastify, "@fastify/session with connect-redis", "sessionId", "sess:{id}")
    }
}

fn koa_session() -> Candidate {
    Candidate {
        ids: &[Ids::Uuid],
        secrets: Need::Cookie,
        cookies: &[&[], &[("signed", "false")]],
        marks: vec![
            Mark::every(70, "are JSON with `_expire` and `_maxAge`, or `_session`", |seen| {
                let has = |name| seen.field(name).is_some();
                has("_maxAge") && has("_expire") || has("_session")
            }),
            Mark::every(
                0,
                "have a prefix in the key; if it is in the cookie too (koa-session's `prefix`), `key` is `{id}`: a cookie tells",
                |seen| !seen.family.prefix.is_empty(),
            ),
        ],
        ..Candidate::new(Framework::Koa, "koa-session with an external store", "koa.sess", "{id}")
    }
}

fn koa_generic_session() -> Candidate {
    Candidate {
        ids: URL_32,
        secrets: Need::Cookie,
        cookies: &[&[], &[("signed", "false")]],
        marks: vec![Mark::every(
            65,
            "are JSON with a `cookie` object that has `overwrite` or `signed`",
            |seen| {
                let names = names(seen);
                names.contains(&"overwrite") || names.contains(&"signed")
            },
        )],
        ..Candidate::new(Framework::Koa, "koa-generic-session with koa-redis", "koa.sid", "koa:sess:{id}")
    }
}

fn better_auth() -> Candidate {
    Candidate {
        ids: &[Ids::Fixed(32, Alphabet::Alnum)],
        secrets: Need::Cookie,
        base: 40,
        marks: vec![Mark::every(
            30,
            "are JSON of a `session` with `expiresAt` and a `user` with `id`",
            |_| true,
        )],
        ..Candidate::new(
            Framework::BetterAuth,
            "better-auth with a secondaryStorage",
            "better-auth.session_token",
            "{id}",
        )
    }
}

/// Both express-session and @fastify/session write it.
const ORIGINAL_MAX_AGE: Mark =
    Mark::every(15, "are JSON with a `cookie` object that has `originalMaxAge`", |seen| {
        names(seen).contains(&"originalMaxAge")
    });

/// What is in the `cookie` object, in its order.
fn names<'s>(seen: &'s Seen<'_>) -> Vec<&'s str> {
    match seen.field("cookie") {
        Some(Value::Map(fields)) => fields.iter().map(|(name, _)| name.as_str()).collect(),
        _ => Vec::new(),
    }
}
