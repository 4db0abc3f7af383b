//! Families of refresh tokens: one record a session, one field in it a family.
//!
//! A family is what a login on one device got, and every token that was made of it since. Only its newest token is good; the one before
//! is answered with the same successor for the seconds of a grace, since clients ask twice, in parallel or again when an answer
//! was lost. Any older one has been copied: nobody can tell by whom, so the family ends, and with it what the thief holds.
//!
//! A family that ends takes its access tokens with it (RFC 7009 §2.1): those that still live are remembered by their ids. It is marked first,
//! they are told of, and then it is dropped, so that a step that fails can be taken again.
//!
//! That the successor is the same for all who ask, and is stored nowhere, is done by deriving it from the token that was shown and a nonce
//! that the first of them chose; the nonce is kept. Who reads the Redis sees hashes and nonces, and needs a token to make use of them.

use crate::state::State;
use crate::store::{StoreError, StoreKey};
use std::time::Duration;

const OPEN: &str = include_str!("open.lua");
const ROTATE: &str = concat!(include_str!("bury.lua"), include_str!("rotate.lua"));
const END: &str = concat!(include_str!("bury.lua"), include_str!("end.lua"));
const DROP: &str = "return {tostring(redis.call('HDEL', KEYS[1], ARGV[1], ARGV[1] .. ':s'))}";
const SEALED: &str =
    "local sealed = redis.call('HGET', KEYS[1], ARGV[1]) if sealed then return {sealed} end return {}";
const END_ALL: &str = "return {tostring(redis.call('DEL', KEYS[1]))}";

/// Families that one session may have at once: more devices than share a session, and no way to fill a Redis.
const FAMILIES_MAX: u8 = 16;
/// Rotations within one grace that are remembered: more is no client that waits for its answers.
const RECENT_MAX: u8 = 16;

/// Access tokens of one family that are remembered while they live: more is no client that uses what it gets, and the oldest go first.
const TOKENS_MAX: u8 = 32;

/// An access token that was made of a family, by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeToken {
    /// Its `jti`; empty: it has none.
    pub jti: String,
    /// How long it goes on.
    pub left: Duration,
}

/// Which family: by its session and its own name. Neither opens anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyName {
    /// The session's fingerprint.
    pub sid: String,
    /// Its own.
    pub family: String,
}

/// How long families live.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// Without being used.
    pub idle: Duration,
    /// Altogether.
    pub absolute: Duration,
    /// How long a token that was used is answered with its successor.
    pub grace: Duration,
}

/// A family to be opened.
#[derive(Debug)]
pub struct NewFamily<'a> {
    /// Hash of what all tokens of the family have in common.
    pub key_hash: &'a str,
    /// Hash of its first token.
    pub token_hash: &'a str,
    /// Whose it is, as a hash: another user under the same session id gets nothing from it.
    pub user: &'a str,
    /// The session, sealed.
    pub sealed: &'a [u8],
    /// The access token that goes with it.
    pub access: &'a MadeToken,
}

/// A token that is to be followed by another.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// Hash of what all tokens of the family have in common.
    pub key_hash: &'a str,
    /// Hash of the token that was shown.
    pub shown: &'a str,
    /// Whose session it is now, as a hash.
    pub user: &'a str,
    /// What the successor is derived with, if this is the first to ask.
    pub nonce: &'a str,
    /// Hash of the successor that comes of it.
    pub successor: &'a str,
    /// The access token that goes with it.
    pub access: &'a MadeToken,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It was the newest, or was a moment ago: derive the successor with this nonce.
    Followed {
        /// The nonce of who asked first.
        nonce: String,
        /// Whether somebody else was first.
        again: bool,
        /// How long the family may idle.
        idle: Duration,
    },
    /// It was somebody else's, and is no more.
    OtherUser,
    /// The family's time is over.
    Over,
    /// It was used before, and not just now: nothing more comes of the family, and it says so until it is dropped. These came of it.
    Reused(Vec<MadeToken>),
    /// There is no such family, or not any more.
    Unknown,
}

impl State {
    /// Opens a family.
    ///
    /// # Errors
    /// [`StoreError`]; a family that was opened all the same has no token that anybody knows.
    pub async fn open_family(
        &self,
        name: &FamilyName,
        new: &NewFamily<'_>,
        lives: Lives,
    ) -> Result<(), StoreError> {
        let (idle, absolute) = (millis(lives.idle), millis(lives.absolute));
        let most = FAMILIES_MAX.to_string();
        let life = millis(new.access.left);
        let args = [
            name.family.as_bytes(),
            new.key_hash.as_bytes(),
            new.token_hash.as_bytes(),
            new.user.as_bytes(),
            new.sealed,
            idle.as_bytes(),
            absolute.as_bytes(),
            most.as_bytes(),
            new.access.jti.as_bytes(),
            life.as_bytes(),
        ];
        self.store.run(OPEN, &self.families(&name.sid), &args).await.map(drop)
    }

