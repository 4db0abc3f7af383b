//! What the endpoints answer with.

use crate::clock::UnixMillis;
use crate::door::refresh_token::RefreshToken;
use crate::respond::ResponseBody;
use crate::token::InternalToken;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, VARY,
};
use http::{HeaderValue, Response, StatusCode};
use std::time::Duration;
use zeroize::Zeroizing;

/// The cookie of a refresh token. No other host and no plain connection can set it, and no script can read it.
pub const REFRESH_COOKIE: &str = "__Host-cloakroom-refresh";

/// Where the refresh token goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Into {
    Body,
    Cookie,
}

/// A pair of tokens (RFC 6749 §5.1).
pub(crate) fn pair(
    access: &InternalToken,
    refresh: &RefreshToken,
    (into, idle): (Into, Duration),
    now: UnixMillis,
) -> Response<ResponseBody> {
    let token = Zeroizing::new(access.expose().to_str().unwrap_or_default().to_owned());
    let token = token.strip_prefix("Bearer ").unwrap_or(&token);
    let expires_in = now.until(access.expires_at()).as_secs();
    let text = refresh.expose();
    let mut body =
        serde_json::json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in });
    if let (Into::Body, Some(members)) = (into, body.as_object_mut()) {
        members.insert("refresh_token".into(), text.as_str().into());
        members.insert("refresh_expires_in".into(), idle.as_secs().into());
    }
    let mut response = own(StatusCode::OK, Some(body.to_string()));
    if let Into::Cookie = into {
        set(&mut response, &text, idle);
    }
    response
}

/// It is done, and there is nothing to say.
pub(crate) fn done() -> Response<ResponseBody> {
    own(StatusCode::OK, Some("{}".to_owned()))
}

/// The end of the cookie.
pub fn forget(response: &mut Response<ResponseBody>) {
    set(response, "", Duration::ZERO);
}

/// Lets a trusted origin's page read the answer.
pub fn permit(response: &mut Response<ResponseBody>, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

/// What a trusted origin's browser asks before it asks.
pub fn preflight(origin: HeaderValue) -> Response<ResponseBody> {
    let mut response = own(StatusCode::NO_CONTENT, None);
    permit(&mut response, origin);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    response
}

/// It is done, and there is not even a body.
pub(crate) fn nothing() -> Response<ResponseBody> {
    own(StatusCode::NO_CONTENT, None)
}

/// The end of one of the app's cookies. A browser takes it only for the very path and domain, and with Secure only where it came by TLS
/// or the name asks for that.
pub(crate) fn expire(response: &mut Response<ResponseBody>, name: &str, path: &str, domain: Option<&str>) {
    let secure = if name.starts_with("__Host-") || name.starts_with("__Secure-") { " Secure;" } else { "" };
    let domain = domain.filter(|_| !name.starts_with("__Host-"));
    let domain = domain.map(|domain| format!(" Domain={domain};")).unwrap_or_default();
    let path = if name.starts_with("__Host-") { "/" } else { path };
    let cookie = format!("{name}=; Path={path};{domain}{secure} HttpOnly; SameSite=Lax; Max-Age=0");
    if let Ok(value) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

fn set(response: &mut Response<ResponseBody>, value: &str, life: Duration) {
    let cookie = format!(
        "{REFRESH_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={}",
        life.as_secs()
    );
    if let Ok(mut value) = HeaderValue::try_from(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
}

fn own(status: StatusCode, body: Option<String>) -> Response<ResponseBody> {
    let json = body.is_some();
    let mut response = Response::new(ResponseBody::Own(body.unwrap_or_default().into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if json {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}
