//! The refusal table.

use crate::request::ParseError;
use http::StatusCode;

/// Whose doing a refusal is: it decides who looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Client,
    /// Ours, or our store's.
    Gateway,
    /// The service's.
    Upstream,
}

/// Why we answer instead of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A bearer that the route does not accept.
    BearerRejected,
    /// A route that takes a certificate, and a client that has shown none.
    CertificateRequired,
    /// A bearer and a cookie of two different people.
    CredentialsDisagree,
    /// An unsafe request or handshake from another site's page.
    CrossSite,
    /// A condition of the route is not met.
    Forbidden,
    /// A bug of ours: the handling of the request panicked.
    Internal,
    /// A refresh token that is no good any more, or never was.
    InvalidGrant,
    /// One of our own endpoints was not told what is wanted.
    InvalidRequest,
    /// The keys of the bearer's issuer could not be had.
    IssuerUnavailable,
    /// No session that the route accepts.
    LoginRequired,
    /// The request is not one well-formed message.
    Malformed(ParseError),
    /// The path has a route, the method has none.
    MethodNotAllowed,
    /// No route.
    NotFound,
    /// A host that is asked for certificates, over a connection that was not asked.
    Misdirected,
    /// More requests wait than may.
    Overloaded,
    /// A CORS preflight on a route that refuses them.
    PreflightRefused,
    /// A rate is exceeded.
    RateLimited,
    /// The session's store could not be asked.
    StoreUnavailable,
    /// The session ended while its token was being made, or the token could not be signed.
    TokenFailed,
    /// The token would be larger than `max_bytes`.
    TokenTooLarge,
    /// The upstream broke the protocol.
    UpstreamBroken,
    /// All connections that the upstream may have are in use.
    UpstreamBusy,
    /// The upstream did not answer in time.
    UpstreamTimedOut,
    /// No endpoint of the upstream could be reached.
    UpstreamUnreachable,
}

/// What a client of a busy gateway is told.
const TOO_BUSY: &str = "Too much is going on here right now. Please try again.";
/// What a client over its rate is told.
const TOO_OFTEN: &str = "Too many requests. Please wait a little and try again.";
/// All that a client is told when a fault is ours.
const OUR_FAULT: &str = "Something went wrong on our side.";

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Stable kebab-case code, also in `Cloakroom-Refusal`.
    pub code: &'static str,
    /// What the client is told.
    pub sentence: &'static str,
    /// Whose doing it is.
    pub side: Side,
}

impl Reason {
    /// The row of this reason. No `_` arm: a new reason does not compile until somebody chose its answer.
    pub const fn answer(self) -> Answer {
        use Side::{Client, Gateway, Upstream};
        match self {
            Self::BearerRejected => BEARER_REJECTED,
            Self::CertificateRequired => CERTIFICATE_REQUIRED,
            Self::CredentialsDisagree => CREDENTIALS_DISAGREE,
            Self::IssuerUnavailable => ISSUER_UNAVAILABLE,
            Self::CrossSite => {
                row(StatusCode::FORBIDDEN, "cross-site", "This request came from another site.", Client)
            }
            Self::Forbidden => {
                row(StatusCode::FORBIDDEN, "forbidden", "Your account does not have access to this.", Client)
            }
            Self::Internal => ours("internal"),
            Self::InvalidGrant | Self::InvalidRequest => invalid(self),
            Self::LoginRequired => {
                row(StatusCode::UNAUTHORIZED, "login-required", "Please log in and try again.", Client)
            }
            Self::Malformed(error) => malformed(error),
            Self::MethodNotAllowed => METHOD_NOT_ALLOWED,
            Self::Misdirected => MISDIRECTED,
            Self::NotFound => {
                row(StatusCode::NOT_FOUND, "not-found", "There is nothing at this address.", Client)
            }
            Self::Overloaded => row(StatusCode::SERVICE_UNAVAILABLE, "overloaded", TOO_BUSY, Gateway),
            Self::PreflightRefused => row(
                StatusCode::FORBIDDEN,
                "preflight-refused",
                "Other sites' pages may not call this.",
                Client,
            ),
            Self::RateLimited => row(StatusCode::TOO_MANY_REQUESTS, "rate-limited", TOO_OFTEN, Client),
            Self::StoreUnavailable => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "Sessions cannot be checked right now. You are still logged in; please try again.",
                Gateway,
            ),
            Self::TokenFailed => ours("token-failed"),
            Self::TokenTooLarge => ours("token-too-large"),
            Self::UpstreamBroken => row(
                StatusCode::BAD_GATEWAY,
                "upstream-broken",
                "The service behind this page gave no usable answer.",
                Upstream,
            ),
            Self::UpstreamBusy => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream-busy",
                "The service behind this page has too much to do. Please try again.",
                Upstream,
            ),
            Self::UpstreamTimedOut => row(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream-timed-out",
                "The service behind this page took too long.",
                Upstream,
            ),
            Self::UpstreamUnreachable => row(
                StatusCode::BAD_GATEWAY,
                "upstream-unreachable",
                "The service behind this page cannot be reached.",
                Upstream,
            ),
        }
    }

    /// What OAuth calls it (RFC 6749 §5.2), for clients that look for that.
    pub const fn oauth_error(self) -> Option<&'static str> {
        match self {
            Self::InvalidGrant => Some("invalid_grant"),
            Self::InvalidRequest => Some("invalid_request"),
            _ => None,
        }
    }

    /// Whether the connection closes after the answer: after a framing or parse refusal nobody can say where the next request
    /// starts.
    pub const fn closes(self) -> bool {
        matches!(self, Self::Malformed(_) | Self::Internal)
    }
}

