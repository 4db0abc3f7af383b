//! Where an endpoint's name leads.
//!
//! A name is looked up again when a new connection is made and the last look-up is older than [`FRESH`], so a stampede
//! of new connections asks once; and no connection to a name serves longer than [`AGE_MAX`], so that a service that moves
//! is followed even under a load that never lets a connection idle. If the look-up fails, the addresses known last are
//! better than none.
//!
//! Several addresses share the connections: each begins at another one of the family that the system puts first, and
//! falls back to the rest in order.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::Instant;

/// How long a look-up is believed.
const FRESH: Duration = Duration::from_secs(5);
/// How long a connection to a name may serve.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(60);
/// Addresses that are tried; a name with more of them is a cluster of its own.
const ADDRESSES_MAX: usize = 16;

/// A host and port, and what was found of it.
pub(crate) struct Resolver {
    host: String,
    port: u16,
    /// The address, where no name has to be looked up.
    fixed: Option<SocketAddr>,
    known: RefCell<Vec<SocketAddr>>,
    since: Cell<Option<Instant>>,
    next: Cell<usize>,
}

impl Resolver {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        let fixed = host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
        Self {
            host: host.to_owned(),
            port,
            fixed,
            known: RefCell::default(),
            since: Cell::new(None),
            next: Cell::new(0),
        }
    }

    /// How long a connection may serve.
    pub(crate) fn age_max(&self) -> Option<Duration> {
        self.fixed.is_none().then_some(AGE_MAX)
    }

    /// The addresses, in the order in which they are to be tried.
    pub(crate) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(fixed) = self.fixed {
            return Ok(vec![fixed]);
        }
        if self.since.get().is_none_or(|since| since.elapsed() >= FRESH) {
            match lookup_host((self.host.as_str(), self.port)).await {
                Ok(found) => self.know(found.take(ADDRESSES_MAX).collect()),
                Err(error) if self.known.borrow().is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(host = %self.host, %error, "cannot look the name up; its last addresses are used");
                }
            }
        }
        let start = self.next.get();
        self.next.set(start.wrapping_add(1));
        Ok(from(&self.known.borrow(), start))
    }

    fn know(&self, found: Vec<SocketAddr>) {
        self.since.set(Some(Instant::now()));
        if !found.is_empty() {
            *self.known.borrow_mut() = found;
        }
    }
}

/// `known` with its first family turned by `start`.
fn from(known: &[SocketAddr], start: usize) -> Vec<SocketAddr> {
    let first = known.first().map(SocketAddr::is_ipv4);
    let (mut family, others): (Vec<_>, Vec<_>) =
        known.iter().copied().partition(|address| Some(address.is_ipv4()) == first);
    let turn = start % family.len().max(1);
    family.rotate_left(turn);
    family.extend(others);
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_begin_at_each_address_of_the_first_family_in_turn() {
        let known: Vec<SocketAddr> =
            ["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"].map(|text| text.parse().unwrap()).to_vec();
        let order = |start| from(&known, start).iter().map(|one| one.port()).collect::<Vec<_>>().len();
        assert_eq!(from(&known, 0), known);
        assert_eq!(from(&known, 1), [known[1], known[0], known[2]]);
        assert_eq!((from(&known, 2), order(3)), (known.clone(), 3));
        assert!(from(&[], 7).is_empty());
    }

    #[test]
    fn a_name_is_looked_up_once_in_a_while_and_an_address_never() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let resolver = Resolver::new("localhost", 80);
            assert!(!resolver.addresses().await.unwrap().is_empty() && resolver.age_max().is_some());
            let looked_up = resolver.since.get();
            resolver.addresses().await.unwrap();
            assert_eq!(resolver.since.get(), looked_up);
            let address = Resolver::new("::1", 80);
            assert_eq!(address.addresses().await.unwrap(), ["[::1]:80".parse().unwrap()]);
            assert!(address.since.get().is_none() && address.age_max().is_none());
        });
    }
}
