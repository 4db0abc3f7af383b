//! A refusal, written down.

use crate::limit::Exceeded;
use crate::request::{ParseError, RequestId};
use crate::respond::body::ResponseBody;
use crate::respond::form::Form;
use crate::respond::login::LoginRedirect;
use crate::respond::reason::{Answer, Reason};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW,
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

static CLOAKROOM_REFUSAL: HeaderName = HeaderName::from_static("cloakroom-refusal");
/// What a script of a trusted origin may read of a refusal.
const EXPOSED: &str =
    "Cloakroom-Refusal, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Allow";
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What the renderer knows of the request besides the reason.
#[derive(Debug)]
pub struct Rendering {
    /// What the caller can read.
    pub form: Form,
    /// The request's name.
    pub id: RequestId,
    /// The Origin, if it is a trusted one: its page may read the refusal.
    pub cors: Option<HeaderValue>,
    /// Where a navigation goes to log in.
    pub login: Option<LoginRedirect>,
    /// The Allow field of a 405.
    pub allow: Option<String>,
    /// The rate that a 429 is about.
    pub limited: Option<Exceeded>,
}

/// Writes the answer. Never fails: what cannot be a header value is left out.
pub fn render(reason: Reason, rendering: Rendering) -> Response<ResponseBody> {
    let Rendering { form, id, cors, login, allow, limited } = rendering;
    let answer = reason.answer();
    let mut response = match (form, login) {
        (Form::Page, Some(login)) => redirect(login),
        (Form::Page, None) => page(&answer, id),
        (Form::Grpc, _) => grpc(&answer),
        (Form::Problem, _) => problem(reason, &answer, id),
    };
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CLOAKROOM_REFUSAL.clone(), HeaderValue::from_static(answer.code));
    headers.insert(X_REQUEST_ID.clone(), id.header());
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, challenge(reason));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    if let Some(exceeded) = limited {
        say_rate(headers, &exceeded);
    }
    if let Some(allow) = allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
        headers.insert(ALLOW, allow);
    }
    if let Some(origin) = cors {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    if reason.closes() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// When to come again (RFC 9110 §10.2.3), and the rate in the fields of draft-ietf-httpapi-ratelimit-headers-10. Seconds are rounded
/// up: who waits as long as it was told is not refused again.
fn say_rate(headers: &mut HeaderMap, Exceeded { limit, rate, wait }: &Exceeded) {
    let wait = wait.as_millis().div_ceil(1000).max(1);
    let fields = [
        (RETRY_AFTER.clone(), wait.to_string()),
        (RATELIMIT.clone(), format!("\"{limit}\";r=0;t={wait}")),
        (RATELIMIT_POLICY.clone(), format!("\"{limit}\";q={};w={}", rate.count, rate.per.as_secs())),
    ];
    for (name, text) in fields {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// RFC 6750 §3: who sent a token is told that it was the token; who sent none is not told of errors.
fn challenge(reason: Reason) -> HeaderValue {
    HeaderValue::from_static(match reason {
        Reason::BearerRejected => "Bearer realm=\"cloakroom\", error=\"invalid_token\"",
        _ => "Bearer realm=\"cloakroom\"",
    })
}

fn redirect(login: LoginRedirect) -> Response<ResponseBody> {
    let mut response = own(StatusCode::FOUND, "text/plain", String::new());
    response.headers_mut().insert(LOCATION, login.location);
    response.headers_mut().insert(SET_COOKIE, login.remember);
    response
}

fn problem(reason: Reason, answer: &Answer, id: RequestId) -> Response<ResponseBody> {
    let detail = match reason {
        Reason::Malformed(ParseError::PathNeedsAllowance(entry)) => {
            format!("The path has `{entry}`; the route's `allow_in_path` does not list it.")
        }
        _ => answer.sentence.to_owned(),
    };
    let mut body = serde_json::json!({
        "type": "about:blank",
        "title": answer.status.canonical_reason().unwrap_or("Refused"),
        "status": answer.status.as_u16(),
        "detail": detail,
        "code": answer.code,
        "request_id": id.to_string(),
    });
    if let (Some(error), Some(members)) = (reason.oauth_error(), body.as_object_mut()) {
        members.insert("error".into(), error.into());
    }
    own(answer.status, "application/problem+json", body.to_string())
}

/// No part of the request is repeated in the page, so there is nothing to escape.
fn page(answer: &Answer, id: RequestId) -> Response<ResponseBody> {
    let title = answer.status.canonical_reason().unwrap_or("Refused");
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:32em;\
         margin:20vh auto;padding:0 1em;color:#222}}small{{color:#777}}</style></head><body><h1>{title}</h1><p>{}</p>\
         <p><small>{} &middot; {id}</small></p></body></html>\n",
        answer.sentence, answer.code
    );
    let mut response = own(answer.status, "text/html; charset=utf-8", body);
    response.headers_mut().insert(
        http::header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
    response
}

/// Trailers-only form of the gRPC protocol: status in the header block of a 200.
fn grpc(answer: &Answer) -> Response<ResponseBody> {
    let status = match answer.status.as_u16() {
        401 => "16",
        403 => "7",
        404 => "12",
        413 | 429 | 431 => "8",
        502..=504 => "14",
        400..=499 => "3",
        _ => "13",
    };
    let mut response = own(StatusCode::OK, "application/grpc", String::new());
    response.headers_mut().insert(GRPC_STATUS.clone(), HeaderValue::from_static(status));
    response.headers_mut().insert(GRPC_MESSAGE.clone(), HeaderValue::from_static(answer.code));
    response
}

fn own(status: StatusCode, content_type: &'static str, body: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Own(Full::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
