//! Rates that all gateways count together.
//!
//! A request is counted in `[state]` only if this gateway alone would let it pass, and what the others took is learnt from the answer: so
//! whoever is over a rate costs `[state]` one question a gateway until there is room again. While it cannot be asked, each gateway
//! counts for itself by what it has learnt: as many gateways as there are let so many rates pass, and no more.

use crate::limit::{Count, Exceeded};
use crate::state::State;
use crate::telemetry::SharedRates;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// For so long `[state]` is not asked again after it did not answer: every request would wait for that.
const ALONE: Duration = Duration::from_secs(1);

/// A worker's way to what all have counted.
#[derive(Debug)]
pub(super) struct Sharing {
    state: State,
    alone_until: Cell<Option<Instant>>,
    metrics: SharedRates,
}

impl Sharing {
    pub(super) fn new(state: State, metrics: SharedRates) -> Self {
        Self { state, alone_until: Cell::default(), metrics }
    }

    /// Counts a request everywhere, the narrowest first.
    ///
    /// # Errors
    /// [`Exceeded`], for the first rate that is.
    pub(super) async fn count(&self, counts: Vec<Count<'_>>) -> Result<(), Exceeded> {
        for count in counts {
            count.look()?;
            match self.ask(&count).await {
                Some(outcome) => outcome?,
                None => count.take()?,
            }
        }
        Ok(())
    }

    /// `None` if there was nobody to ask.
    async fn ask(&self, count: &Count<'_>) -> Option<Result<(), Exceeded>> {
        if self.alone_until.get().is_some_and(|until| Instant::now() < until) {
            self.metrics.alone.inc();
            return None;
        }
        match self.state.take(count.who(), count.rate()).await {
            Ok(taken) => {
                self.metrics.together.inc();
                self.alone_until.set(None);
                Some(count.learn(taken.passes, taken.full_in))
            }
            Err(error) => {
                tracing::debug!(%error, "rates are counted by each gateway for itself");
                self.metrics.alone.inc();
                self.alone_until.set(Some(Instant::now() + ALONE));
                None
            }
        }
    }
}
