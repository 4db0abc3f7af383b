//! The primary by name: what the sentinels say, and what of it to believe.
//!
//! All sentinels that are known (the URL's, and those that they name) are asked at every heartbeat, and at once when one publishes
//! a change. Their word counts if a majority of **all** sentinels answered: whoever makes another server the primary needs the votes of
//! a majority too, so a sentinel cut off from the others, and we with it, cannot keep an old primary in office. Among the answers that
//! of the highest configuration epoch decides, as it does among the sentinels themselves; a sentinel that slept through a failover
//! is outvoted by it.
//!
//! Whether the primary is *confirmed*, so that leases may be extended, takes more: none who gives the deciding answer holds it for down
//! in the eyes of the quorum, or is busy replacing it. Only the leader of a failover knows of it before the successor has been seen to be
//! promoted, which may take a second; so who doubted must take it back before the others' word counts again, or be silent for long. What is
//! left is a failover whose leader we did not reach at any time: a deletion at the new primary in that second is honoured by the lease of a
//! question sent after it. `min-replicas-to-write` at the primary and WAIT at who deletes close it.

use crate::clock::Moment;
use crate::config::SentinelGroup;
use crate::store::dial::{Clients, Dial};
use crate::store::standing::{Authority, Standing};
use crate::store::{Address, LinkEvent, StoreError};
use redis::aio::MultiplexedConnection;
use redis::{PushKind, RedisError, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Questions in the lease of a confirmation.
const QUESTIONS: u32 = 4;
/// While there is no confirmed primary, who is asked for so often: failing over takes seconds, noticing it need not.
const SEARCH_PAUSE: Duration = Duration::from_millis(100);
/// Most sentinels that are asked; real groups have three or five.
const SENTINELS_MAX: usize = 32;
/// What a sentinel publishes when the primary may be another, or soon will be.
const NEWS: [&str; 4] = ["+switch-master", "+promoted-slave", "+odown", "+try-failover"];
/// So long a sentinel's doubt counts that is not heard of any more. A leader asks the successor every second whether it is promoted and
/// tells all others at once.
const DOUBT_MAX: Duration = Duration::from_secs(10);

/// The sentinels of one store.
pub struct Sentinels {
    dial: Dial,
    service: String,
    bound: Duration,
    authority: Arc<Authority>,
    known: Mutex<Known>,
    news: Arc<Notify>,
}

struct Known {
    seeds: Vec<Address>,
    /// Sentinels that others named, by their ids.
    named: BTreeMap<String, Address>,
    primary: Option<Address>,
    /// Who doubted which primary, and when that question was sent.
    doubters: BTreeMap<String, (Address, Moment)>,
    /// When the question was sent that the above is the answer to.
    asked: Moment,
}

/// What one sentinel says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    id: String,
    primary: Address,
    epoch: u64,
    /// Whether it holds the primary for down in the eyes of the quorum, or is busy replacing it.
    doubts: bool,
    others: BTreeMap<String, Address>,
}

/// What they say together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    primary: Address,
    confirmed: bool,
}

/// Connections to sentinels, kept between questions.
#[derive(Default)]
struct Panel(HashMap<Address, MultiplexedConnection>);

impl Sentinels {
    pub(crate) fn new(dial: Dial, group: &SentinelGroup, bound: Duration) -> Self {
        let seeds = group.sentinels.iter().map(Address::from).collect();
        Self {
            dial,
            service: group.service.clone(),
            bound,
            authority: Arc::new(Authority::new(bound)),
            known: Mutex::new(Known::new(seeds)),
            news: Arc::default(),
        }
    }

    /// The primary that was named last.
    pub fn present(&self) -> Option<Address> {
        self.known().primary.clone()
    }

    /// The primary, asked for now unless the last word still counts.
    ///
    /// # Errors
    /// [`StoreError::Unconfirmed`] if the sentinels cannot be asked or do not agree.
    pub(crate) async fn primary(&self) -> Result<(Address, Standing), StoreError> {
        if !self.authority.is_confirmed(Moment::now()) {
            self.ask(&mut Panel::default()).await?;
        }
        let known = self.known();
        let primary = known.primary.clone().ok_or(StoreError::Unconfirmed)?;
        Ok((primary, self.authority.standing()))
    }

