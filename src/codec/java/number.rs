//! Decimal digits of numbers beyond 64 bits.

/// Longest magnitude taken, in bytes: 2466 digits. The work grows with the square.
pub(crate) const MAGNITUDE_BYTES_MAX: usize = 1024;

/// The digits of a big-endian magnitude.
pub(crate) fn digits(magnitude: &[u8]) -> String {
    let mut limbs: Vec<u32> = magnitude
        .rchunks(4)
        .rev()
        .map(|chunk| chunk.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte)))
        .collect();
    let mut groups = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let mut remainder = 0_u64;
        for limb in &mut limbs {
            let part = remainder << 32 | u64::from(*limb);
            *limb = u32::try_from(part / 1_000_000_000).unwrap_or(u32::MAX);
            remainder = part % 1_000_000_000;
        }
        groups.push(remainder);
    }
    let mut groups = groups.iter().rev();
    let first = groups.next().map_or_else(|| "0".to_owned(), u64::to_string);
    groups.fold(first, |text, group| format!("{text}{group:09}"))
}

/// `-123.45` for the unscaled digits `-12345` and the scale 2; with an exponent where zeros would be needed.
pub(crate) fn decimal(unscaled: &str, scale: i64) -> String {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    match usize::try_from(scale) {
        Ok(0) => unscaled.to_owned(),
        Ok(places) if places < digits.len() => {
            let (whole, fraction) = digits.split_at(digits.len() - places);
            format!("{sign}{whole}.{fraction}")
        }
        Ok(places) if places <= 64 => format!("{sign}0.{digits:0>places$}"),
        Ok(places) => format!("{unscaled}E-{places}"),
        Err(_) => format!("{unscaled}E+{}", scale.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_exact_beyond_any_machine_word() {
        assert_eq!(digits(&[]), "0");
        assert_eq!(digits(&[0, 0, 42]), "42");
        assert_eq!(digits(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), "18446744073709551616");
        assert_eq!(digits(&[0x3b, 0x9a, 0xca, 0x00]), "1000000000");
        assert_eq!(digits(&u128::MAX.to_be_bytes()), u128::MAX.to_string());
    }

    #[test]
    fn a_scale_of_any_size_costs_no_zeros() {
        assert_eq!(decimal("-12345", 2), "-123.45");
        assert_eq!(decimal("5", 3), "0.005");
        assert_eq!(decimal("-5", 1), "-0.5");
        assert_eq!(decimal("1", -3), "1E+3");
        assert_eq!(decimal("1", i64::from(i32::MAX)), "1E-2147483647");
        assert_eq!(decimal("7", 0), "7");
    }
}
