//! Active health checks: is a process there, and does it say that it works?
//!
//! One task for each endpoint of an upstream that has `health`, all on one thread of the process: what they find is for
//! all workers. Each check is a request of its own on a connection of its own, as a new client's would be, and does not
//! count against the endpoint's connections: a service that is merely full must not look dead. An endpoint is unhealthy
//! after so many failures in a row, and well again after so many passes. At the start everybody is well: a gateway that
//! refused until the first checks are through would turn each of its own restarts into an outage.

use std::sync::Arc;

use futures_util::future::join_all;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use tokio::time::{Instant, sleep, timeout};

use crate::config::{self, ConfigError, Health};
use crate::telemetry::chain;
use crate::upstream::connect::{Connector, Wanted};
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::{Deadlines, Failure, exchange};
use crate::upstream::slots::{Line, Slots};
use crate::upstream::standing::{Standing, Standings};
use crate::upstream::tls::{System, Tls};
use crate::upstream::upload::Upload;

/// Every check of the process.
pub struct HealthChecks(Vec<Check>);

/// The check of one endpoint.
struct Check {
    connector: Connector,
    health: Health,
    host: HeaderValue,
    path: Uri,
    standing: Arc<Standing>,
    at: usize,
    slots: Arc<Slots>,
}

impl HealthChecks {
    /// What `upstreams` ask for; the findings go to `standings`, which were made from the same.
    ///
    /// # Errors
    /// As [`crate::upstream::Forwarder::new`]; not if that could be made.
    pub fn new(upstreams: &[config::Upstream], standings: &Standings) -> Result<Self, Vec<ConfigError>> {
        let system = System::default();
        let mut checks = Vec::new();
        for (upstream, standing) in
            upstreams.iter().enumerate().filter_map(|(at, upstream)| Some((upstream, standings.of(at)?)))
        {
            let Some(health) = &upstream.health else { continue };
            let tls = Tls::of(upstream, &system).map_err(|mistake| vec![mistake])?;
            for (at, endpoint) in upstream.endpoints.iter().enumerate() {
                let connector = Connector::new(upstream, endpoint, tls.as_ref()).map_err(|one| vec![one])?;
                let host = upstream.host.as_deref().unwrap_or(&endpoint.host);
                checks.push(Check {
                    connector,
                    health: health.clone(),
                    host: HeaderValue::from_str(host).unwrap_or(HeaderValue::from_static("localhost")),
                    path: health.path.parse().unwrap_or_default(),
                    standing: Arc::clone(standing),
                    at,
                    slots: Slots::new(usize::MAX, Arc::new(Line::new(0))),
                });
            }
        }
        Ok(Self(checks))
    }

    /// Checks, for ever. Must be called on a worker's runtime.
    pub async fn run(self) {
        join_all(self.0.iter().map(Check::run)).await;
    }
}

impl std::fmt::Debug for HealthChecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HealthChecks({})", self.0.len())
    }
}

impl Check {
    async fn run(&self) {
        let (mut failures, mut passes) = (0_u32, 0_u32);
        loop {
            let asked = timeout(self.health.timeout, self.ask()).await;
            match asked.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok(()) => {
                    (failures, passes) = (0, passes.saturating_add(1));
                    if passes >= self.health.passes {
                        self.standing.checked(self.at, None);
                    }
                }
                Err(why) => {
                    (failures, passes) = (failures.saturating_add(1), 0);
                    if failures >= self.health.failures {
                        self.standing.checked(self.at, Some(why));
                    }
                }
            }
            sleep(self.health.interval).await;
        }
    }

    /// One check; in words, why it failed.
    async fn ask(&self) -> Result<(), String> {
        let slot = self.slots.take().ok_or_else(|| "no place for a connection".to_owned())?;
        let mut link = self.connector.connect(slot, Wanted::OURS).await.map_err(|error| chain(&error))?;
        let mut request = Box::new(Request::new(Upload::none()));
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static("cloakroom-health"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let now = Instant::now();
        let deadlines = Deadlines { first_byte: self.health.timeout, total: None };
        let response =
            exchange(&mut link, (request, false), deadlines, now).await.map_err(|failure| match failure {
                Failure::Late(error) => chain(&error),
                Failure::Broken(failed) => chain(&UpstreamError::from_exchange(failed.into_error())),
            })?;
        let status = response.status();
        if status.is_success() || status.is_redirection() {
            Ok(())
        } else {
            Err(format!("it answers {}", status.as_u16()))
        }
    }
}
