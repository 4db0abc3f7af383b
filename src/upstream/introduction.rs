//! On whose behalf a connection is made, for upstreams that want to be told (the PROXY protocol, versions 1 and 2).
//!
//! It is said once, in the first bytes of a connection, and holds for all that follows. So a connection carries its
//! introduction with it, and the pool gives it to those requests alone that would make the same one.

use std::net::{IpAddr, SocketAddr};

use proxy_header::{ProxiedAddress, ProxyHeader};

use crate::config::ProxyVersion;

/// The longest that is written: version 1 with IPv6.
const HEADER_BYTES_MAX: usize = 107;

/// Both ends of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    client: SocketAddr,
    dialled: SocketAddr,
}

impl Introduction {
    /// Of a client, and the address that it dialled. They become one family, since a header has only one.
    pub fn new(client: SocketAddr, dialled: SocketAddr) -> Self {
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let (client, dialled) = (plain(client), plain(dialled));
        if client.is_ipv4() == dialled.is_ipv4() {
            return Self { client, dialled };
        }
        Self { client: mapped(client), dialled: mapped(dialled) }
    }

    /// The header; without an introduction, that it is our own connection.
    pub(crate) fn header(this: Option<&Self>, version: ProxyVersion) -> Vec<u8> {
        let header = this.map_or_else(ProxyHeader::with_local, |this| {
            ProxyHeader::with_address(ProxiedAddress::stream(this.client, this.dialled))
        });
        let mut bytes = vec![0; HEADER_BYTES_MAX];
        let length = match version {
            ProxyVersion::V1 => header.encode_to_slice_v1(&mut bytes),
            ProxyVersion::V2 => header.encode_to_slice_v2(&mut bytes),
        };
        bytes.truncate(length.expect("two addresses of one family fit"));
        bytes
    }
}

fn mapped(end: SocketAddr) -> SocketAddr {
    match end.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), end.port()),
        IpAddr::V6(_) => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(client: &str, dialled: &str, version: ProxyVersion) -> Vec<u8> {
        let introduction = Introduction::new(client.parse().unwrap(), dialled.parse().unwrap());
        Introduction::header(Some(&introduction), version)
    }

    #[test]
    fn the_longest_fits_and_two_families_become_one() {
        let long = "[aaaa:bbbb:cccc:dddd:eeee:ffff:1111:2222]:65535";
        let both = "aaaa:bbbb:cccc:dddd:eeee:ffff:1111:2222";
        let v1 = header(long, long, ProxyVersion::V1);
        assert_eq!(String::from_utf8(v1).unwrap(), format!("PROXY TCP6 {both} {both} 65535 65535\r\n"));
        let v1 = header("[::ffff:192.0.2.7]:1", "10.0.0.2:80", ProxyVersion::V1);
        assert_eq!(v1, b"PROXY TCP4 192.0.2.7 10.0.0.2 1 80\r\n");
        let v1 = header("192.0.2.7:1", "[::1]:80", ProxyVersion::V1);
        assert_eq!(v1, b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 80\r\n");
        let v2 = header("192.0.2.7:258", "10.0.0.2:80", ProxyVersion::V2);
        assert_eq!(v2, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x02\x01\x02\0\x50");
    }

    #[test]
    fn what_is_nobodys_says_so() {
        assert_eq!(Introduction::header(None, ProxyVersion::V1), b"PROXY UNKNOWN\r\n");
        assert_eq!(Introduction::header(None, ProxyVersion::V2), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    }
}
