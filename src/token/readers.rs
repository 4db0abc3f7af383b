//! Who has fetched the key set, and until when it may go by it.
//!
//! A service behind a balancer asks now this gateway and now that one, so where they share their keys they share this too.

use crate::clock::UnixMillis;
use crate::state::{Fetched, State};
use crate::telemetry::chain;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Services that are remembered; the one that was silent longest makes room.
const READERS_MAX: usize = 256;
/// Of a User-Agent so much tells one library from another.
const AGENT_BYTES_MAX: usize = 64;
/// A service that was silent for longer has gone, or has lost what it knew.
const SILENT_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A service that fetched the key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Where it called from.
    pub client: IpAddr,
    /// What it calls itself.
    pub agent: String,
    /// When it last did.
    pub fetched_at: UnixMillis,
    /// The longest time between two of its fetches.
    pub longest: Duration,
}

/// All of them, as far as this gateway was asked.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<Vec<Noted>>);

#[derive(Debug)]
struct Noted {
    reader: Reader,
    /// Whether the other gateways may not have heard of it.
    is_news: bool,
}

impl Readers {
    pub(super) fn note(&self, client: IpAddr, agent: &[u8], now: UnixMillis) {
        let agent: String = String::from_utf8_lossy(agent)
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .take(AGENT_BYTES_MAX)
            .collect();
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) =
            readers.iter_mut().find(|known| known.reader.client == client && known.reader.agent == agent)
        {
            known.is_news = true;
            let known = &mut known.reader;
            known.longest = known.longest.max(known.fetched_at.until(now));
            known.fetched_at = now;
            return;
        }
        if readers.len() >= READERS_MAX
            && let Some((oldest, _)) =
                readers.iter().enumerate().min_by_key(|(_, known)| known.reader.fetched_at)
        {
            readers.swap_remove(oldest);
        }
        let reader = Reader { client, agent, fetched_at: now, longest: Duration::ZERO };
        readers.push(Noted { reader, is_news: true });
    }

    /// Tells the other gateways who was here, and hears who was there. A failure is made good by the next time.
    pub(super) async fn share(&self, state: &State) {
        let news = self.news();
        let lately: Vec<(String, u64)> =
            news.iter().map(|reader| (name(reader), reader.fetched_at.as_millis())).collect();
        match state.note_readers(&lately, (READERS_MAX, SILENT_MAX)).await {
            Ok(all) => self.learn(all.iter().filter_map(read).collect()),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "who has fetched the key set is not shared just now");
                let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                readers.iter_mut().for_each(|known| known.is_news |= news.contains(&known.reader));
            }
        }
    }

    fn news(&self) -> Vec<Reader> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = readers.iter_mut().filter(|known| known.is_news);
        news.map(|known| {
            known.is_news = false;
            known.reader.clone()
        })
        .collect()
    }

    /// Goes by what all gateways know, and what came here meanwhile.
    fn learn(&self, all: Vec<Reader>) {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|known| known.is_news);
        for reader in all {
            let same = |known: &&mut Noted| {
                known.reader.client == reader.client && known.reader.agent == reader.agent
            };
            match readers.iter_mut().find(same) {
                Some(Noted { reader: known, .. }) => known.longest = known.longest.max(reader.longest),
                None => readers.push(Noted { reader, is_news: false }),
            }
        }
    }

    /// Those that were heard of lately, in the order of their addresses.
    pub(super) fn known(&self, now: UnixMillis) -> Vec<Reader> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|known| known.reader.fetched_at.until(now) <= SILENT_MAX);
        let mut all: Vec<Reader> = readers.iter().map(|known| known.reader.clone()).collect();
        all.sort_by(|a, b| (a.client, &a.agent).cmp(&(b.client, &b.agent)));
        all
    }

    /// The longest time that one of them went without a fetch.
    pub(super) fn longest(&self, now: UnixMillis) -> Duration {
        self.known(now).iter().map(|reader| reader.longest).max().unwrap_or_default()
    }
}

/// What tells a service from others, as it is kept.
fn name(reader: &Reader) -> String {
    format!("{} {}", reader.client, reader.agent)
}

fn read(fetched: &Fetched) -> Option<Reader> {
    let (client, agent) = fetched.name.split_once(' ')?;
    Some(Reader {
        client: client.parse().ok()?,
        agent: agent.to_owned(),
        fetched_at: UnixMillis::new(fetched.at),
        longest: Duration::from_millis(fetched.longest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

    fn after(secs: u64) -> UnixMillis {
        NOW.plus(Duration::from_secs(secs))
    }

    #[test]
    fn the_longest_pause_of_a_service_is_kept() {
        let readers = Readers::default();
        for secs in [0, 300, 310, 400] {
            readers.note([10, 0, 0, 1].into(), b"jose", after(secs));
        }
        assert_eq!(readers.longest(after(400)), Duration::from_secs(300));
        assert_eq!(readers.known(after(400)).len(), 1);
    }

    #[test]
    fn callers_without_number_do_not_fill_the_memory() {
        let readers = Readers::default();
        for n in 0..1000_u64 {
            readers.note(
                [10, 0, 0, 1].into(),
                format!("agent {n}\n{}", "x".repeat(999)).as_bytes(),
                after(n),
            );
        }
        let known = readers.known(after(1000));
        assert_eq!(known.len(), READERS_MAX);
        assert!(
            known.iter().all(|reader| reader.agent.len() <= AGENT_BYTES_MAX && !reader.agent.contains('\n'))
        );
    }
}
