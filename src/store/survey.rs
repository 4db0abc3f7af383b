//! Finds out who has which slots of a Cluster, again and again, and keeps a tracked connection to each who has some.
//!
//! Every primary is asked at every heartbeat of the store, and at once when a redirection or a failing node says that something
//! changed. The plan is published before the word that it rests on confirms anybody: see [`cluster`](crate::store::cluster).

use crate::clock::Moment;
use crate::store::cluster::{Cluster, Node, Plan};
use crate::store::dial::Dial;
use crate::store::map::{ClusterMap, NOBODY, Primary, View};
use crate::store::standing::Authority;
use crate::store::{Address, Follower, Lease, LinkEvent, RedisOptions, Tracked};
use crate::telemetry::StoreMetrics;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Rounds in the lease of a confirmation.
const ROUNDS: u32 = 4;
/// While something is missing, it is looked for so often.
const SEARCH_PAUSE: Duration = Duration::from_millis(100);
/// Rounds that redirections ask for come no closer than this.
const HINT_PAUSE: Duration = Duration::from_millis(10);
/// Redirections that wait; all of them ask for the same.
const HINTS: usize = 64;

/// Makes what follows the changes of a primary, for its lease.
pub type Follow = Box<dyn Fn(Arc<Lease>) -> Arc<dyn Follower>>;
/// Hears of one's connection, or of the Cluster as a whole.
pub type Tell = dyn Fn(Option<&Address>, LinkEvent<'_>);

/// What a survey makes of the primaries that it finds.
pub struct Surveyor {
    /// What hears of one's changes; `None`: nobody reads under a lease.
    pub follow: Option<Follow>,
    /// What one counts.
    pub count: Box<dyn Fn(&Address) -> StoreMetrics>,
    /// Hears of one's connection, or of the Cluster as a whole.
    pub tell: Rc<Tell>,
}

/// The survey's end of a Cluster, to be run on its thread.
#[derive(Debug)]
pub struct Survey {
    options: RedisOptions,
    plans: watch::Sender<Arc<Plan>>,
    hints: mpsc::Receiver<Address>,
}

/// What is kept from round to round.
struct Rounds {
    options: RedisOptions,
    connections: HashMap<Address, MultiplexedConnection>,
    primaries: BTreeSet<Address>,
    /// All nodes that were ever named in the last round, replicas included.
    nodes: BTreeSet<Address>,
    authorities: HashMap<String, Arc<Authority>>,
}

impl Cluster {
    /// A Cluster to be; `None` if the options are of another topology.
    pub fn new(options: &RedisOptions) -> Option<(Self, Survey)> {
        options.cluster()?;
        let (sender, plans) = watch::channel(Arc::new(Plan::default()));
        let (hints, hinted) = mpsc::channel(HINTS);
        let survey = Survey { options: options.clone(), plans: sender, hints: hinted };
        Some((Self { plans, hints, timeout: options.timeout }, survey))
    }

    /// One that nobody surveys: it has no primaries.
    pub fn unknown() -> Self {
        let (_, plans) = watch::channel(Arc::new(Plan::default()));
        Self { plans, hints: mpsc::channel(HINTS).0, timeout: Duration::ZERO }
    }
}

impl Survey {
    /// Keeps looking until the last [`Cluster`] is gone.
    pub async fn run(mut self, surveyor: Surveyor) {
        let mut rounds = Rounds {
            options: self.options.clone(),
            connections: HashMap::new(),
            primaries: BTreeSet::new(),
            nodes: BTreeSet::new(),
            authorities: HashMap::new(),
        };
        let mut hint = None;
        loop {
            let settled = rounds.once(hint.take(), &self.plans, &surveyor).await;
            let often = self.options.bound / ROUNDS;
            let pause = if settled { often } else { SEARCH_PAUSE.min(often) };
            let hinted = tokio::select! {
                hinted = self.hints.recv() => hinted,
                () = tokio::time::sleep(pause) => continue,
            };
            hint = match hinted {
                Some(hinted) => Some(hinted),
                None => break,
            };
            tokio::time::sleep(HINT_PAUSE).await;
            while let Ok(another) = self.hints.try_recv() {
                hint = Some(another);
            }
        }
        for node in &self.plans.borrow().nodes {
            if let Some(tracked) = &node.tracked {
                tracked.retire();
            }
        }
    }
}

impl Rounds {
    /// Asks, publishes, confirms; whether nothing is missing.
    async fn once(
        &mut self,
        hint: Option<Address>,
        plans: &watch::Sender<Arc<Plan>>,
        surveyor: &Surveyor,
    ) -> bool {
        let sent = Moment::now();
        let (views, silent) = self.views(hint).await;
        let map = ClusterMap::of(&views);
        let word = map.primaries.iter().any(|primary| primary.confirmed);
        if !word {
            // Who is heard is too few to be believed; what was believed before goes on until its leases end.
            (surveyor.tell)(None, LinkEvent::Unconfirmed);
            return false;
        }
        self.publish(&map, plans, surveyor);
        for primary in map.primaries.iter().filter(|primary| primary.confirmed) {
            if let Some(authority) = self.authorities.get(&name(primary)) {
                authority.confirm(sent);
            }
        }
        let gap = gap(&map, &silent);
        let primaries: Vec<&Address> = map.primaries.iter().map(|primary| &primary.address).collect();
        (surveyor.tell)(None, LinkEvent::Cluster { primaries: &primaries, gap: gap.as_deref() });
        gap.is_none()
    }

    /// What the nodes say: the primaries, and where one of them is silent all others too; and who is silent.
    async fn views(&mut self, hint: Option<Address>) -> (Vec<View>, BTreeSet<Address>) {
        let mut views = BTreeMap::new();
        let mut asked: BTreeSet<Address> = self.primaries.iter().cloned().chain(hint).collect();
        asked.retain(|address| !address.host.is_empty() && address.host != "?");
        let mut silent = self.ask(asked.clone(), &mut views).await;
        if !silent.is_empty() || views.is_empty() {
            let seeds = self.options.cluster().unwrap_or_default();
            let others = self.nodes.iter().chain(seeds).filter(|address| !asked.contains(address)).cloned();
            let others: BTreeSet<Address> = others.collect();
            asked.extend(others.iter().cloned());
            // A replica or a seed may be silent: nobody depends on it.
            self.ask(others, &mut views).await;
        }
        let named: BTreeSet<Address> =
            addresses(&views, true).filter(|address| !asked.contains(address)).collect();
        silent.extend(self.ask(named, &mut views).await);
        if !views.is_empty() {
            self.nodes = addresses(&views, false).collect();
        }
        (views.into_values().collect(), silent)
    }

    /// Asks some nodes at once; who does not answer is returned.
    async fn ask(
        &mut self,
        whom: BTreeSet<Address>,
        views: &mut BTreeMap<String, View>,
    ) -> BTreeSet<Address> {
        let longest = self.options.dial().longest().min(self.options.bound / ROUNDS);
        let mut asking = JoinSet::new();
        for address in &whom {
            let (held, dial, address) =
                (self.connections.remove(address), self.options.dial().clone(), address.clone());
            asking.spawn_local(tokio::time::timeout(longest, ask_one(dial, held, address)));
        }
        let mut silent = whom;
        while let Some(asked) = asking.join_next().await {
            let Ok(Ok(Ok((address, connection, Some(view))))) = asked else { continue };
            silent.remove(&address);
            self.connections.insert(address, connection);
            views.insert(view.me.clone(), view);
        }
        silent
    }

    /// Publishes who has what, if that changed.
    fn publish(&mut self, map: &ClusterMap, plans: &watch::Sender<Arc<Plan>>, surveyor: &Surveyor) {
        let before = Arc::clone(&plans.borrow());
        let mut nodes = Vec::with_capacity(map.primaries.len());
        for primary in &map.primaries {
            let same = |node: &&Arc<Node>| node.id == primary.id && node.address == primary.address;
            match before.nodes.iter().find(same) {
                Some(node) => nodes.push(Arc::clone(node)),
                None => match self.begin(primary, surveyor) {
                    Ok(node) => nodes.push(Arc::new(node)),
                    // The certificates were read at the start: it does not come to this.
                    Err(error) => {
                        let error = crate::store::reading::classify(error);
                        return (surveyor.tell)(None, LinkEvent::Failed(&error));
                    }
                },
            }
        }
        let stays = |node: &Arc<Node>| nodes.iter().any(|other| Arc::ptr_eq(other, node));
        let gone: Vec<_> = before.nodes.iter().filter(|node| !stays(node)).cloned().collect();
        self.primaries = nodes.iter().map(|node| node.address.clone()).collect();
        let same = before.slots == map.slots
            && before.nodes.len() == nodes.len()
            && before.nodes.iter().zip(&nodes).all(|(old, new)| Arc::ptr_eq(old, new));
        if !same {
            plans.send_replace(Arc::new(Plan { nodes, slots: map.slots.clone() }));
        }
        for node in gone {
            if let Some(authority) = self.authorities.remove(&format!("{} {}", node.id, node.address)) {
                authority.replace();
            }
            if let Some(tracked) = &node.tracked {
                tracked.retire();
            }
        }
    }

    /// A primary that was not one, or not here.
    fn begin(&mut self, primary: &Primary, surveyor: &Surveyor) -> Result<Node, RedisError> {
        let authority = Arc::new(Authority::new(self.options.bound));
        let options = self.options.node(&primary.address, Some(Arc::clone(&authority)))?;
        let metrics = (surveyor.count)(&primary.address);
        self.authorities.insert(name(primary), authority);
        let tracked = surveyor.follow.as_ref().map(|follow| {
            let (tracked, link) = Tracked::new(options.clone(), self.options.bound, metrics.clone());
            let (follower, tell) = (follow(Arc::clone(link.lease())), Rc::clone(&surveyor.tell));
            let address = primary.address.clone();
            tokio::task::spawn_local(link.run(follower, move |event| tell(Some(&address), event)));
            Arc::new(tracked)
        });
        Ok(Node { id: primary.id.clone(), address: primary.address.clone(), options, tracked, metrics })
    }
}

fn name(primary: &Primary) -> String {
    format!("{} {}", primary.id, primary.address)
}

/// What is missing, in words.
fn gap(map: &ClusterMap, silent: &BTreeSet<Address>) -> Option<String> {
    let bare = map.slots.iter().filter(|place| **place == NOBODY).count();
    if bare > 0 {
        return Some(format!("{bare} slots have no primary"));
    }
    let unconfirmed = map.primaries.iter().find(|primary| !primary.confirmed);
    if let Some(primary) = unconfirmed {
        return Some(format!("the others do not confirm the primary {}", primary.address));
    }
    let silent = map.primaries.iter().find(|primary| silent.contains(&primary.address))?;
    Some(format!("the primary {} does not answer", silent.address))
}

fn addresses(views: &BTreeMap<String, View>, primaries: bool) -> impl Iterator<Item = Address> {
    let lines = views.values().flat_map(|view| &view.nodes);
    let wanted = lines.filter(move |line| !primaries || line.has_slots());
    wanted.filter_map(|line| line.address.clone())
}

async fn ask_one(
    dial: Dial,
    held: Option<MultiplexedConnection>,
    address: Address,
) -> Result<(Address, MultiplexedConnection, Option<View>), RedisError> {
    let mut connection = match held {
        Some(connection) => connection,
        None => dial.connect(&dial.clients(Some(&address))?, |_| {}).await?.0,
    };
    let text: String = redis::cmd("CLUSTER").arg("NODES").query_async(&mut connection).await?;
    let view = View::read(&text, &address, dial.is_tls());
    Ok((address, connection, view))
}