    /// Keeps asking, for as long as somebody holds these sentinels; `tell` hears of every primary, and of words that do not count.
    pub async fn watch(these: Weak<Self>, tell: impl Fn(LinkEvent<'_>)) {
        let (mut panel, mut told) = (Panel::default(), None);
        loop {
            let Some(sentinels) = these.upgrade() else { return };
            let (news, often) = (Arc::clone(&sentinels.news), sentinels.bound / QUESTIONS);
            let asked = sentinels.ask(&mut panel).await;
            let sure = asked.is_ok() && sentinels.authority.is_confirmed(Moment::now());
            let present = asked.ok().filter(|_| sure);
            match &present {
                Some(primary) if told.as_ref() != Some(primary) => tell(LinkEvent::Primary(primary)),
                Some(_) => {}
                None => tell(LinkEvent::Unconfirmed),
            }
            told = present;
            drop(sentinels);
            tokio::select! {
                () = news.notified() => {}
                () = tokio::time::sleep(if sure { often } else { SEARCH_PAUSE.min(often) }) => {}
            }
        }
    }

    /// Asks all of them once.
    async fn ask(&self, panel: &mut Panel) -> Result<Address, StoreError> {
        let sent = Moment::now();
        let longest = self.dial.longest().min(self.bound / QUESTIONS);
        let words = panel.ask(self, longest).await;
        let verdict = judge(&words).ok_or(StoreError::Unconfirmed)?;
        let mut known = self.known();
        for word in &words {
            known.named.extend(word.others.clone());
        }
        known.note_doubts(&words, sent);
        while known.named.len() > SENTINELS_MAX {
            known.named.pop_last();
        }
        // Workers ask too while nothing is confirmed; the later question has the later answer.
        if sent >= known.asked {
            known.asked = sent;
            if known.primary.as_ref() != Some(&verdict.primary) {
                known.primary = Some(verdict.primary.clone());
                self.authority.replace();
            }
            if verdict.confirmed && !known.is_doubted(&verdict.primary, sent) {
                self.authority.confirm(sent);
            }
        }
        Ok(verdict.primary)
    }

    fn addresses(&self) -> BTreeSet<Address> {
        let known = self.known();
        known.seeds.iter().chain(known.named.values()).cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn new(seeds: Vec<Address>) -> Self {
        Self { seeds, named: BTreeMap::new(), primary: None, doubters: BTreeMap::new(), asked: Moment::START }
    }

    fn note_doubts(&mut self, words: &[Word], sent: Moment) {
        for word in words {
            if word.doubts {
                self.doubters.insert(word.id.clone(), (word.primary.clone(), sent));
            } else if self.doubters.get(&word.id).is_some_and(|(_, before)| *before <= sent) {
                self.doubters.remove(&word.id);
            }
        }
        self.doubters.retain(|_, (_, before)| sent < before.plus(DOUBT_MAX));
    }

    fn is_doubted(&self, primary: &Address, sent: Moment) -> bool {
        self.doubters.values().any(|(about, before)| about == primary && sent < before.plus(DOUBT_MAX))
    }
}

impl std::fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sentinels")
    }
}

impl Panel {
    /// What those say who answer in time; each sentinel once, under however many names it is known.
    async fn ask(&mut self, sentinels: &Sentinels, longest: Duration) -> Vec<Word> {
        let mut asking = JoinSet::new();
        for address in sentinels.addresses() {
            let Ok(clients) = sentinels.dial.clients(Some(&address)) else { continue };
            let (held, dial) = (self.0.remove(&address), sentinels.dial.clone());
            let (news, service) = (Arc::clone(&sentinels.news), sentinels.service.clone());
            asking.spawn_local(tokio::time::timeout(longest, async move {
                let mut connection = match held {
                    Some(connection) => connection,
                    None => connect(&dial, &clients, news).await?,
                };
                let word = ask_one(&mut connection, &address, &service).await?;
                Ok::<_, RedisError>((address, connection, word))
            }));
        }
        let mut words = BTreeMap::new();
        while let Some(asked) = asking.join_next().await {
            let Ok(Ok(Ok((address, connection, word)))) = asked else { continue };
            self.0.insert(address, connection);
            if let Some(word) = word {
                words.insert(word.id.clone(), word);
            }
        }
        words.into_values().collect()
    }
}

