//! Three primaries and three replicas of a Cluster, all real.

use crate::support::{Redis, eventually, reader_of};
use redis::{Connection, Value};
use std::collections::HashMap;
use std::net::TcpListener;
use std::time::Duration;

/// How long a node may be silent before the others doubt it.
const NODE_TIMEOUT_MS: &str = "800";
/// How long one of them is waited for.
const REPLY: Duration = Duration::from_millis(400);

/// All of them.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
    ids: Vec<String>,
}

/// One node as another describes it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    id: String,
    flags: String,
    link: String,
    slots: Vec<(u16, u16)>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let (nodes, buses): (Vec<Redis>, Vec<String>) = (0..6).map(|_| node()).unzip();
        let ids = nodes.iter().map(|node| node.command(&["CLUSTER", "MYID"])).collect();
        let cluster = Self { nodes, ids };
        for (at, node) in cluster.nodes.iter().enumerate() {
            node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            let port = cluster.nodes[0].port().to_string();
            node.command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &buses[0]]);
        }
        for (at, range) in [("0", "5460"), ("5461", "10922"), ("10923", "16383")].into_iter().enumerate() {
            cluster.nodes[at].command::<()>(&["CLUSTER", "ADDSLOTSRANGE", range.0, range.1]);
        }
        eventually("all to have met", || {
            let met = |node: &Redis| cluster.lines(node).is_some_and(|lines| lines.len() == 6);
            cluster.nodes.iter().all(met).then_some(())
        });
        for at in 3..6 {
            let follow =
                || ask(cluster.connection(at)?, &["CLUSTER", "REPLICATE", &cluster.ids[at - 3]]).ok();
            eventually("a replica", follow);
        }
        cluster.wait_until_whole();
        cluster
    }

    /// As a gateway is told of them; it is given two of six.
    pub(crate) fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.nodes[0].port(), self.nodes[4].port())
    }

    fn connection(&self, at: usize) -> Option<Connection> {
        let connection = self.nodes[at].connection()?;
        connection.set_read_timeout(Some(REPLY)).unwrap();
        Some(connection)
    }

    fn lines(&self, node: &Redis) -> Option<Vec<Line>> {
        let text: String = redis::cmd("CLUSTER").arg("NODES").query(&mut node.connection()?).ok()?;
        let line = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            let slots = fields[8..].iter().filter(|slot| !slot.starts_with('['));
            let range = |slot: &&str| {
                let (first, last) = slot.split_once('-').unwrap_or((slot, slot));
                (first.parse().unwrap(), last.parse().unwrap())
            };
            Line {
                id: fields[0].to_owned(),
                flags: fields[2].to_owned(),
                link: fields[7].to_owned(),
                slots: slots.map(range).collect(),
            }
        };
        Some(text.lines().map(line).collect())
    }

    /// Waits until all agree on three primaries with a replica each; the places of the primaries.
    pub(crate) fn wait_until_whole(&self) -> Vec<usize> {
        eventually("the Cluster to be whole", || {
            let mut owners = None;
            for node in &self.nodes {
                let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut node.connection()?).ok()?;
                let lines = self.lines(node)?;
                let sound = |line: &Line| !line.flags.contains("fail") && (line.link == "connected");
                if !info.contains("cluster_state:ok") || !lines.iter().all(sound) {
                    return None;
                }
                let replication: String =
                    redis::cmd("INFO").arg("replication").query(&mut node.connection()?).ok()?;
                let linked =
                    replication.contains("master_link_status:up") || replication.contains("state=online");
                let mut slots: Vec<_> = lines
                    .into_iter()
                    .filter(|line| !line.slots.is_empty())
                    .map(|line| (line.id, line.slots))
                    .collect();
                slots.sort();
                if !linked || slots.len() != 3 || owners.get_or_insert_with(|| slots.clone()) != &slots {
                    return None;
                }
            }
            Some(owners?.into_iter().map(|(id, _)| self.place(&id)).collect())
        })
    }

    fn place(&self, id: &str) -> usize {
        self.ids.iter().position(|other| other == id).unwrap()
    }

    /// Who replicates a primary.
    pub(crate) fn replica_of(&self, primary: usize) -> usize {
        let lines: Vec<String> = self.nodes[primary].command(&["CLUSTER", "REPLICAS", &self.ids[primary]]);
        self.place(lines[0].split(' ').next().unwrap())
    }

    /// Does something with a key wherever it is, as an app's client would; waits for whoever has it.
    pub(crate) fn at_owner(&self, key: &str, words: &[&str]) -> usize {
        let ports: HashMap<u16, usize> =
            self.nodes.iter().enumerate().map(|(at, node)| (node.port(), at)).collect();
        let target = |error: &str| {
            error
                .split_whitespace()
                .last()?
                .rsplit(':')
                .next()?
                .parse()
                .ok()
                .and_then(|port: u16| ports.get(&port).copied())
        };
        let mut at = 0;
        eventually(&format!("somebody to have {key}"), || {
            let next = (at + 1) % self.nodes.len();
            let Some(connection) = self.connection(at) else {
                at = next;
                return None;
            };
            match ask(connection, words) {
                Ok(_) => return Some(at),
                Err(error) if error.starts_with("MOVED") => at = target(&error).unwrap_or(next),
                Err(error) if error.starts_with("ASK ") => {
                    let to = target(&error).unwrap();
                    let mut connection = self.connection(to)?;
                    redis::cmd("ASKING").query::<()>(&mut connection).ok()?;
                    ask(connection, words).ok()?;
                    return Some(to);
                }
                Err(_) => at = next,
            }
            None
        })
    }

    /// Writes a session, and waits until the replica has it.
    pub(crate) fn write(&self, key: &str, value: &str) {
        let at = self.at_owner(key, &["SET", key, value]);
        let mut connection = self.nodes[at].connection().unwrap();
        // The same connection must have written for WAIT to count it.
        redis::cmd("SET").arg(key).arg(value).query::<()>(&mut connection).unwrap();
        let reached: u64 = redis::cmd("WAIT").arg(1).arg(30_000).query(&mut connection).unwrap();
        assert_eq!(reached, 1, "the replica has it");
    }

    pub(crate) fn delete(&self, key: &str) {
        self.at_owner(key, &["DEL", key]);
    }

    /// The slot of a key, as Redis counts.
    pub(crate) fn slot(&self, key: &str) -> u16 {
        self.nodes[0].command(&["CLUSTER", "KEYSLOT", key])
    }

    /// Who has a slot, in the word of the first that answers.
    pub(crate) fn owner(&self, slot: u16) -> usize {
        eventually("an owner", || {
            let lines = self.nodes.iter().find_map(|node| self.lines(node))?;
            let has = |line: &&Line| line.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot));
            Some(self.place(&lines.iter().find(has)?.id))
        })
    }

    /// Begins to move a slot.
    pub(crate) fn begin_move(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        self.nodes[to].command::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.ids[from]]);
        self.nodes[from].command::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.ids[to]]);
    }

    /// Moves a slot's keys.
    pub(crate) fn move_keys(&self, slot: u16, from: usize, to: usize) {
        let keys: Vec<String> =
            self.nodes[from].command(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]);
        let port = self.nodes[to].port().to_string();
        for key in keys {
            self.nodes[from].command::<Value>(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
        }
    }

    /// Ends the move of a slot.
    pub(crate) fn end_move(&self, slot: u16, from: usize, to: usize, primaries: &[usize]) {
        let others = primaries.iter().copied().filter(|at| *at != from && *at != to);
        for at in [to, from].into_iter().chain(others) {
            self.nodes[at].command::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &self.ids[to]]);
        }
    }
}

fn node() -> (Redis, String) {
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut options = vec![
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
        "--cluster-node-timeout",
        NODE_TIMEOUT_MS,
        "--repl-diskless-sync-delay",
        "0",
        "--repl-ping-replica-period",
        "1",
        "--cluster-allow-replica-migration",
        "no",
    ];
    options.extend(reader_of(include_str!("../../../deploy/redis/cluster.acl")));
    (Redis::start_with(&options), bus)
}

/// The answer, or the error as Redis writes it.
fn ask(mut connection: Connection, words: &[&str]) -> Result<Value, String> {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    match command.query::<Value>(&mut connection) {
        Ok(value) => Ok(value),
        Err(error) => Err(format!("{} {}", error.code().unwrap_or("?"), error.detail().unwrap_or_default())),
    }
}
