//! A Cluster as a worker reads it: by slot, at one primary of several, each with a tracked connection and a lease of its own.
//!
//! The client library has a cluster mode; it is not used, since it does not turn tracking on again at nodes that are new or came back.
//! Who has which slots is found out by the [`survey`](crate::store::survey) on the store's thread and published as a [`Plan`].
//!
//! What was read from one primary is of its lease's epoch and nobody else's, so a slot that moves takes nothing along in the cache. A
//! hit looks at the lease first and at the plan after it: the lease is extended only after the plan of that word is out, so the plan is
//! at least as new as the word that the lease rests on.

use crate::store::map::NOBODY;
use crate::store::slot::slot;
use crate::store::touch::note;
use crate::store::{
    Address, Held, LinkEvent, Nearby, Reading, RecordKind, RedisOptions, RedisStore, StoreError, StoreKey,
    Touch, Touched, Tracked,
};
use crate::telemetry::StoreMetrics;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// So often a read follows a redirection; a slot moves once, and its key with it or before.
const REDIRECTIONS_MAX: u32 = 3;

/// The process's end of a Cluster; clones share it, and the survey ends with the last.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// Nodes that were named in a redirection: the plan is out of date.
    pub(crate) hints: mpsc::Sender<Address>,
    pub(crate) timeout: Duration,
}

/// Who has which slots.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Arc<Node>>,
    /// By slot the place in `nodes`.
    pub(crate) slots: Vec<u16>,
}

/// One primary.
#[derive(Debug)]
pub struct Node {
    pub(crate) id: String,
    pub(crate) address: Address,
    pub(crate) options: RedisOptions,
    pub(crate) tracked: Option<Arc<Tracked>>,
    pub(crate) metrics: StoreMetrics,
}

/// One worker's connections to one Cluster. Clones share them.
#[derive(Clone)]
pub struct ClusterStore(Rc<Side>);

struct Side {
    cluster: Cluster,
    plans: RefCell<watch::Receiver<Arc<Plan>>>,
    plan: RefCell<Arc<Plan>>,
    readers: RefCell<HashMap<Address, RedisStore>>,
    metrics: StoreMetrics,
    tell: Rc<dyn Fn(LinkEvent<'_>)>,
}

impl Plan {
    pub(crate) fn node(&self, key: &StoreKey) -> Option<&Arc<Node>> {
        let place = *self.slots.get(usize::from(slot(key.expose())))?;
        self.nodes.get(usize::from(place)).filter(|_| place != NOBODY)
    }
}

impl ClusterStore {
    /// A worker's side. Connections are made when something is asked over them; `tell` hears of what is wrong with them.
    pub fn new(cluster: Cluster, metrics: StoreMetrics, tell: impl Fn(LinkEvent<'_>) + 'static) -> Self {
        let plan = Arc::clone(&cluster.plans.borrow());
        Self(Rc::new(Side {
            plans: RefCell::new(cluster.plans.clone()),
            plan: RefCell::new(plan),
            readers: RefCell::default(),
            metrics,
            tell: Rc::new(tell),
            cluster,
        }))
    }

    /// Ends this worker's connections, whoever still holds this.
    pub(crate) fn retire(&self) {
        self.0.readers.borrow().values().for_each(RedisStore::retire);
    }

    /// The primary that has the key, with its tracked connection and lease if there is one.
    pub fn node(&self, key: &StoreKey) -> Option<Arc<Node>> {
        self.0.refresh();
        self.0.plan.borrow().node(key).cloned()
    }

    /// The lease under which the key may be served from memory.
    pub fn held(&self, key: &StoreKey) -> Option<Held> {
        loop {
            let node = self.node(key)?;
            let held = node.tracked.as_ref()?.lease().held();
            // A plan that came out meanwhile may give the key to another.
            if !self.0.refresh() {
                return Some(held);
            }
        }
    }

    /// Reads a record at the primary that has it, and follows where it goes meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn read(&self, key: &StoreKey, kind: RecordKind) -> Result<Reading, StoreError> {
        self.wait_for_plan().await;
        let mut seen = self.node(key);
        let mut answer = self.read_at(seen.as_ref(), key, kind).await;
        for _ in 0..REDIRECTIONS_MAX {
            answer = match answer {
                Err(StoreError::Moved { to }) => {
                    self.turn(key, seen.as_ref(), to).await?;
                    seen = self.node(key);
                    self.read_at(seen.as_ref(), key, kind).await
                }
                Err(StoreError::Asked { to }) => self.ask(key, kind, seen.as_ref(), to).await,
                answer => return answer,
            };
        }
        answer
    }

    /// Keeps a record alive, at the primaries that have its keys. One that has moved away is told of and left: the next touch meets it.
    ///
    /// # Errors
    /// [`StoreError`] within the store's timeout.
    pub async fn touch(&self, touch: &Touch) -> Result<Touched, StoreError> {
        let after = self.0.cluster.timeout;
        let sent = tokio::time::timeout(after, touch.send(async |key| self.writer(key).await)).await;
        let done = sent.unwrap_or(Err(StoreError::TimedOut { after }));
        if let Err(StoreError::Moved { to } | StoreError::Asked { to }) = &done {
            self.hint(to);
        }
        note(&done, &self.0.metrics, &*self.0.tell);
        done
    }

