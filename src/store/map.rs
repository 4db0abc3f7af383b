//! Which primary of a Cluster has which slots, put together from what its nodes say.
//!
//! A node's word on its own slots goes before others' on them, and the higher configuration epoch before the lower: the Cluster's own
//! rules. A primary is *confirmed*, so that its lease may be extended, if so many primaries hold it for the one that has these slots,
//! and not for failed, that the rest could not elect another: each of an election's voters holds the old one for failed when it votes,
//! and voters are a majority. A primary cut off from the others still calls itself healthy; it alone does not count.

use crate::store::Address;
use crate::store::slot::SLOTS;
use std::collections::{BTreeMap, HashMap};

/// What one node says, as `CLUSTER NODES` prints it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Its own id.
    pub(crate) me: String,
    pub(crate) nodes: Vec<NodeLine>,
}

/// What it says of one node.
#[derive(Clone, Debug)]
pub(crate) struct NodeLine {
    pub(crate) id: String,
    /// `None`: it has none that can be reached.
    pub(crate) address: Option<Address>,
    pub(crate) is_primary: bool,
    /// A majority holds it for down.
    failed: bool,
    epoch: u64,
    slots: Vec<(u16, u16)>,
}

/// What they say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterMap {
    /// The primaries that have slots.
    pub(crate) primaries: Vec<Primary>,
    /// By slot the place in `primaries`; [`NOBODY`] for one that none has.
    pub(crate) slots: Vec<u16>,
}

/// A primary with slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) id: String,
    pub(crate) address: Address,
    pub(crate) confirmed: bool,
}

/// The place of a slot that nobody has.
pub(crate) const NOBODY: u16 = u16::MAX;

impl View {
    /// Reads the answer of the node at `asked`. `hostnames`: nodes are to be called by their names, if they have some, as
    /// certificates do.
    pub(crate) fn read(text: &str, asked: &Address, hostnames: bool) -> Option<Self> {
        let mut me = None;
        let mut nodes = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [id, place, flags, _primary, _ping, _pong, epoch, _link, slots @ ..] = fields.as_slice()
            else {
                return None;
            };
            let flags: Vec<&str> = flags.split(',').collect();
            let has = |flag| flags.contains(&flag);
            if has("myself") {
                me = Some((*id).to_owned());
            }
            nodes.push(NodeLine {
                id: (*id).to_owned(),
                address: if has("noaddr") || has("handshake") {
                    None
                } else {
                    address(place, asked, hostnames)
                },
                is_primary: has("master"),
                failed: has("fail"),
                epoch: epoch.parse().ok()?,
                // `[93->-id]` and `[77-<-id]` are slots on their way: they are where they were, until they are there.
                slots: slots
                    .iter()
                    .filter(|slot| !slot.starts_with('['))
                    .map(|slot| range(slot))
                    .collect::<Option<_>>()?,
            });
        }
        Some(Self { me: me?, nodes })
    }

    fn line(&self, id: &str) -> Option<&NodeLine> {
        self.nodes.iter().find(|line| line.id == id)
    }

    /// Who has each slot, in this view.
    fn owners(&self) -> Vec<Option<&str>> {
        let mut owners = vec![None; usize::from(SLOTS)];
        for line in self.nodes.iter().filter(|line| line.is_primary) {
            for slot in line.all_slots() {
                if let Some(owner) = owners.get_mut(slot) {
                    *owner = Some(line.id.as_str());
                }
            }
        }
        owners
    }
}

impl NodeLine {
    /// Whether it is a primary that has some.
    pub(crate) fn has_slots(&self) -> bool {
        self.is_primary && !self.slots.is_empty()
    }

    fn all_slots(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().flat_map(|(first, last)| usize::from(*first)..=usize::from(*last))
    }
}

