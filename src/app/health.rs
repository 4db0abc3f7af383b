//! What is known of the stores, over all workers.

use crate::internal::StoreHealth;
use crate::store::{Address, LinkEvent, StoreError};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One store as the workers' connections show it.
#[derive(Debug)]
pub(super) struct StoreWatch {
    name: String,
    reached: AtomicBool,
    connected: AtomicUsize,
    /// Whether those who decide do not say which server is the primary.
    unconfirmed: AtomicBool,
    trouble: Mutex<Option<String>>,
    /// What the store lacks to tell us of changes; said once.
    untracked: Mutex<Option<String>>,
    /// Where its primaries are, if others than the URL say so.
    primaries: Mutex<Vec<String>>,
    /// Whether it was said that sessions cannot be kept alive.
    untouched: AtomicBool,
    /// Whether another configuration is in force: what becomes of its connections is no news.
    retired: AtomicBool,
}

impl StoreWatch {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            reached: AtomicBool::new(false),
            connected: AtomicUsize::new(0),
            unconfirmed: AtomicBool::new(false),
            trouble: Mutex::new(None),
            untracked: Mutex::new(None),
            primaries: Mutex::default(),
            untouched: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        }
    }

    /// Falls silent, as another configuration is in force. The store of this name there counts as reached if this was: readiness does
    /// not begin again.
    pub(super) fn retire(&self, next: Option<&Self>) {
        self.retired.store(true, Ordering::Relaxed);
        if let Some(next) = next.filter(|_| self.reached.load(Ordering::Relaxed)) {
            next.reached.store(true, Ordering::Relaxed);
        }
    }

    /// The store's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes note of the connection to one primary of a Cluster; what can be said of the whole is said once.
    pub(super) fn note_at(&self, address: Option<&Address>, event: &LinkEvent<'_>) {
        let Some(address) = address else { return self.note(event) };
        match event {
            LinkEvent::Tracking => {
                tracing::debug!(store = %self.name, primary = %address, "sessions are cached and revoked by its messages");
            }
            LinkEvent::TrackingLost(error) => {
                let text = crate::telemetry::chain(*error);
                tracing::warn!(
                    store = %self.name, primary = %address, error = %text,
                    "a primary's lease is lost: nothing of it is served from memory"
                );
            }
            LinkEvent::Broke(_)
            | LinkEvent::CannotTouch(_)
            | LinkEvent::CannotTrack(_)
            | LinkEvent::Cluster { .. }
            | LinkEvent::Connected
            | LinkEvent::Failed(_)
            | LinkEvent::Lost
            | LinkEvent::Primary(_)
            | LinkEvent::Refused(_)
            | LinkEvent::Unconfirmed => self.note(event),
        }
    }

    /// The Cluster as its nodes describe it.
    fn note_cluster(&self, primaries: &[&Address], gap: Option<&str>) {
        let found: Vec<String> = primaries.iter().map(ToString::to_string).collect();
        let before = std::mem::replace(&mut *self.primaries(), found.clone());
        if before != found {
            tracing::info!(store = %self.name, primaries = %found.join(" "), "the Cluster has these primaries");
        }
        self.unconfirmed.store(false, Ordering::Relaxed);
        self.connected.store(usize::from(gap.is_none()), Ordering::Relaxed);
        if gap.is_none() {
            self.reached.store(true, Ordering::Relaxed);
        }
        let mut trouble = self.trouble();
        if let Some(gap) = gap.filter(|gap| trouble.as_deref() != Some(gap)) {
            tracing::warn!(store = %self.name, "{gap}");
        }
        *trouble = gap.map(ToOwned::to_owned);
    }

    /// Takes note of one worker's connection, and logs what changed for the store as a whole: once, however many workers see it.
    pub(super) fn note(&self, event: &LinkEvent<'_>) {
        if self.retired.load(Ordering::Relaxed) {
            return;
        }
        match event {
            LinkEvent::Connected => {
                self.reached.store(true, Ordering::Relaxed);
                let first = self.connected.fetch_add(1, Ordering::Relaxed) == 0;
                *self.trouble() = None;
                if first {
                    tracing::info!(store = %self.name, "connected");
                }
            }
            LinkEvent::Lost => {
                let last = self.connected.fetch_sub(1, Ordering::Relaxed) == 1;
                if last {
                    tracing::warn!(store = %self.name, "the connection is lost; routes that need a session answer 503");
                    *self.trouble() = Some("the connection was lost".to_owned());
                }
            }
            LinkEvent::Broke(error) => self.broke(error),
            LinkEvent::Refused(error) => {
                if let Some(error) = self.worsened(error) {
                    tracing::error!(store = %self.name, %error, "sessions cannot be read; look at our user's ACL");
                }
            }
            LinkEvent::Cluster { primaries, gap } => self.note_cluster(primaries, *gap),
            LinkEvent::Unconfirmed => {
                let text = StoreError::Unconfirmed.to_string();
                if !self.unconfirmed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(store = %self.name, "{text}; leases end");
                }
                *self.trouble() = Some(text);
            }
            LinkEvent::Primary(address) => {
                self.unconfirmed.store(false, Ordering::Relaxed);
                *self.primaries() = vec![address.to_string()];
                *self.trouble() = None;
                tracing::info!(store = %self.name, primary = %address, "the sentinels name the primary");
            }
            LinkEvent::CannotTouch(error) => self.cannot_touch(error),
            LinkEvent::Tracking => {
                *self.untracked() = None;
                tracing::debug!(store = %self.name, "sessions are cached and revoked by the store's messages");
            }
            LinkEvent::TrackingLost(error) => {
                let text = crate::telemetry::chain(*error);
                tracing::warn!(store = %self.name, error = %text, "the lease is lost: nothing is served from memory");
            }
            LinkEvent::CannotTrack(missing) => {
                let mut untracked = self.untracked();
                if untracked.as_deref() != Some(*missing) {
                    tracing::warn!(
                        store = %self.name, %missing,
                        "this store cannot tell us of changes, so it is asked on every request, as with `freshness = \"strict\"`"
                    );
                    *untracked = Some((*missing).to_owned());
                }
            }
            LinkEvent::Failed(error) => {
                if let Some(error) = self.worsened(error) {
                    tracing::warn!(store = %self.name, %error, "cannot connect; trying again");
                }
            }
        }
    }

    fn broke(&self, error: &StoreError) {
        let text = crate::telemetry::chain(error);
        if matches!(error, StoreError::CrossedReply) {
            // Whose session it was is not known, so nobody got it; somebody must look into this.
            tracing::error!(store = %self.name, "{text}; the request was denied and the connection dropped");
        } else {
            tracing::warn!(store = %self.name, error = %text, "dropped a connection");
        }
    }

    /// Takes note of a trouble; in words, if it was not known.
    fn worsened(&self, error: &StoreError) -> Option<String> {
        let text = crate::telemetry::chain(error);
        let before = self.trouble().replace(text.clone());
        (before.as_ref() != Some(&text)).then_some(text)
    }

    /// Said once: it is the operator's to mend, and each session would say it again.
    fn cannot_touch(&self, error: &StoreError) {
        if !self.untouched.swap(true, Ordering::Relaxed) {
            let text = crate::telemetry::chain(error);
            tracing::warn!(
                store = %self.name, error = %text,
                "our user may not keep sessions alive, as `idle_touch = \"gateway\"` asks: who uses only routes that bypass the app \
                 will be logged out; give it the rights of deploy/redis/touch.acl, or say `idle_touch = \"off\"`"
            );
        }
    }

    pub(super) fn health(&self) -> StoreHealth {
        let reachable =
            self.connected.load(Ordering::Relaxed) > 0 && !self.unconfirmed.load(Ordering::Relaxed);
        let strict = self.untracked().as_ref().map(|missing| format!("asked on every request: no {missing}"));
        let primaries = self.primaries().clone();
        StoreHealth {
            name: self.name.clone(),
            reachable,
            detail: self.trouble().clone().or(strict),
            primaries,
        }
    }

    fn primaries(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.primaries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn untracked(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.untracked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What readiness waits for, in words.
pub(super) fn waiting_for(watches: &[Arc<StoreWatch>], draining: bool) -> Vec<String> {
    let unreached = watches.iter().filter(|watch| !watch.reached.load(Ordering::Relaxed));
    let mut waiting: Vec<String> =
        unreached.map(|watch| format!("store {} was not reached yet", watch.name)).collect();
    if draining {
        waiting.push("draining".to_owned());
    }
    waiting
}
