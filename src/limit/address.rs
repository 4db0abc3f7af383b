//! What of an address tells one client from another.

use std::net::{IpAddr, Ipv6Addr};

/// The bits of an IPv6 address that a provider gives to one customer (RFC 6177): the rest is theirs to choose.
const CUSTOMER_BITS: u32 = 64;

/// The address, or the network that counts as one.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> CUSTOMER_BITS << CUSTOMER_BITS)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customers_64_is_one_client_and_its_neighbour_another() {
        let of = |text: &str| counted(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