impl ClusterMap {
    /// Puts views together.
    pub(crate) fn of(views: &[View]) -> Self {
        let mut lines: BTreeMap<&str, (bool, &NodeLine)> = BTreeMap::new();
        // By slot: whether the owner says so itself, its epoch, its id.
        let mut owners: Vec<Option<(bool, u64, &str)>> = vec![None; usize::from(SLOTS)];
        for view in views {
            for line in view.nodes.iter().filter(|line| line.is_primary && line.address.is_some()) {
                let own = line.id == view.me;
                let known = lines.entry(&line.id).or_insert((own, line));
                if (own, line.epoch) > (known.0, known.1.epoch) {
                    *known = (own, line);
                }
                for slot in line.all_slots() {
                    let claim = Some((own, line.epoch, line.id.as_str()));
                    if let Some(owner) = owners.get_mut(slot).filter(|owner| claim > **owner) {
                        *owner = claim;
                    }
                }
            }
        }
        let mut map = Self { primaries: Vec::new(), slots: Vec::with_capacity(owners.len()) };
        let mut places: HashMap<&str, u16> = HashMap::new();
        for owner in &owners {
            let Some((line, id)) = owner.and_then(|(_, _, id)| Some((lines.get(id)?.1, id))) else {
                map.slots.push(NOBODY);
                continue;
            };
            let next = u16::try_from(map.primaries.len()).unwrap_or(NOBODY);
            let place = *places.entry(id).or_insert(next);
            if place == next
                && let Some(address) = line.address.clone()
            {
                map.primaries.push(Primary { id: id.to_owned(), address, confirmed: false });
            }
            map.slots.push(place);
        }
        map.confirm(views);
        map
    }

    fn confirm(&mut self, views: &[View]) {
        let mut agreeing = vec![0_usize; self.primaries.len()];
        let voters = views.iter().filter(|view| self.primaries.iter().any(|primary| primary.id == view.me));
        for voter in voters {
            let sound = |primary: &Primary| {
                voter.line(&primary.id).is_some_and(|line| line.is_primary && !line.failed)
            };
            let mut agrees: Vec<bool> = self.primaries.iter().map(sound).collect();
            for (place, owner) in self.slots.iter().zip(voter.owners()) {
                let place = usize::from(*place);
                if let (Some(primary), Some(agrees)) = (self.primaries.get(place), agrees.get_mut(place)) {
                    *agrees &= owner == Some(primary.id.as_str());
                }
            }
            for (count, agrees) in agreeing.iter_mut().zip(agrees) {
                *count += usize::from(agrees);
            }
        }
        // An election takes a majority, so this is what it cannot have.
        let needed = self.primaries.len().div_ceil(2);
        for (primary, count) in self.primaries.iter_mut().zip(agreeing) {
            primary.confirmed = count >= needed;
        }
    }
}

/// `ip:port@busport[,hostname[,...]]`
fn address(place: &str, asked: &Address, hostnames: bool) -> Option<Address> {
    let (place, names) = place.split_once(',').unwrap_or((place, ""));
    let place = place.split_once('@').map_or(place, |(place, _)| place);
    let mut address = Address::parse(place).filter(|address| address.port != 0)?;
    let name = names.split(',').next().filter(|name| !name.is_empty() && !name.contains('='));
    if let Some(name) = name.filter(|_| hostnames) {
        address.host = name.to_owned();
    } else if address.host.is_empty() || address.host == "?" {
        // A node that does not know its own address has the one by which we asked it.
        address.host.clone_from(&asked.host);
    }
    Some(address)
}

