//! Answers by which an app may have changed the session that a request came with.

use crate::pipeline::gateway::Gateway;
use crate::request::Cookies;
use crate::respond::sets_one_of;
use http::HeaderMap;

impl Gateway {
    /// Has the session read again after the answer to an unsafe method, or one that sets a session cookie. Redis tells of the change too,
    /// but its message may be on its way still when a login's next request is here.
    pub(super) fn doubt(&self, is_safe: bool, cookies: &Cookies, headers: &HeaderMap) {
        if !cookies.is_empty() && (!is_safe || sets_one_of(headers, self.shared().session_cookies())) {
            self.authenticator.doubt(cookies);
        }
    }
}
