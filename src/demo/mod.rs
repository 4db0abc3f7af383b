//! Everything on one machine: an app with sessions, a gateway before it, two services behind it, and a page to click.
//!
//! Job: show in half a minute what the gateway is for, with nothing installed but this program. The login app (`app`)
//! keeps its sessions exactly as an express app does; the services verify tokens as any stranger would, with the keys
//! they fetched over HTTP; the gateway between them is the real one, started from a real configuration. Not the job:
//! any part that the gateway would treat differently because it is a demo.
//!
//! Redis is one of the demo's own if `redis-server` is on the PATH, with a password made up for this run; otherwise the
//! sessions are in the process's memory. Everything listens on loopback, on ports that the system chose.
//!
//! Invariant: nothing outlasts a [`Demo`]. Its threads end with [`Demo::stop`]; its Redis is killed and its directory removed
//! when it is dropped, also when starting fails halfway.
//!
//! The folder is a *roof*: this file uses its children, no child uses it, but for `random`.

mod answer;
mod app;
mod directory;
mod error;
mod keeper;
mod page;
mod person;
mod server;
mod service;
mod session;
mod site;
mod verifier;

pub use error::DemoError;

use crate::app::{Running, Start, start};
use crate::clock::Clock;
use crate::codec::seal::Base64;
use crate::config::{Config, Limits, Secret};
use crate::listen::Inherited;
use crate::pipeline::Shared;
use crate::telemetry::AccessSink;
use app::{App, Inner};
use directory::Directory;
use keeper::Keeper;
use page::Page;
use serde_json::json;
use server::{NoRedis, RedisServer};
use service::{SERVICES, Service};
use session::Sessions;
use site::Site;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;
use verifier::Verifier;

/// The gateway's configuration, but for the ports.
const GATEWAY_TOML: &str = include_str!("gateway.toml");

/// A demo that runs.
pub struct Demo {
    /// The gateway's public address, where the page is.
    pub gateway: SocketAddr,
    /// The gateway's internal listener.
    pub internal: SocketAddr,
    /// The login app, without the gateway before it.
    pub app: SocketAddr,
    /// The services, without the gateway before them.
    pub services: Vec<(&'static str, SocketAddr)>,
    /// Where the sessions are, in words.
    pub store: String,
    running: Running,
    drain: watch::Sender<bool>,
    threads: Vec<JoinHandle<std::io::Result<()>>>,
    _redis: Option<RedisServer>,
    _directory: Directory,
}

/// The servers around the gateway, bound before it because its configuration names them.
struct Sites {
    app: Site,
    services: Vec<Site>,
}

impl Demo {
    /// Starts everything; the gateway listens on `port`, or on any if that is 0.
    ///
    /// # Errors
    /// [`DemoError`]; nothing keeps running then.
    pub fn start(port: u16, access: AccessSink) -> Result<Self, DemoError> {
        let directory = Directory::make()?;
        let (redis, store) = match RedisServer::start(directory.path()) {
            Ok(redis) => (Some(redis), "a temporary Redis of the demo's own".to_owned()),
            Err(NoRedis::NotInstalled) => (None, "memory (no `redis-server` on the PATH)".to_owned()),
            Err(NoRedis::Failed(error)) => (None, format!("memory (`redis-server` did not start: {error})")),
        };
        let url = redis.as_ref().map_or_else(|| Secret::new(b"memory:".to_vec()), |redis| redis.url.clone());
        let secret = Secret::new(Base64::UrlNoPad.encode(&random::<24>()?).into_bytes());
        let sites = Sites::bind()?;
        let toml = sites.fill_in(port);
        let config = configure(&toml, &directory, &url, &secret)?;
        let limits = config.server.limits.clone();
        let running = start(config, Start { clock: Clock::System, access, inherited: Inherited::default() })?;
        let (Some(gateway), Some(internal)) = (running.addresses.first().copied(), running.internal) else {
            return Err(std::io::Error::other("the gateway listens nowhere").into());
        };
        let (drain, _) = watch::channel(false);
        let (app, services) = (sites.app.address(), sites.addresses());
        let mut demo = Self {
            gateway,
            internal,
            app,
            services,
            store,
            running,
            drain,
            threads: Vec::new(),
            _redis: redis,
            _directory: directory,
        };
        match demo.open(sites, &limits, &url, secret, toml) {
            Ok(()) => Ok(demo),
            Err(error) => {
                demo.stop();
                Err(error)
            }
        }
    }

