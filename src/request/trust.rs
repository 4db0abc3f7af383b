//! Which address, scheme and host a request came with, and whom we believe about it.

use crate::request::address::push_address;
use crate::request::{Conn, Host};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::IpAddr;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Longest chain of addresses that is read; more is not a chain but an attack.
const HOPS_MAX: usize = 32;

/// Where a request came from, as far as the trusted proxies say.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client: the rightmost address that is no trusted proxy's.
    pub client: IpAddr,
    /// Whether the client spoke TLS.
    pub https: bool,
    /// The believed part of the chain before the peer, to be passed on.
    chain: Vec<IpAddr>,
    /// The host a trusted proxy says the client asked for.
    host: Option<HeaderValue>,
    /// Whether an untrusted peer sent X-Forwarded-Proto, which was ignored: worth one warning.
    pub ignored_proto: bool,
}

impl Origin {
    /// Reads the forwarding fields of a request that came over `conn`; those of a peer outside `trusted` are ignored.
    pub fn read(conn: &Conn, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = conn.peer.ip().to_canonical();
        let plain =
            Self { client: peer, https: conn.tls, chain: Vec::new(), host: None, ignored_proto: false };
        if conn.stranger || !trusted.iter().any(|net| net.contains(&peer)) {
            return Self { ignored_proto: headers.contains_key(&X_FORWARDED_PROTO), ..plain };
        }
        let chain = believed_chain(headers, trusted);
        let https = match headers.get(&X_FORWARDED_PROTO).map(HeaderValue::as_bytes) {
            Some(b"https") => true,
            Some(b"http") => false,
            _ => conn.tls,
        };
        let host = headers.get(&X_FORWARDED_HOST).filter(|value| Host::parse(value).is_ok()).cloned();
        Self { client: chain.first().copied().unwrap_or(peer), https, chain, host, ignored_proto: false }
    }

    /// Sets our own X-Forwarded-For, -Proto and -Host, and Forwarded (RFC 7239). Both lists of hops are written into one
    /// buffer, which the two values then share.
    pub(super) fn write(&self, conn: &Conn, host: &Host, headers: &mut HeaderMap) {
        let proto = if self.https { "https" } else { "http" };
        let seen = self.host.as_ref().unwrap_or_else(|| host.raw());
        let peer = conn.peer.ip().to_canonical();
        let mut text = Vec::with_capacity(160);
        for hop in self.chain.iter().chain([&peer]) {
            if !text.is_empty() {
                text.extend_from_slice(b", ");
            }
            push_address(&mut text, *hop);
        }
        let hops_end = text.len();
        for hop in self.chain.iter().chain([&peer]) {
            text.extend_from_slice(if text.len() == hops_end { b"for=" } else { b", for=" });
            let v6 = hop.is_ipv6();
            text.extend_from_slice(if v6 { b"\"[" } else { b"" });
            push_address(&mut text, *hop);
            text.extend_from_slice(if v6 { b"]\"" } else { b"" });
        }
        text.extend_from_slice(b";host=\"");
        text.extend_from_slice(seen.as_bytes());
        text.extend_from_slice(b"\";proto=");
        text.extend_from_slice(proto.as_bytes());
        let text = Bytes::from(text);
        insert(headers, &X_FORWARDED_FOR, text.slice(..hops_end));
        insert(headers, &http::header::FORWARDED, text.slice(hops_end..));
        headers.insert(X_FORWARDED_PROTO.clone(), HeaderValue::from_static(proto));
        headers.insert(X_FORWARDED_HOST.clone(), seen.clone());
    }
}

fn insert(headers: &mut HeaderMap, name: &HeaderName, value: Bytes) {
    // Addresses and a checked host are valid in a field value.
    if let Ok(value) = HeaderValue::from_maybe_shared(value) {
        headers.insert(name.clone(), value);
    }
}

/// The addresses to the right of, and including, the first untrusted one; leftmost first.
fn believed_chain(headers: &HeaderMap, trusted: &[IpNet]) -> Vec<IpAddr> {
    let claimed: Vec<&str> = headers
        .get_all(&X_FORWARDED_FOR)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    let mut chain = Vec::new();
    for hop in claimed.iter().rev().take(HOPS_MAX) {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        let address = address.to_canonical();
        chain.push(address);
        if !trusted.iter().any(|net| net.contains(&address)) {
            break;
        }
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(peer: &str, trusted: &[&str], fields: &[(&'static str, &'static str)]) -> (Origin, Conn) {
        let peer = (peer.parse::<IpAddr>().unwrap(), 9).into();
        let conn = Conn::new(peer, "127.0.0.1:80".parse().unwrap(), false);
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        (Origin::read(&conn, &headers, &trusted), conn)
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        let fields = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")];
        let (origin, _) = read("192.0.2.7", &["10.0.0.0/8"], &fields);
        assert_eq!(origin.client.to_string(), "192.0.2.7");
        assert!(!origin.https);
        assert!(origin.ignored_proto);
    }

    #[test]
    fn of_a_trusted_chain_the_rightmost_stranger_is_the_client() {
        let fields = [("x-forwarded-for", "127.0.0.1, 192.0.2.7"), ("x-forwarded-for", "10.1.1.1")];
        let (origin, _) = read("10.0.0.1", &["10.0.0.0/8"], &fields);
        assert_eq!(origin.client.to_string(), "192.0.2.7");
    }

    #[test]
    fn a_chain_stops_at_what_is_no_address() {
        let (origin, _) =
            read("10.0.0.1", &["10.0.0.0/8"], &[("x-forwarded-for", "192.0.2.7, unknown, 10.2.2.2")]);
        assert_eq!(origin.client.to_string(), "10.2.2.2");
    }

    #[test]
    fn what_is_passed_on_is_made_anew() {
        let (origin, conn) = read("2001:db8::1", &[], &[("x-forwarded-for", "127.0.0.1")]);
        let mut headers = HeaderMap::new();
        origin.write(&conn, &Host::parse(&HeaderValue::from_static("a.test:8080")).unwrap(), &mut headers);
        assert_eq!(headers["x-forwarded-for"], "2001:db8::1");
        assert_eq!(headers["x-forwarded-host"], "a.test:8080");
        assert_eq!(headers["forwarded"], "for=\"[2001:db8::1]\";host=\"a.test:8080\";proto=http");
    }
}
