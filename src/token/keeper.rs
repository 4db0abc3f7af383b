//! Keeps the ring: looks at it, does what is due, and what operators order.
//!
//! One task of its own, so that nothing on the path of a request ever waits for a disk, a lock or a Redis. It alone replaces the
//! ring. Where the ring cannot be looked at or written, the last one stays and goes on signing; a new ring is only ever begun where
//! an answer said that there is none.

use crate::clock::{Clock, UnixMillis};
use crate::config::{Algorithm, Rotation};
use crate::token::key::{Key, name};
use crate::token::keys::KeyRing;
use crate::token::ledger::{Entry, Ledger, Rules, Step};
use crate::token::pair::Pair;
use crate::token::place::{Opened, Place};
use crate::token::readers::Reader;
use crate::token::ring::{Phase, Ring};
use crate::token::trouble::KeyTrouble;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How often the ring is looked at: a change made elsewhere is seen so soon.
const LOOK: Duration = Duration::from_secs(1);
/// Every how many looks gateways tell each other who fetched the key set.
const SHARE_EVERY: u32 = 5;
/// What services allow for clocks that differ; most libraries' default.
const LEEWAY: Duration = Duration::from_secs(60);
/// How long an operator waits for the keeper.
const ORDER_WAIT: Duration = Duration::from_secs(10);
/// Orders that wait at once: people give them.
const ORDERS: usize = 8;
/// Another gateway may write between our look and our write; so often we look again.
const TRIES: u32 = 3;

/// What an operator wants.
#[derive(Debug)]
pub enum Order {
    /// To see the keys.
    List,
    /// The standby keys sign: when every service can know them, or `now`; then the keys before them are not valid any more.
    Rotate {
        /// Now.
        now: bool,
    },
    /// A key of the operator's own signs as soon as every service can know it.
    Import {
        /// The private key.
        pem: zeroize::Zeroizing<Vec<u8>>,
    },
    /// A key that does not sign is not valid any more.
    Retire {
        /// Its name.
        kid: String,
    },
}

/// A key, for people.
#[derive(Clone, Debug)]
pub struct KeyLine {
    /// Its name.
    pub kid: String,
    /// What it signs with.
    pub alg: &'static str,
    /// Where it is on its way.
    pub phase: Phase,
    /// Since when it is published.
    pub published_at: UnixMillis,
    /// Since when it signs.
    pub signs_from: Option<UnixMillis>,
    /// Until when it signed.
    pub signs_until: Option<UnixMillis>,
    /// When it will sign, or be gone, by the schedule.
    pub next_at: Option<UnixMillis>,
}

/// The keys, and who knows them.
#[derive(Clone, Debug)]
pub struct KeyReport {
    /// The time of it.
    pub now: UnixMillis,
    /// Every key.
    pub keys: Vec<KeyLine>,
    /// Every service that fetched the key set lately.
    pub readers: Vec<Reader>,
    /// Whether those are of all gateways, or of this one alone.
    pub of_all: bool,
    /// Since when every gateway publishes these keys: a service that fetched them from another just before has the older ones.
    pub everywhere_at: UnixMillis,
    /// How long a service may go by what it fetched.
    pub max_age: Duration,
}

/// The way to the keeper. Clones lead to the same.
#[derive(Clone, Debug)]
pub struct KeyDesk(mpsc::Sender<Asked>);

#[derive(Debug)]
struct Asked {
    order: Order,
    answer: oneshot::Sender<Result<KeyReport, KeyTrouble>>,
}

impl KeyDesk {
    /// A desk, and what is asked there.
    pub fn new() -> (Self, KeyOrders) {
        let (asks, asked) = mpsc::channel(ORDERS);
        (Self(asks), KeyOrders(asked))
    }