async fn connect(
    dial: &Dial,
    clients: &Clients,
    news: Arc<Notify>,
) -> Result<MultiplexedConnection, RedisError> {
    let pushed = move |push: redis::PushInfo| {
        if push.kind == PushKind::Message {
            news.notify_one();
        }
    };
    let (mut connection, resp3) = dial.connect(clients, pushed).await?;
    if resp3 {
        // Where the ACL has no channels, changes are seen at the next question instead.
        let _ = connection.subscribe(&NEWS).await;
    }
    Ok(connection)
}

/// `None`: it answers, and does not know the service.
async fn ask_one(
    connection: &mut MultiplexedConnection,
    address: &Address,
    service: &str,
) -> Result<Option<Word>, RedisError> {
    let mut pipeline = redis::Pipeline::with_capacity(4);
    pipeline.cmd("SENTINEL").arg("MYID");
    for question in ["GET-MASTER-ADDR-BY-NAME", "MASTER", "SENTINELS"] {
        pipeline.cmd("SENTINEL").arg(question).arg(service);
    }
    let replies = connection.send_packed_commands(&pipeline, 0, 4).await?;
    Ok(word(&replies, address))
}

fn word(replies: &[Value], asked: &Address) -> Option<Word> {
    let [id, primary, facts, others] = replies else { return None };
    let (Value::Array(primary), facts) = (primary, fields(facts)?) else { return None };
    let [host, port] = primary.as_slice() else { return None };
    let primary = Address { host: text(host)?, port: text(port)?.parse().ok()? };
    // While it replaces the primary it names the successor as soon as that is promoted, long before all replicas follow and its entry
    // changes: the doubts are then about the predecessor.
    let about = Address { host: facts.get("ip")?.clone(), port: facts.get("port")?.parse().ok()? };
    let replacing = |flag| matches!(flag, "o_down" | "failover_in_progress");
    let doubts = about == primary && facts.get("flags")?.split(',').any(replacing);
    let others = match others {
        Value::Array(others) => others.iter().filter_map(fields).filter_map(|facts| {
            let address = Address { host: facts.get("ip")?.clone(), port: facts.get("port")?.parse().ok()? };
            Some((facts.get("runid").filter(|id| !id.is_empty())?.clone(), address))
        }),
        _ => return None,
    };
    Some(Word {
        // Before Redis 6.2 they have no command that tells.
        id: text(id).unwrap_or_else(|| asked.to_string()),
        primary,
        epoch: facts.get("config-epoch")?.parse().ok()?,
        doubts,
        others: others.collect(),
    })
}

/// The answer of the highest epoch, if a majority of all sentinels answered.
fn judge(words: &[Word]) -> Option<Verdict> {
    let mut ids: BTreeSet<&str> = words.iter().map(|word| word.id.as_str()).collect();
    let answered = ids.len();
    for word in words {
        ids.extend(word.others.keys().map(String::as_str));
    }
    if answered * 2 <= ids.len() {
        return None;
    }
    let epoch = words.iter().map(|word| word.epoch).max()?;
    let mut deciding = words.iter().filter(|word| word.epoch == epoch);
    let primary = deciding.clone().next()?.primary.clone();
    // Within one epoch they name one: who tells of the change before its epoch is counted up is replacing the primary.
    let confirmed = deciding.all(|word| word.primary == primary && !word.doubts);
    Some(Verdict { primary, confirmed })
}

