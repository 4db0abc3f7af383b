//! A gateway with all that it needs, said in a few lines.

use crate::support::{Ask, Gateway, Process, Redis, Response, Upstream};
use std::fmt::Display;
use std::path::Path;
use std::process::{Command, Stdio};

/// A world to be.
#[derive(Debug, Default)]
pub(crate) struct World {
    server: String,
    limits: String,
    store: String,
    tokens: String,
    tables: String,
    environment: Vec<(String, String)>,
    redis: Option<Redis>,
}

/// A world that is.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) gateway: Gateway,
    redis: Option<Redis>,
}

impl World {
    /// A gateway with one worker and a Redis of its own, which a slow machine has seconds to answer from.
    pub(crate) fn new() -> Self {
        Self {
            server: "workers = 1\n".into(),
            store: "timeout = \"5s\"\n".into(),
            redis: Some(Redis::start()),
            ..Self::default()
        }
    }

    /// The same with one `json` profile: cookie `sid`, key `sess:{id}`, and these sessions, each an id and its user.
    pub(crate) fn with_sessions(sessions: &[(&str, &str)]) -> Self {
        let world = Self::new().profile("app", SESSIONS);
        for (id, user) in sessions {
            world.redis().set(&format!("sess:{id}"), &format!(r#"{{"user":{{"id":"{user}"}}}}"#));
        }
        world
    }

    /// With so many workers instead of one.
    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.server = self.server.replace("workers = 1\n", &format!("workers = {workers}\n"));
        self
    }

    /// Lines of `[server]`.
    pub(crate) fn server(mut self, lines: &str) -> Self {
        self.server = self.server + lines + "\n";
        self
    }

    /// Lines of `[server.limits]`.
    pub(crate) fn limits(mut self, lines: &str) -> Self {
        self.limits = self.limits + lines + "\n";
        self
    }

    /// Lines of `[stores.app]` instead of the usual.
    pub(crate) fn store(mut self, lines: &str) -> Self {
        self.store = lines.to_owned() + "\n";
        self
    }

    /// Lines of `[tokens]`.
    pub(crate) fn tokens(mut self, lines: &str) -> Self {
        self.tokens = self.tokens + lines + "\n";
        self
    }

    pub(crate) fn profile(self, name: &str, lines: &str) -> Self {
        self.table(&format!("[sessions.{name}]\n{lines}"))
    }

    pub(crate) fn upstream(self, name: &str, endpoint: impl Display) -> Self {
        self.table(&format!("[upstreams.{name}]\nendpoints = [\"http://{endpoint}\"]"))
    }

    pub(crate) fn recorded(self, name: &str, upstream: &Upstream) -> Self {
        self.upstream(name, upstream.address())
    }

    pub(crate) fn route(self, lines: &str) -> Self {
        self.table(&format!("[[routes]]\n{lines}"))
    }

    /// Any other table.
    pub(crate) fn table(mut self, text: &str) -> Self {
        self.tables = self.tables + "\n" + text + "\n";
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn redis(&self) -> &Redis {
        self.redis.as_ref().expect("a world has its Redis until it runs")
    }

    /// Starts the gateway.
    pub(crate) fn start(self) -> Running {
        let config = self.config(&self.redis().url());
        Running { gateway: Gateway::start(&config, &self.environment), redis: self.redis }
    }

    /// Starts the gateway under this path; what it prints of requests is not kept.
    pub(crate) fn start_unheard(self, binary: &Path) -> Running {
        let (config, start) = (self.config(&self.redis().url()), |command: &mut Command| {
            Process::start_unheard(command.stdout(Stdio::null()))
        });
        Running { gateway: Gateway::start_as(binary, &config, &self.environment, start), redis: self.redis }
    }

    /// Starts a gateway of this world beside a Redis of the caller's.
    pub(crate) fn start_beside(&self, redis: &Redis) -> Gateway {
        Gateway::start(&self.config(&redis.url()), &self.environment)
    }

    /// Starts a gateway of this world with this URL for its store.
    pub(crate) fn start_at(&self, url: &str) -> Gateway {
        Gateway::start(&self.config(url), &self.environment)
    }

    /// A world without a Redis of its own.
    pub(crate) fn without_redis() -> Self {
        Self { server: "workers = 1\n".into(), store: "timeout = \"5s\"\n".into(), ..Self::default() }
    }

    fn config(&self, url: &str) -> String {
        let Self { server, limits, store, tokens, tables, .. } = self;
        // Where many tests share a machine nobody is refused for being late, unless that is what is tested.
        let patient = if limits.contains("delay =") { "" } else { "delay = \"none\"\n" };
        let limits = format!("{patient}{limits}");
        format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n{server}\n[server.limits]\n{limits}\n\
             [internal]\nlisten = \"127.0.0.1:0\"\n\n[stores.app]\nurl = \"{url}\"\n{store}\n\
             [tokens]\n{tokens}\n{tables}"
        )
    }
}

/// The profile of [`World::with_sessions`].
pub(crate) const SESSIONS: &str =
    "framework = \"json\"\ncookie = \"sid\"\nkey = \"sess:{id}\"\nsubject = \"user.id\"";

impl Running {
    pub(crate) fn redis(&mut self) -> &mut Redis {
        self.redis.as_mut().expect("a world that was started alone has its Redis")
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Response {
        ask.at(self.gateway.public)
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.ask(&Ask::get(target))
    }
}
