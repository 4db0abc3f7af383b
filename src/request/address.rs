//! Addresses as text, written by hand: each request needs its client's three times, and formatting machinery would cost more
//! than the rest of the strip.

use std::io::Write;
use std::net::IpAddr;

/// Appends an address as `Display` would write it.
pub fn push_address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (at, octet) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    text.push(b'.');
                }
                push_octet(text, octet);
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(v6) => drop(write!(text, "{v6}")),
    }
}

fn push_octet(text: &mut Vec<u8>, octet: u8) {
    if octet >= 100 {
        text.push(b'0' + octet / 100);
    }
    if octet >= 10 {
        text.push(b'0' + octet / 10 % 10);
    }
    text.push(b'0' + octet % 10);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_address_reads_as_display_writes_it(address: IpAddr) {
            let mut text = Vec::new();
            push_address(&mut text, address);
            prop_assert_eq!(String::from_utf8(text).unwrap(), address.to_string());
        }
    }
}