/// Names and values, from a map or from a list of both in turn.
fn fields(value: &Value) -> Option<HashMap<String, String>> {
    match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| Some((text(name)?, text(value)?))).collect(),
        Value::Array(flat) => flat
            .chunks(2)
            .map(|pair| match pair {
                [name, value] => Some((text(name)?, text(value)?)),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address { host: "10.0.0.1".into(), port }
    }

    fn says(id: &str, port: u16, epoch: u64) -> Word {
        let others = ["a", "b", "c"].into_iter().filter(|other| *other != id);
        let others = others.map(|other| (other.to_owned(), at(1))).collect();
        Word { id: id.into(), primary: at(port), epoch, doubts: false, others }
    }

    #[test]
    fn a_minority_is_not_believed() {
        assert_eq!(judge(&[]), None);
        assert_eq!(judge(&[says("a", 1, 3)]), None);
        let two = judge(&[says("a", 1, 3), says("b", 1, 3)]);
        assert_eq!(two, Some(Verdict { primary: at(1), confirmed: true }));
    }

    #[test]
    fn the_highest_epoch_decides_whoever_slept_through_it() {
        let words = [says("a", 1, 3), says("b", 1, 3), says("c", 2, 4)];
        assert_eq!(judge(&words), Some(Verdict { primary: at(2), confirmed: true }));
    }

    #[test]
    fn whoever_is_held_for_down_or_being_replaced_is_not_confirmed() {
        let words = [says("a", 1, 3), Word { doubts: true, ..says("b", 1, 3) }, says("c", 1, 3)];
        assert_eq!(judge(&words), Some(Verdict { primary: at(1), confirmed: false }));
        let words = [says("a", 1, 3), says("b", 2, 3), says("c", 1, 3)];
        assert!(!judge(&words).unwrap().confirmed);
    }

    #[test]
    fn a_doubt_stands_until_who_had_it_takes_it_back_or_has_been_silent_for_long() {
        let mut known = Known::new(vec![]);
        let (start, doubt) = (Moment::from_nanos(7), Word { doubts: true, ..says("a", 1, 3) });
        known.note_doubts(&[doubt.clone(), says("b", 1, 3)], start);
        let soon = start.plus(Duration::from_secs(1));
        known.note_doubts(&[says("b", 1, 3), says("c", 1, 3)], soon);
        assert!(known.is_doubted(&at(1), soon), "its leader alone knows of a failover");
        assert!(!known.is_doubted(&at(2), soon), "the successor is not doubted by that");
        assert!(!known.is_doubted(&at(1), start.plus(DOUBT_MAX)));
        known.note_doubts(&[says("a", 1, 3)], soon);
        assert!(!known.is_doubted(&at(1), soon));
        known.note_doubts(&[doubt], soon);
        known.note_doubts(&[says("a", 1, 3)], start);
        assert!(known.is_doubted(&at(1), soon), "an older word takes nothing back");
    }

    #[test]
    fn a_lone_sentinel_is_all_of_them() {
        let word = Word { others: BTreeMap::new(), ..says("a", 1, 0) };
        assert_eq!(judge(&[word]), Some(Verdict { primary: at(1), confirmed: true }));
    }

    #[test]
    fn answers_are_read_in_both_protocols() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let at_5 = [("ip", "10.0.0.1"), ("port", "5")];
        let pairs = [at_5[0], at_5[1], ("flags", "master,s_down,o_down"), ("config-epoch", "7")];
        let map = Value::Map(pairs.iter().map(|(name, value)| (bulk(name), bulk(value))).collect());
        let list = Value::Array(pairs.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]).collect());
        let other = [("ip", "::1"), ("port", "9"), ("runid", "x")];
        let other = Value::Map(other.iter().map(|(name, value)| (bulk(name), bulk(value))).collect());
        for facts in [map, list] {
            let primary = Value::Array(vec![bulk("10.0.0.1"), bulk("5")]);
            let replies = [bulk("me"), primary, facts, Value::Array(vec![other.clone()])];
            let word = word(&replies, &at(1)).unwrap();
            assert_eq!((word.id.as_str(), word.primary, word.epoch, word.doubts), ("me", at(5), 7, true));
            assert_eq!(word.others["x"], Address { host: "::1".into(), port: 9 });
        }
        // The successor is named already.
        let mut replies =
            [bulk("me"), Value::Array(vec![bulk("10.0.0.1"), bulk("6")]), Value::Nil, Value::Array(vec![])];
        replies[2] = Value::Map(pairs.iter().map(|(name, value)| (bulk(name), bulk(value))).collect());
        assert!(!word(&replies, &at(1)).unwrap().doubts);
        let unknown = [bulk("me"), Value::Nil, Value::Nil, Value::Nil];
        assert_eq!(word(&unknown, &at(1)), None);
    }
}