    /// Asks anything else of the primary that has the key. Where it has moved to is followed the next time.
    ///
    /// # Errors
    /// [`StoreError`]; it may have been done all the same then.
    pub(crate) async fn command<T: FromRedisValue>(
        &self,
        key: &StoreKey,
        command: &redis::Cmd,
    ) -> Result<T, StoreError> {
        self.wait_for_plan().await;
        let node = self.node(key).ok_or(StoreError::Unreachable)?;
        let answer = self.reader(&node.options, &node.address, &node.metrics).command(command).await;
        if let Err(StoreError::Moved { to } | StoreError::Asked { to }) = &answer {
            self.hint(to);
        }
        answer
    }

    /// Asks one of the primaries, by its place in the plan; whether there are more behind it.
    pub(crate) async fn command_at<T: FromRedisValue>(
        &self,
        at: usize,
        command: &redis::Cmd,
    ) -> Result<(T, bool), StoreError> {
        self.wait_for_plan().await;
        let (node, nodes) = {
            let plan = self.0.plan.borrow();
            (plan.nodes.get(at).cloned().ok_or(StoreError::Unreachable)?, plan.nodes.len())
        };
        let answer = self.reader(&node.options, &node.address, &node.metrics).command(command).await?;
        Ok((answer, at + 1 < nodes))
    }

    async fn writer(&self, key: &StoreKey) -> Result<MultiplexedConnection, StoreError> {
        self.wait_for_plan().await;
        let node = self.node(key).ok_or(StoreError::Unreachable)?;
        self.reader(&node.options, &node.address, &node.metrics).writer().await
    }

    async fn read_at(
        &self,
        node: Option<&Arc<Node>>,
        key: &StoreKey,
        kind: RecordKind,
    ) -> Result<Reading, StoreError> {
        let node = node.ok_or(StoreError::Unreachable)?;
        self.reader(&node.options, &node.address, &node.metrics).read(key, kind).await
    }

    /// Waits until somebody else than `seen` has the key, after `to` was named.
    async fn turn(&self, key: &StoreKey, seen: Option<&Arc<Node>>, to: Address) -> Result<(), StoreError> {
        let turned = |plan: &Arc<Plan>| {
            let owner = plan.node(key);
            owner.is_some() && owner.map(Arc::as_ptr) != seen.map(Arc::as_ptr)
        };
        // A full queue has hints enough.
        let _ = self.0.cluster.hints.try_send(to);
        let (mut plans, after) = (self.0.cluster.plans.clone(), self.0.cluster.timeout);
        match tokio::time::timeout(after, plans.wait_for(turned)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(StoreError::Unreachable),
            Err(_) => Err(StoreError::TimedOut { after }),
        }
    }

    /// Reads a record of a slot that is on its way at the node where it goes, as the one where it was has said.
    async fn ask(
        &self,
        key: &StoreKey,
        kind: RecordKind,
        seen: Option<&Arc<Node>>,
        mut to: Address,
    ) -> Result<Reading, StoreError> {
        let seen = seen.ok_or(StoreError::Unreachable)?;
        if to.host.is_empty() || to.host == "?" {
            to.host.clone_from(&seen.address.host);
        }
        let options = seen.options.node(&to, None).map_err(crate::store::reading::classify)?;
        self.reader(&options, &to, &seen.metrics).read_as(key, kind, true).await
    }

    /// That the key is elsewhere by now, as somebody else was told.
    pub fn hint(&self, to: &Address) {
        let _ = self.0.cluster.hints.try_send(to.clone());
    }

    /// What all of the store's primaries count together.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.0.metrics
    }

    /// What keys of one of the primaries are called.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn nearby(&self, prefix: &[u8]) -> Result<Nearby, StoreError> {
        self.wait_for_plan().await;
        let node = self.0.plan.borrow().nodes.first().cloned().ok_or(StoreError::Unreachable)?;
        let mut nearby = self.reader(&node.options, &node.address, &node.metrics).nearby(prefix).await?;
        nearby.whole_store &= self.0.plan.borrow().nodes.len() == 1;
        Ok(nearby)
    }

    /// At the start there is something worth waiting for.
    async fn wait_for_plan(&self) {
        let mut plans = self.0.cluster.plans.clone();
        if plans.borrow().nodes.is_empty() {
            let found = plans.wait_for(|plan| !plan.nodes.is_empty());
            let _ = tokio::time::timeout(self.0.cluster.timeout, found).await;
        }
    }

    fn reader(&self, options: &RedisOptions, address: &Address, metrics: &StoreMetrics) -> RedisStore {
        let mut readers = self.0.readers.borrow_mut();
        let tell = Rc::clone(&self.0.tell);
        let reader = readers.entry(address.clone()).or_insert_with(|| {
            RedisStore::start(options.clone(), metrics.clone(), None, move |event| tell(event))
        });
        reader.clone()
    }
}

impl Side {
    /// Takes the latest plan; whether that is another than before.
    fn refresh(&self) -> bool {
        if !self.plans.borrow().has_changed().unwrap_or(false) {
            return false;
        }
        let plan = Arc::clone(&self.plans.borrow_mut().borrow_and_update());
        self.readers.borrow_mut().retain(|address, reader| {
            let stays = plan.nodes.iter().any(|node| node.address == *address);
            if !stays {
                reader.retire();
            }
            stays
        });
        self.plan.replace(plan);
        true
    }
}

impl Node {
    /// Where it is.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The tracked connection to it.
    pub const fn tracked(&self) -> Option<&Arc<Tracked>> {
        self.tracked.as_ref()
    }
}

impl std::fmt::Debug for ClusterStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterStore")
    }
}
