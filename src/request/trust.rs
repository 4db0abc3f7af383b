//! Which address, scheme and host a request came with, and whom we believe about it.

use crate::request::address::push_address;
use crate::request::forwarded::{self, address, scheme};
use crate::request::{Conn, Host};
use bytes::Bytes;
use http::header::FORWARDED;
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
    ///
    /// A proxy writes one kind of them and passes on the other as its client sent it. Nearly all write `X-Forwarded-*`, so with any of
    /// those there `Forwarded` is not looked at: who could choose which kind counts could choose who they are.
    pub fn read(conn: &Conn, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = conn.peer.ip().to_canonical();
        let plain =
            Self { client: peer, https: conn.tls, chain: Vec::new(), host: None, ignored_proto: false };
        if conn.stranger || !is_trusted(&peer, trusted) {
            return Self { ignored_proto: headers.contains_key(&X_FORWARDED_PROTO), ..plain };
        }
        let kind = [&X_FORWARDED_FOR, &X_FORWARDED_PROTO, &X_FORWARDED_HOST];
        let told = match kind.into_iter().any(|name| headers.contains_key(name)) {
            true => Told::by_x_forwarded(headers, trusted),
            false => Told::by_forwarded(headers, trusted),
        };
        let client = told.chain.first().copied().unwrap_or(peer);
        Self { client, https: told.https.unwrap_or(conn.tls), chain: told.chain, host: told.host, ..plain }
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
        insert(headers, &FORWARDED, text.slice(hops_end..));
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

/// What trusted proxies say.
#[derive(Default)]
struct Told {
    /// The addresses to the right of, and including, the first untrusted one; leftmost first.
    chain: Vec<IpAddr>,
    https: Option<bool>,
    host: Option<HeaderValue>,
}

impl Told {
    /// The scheme and the host are those that the nearest proxy names, the last: lists of them need not be as long as that of the
    /// addresses, and what stands before may be the client's own.
    fn by_x_forwarded(headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let lines = headers.get_all(&X_FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let addresses = hops.map(|hop| str::from_utf8(hop).ok().and_then(|hop| address(hop.trim())));
        let mut told = Self::default();
        for hop in addresses.take(HOPS_MAX) {
            if !told.goes_on(hop, trusted) {
                break;
            }
        }
        told.chain.reverse();
        told.https = last(headers, &X_FORWARDED_PROTO).and_then(scheme);
        told.host = last(headers, &X_FORWARDED_HOST).and_then(valid_host);
        told
    }

    /// The scheme and the host are those of the hop farthest from us that a trusted proxy speaks of and names them for.
    fn by_forwarded(headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let lines = headers.get_all(FORWARDED).iter().rev();
        let elements = lines.map_while(forwarded::parse).flat_map(|line| line.into_iter().rev());
        let mut told = Self::default();
        for element in elements.take(HOPS_MAX) {
            told.https = element.https.or(told.https);
            told.host = element.host.as_deref().and_then(valid_host).or(told.host);
            if !told.goes_on(element.address, trusted) {
                break;
            }
        }
        told.chain.reverse();
        told
    }

    /// Takes one hop more, and says whether what stands before it is believed too.
    fn goes_on(&mut self, hop: Option<IpAddr>, trusted: &[IpNet]) -> bool {
        self.chain.extend(hop);
        hop.is_some_and(|hop| is_trusted(&hop, trusted))
    }
}

/// The last member of a list that may go over several lines.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let line = headers.get_all(name).iter().next_back()?.as_bytes();
    line.rsplit(|byte| *byte == b',').next().map(<[u8]>::trim_ascii)
}

fn valid_host(host: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(host).ok().filter(|value| Host::parse(value).is_ok())
}

fn is_trusted(address: &IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(address))
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

    const PROXIES: &[&str] = &["10.0.0.0/8"];

    /// The client, whether it spoke TLS, and the host, as a proxy in 10.0.0.0/8 tells of them.
    fn told(fields: &[(&'static str, &'static str)]) -> (String, bool, Option<String>) {
        let (origin, _) = read("10.0.0.1", PROXIES, fields);
        let host = origin.host.map(|host| host.to_str().unwrap().to_owned());
        (origin.client.to_string(), origin.https, host)
    }

    #[test]
    fn forwarded_is_walked_like_the_other_chain() {
        for (lines, client) in [
            (&["for=127.0.0.1, for=192.0.2.7", "for=\"10.1.1.1:4711\""][..], "192.0.2.7"),
            (&["for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
            (&["for=192.0.2.7, for=unknown, for=10.2.2.2"], "10.2.2.2"),
            (&["for=192.0.2.7, for=_hidden"], "10.0.0.1"),
            (&["for=192.0.2.7, proto=http"], "10.0.0.1"),
            (&["for=\"192.0.2.7", "for=10.2.2.2"], "10.2.2.2"),
            (&["for=192.0.2.7", "for=10.2.2.2;"], "192.0.2.7"),
            (&["for=\"_, for=192.0.2.7"], "10.0.0.1"),
            (&[""], "10.0.0.1"),
        ] {
            let fields: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
            assert_eq!(told(&fields).0, client, "{lines:?}");
        }
        let (origin, _) = read("192.0.2.7", PROXIES, &[("forwarded", "for=127.0.0.1;proto=https")]);
        assert_eq!((origin.client.to_string().as_str(), origin.https), ("192.0.2.7", false));
    }

    #[test]
    fn forwarded_tells_scheme_and_host_of_the_farthest_hop_that_is_believed() {
        for (line, https, host) in [
            ("for=192.0.2.7;proto=https;host=\"a.test:8443\"", true, Some("a.test:8443")),
            (
                "for=192.0.2.7;proto=https;host=a.test, for=10.1.1.1;proto=http;host=b.test",
                true,
                Some("a.test"),
            ),
            ("for=_hidden;proto=https, for=10.1.1.1;proto=http;host=b.test", true, Some("b.test")),
            ("for=127.0.0.1;proto=https;host=evil.test, for=192.0.2.7", false, None),
            ("for=192.0.2.7;proto=gopher;host=\"a b\"", false, None),
        ] {
            let (_, is_https, named) = told(&[("forwarded", line)]);
            assert_eq!((is_https, named.as_deref()), (https, host), "{line}");
        }
    }

    #[test]
    fn beside_the_other_kind_forwarded_is_what_a_client_wrote() {
        let forged = ("forwarded", "for=127.0.0.1;proto=https;host=evil.test");
        assert_eq!(told(&[forged, ("x-forwarded-for", "192.0.2.7")]), ("192.0.2.7".to_owned(), false, None));
        assert_eq!(told(&[forged, ("x-forwarded-proto", "http")]), ("10.0.0.1".to_owned(), false, None));
        assert_eq!(told(&[forged, ("x-forwarded-host", "a.test")]).2.as_deref(), Some("a.test"));
    }

    #[test]
    fn of_several_schemes_and_hosts_the_nearest_proxys_counts() {
        let scheme = |fields: &[&'static str]| {
            let fields: Vec<_> = fields.iter().map(|value| ("x-forwarded-proto", *value)).collect();
            told(&fields).1
        };
        assert!(!scheme(&["https", "http"]), "the first line may be the client's own");
        assert!(scheme(&["http", "https"]));
        assert!(!scheme(&["https, http"]));
        assert!(scheme(&["http , HTTPS "]));
        assert!(!scheme(&["https,"]));
        let hosts = [("x-forwarded-host", "evil.test"), ("x-forwarded-host", "evil.test, a.test")];
        assert_eq!(told(&hosts).2.as_deref(), Some("a.test"));
    }

    #[test]
    fn a_port_does_not_end_the_chain() {
        for (line, client) in [
            ("192.0.2.7:5555", "192.0.2.7"),
            ("[2001:db8::1]:5555, 10.1.1.1:9", "2001:db8::1"),
            ("192.0.2.7, 10.1.1.1:99999", "10.0.0.1"),
        ] {
            assert_eq!(told(&[("x-forwarded-for", line)]).0, client, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_no_text_ends_the_chain() {
        let conn = Conn::new("10.0.0.1:9".parse().unwrap(), "127.0.0.1:80".parse().unwrap(), false);
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
        headers.append("x-forwarded-for", HeaderValue::from_bytes(b"\xff").unwrap());
        let origin = Origin::read(&conn, &headers, &["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(origin.client.to_string(), "10.0.0.1");
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
