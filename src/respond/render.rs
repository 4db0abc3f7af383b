//! A refusal, written down.

use crate::request::{ParseError, Path, RequestId};
use crate::respond::body::ResponseBody;
use crate::respond::form::Form;
use crate::respond::login::{LoginTemplate, remember};
use crate::respond::reason::{Answer, Reason};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONNECTION,
    CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

static CLOAKROOM_REFUSAL: HeaderName = HeaderName::from_static("cloakroom-refusal");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What the renderer knows of the request besides the reason.
#[derive(Debug)]
pub struct Rendering<'a> {
    /// What the caller can read.
    pub form: Form,
    /// The request's name.
    pub id: RequestId,
    /// The Origin, if it is a trusted one: its page may read the refusal.
    pub cors: Option<&'a HeaderValue>,
    /// Where a navigation goes to log in, and from which path; not if it has just been there.
    pub login: Option<(&'a LoginTemplate, &'a Path)>,
    /// The Allow field of a 405.
    pub allow: Option<String>,
    /// Whether the connection must close whatever the reason: the body was not read.
    pub close: bool,
}

/// Writes the answer. Never fails: what cannot be a header value is left out.
pub fn render(reason: Reason, rendering: &Rendering<'_>) -> Response<ResponseBody> {
    let answer = reason.answer();
    let mut response = match (rendering.form, reason, rendering.login) {
        (Form::Page, Reason::LoginRequired, Some((template, path))) => {
            redirect(template, path).unwrap_or_else(|| page(&answer, rendering.id))
        }
        (Form::Page, ..) => page(&answer, rendering.id),
        (Form::Grpc, ..) => grpc(&answer),
        (Form::Problem, ..) => problem(reason, &answer, rendering.id),
    };
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CLOAKROOM_REFUSAL.clone(), HeaderValue::from_static(answer.code));
    headers.insert(X_REQUEST_ID.clone(), rendering.id.header());
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cloakroom\""));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    if let Some(allow) = rendering.allow.as_ref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        headers.insert(ALLOW, allow);
    }
    if let Some(origin) = rendering.cors {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    if rendering.close || reason.closes() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn redirect(template: &LoginTemplate, path: &Path) -> Option<Response<ResponseBody>> {
    let mut response = own(StatusCode::FOUND, "text/plain", String::new());
    response.headers_mut().insert(LOCATION, template.location(path)?);
    response.headers_mut().insert(SET_COOKIE, remember(path)?);
    Some(response)
}

fn problem(reason: Reason, answer: &Answer, id: RequestId) -> Response<ResponseBody> {
    let detail = match reason {
        Reason::Malformed(ParseError::PathNeedsAllowance(entry)) => {
            format!("The path has `{entry}`; the route's `allow_in_path` does not list it.")
        }
        _ => answer.sentence.to_owned(),
    };
    let body = serde_json::json!({
        "type": "about:blank",
        "title": answer.status.canonical_reason().unwrap_or("Refused"),
        "status": answer.status.as_u16(),
        "detail": detail,
        "code": answer.code,
        "request_id": id.to_string(),
    });
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
        413 | 431 => "8",
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
