//! The text of a UUID.

/// `7f9c24e5-1c2b-4b1f-9d0e-8a1d2c3b4e5f`
pub(crate) fn text(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    let (mut text, mut rest) = (String::with_capacity(36), hex.as_str());
    for length in [8, 4, 4, 4] {
        let (group, after) = rest.split_at(length);
        text.push_str(group);
        text.push('-');
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    #[test]
    fn leading_zeros_are_kept() {
        assert_eq!(super::text(0x1c2b_4b1f_9d0e_8a1d_2c3b_4e5f), "00000000-1c2b-4b1f-9d0e-8a1d2c3b4e5f");
    }
}
