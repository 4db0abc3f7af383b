//! A primary, two replicas and three sentinels, all real.

use crate::support::redis::candidate;
use crate::support::{PATIENCE, Process, READER, Redis, eventually, reader_of};
use redis::Commands;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// What the sentinels call the primary.
pub(crate) const SERVICE: &str = "main";
/// What the sentinels ask of their clients.
const PASSWORD: &str = "sentinel-password";
/// How long a server may be silent before a sentinel holds it for down.
const DOWN_AFTER_MS: u32 = 2500;

/// All of them.
pub(crate) struct Sentinels {
    pub(crate) nodes: Vec<Redis>,
    sentinels: Vec<(u16, Process)>,
    _dir: TempDir,
}

impl Sentinels {
    pub(crate) fn start() -> Self {
        let primary = Redis::start_with(&options(None));
        let follow = format!("127.0.0.1 {}", primary.port());
        let replica = || Redis::start_with(&options(Some(&follow)));
        let nodes = vec![replica(), replica()];
        let nodes: Vec<Redis> = std::iter::once(primary).chain(nodes).collect();
        let dir = TempDir::new().unwrap();
        let sentinels = (0..3).map(|_| sentinel(&dir, nodes[0].port())).collect();
        let group = Self { nodes, sentinels, _dir: dir };
        group.wait_until_whole();
        group
    }

    /// As a gateway is told of them; it is given one sentinel and finds the others.
    pub(crate) fn url(&self) -> String {
        format!(
            "redis+sentinel://127.0.0.1:{},127.0.0.1:{}/{SERVICE}/0",
            self.sentinels[0].0, self.sentinels[1].0
        )
    }

    /// What beside the URL makes the servers and the sentinels answer.
    pub(crate) fn login() -> String {
        format!("{READER}\nsentinel_password = {{ insecure_literal = \"{PASSWORD}\" }}")
    }

    /// The place of the server that calls itself primary, if there is just one.
    pub(crate) fn primary(&self) -> Option<usize> {
        let roles = self.nodes.iter().map(|node| role(node).is_some_and(|role| role == "master"));
        let primaries: Vec<usize> = roles.enumerate().filter(|(_, is)| *is).map(|(at, _)| at).collect();
        <[usize; 1]>::try_from(primaries).ok().map(|[at]| at)
    }

    /// Waits until two replicas follow one primary and the sentinels know all that.
    pub(crate) fn wait_until_whole(&self) -> usize {
        eventually("the group to be whole", || {
            let primary = self.primary()?;
            let info: String =
                redis::cmd("INFO").arg("replication").query(&mut self.nodes[primary].connection()?).ok()?;
            let port = self.nodes[primary].port().to_string();
            let online = info.matches("state=online").count() == 2;
            let all = self.sentinels.iter().all(|(sentinel, _)| {
                let facts = ask(*sentinel, &["SENTINEL", "MASTER", SERVICE]);
                let fact =
                    |name: &str| facts.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone());
                fact("port") == Some(port.clone())
                    && fact("num-other-sentinels").as_deref() == Some("2")
                    && fact("num-slaves").as_deref() == Some("2")
                    && fact("flags").as_deref() == Some("master")
                    && followers(*sentinel) == 2
            });
            (online && all).then_some(primary)
        })
    }

    /// Has the sentinels make another server the primary while the present one lives.
    pub(crate) fn fail_over(&self) {
        eventually("a sentinel to begin", || {
            let answer = ask(self.sentinels[0].0, &["SENTINEL", "FAILOVER", SERVICE]);
            (answer == ["OK"]).then_some(())
        });
    }

    /// Cuts a server off from the sentinels, its replicas and everybody but the gateway; what is returned is the last who reaches it.
    pub(crate) fn cut_off(&self, at: usize) -> redis::Connection {
        let mut connection = self.nodes[at].connection().expect("the primary");
        for words in [&["ACL", "SETUSER", "default", "off"][..], &["CLIENT", "KILL", "USER", "default"]] {
            redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut connection).unwrap();
        }
        connection
    }

    /// Lets it back.
    pub(crate) fn let_back(connection: &mut redis::Connection) {
        redis::cmd("ACL").arg(&["SETUSER", "default", "on"]).query::<()>(connection).unwrap();
    }

    /// Ends a sentinel.
    pub(crate) fn kill_sentinel(&mut self, at: usize) {
        self.sentinels[at].1.kill();
    }

    /// Has a server that was killed come back as a replica of `primary`.
    pub(crate) fn bring_back(&mut self, at: usize, primary: usize) {
        let follow = format!("127.0.0.1 {}", self.nodes[primary].port());
        self.nodes[at].start_again_with(&options(Some(&follow)));
    }

    /// Writes sessions at the primary, and waits until both replicas have them.
    pub(crate) fn write(&self, primary: usize, records: impl Iterator<Item = (String, String)>) {
        let mut connection = self.nodes[primary].connection().expect("a primary");
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        for (key, value) in records {
            connection.set::<_, _, ()>(key, value).unwrap();
        }
        let reached: u64 = redis::cmd("WAIT").arg(2).arg(30_000).query(&mut connection).unwrap();
        assert_eq!(reached, 2, "both replicas have it");
    }
}

