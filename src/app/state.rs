//! An eye on the place where the gateway keeps its own.

use crate::config::Config;
use crate::internal::StoreHealth;
use crate::state::{State, Unfit};
use crate::telemetry::chain;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a place that was not reached yet is asked again.
const FIRST: Duration = Duration::from_millis(250);
/// How often the place is looked at: a failover may lead to a server with another configuration.
const AGAIN: Duration = Duration::from_secs(5);

/// What is known of the place, over all workers.
#[derive(Debug)]
pub(super) struct StateWatch {
    store: String,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Fit,
    Unfit(Unfit),
    Trouble { text: String, reached: bool },
}

impl StateWatch {
    /// For the place of a configuration, if it names one. Where one was reached `before`, readiness does not begin again.
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Option<Arc<Self>> {
        let store = config.stores.get(config.state.as_ref()?.store.0)?.name.clone();
        let reached = before.is_some_and(|before| before.waits().is_none());
        let text = "not asked yet since the reload".to_owned();
        let seen = if reached { Seen::Trouble { text, reached } } else { Seen::Nothing };
        Some(Arc::new(Self { store, seen: Mutex::new(seen) }))
    }

    /// Looks at the place as long as the worker lives, and says what changed.
    pub(super) async fn look(self: Arc<Self>, state: State) {
        loop {
            let found = state.fitness().await.map_err(|error| chain(&error));
            tokio::time::sleep(if self.note(found) { AGAIN } else { FIRST }).await;
        }
    }

    /// Whether it was reached once.
    fn note(&self, found: Result<Option<Unfit>, String>) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match found {
            Ok(None) => Seen::Fit,
            Ok(Some(unfit)) => Seen::Unfit(unfit),
            Err(text) => Seen::Trouble { text, reached: seen.reached() },
        };
        let before = std::mem::replace(&mut *seen, now);
        if before != *seen {
            let store = &self.store;
            match &*seen {
                Seen::Nothing => {}
                Seen::Fit => tracing::info!(%store, "state is kept here"),
                Seen::Unfit(unfit) => tracing::warn!(%store, "state may be lost here: {unfit}"),
                Seen::Trouble { text, .. } => {
                    tracing::warn!(%store, error = %text, "state cannot be reached; what needs it answers 503");
                }
            }
        }
        seen.reached()
    }

    /// What readiness waits for, in words.
    pub(super) fn waits(&self) -> Option<String> {
        let reached = self.seen.lock().unwrap_or_else(PoisonError::into_inner).reached();
        (!reached).then(|| format!("state in store {} was not reached yet", self.store))
    }

    pub(super) fn health(&self) -> StoreHealth {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reachable, detail) = match seen {
            Seen::Nothing => (false, None),
            Seen::Fit => (true, None),
            Seen::Unfit(unfit @ Unfit::Evicts { .. }) => (true, Some(unfit.to_string())),
            Seen::Unfit(unfit @ Unfit::Unwritable { .. }) => (false, Some(unfit.to_string())),
            Seen::Trouble { text, .. } => (false, Some(text)),
        };
        StoreHealth { name: format!("state in {}", self.store), reachable, detail, primaries: Vec::new() }
    }
}

impl Seen {
    const fn reached(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Fit | Self::Unfit(_) => true,
            Self::Trouble { reached, .. } => *reached,
        }
    }
}