const BEARER_REJECTED: Answer = row(
    StatusCode::UNAUTHORIZED,
    "bearer-rejected",
    "The access token is not valid here. Please get a new one.",
    Side::Client,
);
const CERTIFICATE_REQUIRED: Answer = row(
    StatusCode::FORBIDDEN,
    "certificate-required",
    "This takes a client certificate, and none was shown.",
    Side::Client,
);
const METHOD_NOT_ALLOWED: Answer = row(
    StatusCode::METHOD_NOT_ALLOWED,
    "method-not-allowed",
    "This path does not take that method.",
    Side::Client,
);
const MISDIRECTED: Answer = row(
    StatusCode::MISDIRECTED_REQUEST,
    "misdirected",
    "Please ask for this host over a connection of its own.",
    Side::Client,
);
const CREDENTIALS_DISAGREE: Answer = row(
    StatusCode::UNAUTHORIZED,
    "credentials-disagree",
    "The access token and the session belong to two different users.",
    Side::Client,
);
const ISSUER_UNAVAILABLE: Answer = row(
    StatusCode::SERVICE_UNAVAILABLE,
    "issuer-unavailable",
    "Access tokens cannot be checked right now. Please try again.",
    Side::Gateway,
);

const fn row(status: StatusCode, code: &'static str, sentence: &'static str, side: Side) -> Answer {
    Answer { status, code, sentence, side }
}

/// A fault of ours.
const fn ours(code: &'static str) -> Answer {
    row(StatusCode::INTERNAL_SERVER_ERROR, code, OUR_FAULT, Side::Gateway)
}

/// What our own endpoints say of what they were sent.
const fn invalid(reason: Reason) -> Answer {
    let (code, sentence) = match reason {
        Reason::InvalidGrant => ("invalid-grant", "This login is over. Please log in again."),
        _ => ("invalid-request", "This request does not say what it wants."),
    };
    row(StatusCode::BAD_REQUEST, code, sentence, Side::Client)
}

