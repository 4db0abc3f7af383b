//! Where services ask.

use crate::clients::answer::{Answer, Refused};
use crate::clients::caller::{Failures, authenticate};
use crate::clock::UnixMillis;
use crate::config::{Client, Issuer};
use crate::door::Fields;
use crate::revocation::Revoker;
use crate::session::Authenticator;
use crate::token::{Minter, OwnKeys, Slots};
use http::HeaderMap;
use std::cell::RefCell;
use std::net::IpAddr;

/// What can be asked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Whether a token counts.
    Introspect,
    /// For another token.
    Exchange,
    /// For the end of one.
    Revoke,
}

/// A thread's place for services to ask.
#[derive(Debug)]
pub struct Desk {
    pub(super) issuer: String,
    pub(super) keys: OwnKeys,
    failures: RefCell<Failures>,
}

/// What is asked, and by whom.
#[derive(Debug)]
pub struct Paper<'a> {
    /// The request's fields.
    pub headers: &'a HeaderMap,
    /// Its body, whole.
    pub body: &'a [u8],
    /// Whence it comes.
    pub peer: IpAddr,
    /// The time.
    pub now: UnixMillis,
}

/// What it takes to answer.
#[derive(Clone, Copy, Debug)]
pub struct Tools<'a> {
    /// `[clients.*]`
    pub clients: &'a [Client],
    /// `[issuers.*]`
    pub issuers: &'a [Issuer],
    /// Who reads sessions.
    pub authenticator: &'a Authenticator<Slots>,
    /// Who finds them.
    pub revoker: &'a Revoker,
    /// Who makes tokens.
    pub minter: &'a Minter,
}

impl Counter {
    /// That at a path.
    pub fn at(path: &str) -> Option<Self> {
        match path {
            "/introspect" => Some(Self::Introspect),
            "/token" => Some(Self::Exchange),
            "/revoke" => Some(Self::Revoke),
            _ => None,
        }
    }

    /// Its name in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Introspect => "introspect",
            Self::Exchange => "exchange",
            Self::Revoke => "revoke-token",
        }
    }
}

impl Desk {
    /// For tokens with this `iss`.
    pub fn new(issuer: &str) -> Self {
        Self { issuer: issuer.to_owned(), keys: OwnKeys::default(), failures: RefCell::default() }
    }

    /// Answers.
    pub async fn answer(&self, counter: Counter, paper: &Paper<'_>, tools: &Tools<'_>) -> Answer {
        self.try_answer(counter, paper, tools).await.unwrap_or_else(Answer::refused)
    }

    async fn try_answer(
        &self,
        counter: Counter,
        Paper { headers, body, peer, now }: &Paper<'_>,
        tools: &Tools<'_>,
    ) -> Result<Answer, Refused> {
        let known = authenticate(tools.clients, headers, &mut self.failures.borrow_mut(), (*peer, *now));
        let client = known?;
        let fields = Fields::read(headers, body)
            .map_err(|_| Refused::InvalidRequest("the body is no form, or says something twice"))?;
        match counter {
            Counter::Introspect => self.introspect(client, &fields, tools, *now).await,
            Counter::Exchange => self.exchange(client, &fields, tools, *now).await,
            Counter::Revoke => self.revoke(client, &fields, tools, *now).await,
        }
    }
}