    /// One that answers every order with no key at all.
    #[cfg(test)]
    pub(crate) fn answering() -> Self {
        let (desk, mut orders) = Self::new();
        tokio::spawn(async move {
            while let Some(Asked { answer, .. }) = orders.0.recv().await {
                let max_age = Duration::from_secs(300);
                let (keys, readers) = (Vec::new(), Vec::new());
                let (now, of_all) = (UnixMillis::new(0), false);
                let everywhere_at = now;
                let _ = answer.send(Ok(KeyReport { now, keys, readers, of_all, everywhere_at, max_age }));
            }
        });
        desk
    }

    /// Has an order carried out.
    ///
    /// # Errors
    /// [`KeyTrouble`]
    pub async fn order(&self, order: Order) -> Result<KeyReport, KeyTrouble> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Asked { order, answer }).map_err(|_| KeyTrouble::Busy)?;
        let answered = tokio::time::timeout(ORDER_WAIT, answered).await;
        answered.map_err(|_| KeyTrouble::Busy)?.map_err(|_| KeyTrouble::Busy)?
    }
}

/// What is asked at a [`KeyDesk`].
#[derive(Debug)]
pub struct KeyOrders(mpsc::Receiver<Asked>);

/// Keeps one ring.
pub struct Keeper {
    keys: Arc<KeyRing>,
    place: Place,
    rules: Rules,
    clock: Clock,
    held: HashMap<String, Arc<Key>>,
    ledger: Ledger,
    everywhere_at: UnixMillis,
    trouble: Option<String>,
}

impl Keeper {
    /// Keeps `keys`, which are in `place`. `life` is the longest of any token.
    pub fn new(
        keys: Arc<KeyRing>,
        place: Place,
        (algorithms, rotation): (Vec<Algorithm>, Rotation),
        life: Duration,
        clock: Clock,
    ) -> Self {
        let keep = life + LEEWAY + keys.max_age();
        let rules = Rules { algorithms, every: rotation.every, publish: rotation.publish, keep };
        let held = keys.now().keys().map(|key| (key.kid().to_string(), Arc::clone(key))).collect();
        Self {
            keys,
            place,
            rules,
            clock,
            held,
            ledger: Ledger::default(),
            everywhere_at: UnixMillis::new(0),
            trouble: None,
        }
    }

    /// Keeps it as long as it is polled; `changed` hears of every other ring.
    pub async fn run(mut self, mut orders: KeyOrders, changed: impl Fn(&Ring)) {
        let mut is_asked = true;
        for round in 0_u32.. {
            if round % SHARE_EVERY == 0 {
                self.share().await;
            }
            if !matches!(self.place, Place::Fixed) {
                let looked = self.look(None).await;
                self.tell(looked, &changed);
            }
            let asked = tokio::select! {
                asked = orders.0.recv(), if is_asked => {
                    is_asked = asked.is_some();
                    asked
                }
                () = tokio::time::sleep(LOOK) => None,
            };
            let Some(Asked { order, answer }) = asked else { continue };
            if let (Place::Fixed, Order::List) = (&self.place, &order) {
                let _ = answer.send(Ok(self.report()));
                continue;
            }
            // Who orders wants to know who was where until now.
            self.share().await;
            let done = match self.look(Some(&order)).await {
                Ok(ring) => {
                    self.tell(Ok(ring), &changed);
                    Ok(self.report())
                }
                Err(trouble) => Err(trouble),
            };
            // Whoever asked may have gone.
            let _ = answer.send(done);
        }
    }

    async fn share(&self) {
        if let Some(state) = self.place.shared() {
            self.keys.readers().share(state).await;
        }
    }

    /// Looks at the ring, and changes it as far as that is due, ordered and ours to do.
    async fn look(&mut self, order: Option<&Order>) -> Result<Ring, KeyTrouble> {
        let looked = self.attempt(order).await;
        self.place.close();
        looked
    }

