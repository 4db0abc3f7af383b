//! A gateway on the internal thread, for services that ask about tokens; where none may, there is none.

use crate::app::state;
use crate::app::stores::{StorePlan, open_stores};
use crate::pipeline::{Gateway, Shared};
use crate::request::RequestIds;
use crate::telemetry::{AccessLog, AccessSink, Metrics};
use std::sync::Arc;

/// What it takes to open it.
pub(super) struct DeskPlan {
    shared: Arc<Shared>,
    plans: Vec<StorePlan>,
    metrics: Arc<Metrics>,
}

impl DeskPlan {
    /// For the clients of a configuration, if it has any.
    pub(super) fn new(shared: &Arc<Shared>, plans: &[StorePlan], metrics: &Arc<Metrics>) -> Option<Self> {
        let (shared, metrics) = (Arc::clone(shared), Arc::clone(metrics));
        (!shared.config.clients.is_empty()).then(|| Self { shared, plans: plans.to_vec(), metrics })
    }

    /// Opens it, on the thread that serves it. It forwards nothing, so it needs no log and no ids of requests.
    pub(super) fn open(self) -> std::io::Result<Gateway> {
        let Self { shared, plans, metrics } = self;
        let stores = open_stores(&shared.config, &plans, &metrics);
        let state = state::open(&shared.config, &plans, &metrics);
        let (ids, log) = (RequestIds::new(0, 0), AccessLog::new(AccessSink::none()));
        Gateway::new(shared, stores, ids, log, state)
            .map_err(|_| std::io::Error::other("the configuration built once and not again"))
    }
}
