//! Whom a route's rules count for so far.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use crate::clock::UnixMillis;
use crate::config::{self, Share};
use crate::migration::sides::Sides;
use crate::state::{RolloutWish, State, StoredRollout};
use crate::telemetry::chain;

/// One route's rollout, shared by all workers.
#[derive(Debug)]
pub struct Rollout {
    plan: config::Rollout,
    route: String,
    /// Its name in `[state]`: another plan is another rollout.
    name: String,
    /// The share as it is now; one load decides for a request.
    share: AtomicU16,
    standing: Mutex<Standing>,
}

#[derive(Debug)]
struct Standing {
    step: usize,
    since: UnixMillis,
    back: Option<String>,
    sides: Sides,
    /// Requests of those moved since the step began.
    seen: u32,
    /// Whether the others have to be told that everybody went back.
    untold: bool,
    /// Whether somebody asked that it begin again.
    resume: bool,
}

/// How a request ended, for the side that it was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was one of those moved.
    Moved {
        /// Whether it failed.
        failed: bool,
    },
    /// A known user's who stays.
    Stayed {
        /// Whether it failed.
        failed: bool,
    },
    /// The app served it, and the rules would not have.
    WouldRefuse,
}

/// A rollout at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The share.
    pub share: Share,
    /// Which of the shares that is, counted from 0.
    pub step: usize,
    /// When it began.
    pub since: UnixMillis,
    /// Why everybody went back, if they did.
    pub back: Option<String>,
}

impl Rollout {
    /// Whether both are of one plan, for one route.
    pub fn is(&self, other: &Self) -> bool {
        self.name == other.name
    }

    /// The plan of `route`, at its beginning.
    pub fn new(plan: config::Rollout, route: &str, now: UnixMillis) -> Self {
        let text = format!("{route}\n{plan:?}");
        let hash = digest(&SHA256, text.as_bytes());
        Self {
            name: hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect(),
            route: route.to_owned(),
            share: AtomicU16::new(plan.share.parts()),
            plan,
            standing: Mutex::new(Standing {
                step: 0,
                since: now,
                back: None,
                sides: Sides::new(now),
                seen: 0,
                untold: false,
                resume: false,
            }),
        }
    }

    /// Whether the route's rules count for this user already.
    pub fn takes(&self, sub: &str) -> bool {
        let share = u128::from(self.share.load(Ordering::Relaxed));
        let hash = digest(&SHA256, sub.as_bytes());
        let first = hash.as_ref().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (u128::from(first) * u128::from(Share::ALL.parts())) >> 64 < share
    }

    /// Whether they count for everybody, those who are nobody among them.
    pub fn is_complete(&self) -> bool {
        self.share.load(Ordering::Relaxed) == Share::ALL.parts()
    }

    /// Counts a request, and takes everybody back where too many fail.
    pub fn note(&self, outcome: Outcome, now: UnixMillis) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Moved { failed } => {
                standing.seen = standing.seen.saturating_add(1);
                standing.sides.moved(failed, now);
            }
            Outcome::WouldRefuse => standing.sides.moved(true, now),
            Outcome::Stayed { failed } => return standing.sides.stayed(failed, now),
        }
        if standing.back.is_some() {
            return;
        }
        if let Some(found) = standing.sides.too_many(self.plan.margin, self.plan.minimum) {
            standing.back = Some(found.to_string());
            standing.untold = true;
            self.share.store(0, Ordering::Relaxed);
            tracing::error!(route = %self.route, why = %found, "the rollout went back: everybody is served by the old side");
        }
    }

    /// As it is now.
    pub fn at(&self) -> At {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let share = Share::of_parts(self.share.load(Ordering::Relaxed));
        At { share, step: standing.step, since: standing.since, back: standing.back.clone() }
    }

    /// Which route's it is.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The plan.
    pub const fn plan(&self) -> &config::Rollout {
        &self.plan
    }

    /// Has it begin again, after everybody went back: done when it is looked after next.
    pub fn resume(&self) {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).resume = true;
    }

    /// Takes the next step where its time has come, and tells the others of a way back. With `state` all gateways go together.
    ///
    /// # Errors
    /// The state's, as text: the share stays as it is, and a way back is told the next time.
    pub async fn tend(&self, state: Option<&State>, now: UnixMillis) -> Result<(), String> {
        let (wish, step) = self.wish(now);
        let stored = match state {
            Some(state) => self.tell(state, &wish, step).await?,
            None => {
                let Some(step) = wish.alone(step) else { return Ok(()) };
                StoredRollout { step, since: now, back: None }
            }
        };
        self.done(&wish);
        self.take(stored, now);
        Ok(())
    }

    async fn tell(&self, state: &State, wish: &Wish, step: usize) -> Result<StoredRollout, String> {
        let wish = match wish {
            Wish::Nothing => RolloutWish::Look,
            Wish::Next => RolloutWish::Next { from: step, every: self.plan.every },
            Wish::Back(why) => RolloutWish::Back { why },
            Wish::Resume => RolloutWish::Resume,
        };
        state.rollout(&self.name, wish).await.map_err(|error| chain(&error))
    }

    fn wish(&self, now: UnixMillis) -> (Wish, usize) {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let age = Duration::from_millis(now.as_millis().saturating_sub(standing.since.as_millis()));
        let due = age >= self.plan.every && standing.seen >= self.plan.minimum;
        let wish = match &standing.back {
            _ if standing.resume => Wish::Resume,
            Some(why) if standing.untold => Wish::Back(why.clone()),
            None if due && standing.step < self.plan.steps.len() => Wish::Next,
            Some(_) | None => Wish::Nothing,
        };
        (wish, standing.step)
    }

    fn done(&self, wish: &Wish) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        match wish {
            Wish::Resume => (standing.resume, standing.untold) = (false, false),
            Wish::Back(_) => standing.untold = false,
            Wish::Nothing | Wish::Next => {}
        }
    }

    /// Goes where all gateways are.
    fn take(&self, stored: StoredRollout, now: UnixMillis) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.untold
            || (standing.step, standing.since, &standing.back) == (stored.step, stored.since, &stored.back)
        {
            return;
        }
        let step = stored.step.min(self.plan.steps.len());
        let share = match (&stored.back, step.checked_sub(1)) {
            (Some(_), _) => Share::NONE,
            (None, None) => self.plan.share,
            (None, Some(at)) => self.plan.steps.get(at).copied().unwrap_or(self.plan.share),
        };
        let before = self.share.swap(share.parts(), Ordering::Relaxed);
        if before != share.parts() {
            match &stored.back {
                Some(why) => {
                    tracing::error!(route = %self.route, %why, "the rollout went back: everybody is served by the old side");
                }
                None => tracing::info!(route = %self.route, %share, "the rollout goes on"),
            }
        }
        *standing = Standing {
            step,
            since: stored.since,
            back: stored.back,
            sides: Sides::new(now),
            seen: 0,
            untold: false,
            resume: standing.resume,
        };
    }
}