    async fn attempt(&mut self, order: Option<&Order>) -> Result<Ring, KeyTrouble> {
        let ordered = !matches!(order, None | Some(Order::List));
        for _ in 0..TRIES {
            let opened = self.place.open(self.clock.now(), ordered).await?;
            let Opened { ledger, now, leads, is_lost } = &opened;
            let mut ledger = ledger.clone();
            let before = ledger.clone();
            if *leads {
                self.place.tend(&mut ledger, &self.rules.algorithms, *now)?;
            }
            // Before there is a key that only the ledger tells from the one that signs.
            let begins = before.entries.is_empty() && !ledger.entries.is_empty();
            if begins && !self.place.write(&ledger).await? {
                continue;
            }
            let steps = if *leads { self.change(&mut ledger, order, *now)? } else { Vec::new() };
            let same = ledger == before && !(*leads && *is_lost);
            let written = same || self.place.write(&ledger).await?;
            if !written {
                continue;
            }
            self.say(&steps);
            self.place.forget(&before, &ledger);
            let fingerprint = self.place.fingerprint(&ledger)?;
            let ring = self.ring(&ledger)?;
            if let Some(fingerprint) = fingerprint {
                self.keys.set_fingerprint(&fingerprint);
            }
            self.ledger = ledger;
            return Ok(ring);
        }
        Err(KeyTrouble::Busy)
    }

    fn change(
        &mut self,
        ledger: &mut Ledger,
        order: Option<&Order>,
        now: UnixMillis,
    ) -> Result<Vec<Step>, KeyTrouble> {
        let mut steps = Vec::new();
        // Longer than any service was seen to go by what it fetched; not so long that a service which went away holds everything up.
        let longest = self.keys.readers().longest(self.clock.now()).min(self.rules.every / 2);
        let rules = Rules { publish: self.rules.publish.max(longest), ..self.rules.clone() };
        match order {
            None | Some(Order::List) => {}
            Some(Order::Rotate { now: at_once }) => {
                steps = ledger.advance(&rules, now, |algorithm| self.place.make(algorithm, now))?;
                for algorithm in rules.algorithms.iter().copied() {
                    let before = ledger.of(algorithm, Phase::Signs).map(|entry| entry.kid.clone());
                    if !at_once {
                        ledger.want(algorithm);
                    } else if ledger.promote(algorithm, now, &mut steps)
                        && let Some(before) = before
                    {
                        ledger.retire(&before, now, &mut steps);
                    }
                }
            }
            Some(Order::Import { pem }) => {
                let pair = Pair::from_pem(pem).map_err(KeyTrouble::NotAKey)?;
                let algorithm = rules.algorithms.iter().copied().find(|algorithm| pair.signs(*algorithm));
                let algorithm = algorithm.ok_or_else(|| {
                    KeyTrouble::NotAKey(format!(
                        "{}, which signs with no algorithm of the configuration",
                        pair.kind()
                    ))
                })?;
                let key = Key::new(pair, algorithm).ok_or(KeyTrouble::NotMade)?;
                if ledger.find(key.kid()).is_some() {
                    return Err(KeyTrouble::NotAKey("a key that was in the ring already".to_owned()));
                }
                let entry = self.place.keep(&key, pem, now)?;
                ledger.add(Entry { is_wanted: true, ..entry }, &mut steps);
            }
            Some(Order::Retire { kid }) => match ledger.find(kid).and_then(Entry::phase) {
                None => return Err(KeyTrouble::Unknown),
                Some(Phase::Signs) => return Err(KeyTrouble::Signs),
                Some(Phase::Standby | Phase::Leaving) => {
                    ledger.retire(kid, now, &mut steps);
                }
            },
        }
        steps.extend(ledger.advance(&rules, now, |algorithm| self.place.make(algorithm, now))?);
        Ok(steps)
    }