fn range(slots: &str) -> Option<(u16, u16)> {
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < SLOTS).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Address {
        Address { host: "h".into(), port: 1 }
    }

    /// A view of `me`, of lines such as `a master 3 0-99`; each node's port is 7000 and its letter.
    fn view(me: &str, lines: &[&str]) -> View {
        let line = |line: &&str| {
            let mut fields = line.split(' ');
            let (id, flags, epoch) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
            let port = 7000 + u32::from(id.as_bytes()[0]);
            let flags = if id == me { format!("myself,{flags}") } else { flags.to_owned() };
            let slots: Vec<&str> = fields.collect();
            format!("{id} 10.0.0.1:{port}@1 {flags} - 0 0 {epoch} connected {}", slots.join(" "))
        };
        let text: Vec<String> = lines.iter().map(line).collect();
        View::read(&text.join("\n"), &asked(), false).unwrap()
    }

    fn confirmed(map: &ClusterMap) -> Vec<(&str, bool)> {
        map.primaries.iter().map(|primary| (primary.id.as_str(), primary.confirmed)).collect()
    }

    const WHOLE: [&str; 4] =
        ["a master 1 0-5000", "b master 2 5001-10000", "c master 3 10001-16383", "d slave 1"];

    #[test]
    fn lines_of_redis_are_read() {
        let text = "07c3 127.0.0.1:30004@31004,hostname4 slave e7d1 0 1426238317239 4 connected\n\
                    e7d1 :30001@31001 myself,master - 0 0 1 connected 0-5460 [93-<-292f] 5462\n\
                    292f [::1]:30003@31003 master,fail - 0 1426238318243 3 disconnected [5461->-67ed]\n\
                    67ed :0@0 master,noaddr - 0 0 2 disconnected\n";
        let view = View::read(text, &asked(), true).unwrap();
        let address = |at: usize| view.nodes[at].address.as_ref().map(ToString::to_string);
        assert_eq!(view.me, "e7d1");
        assert_eq!(address(0).unwrap(), "hostname4:30004");
        assert_eq!(address(1).unwrap(), "h:30001");
        assert_eq!(address(2).unwrap(), "[::1]:30003");
        assert_eq!(address(3), None);
        assert_eq!(view.nodes[1].slots, [(0, 5460), (5462, 5462)]);
        assert!(view.nodes[2].failed && view.nodes[2].slots.is_empty());
        let by_ip = View::read(text, &asked(), false).unwrap();
        assert_eq!(by_ip.nodes[0].address.as_ref().unwrap().host, "127.0.0.1");
    }

    #[test]
    fn what_is_no_map_is_none() {
        for text in [
            "",
            "x",
            "a h:1@2 myself,master - 0 0 x connected",
            "a h:1@2 master - 0 0 1 connected 0-9",
            "a h:1@2 myself,master - 0 0 1 connected 9-16384",
            "a h:1@2 myself,master - 0 0 1 connected 9-8",
        ] {
            assert!(View::read(text, &asked(), false).is_none(), "{text}");
        }
    }

    #[test]
    fn half_of_the_primaries_confirm_and_fewer_do_not() {
        let all = ClusterMap::of(&[view("a", &WHOLE), view("b", &WHOLE), view("c", &WHOLE)]);
        assert_eq!(confirmed(&all), [("a", true), ("b", true), ("c", true)]);
        assert_eq!((all.slots[5000], all.slots[5001], all.slots[16383]), (0, 1, 2));
        let two = ClusterMap::of(&[view("a", &WHOLE), view("b", &WHOLE)]);
        assert_eq!(confirmed(&two), [("a", true), ("b", true), ("c", true)]);
        let one = ClusterMap::of(&[view("a", &WHOLE)]);
        assert_eq!(confirmed(&one), [("a", false), ("b", false), ("c", false)], "it may be cut off");
        let with_replica = ClusterMap::of(&[view("a", &WHOLE), view("d", &WHOLE)]);
        assert!(!with_replica.primaries[0].confirmed, "a replica has no vote");
    }

    #[test]
    fn whoever_a_majority_holds_for_failed_is_not_confirmed() {
        let failed = ["a master,fail 1 0-5000", WHOLE[1], WHOLE[2]];
        let map = ClusterMap::of(&[view("a", &WHOLE), view("b", &failed), view("c", &failed)]);
        assert_eq!(confirmed(&map), [("a", false), ("b", true), ("c", true)]);
    }

    #[test]
    fn a_successor_takes_over_from_one_who_does_not_know_it_yet() {
        let after = ["a master,fail 1", "d master 4 0-5000", WHOLE[1], WHOLE[2]];
        let map =
            ClusterMap::of(&[view("a", &WHOLE), view("b", &after), view("c", &after), view("d", &after)]);
        assert_eq!(confirmed(&map), [("d", true), ("b", true), ("c", true)]);
    }

    #[test]
    fn a_slot_goes_with_its_new_owners_word_and_the_old_one_keeps_the_rest() {
        let moved = ["a master 1 1-5000", "b master 4 0 5001-10000", WHOLE[2]];
        let map = ClusterMap::of(&[view("a", &moved), view("b", &moved), view("c", &WHOLE)]);
        assert_eq!(map.primaries[usize::from(map.slots[0])].id, "b");
        assert_eq!(map.primaries[usize::from(map.slots[1])].id, "a");
        assert!(map.primaries.iter().all(|primary| primary.confirmed));
    }

    #[test]
    fn slots_that_nobody_has_are_nobodys() {
        let map = ClusterMap::of(&[view("a", &["a master 1 0-9"])]);
        assert_eq!((map.slots[9], map.slots[10], map.slots.len()), (0, NOBODY, 16384));
        assert_eq!(ClusterMap::of(&[]).primaries, []);
    }
}