enum Wish {
    Nothing,
    Next,
    Back(String),
    Resume,
}

impl Wish {
    /// The step that a gateway takes which is alone, from `step`, if it takes any.
    const fn alone(&self, step: usize) -> Option<usize> {
        match self {
            Self::Nothing | Self::Back(_) => None,
            Self::Next => Some(step + 1),
            Self::Resume => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UpstreamId;

    const NOW: UnixMillis = UnixMillis::new(1_000_000);

    fn rollout(share: u16, steps: &[u16]) -> Rollout {
        let plan = config::Rollout {
            share: Share::of_parts(share),
            steps: steps.iter().map(|step| Share::of_parts(*step)).collect(),
            every: Duration::from_secs(60),
            rest: UpstreamId(1),
            margin: Share::of_parts(500),
            minimum: 10,
        };
        Rollout::new(plan, "/x", NOW)
    }

    fn moved(rollout: &Rollout) -> Vec<usize> {
        (0..2000).filter(|user| rollout.takes(&user.to_string())).collect()
    }

    fn later(secs: u64) -> UnixMillis {
        UnixMillis::new(NOW.as_millis() + secs * 1000)
    }

    #[test]
    fn nobody_is_moved_by_a_share_of_nothing_and_everybody_by_all() {
        assert!(moved(&rollout(0, &[])).is_empty());
        assert_eq!(moved(&rollout(10_000, &[])).len(), 2000);
    }

    #[test]
    fn a_larger_share_moves_more_and_nobody_back() {
        let (few, more) = (moved(&rollout(1000, &[])), moved(&rollout(3000, &[])));
        assert!((150..250).contains(&few.len()) && (500..700).contains(&more.len()));
        assert!(few.iter().all(|user| more.contains(user)));
    }

    #[tokio::test]
    async fn the_next_share_needs_time_and_requests() {
        let rollout = rollout(1000, &[5000, 10_000]);
        rollout.tend(None, later(61)).await.unwrap();
        assert_eq!(rollout.at().step, 0, "no request was seen");
        (0..10).for_each(|_| rollout.note(Outcome::Moved { failed: false }, later(1)));
        rollout.tend(None, later(59)).await.unwrap();
        assert_eq!(rollout.at().step, 0, "too soon");
        rollout.tend(None, later(60)).await.unwrap();
        assert_eq!((rollout.at().step, rollout.at().share), (1, Share::of_parts(5000)));
        rollout.tend(None, later(120)).await.unwrap();
        assert_eq!(rollout.at().step, 1, "the requests of the step before do not count");
        (0..10).for_each(|_| rollout.note(Outcome::Moved { failed: false }, later(121)));
        rollout.tend(None, later(121)).await.unwrap();
        assert!(rollout.is_complete());
    }

    #[tokio::test]
    async fn who_went_back_stays_there_until_somebody_resumes() {
        let rollout = rollout(5000, &[10_000]);
        (0..10).for_each(|_| rollout.note(Outcome::WouldRefuse, NOW));
        assert!(moved(&rollout).is_empty());
        assert!(rollout.at().back.is_some_and(|why| why.contains("100.0% of 10 requests failed")));
        (0..100).for_each(|_| rollout.note(Outcome::Moved { failed: false }, later(600)));
        rollout.tend(None, later(600)).await.unwrap();
        assert_eq!(rollout.at().share, Share::NONE);
        rollout.resume();
        rollout.tend(None, later(601)).await.unwrap();
        assert_eq!((rollout.at().share, rollout.at().back), (Share::of_parts(5000), None));
    }
}