    /// Ends everything, and returns when it has ended.
    pub fn stop(self) {
        self.running.stop();
        self.drain.send_replace(true);
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a server of the demo ended early"),
                Err(_) => tracing::error!("a server of the demo panicked"),
            }
        }
    }

    /// Opens the servers around the gateway.
    fn open(
        &mut self,
        sites: Sites,
        limits: &Limits,
        url: &Secret,
        secret: Secret,
        gateway_toml: String,
    ) -> Result<(), DemoError> {
        let keeper = match self.running.memory_store("app") {
            Some(memory) => Keeper::Memory(memory),
            None => {
                let client = redis::Client::open(String::from_utf8_lossy(url.expose()).as_ref())?;
                Keeper::Redis(Box::new(client))
            }
        };
        let shared = Arc::clone(self.running.shared());
        let services: serde_json::Map<_, _> =
            self.services.iter().map(|(name, at)| ((*name).to_owned(), at.to_string().into())).collect();
        let surroundings = json!({
            "store": if matches!(keeper, Keeper::Memory(_)) { "memory" } else { "Redis" },
            "services": services,
            "internal": self.internal.to_string(),
        });
        let (internal, issuer) = (self.internal, shared.config.tokens.issuer.clone());
        let make = move || {
            let sessions = Sessions::new(keeper, &secret);
            let fingerprint = Box::new(move |id: &str| fingerprint(&shared, id));
            App::new(Inner { sessions, page: Page::new(), fingerprint, surroundings, gateway_toml })
        };
        self.threads.push(sites.app.open("demo-app", limits.clone(), self.drain.subscribe(), make)?);
        for (site, (name, items)) in sites.services.into_iter().zip(SERVICES) {
            let issuer = issuer.clone();
            let make = move || Service::new(name, items, Verifier::new(internal, &issuer, name));
            self.threads.push(site.open(name, limits.clone(), self.drain.subscribe(), make)?);
        }
        Ok(())
    }
}

impl Sites {
    fn bind() -> Result<Self, DemoError> {
        let services = SERVICES.iter().map(|_| Site::bind()).collect::<Result<_, _>>()?;
        Ok(Self { app: Site::bind()?, services })
    }

    fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        SERVICES.iter().zip(&self.services).map(|((name, _), site)| (*name, site.address())).collect()
    }

    /// The configuration with the addresses in their places.
    fn fill_in(&self, port: u16) -> String {
        let text = GATEWAY_TOML.replace("{port}", &port.to_string());
        let text = text.replace("{app}", &self.app.address().to_string());
        self.addresses()
            .iter()
            .fold(text, |text, (name, address)| text.replace(&format!("{{{name}}}"), &address.to_string()))
    }
}

fn configure(toml: &str, directory: &Directory, url: &Secret, secret: &Secret) -> Result<Config, DemoError> {
    let environment = |name: &str| {
        let value = match name {
            "STORE_URL" => url,
            "SESSION_SECRET" => secret,
            _ => return None,
        };
        String::from_utf8(value.expose().to_vec()).ok()
    };
    match crate::config::from_text("gateway.toml", toml, directory.path(), &environment) {
        Ok((config, _)) => Ok(config),
        Err((errors, sources)) => Err(DemoError::Config(errors, sources)),
    }
}

/// How the gateway names the session with this id.
fn fingerprint(shared: &Shared, id: &str) -> String {
    let profile = shared.profiles().first().map_or("", |profile| profile.name.as_ref());
    shared.fingerprints().fingerprint(profile, id.as_bytes()).as_str().to_owned()
}

/// Random bytes from the system.
fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("no random bytes"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
