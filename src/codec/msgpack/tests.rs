use super::*;
use crate::codec::shown::{hex, shown};
use proptest::prelude::*;

/// Most forms, put together by hand, as a seed for mutations.
const RECORD: &str = concat!(
    "8ea16ec0a174c3a1662aa3696431cd0457a36e6567d1ff38a362696ecf0020000000000001a1660acb3ff8000000000000a173a3c3856ca16c93010293",
    "c0c0c0a1628081a1780ca3657874d6ff6553f100a16f82c0012a02a2623864c40200ffa162cf8000000000000000a1",
);

fn said(text: &str) -> String {
    match read(&hex(text), Limits::default()) {
        Ok(value) => shown(&value),
        Err(error) => error.to_string(),
    }
}

#[test]
fn lengths_are_checked_against_what_is_there() {
    let table = [
        ("dbffffffff6162", "a length of 4294967295 where 2 are possible at byte 5"),
        ("c6ffffffff", "a length of 4294967295 where 0"),
        ("c9ffffffff01", "a length of 4294967295 where 0"),
        ("ddffffffff00", "a length of 4294967295 where 1"),
        ("dfffffffff0000", "a length of 4294967295 where 1"),
        ("83a16101", "a length of 3 where 1"),
        ("d9", "the record ends in the middle of a value"),
        ("cb0000", "the record ends in the middle of a value"),
        ("c1", "the byte that MessagePack never uses"),
        ("0000", "more after the MessagePack value"),
        ("", "the record ends in the middle of a value"),
    ];
    for (input, expected) in table {
        assert!(said(input).starts_with(expected), "{input}: {}", said(input));
    }
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    assert!(
        said(&"91".repeat(70)).starts_with("a length of 1 where 0")
            || said(&"91".repeat(70)).contains("deeper")
    );
    assert!(said(&format!("{}c0", "91".repeat(70))).starts_with("nested deeper than 64"));
    assert!(said(&format!("{}c0", "8100".repeat(70))).starts_with("nested deeper than 64"));
    assert!(said(&format!("dc2711{}", "c0".repeat(10_001))).starts_with("more than 10000 values"));
    let long = read(&vec![0xc0; 300_000], Limits::default()).unwrap_err();
    assert_eq!(long.to_string(), "a length of 300000 where 262144 are possible at byte 0");
}

#[test]
fn a_key_is_text_or_refused() {
    assert_eq!(said("84c0 01 2a 02 c3 03 ff 04"), r#"{"null":1,"42":2,"true":3,"-1":4}"#);
    assert_eq!(said("81c40161 01"), r#"{"a":1}"#);
    assert!(said("819001").starts_with("a container as a key"));
    assert!(said("81c401ff01").starts_with("a key that is not text"));
}

#[test]
fn integers_and_texts_are_exact_at_every_width() {
    assert_eq!(
        said(
            "9b7fe0ccffcdffffceffffffffcfffffffffffffffffd080d18000d280000000d38000000000000000cf7fffffffffffffff"
        ),
        "[127,-32,255,65535,4294967295,18446744073709551615n,-128,-32768,-2147483648,-9223372036854775808,\
         9223372036854775807]"
    );
    assert_eq!(said("96a161d90161da000161db0000000161a0a1ff"), r#"["a","a","a","a","",b"\xff"]"#);
    assert_eq!(said("92ca3fc00000cb3ff8000000000000"), "[1.5,1.5]");
}

#[test]
fn timestamps_are_text_and_other_extensions_bytes() {
    assert_eq!(said("d6ff6553f100"), r#""2023-11-14T22:13:20+00:00""#);
    assert_eq!(said("d7ff000000006553f100"), r#""2023-11-14T22:13:20+00:00""#);
    assert_eq!(said("d7ff00004e206553f100"), r#""2023-11-14T22:13:20.000005+00:00""#);
    assert_eq!(said("c70cff00000001ffffffffffffffff"), r#""1969-12-31T23:59:59.000000001+00:00""#);
    assert_eq!(said("d40561"), r#"b"a""#);
    assert_eq!(said("c7020561ff"), r#"b"a\xff""#);
    for wrong in ["d4ff00", "d7ffffffffff6553f100", "c70cffffffffff0000000000000000"] {
        assert!(said(wrong).starts_with("no timestamp"), "{wrong}");
    }
}

#[test]
fn the_marks_of_php_are_taken_off_in_its_dialect_only() {
    let php = |text: &str| match read_php(&hex(text), Limits::default()) {
        Ok(value) => shown(&value),
        Err(error) => error.to_string(),
    };
    assert_eq!(php("82c001a17802"), r#"{"x":2}"#);
    assert_eq!(php("82c0a455736572a2696401"), r#"User{"id":1}"#);
    assert_eq!(php("82a17802c001"), r#"{"x":2,"null":1}"#);
    assert!(php("82c002a17802").starts_with("a mark of PHP's that is not read"));
    assert_eq!(said("82c001a17802"), r#"{"null":1,"x":2}"#);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_prefix(&bytes, Limits::default(), Dialect::Plain);
        let _ = read_prefix(&bytes, Limits::default(), Dialect::Php);
    }

    #[test]
    fn mutated_records_never_panic(at: prop::sample::Index, byte: u8) {
        let mut bytes = hex(&RECORD[..RECORD.len() / 2 * 2]);
        *at.get_mut(&mut bytes) = byte;
        let _ = read_prefix(&bytes, Limits::default(), Dialect::Plain);
    }
}