const fn malformed(error: ParseError) -> Answer {
    let (status, code, sentence) = match error {
        ParseError::BadChunk => (400, "bad-chunk", "The request body's chunks are malformed."),
        ParseError::BadContentLength => {
            (400, "bad-content-length", "Content-Length is not one plain number.")
        }
        ParseError::BadField => (400, "bad-field", "A header field is malformed."),
        ParseError::BadHost => (400, "bad-host", "Host is not one valid name."),
        ParseError::BadRequestLine => (400, "bad-request-line", "The request line is malformed."),
        ParseError::BadTarget => (400, "bad-target", "The request target is malformed."),
        ParseError::BadTransferEncoding => {
            (400, "bad-transfer-encoding", "Transfer-Encoding is not exactly `chunked`.")
        }
        ParseError::BadUpgrade => (400, "bad-upgrade", "The WebSocket handshake is malformed."),
        ParseError::BareLineEnd => (400, "bare-line-end", "A header line does not end in CRLF."),
        ParseError::BodyIncomplete => (400, "body-incomplete", "The request body ended early."),
        ParseError::BodyTimedOut => (408, "body-timed-out", "The request body took too long."),
        ParseError::BodyTooLarge => (413, "body-too-large", "The request body is too large."),
        ParseError::EncodingInHttp10 => {
            (400, "encoding-in-http10", "Transfer-Encoding has no meaning in HTTP/1.0.")
        }
        ParseError::HeadTimedOut => (408, "head-timed-out", "The request's header took too long."),
        ParseError::HeadTooLarge => (431, "head-too-large", "The request's header is too large."),
        ParseError::HostMissing => (400, "host-missing", "The request has no Host."),
        ParseError::HostRepeated => (400, "host-repeated", "The request has two Hosts."),
        ParseError::LengthAndEncoding => {
            (400, "length-and-encoding", "Content-Length and Transfer-Encoding exclude each other.")
        }
        ParseError::MethodRefused => (405, "method-refused", "This method is not served here."),
        ParseError::PathDotSegment => (400, "path-dot-segment", "The path has a dot segment."),
        ParseError::PathEmptySegment => (400, "path-empty-segment", "The path has an empty segment (`//`)."),
        ParseError::PathNeedsAllowance(_) => (
            400,
            "path-needs-allowance",
            "The path has a character that this route's `allow_in_path` does not list.",
        ),
        ParseError::PathUnsafe => (400, "path-unsafe", "The path has an unsafe character."),
        ParseError::TargetHostMismatch => {
            (400, "target-host-mismatch", "Host and the request target disagree.")
        }
        ParseError::TooManyHeaders => (431, "too-many-headers", "The request has too many header fields."),
        ParseError::UnknownExpectation => {
            (417, "unknown-expectation", "Only `Expect: 100-continue` is understood.")
        }
        ParseError::UnsupportedVersion => {
            (505, "unsupported-version", "Only HTTP/1.0, HTTP/1.1 and HTTP/2 are served here.")
        }
    };
    // Every status above is a valid one; a typing mistake would show in the table's test.
    let status = match StatusCode::from_u16(status) {
        Ok(status) => status,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    row(status, code, sentence, Side::Client)
}

/// Every reason once, for the README's table and the tests.
pub const TABLE: [Reason; 50] = {
    use ParseError as P;
    [
        Reason::LoginRequired,
        Reason::BearerRejected,
        Reason::CredentialsDisagree,
        Reason::Forbidden,
        Reason::CertificateRequired,
        Reason::CrossSite,
        Reason::PreflightRefused,
        Reason::InvalidGrant,
        Reason::InvalidRequest,
        Reason::NotFound,
        Reason::MethodNotAllowed,
        Reason::Misdirected,
        Reason::RateLimited,
        Reason::Overloaded,
        Reason::StoreUnavailable,
        Reason::IssuerUnavailable,
        Reason::Internal,
        Reason::TokenFailed,
        Reason::TokenTooLarge,
        Reason::UpstreamUnreachable,
        Reason::UpstreamTimedOut,
        Reason::UpstreamBusy,
        Reason::UpstreamBroken,
        Reason::Malformed(P::BadChunk),
        Reason::Malformed(P::BadContentLength),
        Reason::Malformed(P::BadField),
        Reason::Malformed(P::BadHost),
        Reason::Malformed(P::BadRequestLine),
        Reason::Malformed(P::BadTarget),
        Reason::Malformed(P::BadTransferEncoding),
        Reason::Malformed(P::BadUpgrade),
        Reason::Malformed(P::BareLineEnd),
        Reason::Malformed(P::BodyIncomplete),
        Reason::Malformed(P::BodyTimedOut),
        Reason::Malformed(P::BodyTooLarge),
        Reason::Malformed(P::EncodingInHttp10),
        Reason::Malformed(P::HeadTimedOut),
        Reason::Malformed(P::HeadTooLarge),
        Reason::Malformed(P::HostMissing),
        Reason::Malformed(P::HostRepeated),
        Reason::Malformed(P::LengthAndEncoding),
        Reason::Malformed(P::MethodRefused),
        Reason::Malformed(P::PathDotSegment),
        Reason::Malformed(P::PathEmptySegment),
        Reason::Malformed(P::PathNeedsAllowance(";")),
        Reason::Malformed(P::PathUnsafe),
        Reason::Malformed(P::TargetHostMismatch),
        Reason::Malformed(P::TooManyHeaders),
        Reason::Malformed(P::UnknownExpectation),
        Reason::Malformed(P::UnsupportedVersion),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_has_a_code_of_its_own_in_kebab_case() {
        let codes: Vec<&str> = TABLE.iter().map(|reason| reason.answer().code).collect();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
        for code in codes {
            assert!(
                code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{code}"
            );
        }
    }

    #[test]
    fn what_is_not_the_clients_doing_is_a_5xx_and_the_rest_a_4xx() {
        for reason in TABLE {
            let answer = reason.answer();
            let expected = if answer.side == Side::Client { 4 } else { 5 };
            let version = answer.code == "unsupported-version";
            assert!(version || answer.status.as_u16() / 100 == expected, "{}", answer.code);
        }
    }
}
