//! All rates of a gateway.

use crate::config::{Rate, Rates, RouteId, RouteRates};
use crate::limit::address::counted;
use crate::limit::count::Count;
use crate::limit::meter::{Meter, Ticks};
use crate::limit::table::Table;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Somebody asked too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Who was counted: `client`, `session`, `route` or `lookups`.
    pub limit: &'static str,
    /// The rate.
    pub rate: Rate,
    /// How long until one more may come.
    pub wait: Duration,
}

/// Every configured rate; shared by all workers.
#[derive(Debug)]
pub struct Limiter {
    client: Option<Meter>,
    session: Option<Meter>,
    lookups: Option<Meter>,
    /// Indexed by [`RouteId`].
    routes: Vec<OfRoute>,
    table: Arc<Table>,
    hasher: RandomState,
}

#[derive(Debug)]
struct OfRoute {
    name: String,
    client: Option<Meter>,
    session: Option<Meter>,
    route: Option<Meter>,
}

/// Who a count is for; the names of routes keep their counts apart.
#[derive(Hash)]
enum Counted<'a> {
    Client(IpAddr),
    ClientAt(&'a str, IpAddr),
    Lookups(IpAddr),
    Route(&'a str),
    Session(&'a str),
    SessionAt(&'a str, &'a str),
}

impl Limiter {
    /// A limiter for what is configured, or none if nothing is. `routes` is indexed by [`RouteId`]; each has a name of its own. Who
    /// asked how often goes on from `before`.
    pub fn new(rates: Rates, routes: &[(String, RouteRates)], before: Option<&Self>) -> Option<Self> {
        Self::ticking(rates, routes, &Ticks::Machine, before)
    }

    fn ticking(
        rates: Rates,
        routes: &[(String, RouteRates)],
        ticks: &Ticks,
        before: Option<&Self>,
    ) -> Option<Self> {
        let Rates { client, session, lookups, keys, shared: _ } = rates;
        let is_off = client.or(session).or(lookups).is_none()
            && routes.iter().all(|(_, route)| *route == RouteRates::default());
        if is_off {
            return None;
        }
        let before = before.filter(|before| before.table.holds(keys));
        let table = before.map_or_else(|| Arc::new(Table::new(keys)), |before| Arc::clone(&before.table));
        let meter = |rate: Option<Rate>| rate.and_then(|rate| Meter::new(rate, &table, ticks.clone()));
        Some(Self {
            client: meter(client),
            session: meter(session),
            lookups: meter(lookups),
            routes: routes
                .iter()
                .map(|(name, route)| OfRoute {
                    name: name.clone(),
                    client: meter(route.client),
                    session: meter(route.session),
                    route: meter(route.route),
                })
                .collect(),
            table,
            hasher: before.map_or_else(RandomState::new, |before| before.hasher.clone()),
        })
    }

    /// Counts a request; the narrowest first, so that one client who is refused takes nothing from all.
    ///
    /// # Errors
    /// [`Exceeded`], for the first rate that is.
    pub fn request(&self, route: RouteId, client: IpAddr) -> Result<(), Exceeded> {
        let client = counted(client);
        self.count("client", self.client.as_ref(), &Counted::Client(client))?;
        let Some(here) = self.routes.get(route.0) else { return Ok(()) };
        self.count("client", here.client.as_ref(), &Counted::ClientAt(&here.name, client))?;
        self.count("route", here.route.as_ref(), &Counted::Route(&here.name))
    }

    /// Counts a request made with the session of this fingerprint.
    ///
    /// # Errors
    /// As [`Limiter::request`].
    pub fn session(&self, route: RouteId, fingerprint: &str) -> Result<(), Exceeded> {
        self.count("session", self.session.as_ref(), &Counted::Session(fingerprint))?;
        let Some(here) = self.routes.get(route.0) else { return Ok(()) };
        self.count("session", here.session.as_ref(), &Counted::SessionAt(&here.name, fingerprint))
    }

    /// What a request counts for, the narrowest first, where all gateways count together.
    pub fn counts_of(&self, route: RouteId, client: IpAddr) -> Vec<Count<'_>> {
        let (client, here) = (counted(client), self.routes.get(route.0));
        let here = here.into_iter().flat_map(|here| {
            [
                self.counting("client", here.client.as_ref(), &Counted::ClientAt(&here.name, client)),
                self.counting("route", here.route.as_ref(), &Counted::Route(&here.name)),
            ]
        });
        let all = self.counting("client", self.client.as_ref(), &Counted::Client(client));
        std::iter::once(all).chain(here).flatten().collect()
    }

    /// The same of a request made with the session of this fingerprint.
    pub fn counts_with(&self, route: RouteId, fingerprint: &str) -> Vec<Count<'_>> {
        let here = self.routes.get(route.0).and_then(|here| {
            self.counting("session", here.session.as_ref(), &Counted::SessionAt(&here.name, fingerprint))
        });
        let all = self.counting("session", self.session.as_ref(), &Counted::Session(fingerprint));
        all.into_iter().chain(here).collect()
    }

    fn counting<'a>(
        &self,
        limit: &'static str,
        meter: Option<&'a Meter>,
        who: &Counted<'_>,
    ) -> Option<Count<'a>> {
        meter.map(|meter| Count::new(limit, meter, self.key(who), who.to_string()))
    }

    /// Whether a store may be asked for a session on behalf of this client.
    ///
    /// # Errors
    /// [`Exceeded`] if too many of its lookups found none.
    pub fn lookup(&self, client: IpAddr) -> Result<(), Exceeded> {
        let Some(meter) = &self.lookups else { return Ok(()) };
        let key = self.key(&Counted::Lookups(counted(client)));
        meter.look(key).map_err(|wait| exceeded("lookups", meter, wait))
    }

    /// Counts a lookup that found no session.
    pub fn found_none(&self, client: IpAddr) {
        // Past the rate there is nothing more to count: the client is held off already.
        let _ = self.count("lookups", self.lookups.as_ref(), &Counted::Lookups(counted(client)));
    }

    fn count(&self, limit: &'static str, meter: Option<&Meter>, who: &Counted<'_>) -> Result<(), Exceeded> {
        let Some(meter) = meter else { return Ok(()) };
        meter.count(self.key(who)).map_err(|wait| exceeded(limit, meter, wait))
    }

    fn key(&self, who: &Counted<'_>) -> u64 {
        self.hasher.hash_one(who)
    }
}

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client) => write!(f, "client:{client}"),
            Self::ClientAt(route, client) => write!(f, "client:{client}@{route}"),
            Self::Lookups(client) => write!(f, "lookups:{client}"),
            Self::Route(route) => write!(f, "route:{route}"),
            Self::Session(fingerprint) => write!(f, "session:{fingerprint}"),
            Self::SessionAt(route, fingerprint) => write!(f, "session:{fingerprint}@{route}"),
        }
    }
}