    /// The keys of the ledger; each is read once.
    fn ring(&mut self, ledger: &Ledger) -> Result<Ring, KeyTrouble> {
        let mut phased = Vec::new();
        let mut held = HashMap::new();
        for entry in &ledger.entries {
            let Some(phase) = entry.phase() else { continue };
            let key = match self.held.get(&entry.kid) {
                Some(key) => Arc::clone(key),
                None => match self.place.fetch(entry) {
                    Ok(key) => Arc::new(key),
                    // Without a key that stands by or leaves the others are still good.
                    Err(trouble) if phase == Phase::Signs => return Err(trouble),
                    Err(trouble) => {
                        tracing::warn!(kid = entry.kid, error = %crate::telemetry::chain(&trouble), "a key cannot be read");
                        continue;
                    }
                },
            };
            held.insert(entry.kid.clone(), Arc::clone(&key));
            phased.push((key, phase));
        }
        phased.sort_by_key(|(_, phase)| *phase);
        let ring = Ring::new(phased);
        if let Some(missing) =
            self.rules.algorithms.iter().find(|algorithm| ring.signer(**algorithm).is_none())
        {
            return Err(KeyTrouble::NoSigner(name(*missing)));
        }
        self.held = held;
        Ok(ring)
    }

    /// Goes on with what was found, and says what is new.
    fn tell(&mut self, looked: Result<Ring, KeyTrouble>, changed: &impl Fn(&Ring)) {
        match looked {
            Ok(ring) => {
                if self.trouble.take().is_some() {
                    tracing::info!("the key ring can be looked at again");
                }
                if self.keys.replace(ring) {
                    // The others look as often as we do, and one look may be on its way.
                    self.everywhere_at = self.clock.now().plus(2 * LOOK);
                    changed(&self.keys.now());
                }
            }
            Err(trouble) => {
                let text = crate::telemetry::chain(&trouble);
                if self.trouble.as_ref() != Some(&text) {
                    tracing::warn!(error = %text, "the key ring cannot be looked at; the last one stays");
                    self.trouble = Some(text);
                }
            }
        }
    }

    fn say(&self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Made(kid) => tracing::info!(%kid, "a key is published and stands by"),
                Step::Signs { kid, before } => {
                    tracing::info!(%kid, before = before.as_deref(), "another key signs");
                }
                Step::Retired(kid) => tracing::info!(%kid, "a key is retired"),
            }
        }
    }

    fn report(&self) -> KeyReport {
        let line = |entry: &Entry| {
            let phase = entry.phase()?;
            let signer = self.ledger.of(entry.algorithm, Phase::Signs);
            let known_at = entry.published_at.plus(self.rules.publish);
            let next_at = match phase {
                Phase::Signs => None,
                Phase::Standby if entry.is_wanted => Some(known_at),
                Phase::Standby => {
                    let due = signer.and_then(|signer| signer.signs_from);
                    due.map(|since| since.plus(self.rules.every).max(known_at))
                }
                Phase::Leaving => entry.signs_until.map(|until| until.plus(self.rules.keep)),
            };
            Some(KeyLine {
                kid: entry.kid.clone(),
                alg: name(entry.algorithm),
                phase,
                published_at: entry.published_at,
                signs_from: entry.signs_from,
                signs_until: entry.signs_until,
                next_at,
            })
        };
        let mut keys: Vec<KeyLine> = self.ledger.entries.iter().filter_map(line).collect();
        if let Place::Fixed = self.place {
            keys = fixed(&self.keys.now());
        }
        keys.sort_by_key(|line| line.phase);
        let now = self.clock.now();
        let of_all = self.place.shared().is_some();
        let (everywhere_at, max_age) = (self.everywhere_at, self.keys.max_age());
        KeyReport { now, keys, readers: self.keys.readers().known(now), of_all, everywhere_at, max_age }
    }
}

/// Files of the operator's own have no schedule.
fn fixed(ring: &Ring) -> Vec<KeyLine> {
    let line = |(key, phase): (&Arc<Key>, Phase)| KeyLine {
        kid: key.kid().to_string(),
        alg: key.alg(),
        phase,
        published_at: UnixMillis::new(0),
        signs_from: None,
        signs_until: None,
        next_at: None,
    };
    ring.phases().map(line).collect()
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.keys.fmt(f)
    }
}
