//! Sends the tokens, one after another.

use crate::attest::forge::{Forge, Target};
use crate::attest::kinds::{KINDS, Kind, Shape, Wanted};
use crate::attest::report::{Outcome, Report};
use crate::attest::stranger::Stranger;
use crate::clock::Clock;
use crate::telemetry::chain;
use crate::token::Key;
use crate::web::Web;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

/// Where the tokens go.
#[derive(Debug)]
pub struct Service {
    /// How to reach it.
    pub web: Web,
    /// Path and query.
    pub target: String,
    /// Method.
    pub method: Method,
    /// The header that it reads tokens from.
    pub header: HeaderName,
}

/// Everything an attack takes.
pub struct Attack<'a> {
    /// The service.
    pub service: &'a Service,
    /// What the tokens are about.
    pub target: &'a Target,
    /// The gateway's keys.
    pub key: &'a Key,
    /// The time.
    pub clock: &'a Clock,
}

/// Why nothing can be said.
#[derive(Debug)]
pub enum AttackError {
    /// The plain good token did not get in.
    GoodRefused(Outcome),
    /// A token could not be made, or the stranger's endpoint could not be started.
    System(std::io::Error),
}

/// Tries every kind of token.
///
/// # Errors
/// [`AttackError`] where the answers would prove nothing.
pub async fn attack(attack: &Attack<'_>) -> Result<Report, AttackError> {
    let stranger = Stranger::appear().await.map_err(AttackError::System)?;
    let mut tried = Vec::with_capacity(KINDS.len());
    let odd = |kind: &Kind| matches!(kind.shape, Shape::Field(text) if !text.is_empty());
    // Schemes are Authorization's; a header of one's own has none.
    let schemes = attack.service.header == http::header::AUTHORIZATION;
    for kind in KINDS.iter().filter(|kind| schemes || !odd(kind)) {
        let outcome = attack.one(kind, &stranger).await?;
        let first = tried.is_empty();
        if first && kind.wanted == Wanted::Accept && outcome.flaw(kind).is_some() {
            return Err(AttackError::GoodRefused(outcome));
        }
        tried.push((kind, outcome));
    }
    Ok(Report { tried })
}

impl Attack<'_> {
    async fn one(&self, kind: &Kind, stranger: &Stranger) -> Result<Outcome, AttackError> {
        let Self { service, target, key, clock } = self;
        let forge = Forge { key, stranger, target, now: clock.now() };
        let token = forge.token(kind);
        let token =
            token.ok_or_else(|| AttackError::System(std::io::Error::other("a token could not be signed")))?;
        let request = service.request(kind, &token);
        let request = request
            .ok_or_else(|| AttackError::System(std::io::Error::other("a request that cannot be written")))?;
        Ok(match service.web.status(request).await {
            Ok(status) => Outcome::Status(status),
            Err(error) => Outcome::Nothing(chain(&error)),
        })
    }
}

impl Service {
    fn request(&self, kind: &Kind, token: &str) -> Option<Request<Full<Bytes>>> {
        let bearer = self.header == http::header::AUTHORIZATION;
        let (target, field) = match kind.shape {
            Shape::Query => {
                let joint = if self.target.contains('?') { '&' } else { '?' };
                (format!("{}{joint}access_token={token}", self.target), String::new())
            }
            Shape::Field(text) => (self.target.clone(), text.replace("{token}", token)),
            Shape::Bearer | Shape::ClaimsSwapped | Shape::HeaderSwapped | Shape::Parts(_) | Shape::Json => {
                (self.target.clone(), if bearer { format!("Bearer {token}") } else { token.to_owned() })
            }
        };
        let mut request = Request::new(Full::default());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target.parse::<Uri>().ok()?;
        if !field.is_empty() {
            request.headers_mut().insert(&self.header, HeaderValue::try_from(field).ok()?);
        }
        Some(request)
    }
}

impl std::fmt::Display for AttackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GoodRefused(outcome) => write!(
                f,
                "the service does not take a good token ({outcome}), so what it does with bad ones proves nothing; are \
                 --audience and --issuer right, has it the gateway's keys, and does the path exist?"
            ),
            Self::System(error) => write!(f, "cannot attack: {error}"),
        }
    }
}

impl std::error::Error for AttackError {}
