//! Telling browsers to come by TLS only (RFC 6797).

use crate::pipeline::gateway::Gateway;
use http::HeaderMap;
use http::header::STRICT_TRANSPORT_SECURITY;

impl Gateway {
    /// Says it in an answer over TLS, unless the app has its own word on it.
    pub(super) fn insist_on_tls(&self, headers: &mut HeaderMap) {
        if let Some(value) = self.hsts()
            && !headers.contains_key(STRICT_TRANSPORT_SECURITY)
        {
            headers.insert(STRICT_TRANSPORT_SECURITY, value.clone());
        }
    }
}
