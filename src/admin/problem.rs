//! Why a call is not answered, as problem+json (RFC 9457).

use crate::config::Role;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// Why a call is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// `[admin.tokens]` is empty.
    ApiOff,
    /// The Host is one that a page could have, or an Origin is another than it.
    HostRefused,
    /// The key ring is not to be changed so, or not now.
    Keys {
        /// Whose fault it is.
        status: StatusCode,
        /// What is wrong.
        detail: String,
    },
    /// The body is not what the call takes.
    Malformed {
        /// What it takes.
        takes: &'static str,
    },
    /// The path has no such method.
    MethodNotAllowed {
        /// Those that it has.
        allow: &'static str,
    },
    /// The route has no rollout, or there is no such route.
    NoSuchRollout,
    /// There is no such path.
    NotFound,
    /// The token is good, but not for this.
    RoleLacking {
        /// What it takes.
        needs: Role,
    },
    /// No token, or one that nobody has.
    TokenRefused,
    /// Too many of those from this address.
    TooManyAttempts {
        /// Seconds until it may try again.
        wait: u64,
    },
}

impl Problem {
    /// Its name for programs.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::ApiOff => "admin-api-off",
            Self::HostRefused => "host-refused",
            Self::Keys { .. } => "keys-unchanged",
            Self::Malformed { .. } => "malformed",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
            Self::NoSuchRollout => "no-such-rollout",
            Self::NotFound => "not-found",
            Self::RoleLacking { .. } => "role-lacking",
            Self::TokenRefused => "token-refused",
            Self::TooManyAttempts { .. } => "too-many-attempts",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::ApiOff | Self::HostRefused | Self::RoleLacking { .. } => StatusCode::FORBIDDEN,
            Self::Keys { status, .. } => *status,
            Self::Malformed { .. } => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoSuchRollout | Self::NotFound => StatusCode::NOT_FOUND,
            Self::TokenRefused => StatusCode::UNAUTHORIZED,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::ApiOff => "There is nobody to call it: `[admin.tokens]` is empty.".to_owned(),
            Self::HostRefused => {
                "Call it by an address, by `localhost` or by a name of `admin.hosts`, and not from another site's page."
                    .to_owned()
            }
            Self::Keys { detail, .. } => detail.clone(),
            Self::Malformed { takes } => format!("The body is to be {takes}."),
            Self::MethodNotAllowed { allow } => format!("This path takes {allow}."),
            Self::NoSuchRollout => "No route of this name has a rollout; `GET /api/migration` lists them.".to_owned(),
            Self::NotFound => "There is no such call.".to_owned(),
            Self::RoleLacking { needs } => format!("This takes a token whose role is `{}` or `all`.", needs.word()),
            Self::TokenRefused => "This takes a token of `[admin.tokens]`, as `Authorization: Bearer`.".to_owned(),
            Self::TooManyAttempts { wait } => {
                format!("Too many wrong tokens came from this address; try again in {wait} s.")
            }
        }
    }

    /// The answer.
    pub(super) fn render(&self) -> Response<Full<Bytes>> {
        let status = self.status();
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Refused"),
            "status": status.as_u16(),
            "detail": self.detail(),
            "code": self.code(),
        });
        let mut response = self::json(status, "application/problem+json", &body);
        let headers = response.headers_mut();
        match self {
            Self::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::TokenRefused => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooManyAttempts { wait } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*wait));
            }
            Self::ApiOff
            | Self::HostRefused
            | Self::Keys { .. }
            | Self::Malformed { .. }
            | Self::NoSuchRollout
            | Self::NotFound
            | Self::RoleLacking { .. } => {}
        }
        response
    }
}

/// An answer that is true now and is nobody else's business.
pub(super) fn json(status: StatusCode, kind: &'static str, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{value}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
