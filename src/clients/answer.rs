//! What services are answered with.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// An answer, and in a word what it was.
#[derive(Debug)]
pub struct Answer {
    /// For the service.
    pub response: Response<Full<Bytes>>,
    /// For the metrics.
    pub outcome: &'static str,
}

/// Why there is no other. The codes are those of RFC 6749 §5.2, RFC 8693 §2.2.2 and RFC 7662 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Who asks is nobody, or does not know the secret.
    InvalidClient,
    /// It failed too often.
    TooMany,
    /// The request does not say what is wanted, or shows a token that is of no use; why, in words.
    InvalidRequest(&'static str),
    /// Another grant than the exchange of tokens.
    UnsupportedGrantType,
    /// An audience for which it gets no token, or not for the one shown; why, in words.
    InvalidTarget(&'static str),
    /// A scope beyond that of the shown token, or of the audience.
    InvalidScope,
    /// What would have to be asked cannot be.
    Unavailable,
    /// The token could not be made.
    Failed,
}

impl Answer {
    /// 200, which nobody may keep.
    pub(super) fn of(body: &Value, outcome: &'static str) -> Self {
        Self { response: written(StatusCode::OK, body), outcome }
    }

    pub(super) fn refused(refused: Refused) -> Self {
        let (status, code, text) = refused.parts();
        let mut body = json!({ "error": code });
        if let (false, Some(members)) = (text.is_empty(), body.as_object_mut()) {
            members.insert("error_description".into(), text.into());
        }
        let mut response = written(status, &body);
        let headers = response.headers_mut();
        match refused {
            Refused::InvalidClient => {
                let challenge = HeaderValue::from_static("Basic realm=\"cloakroom\", charset=\"UTF-8\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Refused::TooMany => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
            }
            Refused::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refused::InvalidRequest(_)
            | Refused::UnsupportedGrantType
            | Refused::InvalidTarget(_)
            | Refused::InvalidScope
            | Refused::Failed => {}
        }
        Self { response, outcome: code }
    }
}

impl Refused {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client", ""),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "too many wrong secrets from this address",
            ),
            Self::InvalidRequest(text) => (StatusCode::BAD_REQUEST, "invalid_request", text),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type", ""),
            Self::InvalidTarget(text) => (StatusCode::BAD_REQUEST, "invalid_target", text),
            Self::InvalidScope => (
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                "the subject token does not have it, or tokens of that audience do not",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "the session cannot be asked about just now, or there is no key yet",
            ),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", ""),
        }
    }
}

fn written(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
