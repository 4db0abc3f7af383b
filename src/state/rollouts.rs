//! Where rollouts are: one record each, which all gateways follow.

use crate::clock::UnixMillis;
use crate::state::State;
use crate::store::StoreError;
use std::time::Duration;

const ROLLOUT: &str = include_str!("rollout.lua");

/// What one gateway would have all of them do.
#[derive(Clone, Copy, Debug)]
pub enum RolloutWish<'a> {
    /// Nothing: it asks.
    Look,
    /// Go on from this step, if it has lasted long enough by the server's clock.
    Next {
        /// The step it knows of.
        from: usize,
        /// How long a step lasts.
        every: Duration,
    },
    /// Go back.
    Back {
        /// Why.
        why: &'a str,
    },
    /// Begin again.
    Resume,
}

/// Where a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRollout {
    /// Its step, counted from 0.
    pub step: usize,
    /// When that began, by the server's clock.
    pub since: UnixMillis,
    /// Why everybody went back, if they did.
    pub back: Option<String>,
}

impl State {
    /// Has a rollout go as wished, and says where it is then. Asked again, it says the same.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn rollout(&self, name: &str, wish: RolloutWish<'_>) -> Result<StoredRollout, StoreError> {
        let (word, from, every, why) = match wish {
            RolloutWish::Look => ("look", 0, Duration::ZERO, ""),
            RolloutWish::Next { from, every } => ("next", from, every, ""),
            RolloutWish::Back { why } => ("back", 0, Duration::ZERO, why),
            RolloutWish::Resume => ("resume", 0, Duration::ZERO, ""),
        };
        let (from, every) = (from.to_string(), every.as_millis().to_string());
        let args = [word.as_bytes(), from.as_bytes(), every.as_bytes(), why.as_bytes()];
        let answer = self.store.run(ROLLOUT, &self.key("rollout", name), &args).await?;
        stored(answer).ok_or(StoreError::UnexpectedReply)
    }
}

fn stored(answer: Vec<Vec<u8>>) -> Option<StoredRollout> {
    let mut words = answer.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned());
    let (step, since) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(StoredRollout { step, since: UnixMillis::new(since), back: words.next() })
}
