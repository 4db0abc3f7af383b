//! What operators ask this gateway, and tell it to do.
//!
//! Job: let in who shows a token of `[admin.tokens]`, find the call, answer in JSON, and log every call that changes something with the
//! name of who made it; and a page that shows the same. Not the job: the changes themselves (`token` has the keys), health and metrics (`internal`).
//!
//! To add a call: a line in `Call::find`, what it takes (`Call::needs`), and the answer in
//! `Admin::run`.
//!
//! Threats. A page in an operator's browser, whose host name was made to lead to this address (DNS rebinding): a Host that is no
//! address, no `localhost` and no configured name is refused, as is an Origin that is not this Host. There are no cookies, so no page
//! can call in an operator's name. A token that is guessed: all are compared in constant time, and an address that guesses wrong must
//! wait. Whoever has a lesser token: what each call needs is one exhaustive `match`. The listener is loopback by default; tokens
//! cross it as they are, so elsewhere it belongs behind TLS.
//!
//! The folder is a *roof*.

mod call;
mod dashboard;
mod gate;
mod key_calls;
mod migration;
mod problem;

pub use gate::Gate;
pub use migration::MigrationDesk;

use crate::admin::call::Call;
use crate::admin::problem::Problem;
use crate::config::{Admin as Config, Role};
use crate::token::{KeyDesk, Order};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Longest body of a call, in bytes: a private key is the longest thing that anybody sends.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Answers operators.
#[derive(Debug)]
pub struct Admin {
    gate: Gate,
    keys: KeyDesk,
    migration: MigrationDesk,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// What it may do.
    pub role: Role,
}

impl Admin {
    /// For those whom the configuration names.
    pub fn new(config: &Config, keys: KeyDesk, migration: MigrationDesk) -> Self {
        Self { gate: Gate::new(config), keys, migration }
    }

    /// The answer to a request from `peer`, its body read. Infallible.
    pub async fn answer(&self, peer: IpAddr, request: &Request<Bytes>) -> Response<Full<Bytes>> {
        let looks = [Method::GET, Method::HEAD].contains(request.method());
        let page = dashboard::find(request.uri().path()).filter(|_| looks);
        let answered = match page {
            Some(page) => self.gate.shows(request.headers()).map(|()| page),
            None => {
                let answered = self.call(peer, request).await;
                answered.map(|value| problem::json(http::StatusCode::OK, "application/json", &value))
            }
        };
        let mut response = answered.unwrap_or_else(|problem| problem.render());
        if request.method() == Method::HEAD {
            *response.body_mut() = Full::default();
        }
        response
    }

    async fn call(&self, peer: IpAddr, request: &Request<Bytes>) -> Result<Value, Problem> {
        let caller = self.gate.admit(peer, request.headers())?;
        let (call, changes) = Call::find(request.method(), request.uri().path())?;
        if !call.is_for(caller.role) {
            return Err(Problem::RoleLacking { needs: call.needs() });
        }
        let done = self.run(&call, request.body()).await;
        if changes {
            let (admin, call) = (caller.name, call.word());
            match &done {
                Ok(_) => tracing::info!(admin, call, %peer, "an operator's call was carried out"),
                Err(problem) => {
                    tracing::warn!(admin, call, %peer, why = problem.code(), "an operator's call failed");
                }
            }
        }
        done
    }

    async fn run(&self, call: &Call, body: &Bytes) -> Result<Value, Problem> {
        match call {
            Call::Keys => key_calls::order(&self.keys, Order::List).await,
            Call::Migration => Ok(self.migration.tell()),
            Call::ResumeRollout => self.migration.resume(body),
            Call::Import => key_calls::import(&self.keys, body).await,
            Call::Retire(kid) => key_calls::order(&self.keys, Order::Retire { kid: kid.clone() }).await,
            Call::Rotate => key_calls::rotate(&self.keys, body).await,
            Call::Who => Ok(json!({ "version": env!("CARGO_PKG_VERSION") })),
        }
    }
}

#[cfg(test)]
mod tests;
