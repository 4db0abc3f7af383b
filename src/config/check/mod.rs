//! From the raw tables to a `Config`, or to every mistake at once.
//!
//! Each file here reads one table. A wrong value is noted and a harmless one goes on in its place, so that one
//! pass finds everything; `load` hands the result out only if nothing was noted.

mod acme;
mod admin;
mod clients;
mod edge;
mod given;
mod headers;
pub(crate) mod http;
mod issuer;
mod keys;
mod logout;
mod memory;
mod migration;
mod names;
mod own_paths;
mod pair;
mod pem;
mod prefix;
mod profile;
mod rate;
mod route;
mod secret;
mod server;
mod shared_secret;
mod state;
mod store;
mod store_url;
mod table;
mod token;
mod upstream;
mod upstream_tls;

use crate::config::check::names::{Names, gather};
use crate::config::check::table::Checker;
use crate::config::{Access, Config, ConfigError, Marks, Premises};

pub(crate) use given::{Document, Given};
pub(crate) use secret::{process_environment, reason};

/// Checks all tables, and says which files it read beside the given ones; the configuration is only to be used if there are no errors.
pub(crate) fn check(given: &Given<'_>) -> (Config, Vec<ConfigError>, Premises) {
    let mut checker = Checker::new(*given);
    let stores = gather(&mut checker, "stores", |raw| &raw.stores);
    let profiles = gather(&mut checker, "sessions", |raw| &raw.sessions);
    let issuers = gather(&mut checker, "issuers", |raw| &raw.issuers);
    let upstreams = gather(&mut checker, "upstreams", |raw| &raw.upstreams);
    let clients = gather(&mut checker, "clients", |raw| &raw.clients);
    let store_names = Names::of(given, "store", "stores", &stores);
    let profile_names = Names::of(given, "session profile", "sessions", &profiles);
    let issuer_names = Names::of(given, "issuer", "issuers", &issuers);
    let upstream_names = Names::of(given, "upstream", "upstreams", &upstreams);

    let (server, internal, mut taken) = server::check(&mut checker);
    let admin = admin::check(&mut checker, &mut taken);
    let tokens = token::check(&mut checker);
    let skew = server.skew;
    let stores: Vec<_> = stores.iter().map(|entry| store::check(&mut checker, entry)).collect();
    let config = Config {
        server,
        internal,
        admin,
        state: state::check(&mut checker, &store_names, &stores),
        stores,
        profiles: profiles
            .iter()
            .map(|entry| profile::check(&mut checker, entry, &store_names, skew))
            .collect(),
        issuers: issuers
            .iter()
            .map(|entry| issuer::check(&mut checker, entry, &profile_names, &tokens.issuer, skew))
            .collect(),
        tokens,
        clients: Vec::new(),
        pair: None,
        logout: None,
        trusted_origins: server::trusted_origins(&mut checker),
        rates: rate::check(&mut checker),
        upstreams: upstreams.iter().map(|entry| upstream::check(&mut checker, entry)).collect(),
        routes: Vec::new(),
        marks: Marks::default(),
    };
    let names = route::Named { profiles: &profile_names, issuers: &issuer_names, upstreams: &upstream_names };
    let routes = route::check(&mut checker, &config, &names);
    let pair = pair::check(&mut checker, &config, &profile_names);
    let logout = logout::check(&mut checker, &config, (&profile_names, &issuer_names));
    let marks = std::mem::take(&mut checker.marks);
    let (state, internal) = (config.state.as_ref(), config.internal.is_some());
    let entries = clients;
    let clients: Vec<_> =
        entries.iter().map(|entry| clients::check(&mut checker, entry, state, internal)).collect();
    clients::distinct_secrets(&mut checker, &entries, &clients);
    let mut config = Config { routes, pair, logout, clients, marks, ..config };
    let signed = config.routes.iter().filter(|route| route.access != Access::Open);
    let signed = signed.map(|route| &route.token).chain(config.pair.iter().map(|pair| &pair.token));
    config.tokens.more_algorithms = signed.map(|token| token.algorithm).collect();
    clients::readers(&mut checker, &config);
    rate::shared(&mut checker, &config.rates, config.state.is_some());
    shared_secret::routes(&mut checker, &config);
    route::other_bearers(&mut checker, &config.routes);
    own_paths::routes(&mut checker, &config.routes);
    profile::distinct_subjects(&mut checker, &config);
    let premises = std::mem::take(&mut checker.premises);
    (config, checker.into_errors(), premises)
}
