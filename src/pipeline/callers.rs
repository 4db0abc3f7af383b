//! Clients that show a certificate: which connection a host may be asked for on, and which routes take one.
//!
//! Whether a client is asked is decided by the name in its handshake, and what it asks for by the Host of each request. A
//! connection that was never asked, or by other authorities, must not reach a host that asks: 421 has the client come again
//! by a connection of that host's own (RFC 9110 §15.5.20), which browsers that share HTTP/2 connections do by themselves.

use crate::pipeline::gateway::Gateway;
use crate::pipeline::refusal::Refusal;
use crate::request::Inbound;
use crate::respond::Reason;
use crate::route::Route;

impl Gateway {
    /// Whether the request's host asks for certificates, and its connection was not asked likewise.
    pub(super) fn is_misdirected<B>(&self, inbound: &Inbound<B>) -> bool {
        let (callers, asked_by) = (self.callers(), inbound.shown().asked_by);
        // What was shown to another configuration's authorities, or was not on their list of the revoked, says nothing now.
        if asked_by.is_some_and(|entry| !callers.know(entry)) {
            return true;
        }
        if callers.is_empty() {
            return false;
        }
        callers.under(Some(inbound.host().name())) != asked_by
    }
}

/// That a certificate was shown, where the route takes one.
pub(super) fn certified<B>(route: &Route, inbound: &Inbound<B>) -> Result<(), Refusal> {
    if route.rules.client_certificate && inbound.shown().certificate.is_none() {
        return Err(Reason::CertificateRequired.into());
    }
    Ok(())
}