    /// The session that a family was opened with, sealed; `None` if there is no such family.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn sealed(&self, name: &FamilyName) -> Result<Option<Vec<u8>>, StoreError> {
        let field = format!("{}:s", name.family);
        let found = self.store.run(SEALED, &self.families(&name.sid), &[field.as_bytes()]).await?;
        Ok(found.into_iter().next())
    }

    /// Has a token followed by another.
    ///
    /// # Errors
    /// [`StoreError`]; asked again within the grace, it says the same.
    pub async fn rotate(
        &self,
        name: &FamilyName,
        rotation: &Rotation<'_>,
        lives: Lives,
    ) -> Result<Rotated, StoreError> {
        let (grace, idle) = (millis(lives.grace), millis(lives.idle));
        let (most, most_tokens) = (RECENT_MAX.to_string(), TOKENS_MAX.to_string());
        let life = millis(rotation.access.left);
        let args = [
            name.family.as_bytes(),
            rotation.key_hash.as_bytes(),
            rotation.shown.as_bytes(),
            rotation.nonce.as_bytes(),
            rotation.successor.as_bytes(),
            grace.as_bytes(),
            idle.as_bytes(),
            most.as_bytes(),
            rotation.user.as_bytes(),
            rotation.access.jti.as_bytes(),
            life.as_bytes(),
            most_tokens.as_bytes(),
        ];
        rotated(self.store.run(ROTATE, &self.families(&name.sid), &args).await?)
            .ok_or(StoreError::UnexpectedReply)
    }

    /// Ends a family, if `key_hash` shows that a token of it was held: nothing more comes of it, and it says so until it is dropped. The
    /// access tokens that came of it; `None`: there was no such family.
    ///
    /// # Errors
    /// [`StoreError`]; asked again, it says the same.
    pub async fn end_family(
        &self,
        name: &FamilyName,
        key_hash: &str,
    ) -> Result<Option<Vec<MadeToken>>, StoreError> {
        let args = [name.family.as_bytes(), key_hash.as_bytes()];
        let mut said = self.store.run(END, &self.families(&name.sid), &args).await?.into_iter();
        match said.next() {
            Some(word) if word == b"ended" => Ok(Some(made(said).ok_or(StoreError::UnexpectedReply)?)),
            Some(_) | None => Ok(None),
        }
    }

    /// Drops a family that has ended.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn drop_family(&self, name: &FamilyName) -> Result<(), StoreError> {
        self.store.run(DROP, &self.families(&name.sid), &[name.family.as_bytes()]).await.map(drop)
    }

    /// Ends all families of a session.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn end_families(&self, sid: &str) -> Result<(), StoreError> {
        self.store.run(END_ALL, &self.families(sid), &[]).await.map(drop)
    }

    fn families(&self, sid: &str) -> StoreKey {
        self.key("pair", sid)
    }
}

fn rotated(answer: Vec<Vec<u8>>) -> Option<Rotated> {
    let mut answer = answer.into_iter();
    let verdict = String::from_utf8(answer.next()?).ok()?;
    if verdict == "reused" {
        return Some(Rotated::Reused(made(answer)?));
    }
    let mut words = answer.map(|word| String::from_utf8(word).ok());
    match verdict.as_str() {
        "rotated" | "again" => {
            let (nonce, idle) = (words.next()??, words.next()??);
            let idle = Duration::from_millis(idle.parse().ok()?);
            Some(Rotated::Followed { nonce, again: verdict == "again", idle })
        }
        "other-user" => Some(Rotated::OtherUser),
        "over" => Some(Rotated::Over),
        "unknown" => Some(Rotated::Unknown),
        _ => None,
    }
}

/// Ids, each with how long it goes on.
fn made(mut answer: impl Iterator<Item = Vec<u8>>) -> Option<Vec<MadeToken>> {
    let mut all = Vec::new();
    while let Some(jti) = answer.next() {
        let left = String::from_utf8(answer.next()?).ok()?.parse().ok()?;
        all.push(MadeToken { jti: String::from_utf8(jti).ok()?, left: Duration::from_millis(left) });
    }
    Some(all)
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}