const OPTIONS: [&str; 4] = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];

/// With the gateway's user, who may read and no more.
fn options(follow: Option<&str>) -> Vec<&str> {
    let mut options = OPTIONS.to_vec();
    options.extend(reader_of(include_str!("../../../deploy/redis/users.acl")));
    options.extend(follow.into_iter().flat_map(|follow| ["--replicaof", follow]));
    options
}

fn role(node: &Redis) -> Option<String> {
    let role: redis::Value = redis::cmd("ROLE").query(&mut node.connection()?).ok()?;
    let redis::Value::Array(parts) = role else { return None };
    redis::from_redis_value(parts.into_iter().next()?).ok()
}

/// How many servers a sentinel has seen follow; one that it still takes for a former primary it would depose again, in the midst of
/// the next failover, and take its writes with it.
fn followers(sentinel: u16) -> usize {
    let Some(redis::Value::Array(replicas)) = answer(sentinel, &["SENTINEL", "REPLICAS", SERVICE]) else {
        return 0;
    };
    let facts = replicas.into_iter().filter_map(|facts| redis::from_redis_value::<Vec<String>>(facts).ok());
    let is = |facts: &[String], what: &str| facts.windows(2).any(|pair| pair == [what, "slave"]);
    facts.filter(|facts| is(facts, "flags") && is(facts, "role-reported")).count()
}

fn ask(sentinel: u16, words: &[&str]) -> Vec<String> {
    match answer(sentinel, words) {
        Some(redis::Value::Okay) => vec!["OK".to_owned()],
        Some(value) => redis::from_redis_value(value).unwrap_or_default(),
        None => vec![],
    }
}

fn answer(sentinel: u16, words: &[&str]) -> Option<redis::Value> {
    let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{sentinel}")).unwrap();
    let mut connection = client.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
    redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).ok()
}

fn sentinel(dir: &TempDir, primary: u16) -> (u16, Process) {
    eventually("a sentinel", || {
        let port = candidate();
        let file = dir.path().join(format!("sentinel-{port}.conf"));
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass {PASSWORD}\nsentinel sentinel-pass {PASSWORD}\n\
             sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\nsentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n\
             sentinel failover-timeout {SERVICE} 3000\nsentinel parallel-syncs {SERVICE} 2\n",
            dir.path().display()
        );
        std::fs::write(&file, text).unwrap();
        let process =
            Process::start(Command::new("redis-server").arg(&file).arg("--sentinel").current_dir(dir.path()));
        process.out.wait_for("the sentinel", |text| text.contains("Sentinel ID is").then_some(()))?;
        Some((port, process))
    })
}
