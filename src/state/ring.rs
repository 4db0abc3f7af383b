//! The key ring that all gateways share: one text, one version, one gateway at a time that may change it.
//!
//! The leader is whoever asked last while no other's time ran. Its number (the fence) grows with every change of leader, and a write
//! names it, with the version that it was made from: a leader that was stopped for an hour and goes on writes nothing.

use crate::clock::UnixMillis;
use crate::state::State;
use crate::store::{StoreError, StoreKey};
use std::time::Duration;

const LEAD: &str = include_str!("ring_lead.lua");
const WRITE: &str = include_str!("ring_write.lua");
const ANNOUNCE: &str = include_str!("ring_announce.lua");
const READ: &str = "local ring = redis.call('HGET', KEYS[1], 'ring') return ring and { ring } or {}";

/// How long a leader that says nothing more goes on leading: some of its looks.
const LEADS_FOR: Duration = Duration::from_secs(5);
/// How long what a gateway announced counts.
const ANNOUNCED_FOR: Duration = Duration::from_secs(15);

/// The ring as it is kept.
#[derive(Debug)]
pub struct KeptRing {
    /// Whether we may change it.
    pub leads: bool,
    /// The leader's number.
    pub fence: u64,
    /// Which ring it is; 0 is none yet.
    pub version: u64,
    /// The server's time, which counts for all gateways.
    pub now: UnixMillis,
    /// The ring, if it is another than the known one.
    pub text: Option<Vec<u8>>,
}

impl State {
    /// Looks at the ring, and leads if nobody else does or if it must (`take`). `known` is the version that is known already.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn ring(&self, me: &str, known: u64, take: bool) -> Result<KeptRing, StoreError> {
        let (known, ttl) = (known.to_string(), LEADS_FOR.as_millis().to_string());
        let take = if take { "1" } else { "0" };
        let args = [me.as_bytes(), known.as_bytes(), ttl.as_bytes(), take.as_bytes()];
        let answer = self.store.run(LEAD, &self.ring_key(), &args).await?;
        kept(answer).ok_or(StoreError::UnexpectedReply)
    }

    /// Only reads the ring, and leaves who leads as it is; `None` before there is one.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn read_ring(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = self.store.run(READ, &self.ring_key(), &[]).await?;
        Ok(answer.into_iter().next())
    }

    /// Writes the ring, if it is still the one of this version and we lead by this number; the new version if it did.
    ///
    /// # Errors
    /// [`StoreError`]; whether it was written is seen at the next look.
    pub async fn write_ring(&self, fence: u64, version: u64, text: &str) -> Result<Option<u64>, StoreError> {
        let (fence, version) = (fence.to_string(), version.to_string());
        let args = [fence.as_bytes(), version.as_bytes(), text.as_bytes()];
        let answer = self.store.run(WRITE, &self.ring_key(), &args).await?;
        Ok(answer.get(1).and_then(|next| number(next)))
    }

    /// Says which keys we have, and hears which the others have.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn announce_ring(&self, me: &str, said: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let ttl = ANNOUNCED_FOR.as_millis().to_string();
        let key = self.key("ring", "announced");
        self.store.run(ANNOUNCE, &key, &[me.as_bytes(), said.as_bytes(), ttl.as_bytes()]).await
    }

    fn ring_key(&self) -> StoreKey {
        self.key("ring", "keys")
    }
}

fn kept(answer: Vec<Vec<u8>>) -> Option<KeptRing> {
    let mut parts = answer.into_iter();
    Some(KeptRing {
        leads: parts.next()? == b"1",
        fence: number(&parts.next()?)?,
        version: number(&parts.next()?)?,
        now: UnixMillis::new(number(&parts.next()?)?),
        text: parts.next(),
    })
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