pub(super) const fn exceeded(limit: &'static str, meter: &Meter, wait: Duration) -> Exceeded {
    Exceeded { limit, rate: meter.rate(), wait }
}

impl Exceeded {
    /// For the access line: `client: 100/min`.
    pub fn text(&self) -> String {
        format!("{}: {}", self.limit, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const HERE: RouteId = RouteId(0);
    const THERE: RouteId = RouteId(1);

    fn rate(text: &str) -> Option<Rate> {
        Some(Rate::parse(text).unwrap())
    }

    fn limiter(rates: Rates, here: RouteRates) -> (Limiter, impl Fn(u64)) {
        let nanos = Arc::new(AtomicU64::new(1));
        let ticks = Ticks::Manual(Arc::clone(&nanos));
        let limiter = Limiter::ticking(Rates { keys: 1000, ..rates }, &named(here), &ticks, None).unwrap();
        (limiter, move |millis| {
            nanos.fetch_add(millis * 1_000_000, Ordering::Relaxed);
        })
    }

    fn named(here: RouteRates) -> [(String, RouteRates); 2] {
        [("here".to_owned(), here), ("there".to_owned(), RouteRates::default())]
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_configured_makes_nothing() {
        assert!(
            Limiter::new(Rates { keys: 1000, ..Rates::default() }, &named(RouteRates::default()), None)
                .is_none()
        );
    }

    #[test]
    fn a_client_waits_as_long_as_it_is_told_and_its_neighbour_not_at_all() {
        let (limiter, pass) =
            limiter(Rates { client: rate("2/s"), ..Rates::default() }, RouteRates::default());
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert!(limiter.request(HERE, one).is_ok() && limiter.request(THERE, one).is_ok());
        let refused = limiter.request(HERE, one).unwrap_err();
        assert_eq!((refused.limit, refused.text()), ("client", "client: 2/s".to_owned()));
        assert_eq!(refused.wait, Duration::from_millis(500));
        assert!(limiter.request(HERE, other).is_ok());
        pass(499);
        assert!(limiter.request(HERE, one).is_err());
        pass(1);
        assert!(limiter.request(HERE, one).is_ok());
        assert!(limiter.request(HERE, one).is_err(), "a refused request takes nothing, and gets nothing");
    }

    #[test]
    fn a_routes_own_rate_is_counted_there_alone() {
        let here = RouteRates { client: rate("1/min"), ..RouteRates::default() };
        let (limiter, _) = limiter(Rates::default(), here);
        let client = ip("2001:db8::1");
        assert!(limiter.request(HERE, client).is_ok());
        assert!(limiter.request(HERE, ip("2001:db8::2")).is_err(), "the same /64");
        assert!((0..100).all(|_| limiter.request(THERE, client).is_ok()));
    }

    #[test]
    fn a_client_that_is_held_off_takes_nothing_from_the_route() {
        let here = RouteRates { client: rate("1/min"), route: rate("2/min"), session: None };
        let (limiter, _) = limiter(Rates::default(), here);
        assert!(limiter.request(HERE, ip("192.0.2.1")).is_ok());
        assert!((0..50).all(|_| limiter.request(HERE, ip("192.0.2.1")).is_err()));
        assert!(limiter.request(HERE, ip("192.0.2.2")).is_ok());
        assert_eq!(limiter.request(HERE, ip("192.0.2.3")).unwrap_err().limit, "route");
    }

    #[test]
    fn a_session_is_counted_wherever_it_comes_from() {
        let (limiter, _) = limiter(Rates { session: rate("2/h"), ..Rates::default() }, RouteRates::default());
        assert!(limiter.session(HERE, "a").is_ok() && limiter.session(THERE, "a").is_ok());
        assert_eq!(limiter.session(HERE, "a").unwrap_err().limit, "session");
        assert!(limiter.session(HERE, "b").is_ok());
    }

    #[test]
    fn a_reload_after_a_long_time_neither_forgives_nor_holds_off_longer() {
        let nanos = Arc::new(AtomicU64::new(1));
        let ticks = Ticks::Manual(Arc::clone(&nanos));
        let rates = Rates { client: rate("2/h"), keys: 1000, ..Rates::default() };
        let make = |before: Option<&Limiter>| {
            Limiter::ticking(rates, &named(RouteRates::default()), &ticks, before).unwrap()
        };
        let (first, client) = (make(None), ip("192.0.2.1"));
        nanos.fetch_add(86_400_000_000_000, Ordering::Relaxed);
        assert!(first.request(HERE, client).is_ok() && first.request(HERE, client).is_ok());
        let second = make(Some(&first));
        assert_eq!(second.request(HERE, client).unwrap_err().wait, Duration::from_secs(1800));
        nanos.fetch_add(1_800_000_000_000, Ordering::Relaxed);
        assert!(second.request(HERE, client).is_ok());
    }

    #[test]
    fn what_others_counted_is_learnt() {
        let (limiter, pass) =
            limiter(Rates { client: rate("4/h"), ..Rates::default() }, RouteRates::default());
        let counts = limiter.counts_of(HERE, ip("192.0.2.1"));
        let count = &counts[0];
        assert_eq!(count.who(), "client:192.0.2.1");
        assert!(count.look().is_ok() && count.learn(true, Duration::from_secs(900)).is_ok());
        assert!(count.look().is_ok(), "one of four");
        let told = count.learn(false, Duration::from_secs(3600)).unwrap_err();
        assert_eq!(
            (told.wait, count.look().unwrap_err().wait),
            (Duration::from_secs(900), Duration::from_secs(900))
        );
        pass(900_000);
        assert!(count.take().is_ok());
        assert!(count.learn(true, Duration::from_secs(1)).is_ok());
        assert!(count.look().is_err(), "what is known already is not unlearnt");
    }

    #[test]
    fn only_lookups_that_found_none_are_counted() {
        let (limiter, pass) =
            limiter(Rates { lookups: rate("2/min"), ..Rates::default() }, RouteRates::default());
        let client = ip("192.0.2.1");
        assert!((0..100).all(|_| limiter.lookup(client).is_ok()));
        limiter.found_none(client);
        assert!(limiter.lookup(client).is_ok());
        limiter.found_none(client);
        assert_eq!(limiter.lookup(client).unwrap_err().limit, "lookups");
        assert!(limiter.lookup(ip("192.0.2.2")).is_ok());
        pass(30_000);
        assert!(limiter.lookup(client).is_ok());
    }
}
