//! The tokens that live and die with a cached session.

use crate::clock::UnixMillis;
use crate::token::error::TokenError;
use crate::token::mint::InternalToken;
use crate::token::template::Template;
use std::sync::{Arc, Mutex, PoisonError};

/// More templates than this in use by one session, and the one that expires first makes room. A token is about 1 KB, so this
/// bounds what a session weighs in the cache.
const SLOTS_MAX: usize = 16;

/// Tokens already minted for a session. Attached to it in the cache: what drops the session drops them.
#[derive(Default)]
pub struct Slots(Mutex<Vec<Slot>>);

struct Slot {
    token: InternalToken,
    reuse_until: UnixMillis,
    /// With which state of what was ended it was last found to go on.
    cleared: u64,
}

impl Slots {
    /// The kept token, if there is one that is still good, else what `mint` makes, which is then kept.
    ///
    /// Good is: made from this very template (the same one in memory, since after a reload the same number may be another
    /// audience), bound to the same certificate, signed by the key that signs now, less than half its life gone, not beyond
    /// the session's end as it is now, which may have moved since, and not ended: that is looked up only where something was ended since
    /// the last time, which `generation` tells.
    pub(super) fn reuse_or(
        &self,
        (template, bound_to): (&Arc<Template>, Option<&str>),
        (kid, session_end): (&Arc<str>, Option<UnixMillis>),
        now: UnixMillis,
        (generation, has_ended): (u64, impl FnOnce(&InternalToken) -> bool),
        mint: impl FnOnce() -> Result<InternalToken, TokenError>,
    ) -> Result<InternalToken, TokenError> {
        // A panic in `mint` would leave the list as it was, so a poisoned lock is as good as a whole one.
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits =
            |slot: &Slot| Arc::ptr_eq(slot.token.template(), template) && slot.token.bound_to() == bound_to;
        let kept = slots.iter_mut().find(|slot| fits(slot));
        if let Some(slot) = kept
            && slot.is_good(kid, session_end, now)
            && (slot.cleared == generation || !has_ended(&slot.token))
        {
            slot.cleared = generation;
            return Ok(slot.token.clone());
        }
        let token = mint()?;
        let life = now.until(token.expires_at());
        slots.retain(|slot| !fits(slot) && slot.token.expires_at() > now);
        if slots.len() >= SLOTS_MAX {
            let earliest = slots.iter().enumerate().min_by_key(|(_, slot)| slot.token.expires_at());
            if let Some(index) = earliest.map(|(index, _)| index) {
                slots.swap_remove(index);
            }
        }
        slots.push(Slot { token: token.clone(), reuse_until: now.plus(life / 2), cleared: generation });
        Ok(token)
    }
}

impl Slot {
    fn is_good(&self, kid: &Arc<str>, session_end: Option<UnixMillis>, now: UnixMillis) -> bool {
        now < self.reuse_until
            // A clock that was set back would make it a token from the future, which services refuse.
            && now >= self.token.issued_at()
            && self.token.kid() == kid
            && session_end.is_none_or(|end| self.token.expires_at() <= end)
    }
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slots")
    }
}

#[cfg(test)]
mod tests;
