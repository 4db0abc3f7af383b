//! A gateway on the internal thread, for services that ask about tokens; where none may, there is none.

use crate::app::generation::Generation;
use crate::app::opened::{Opened, OpenedState, open_state, open_stores};
use crate::pipeline::Gateway;
use crate::request::RequestIds;
use crate::telemetry::{AccessLog, AccessSink, Metrics};
use std::rc::Rc;
use std::sync::Arc;

/// It, and what it works over.
pub(super) struct Desk {
    pub(super) gateway: Gateway,
    stores: Vec<Rc<Opened>>,
    place: Option<Rc<OpenedState>>,
}

impl Desk {
    /// Opens it for the clients of a configuration, if it has any, on the thread that serves it. It forwards nothing, so it needs no log
    /// and no ids of requests.
    pub(super) fn open(
        generation: &Generation,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> std::io::Result<Option<Self>> {
        let (shared, plans) = (Arc::clone(&generation.shared), &generation.plans);
        if shared.config.clients.is_empty() {
            return Ok(None);
        }
        let kept = before.map_or(&[][..], |before| &before.stores);
        let stores = open_stores(&shared.config, plans, metrics, &Rc::default(), kept);
        let place =
            open_state(&shared.config, plans, metrics, before.and_then(|before| before.place.as_ref()));
        let own = (Rc::new(RequestIds::new(0, 0)), Rc::new(AccessLog::new(AccessSink::none())));
        let opened = stores.iter().map(|opened| opened.store.clone()).collect();
        let state = place.as_ref().map(|place| place.state.clone());
        let gateway = Gateway::new(shared, opened, own, state, before.map(|before| &before.gateway))
            .map_err(|_| std::io::Error::other("the configuration built once and not again"))?;
        Ok(Some(Self { gateway, stores, place }))
    }
}
