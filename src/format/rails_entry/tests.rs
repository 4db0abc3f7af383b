use super::*;
use crate::codec::shown::shown;

const HASH: &[u8] = b"{\x06:\x06ai\x06";

fn said(bytes: &[u8]) -> String {
    match read(bytes) {
        Ok(Decoded { data, ends_at }) => format!("{} {:?}", shown(&data), ends_at.map(UnixMillis::as_millis)),
        Err(Reject::Undecodable(error)) => error.to_string(),
        Err(reject) => format!("{reject:?}"),
    }
}

fn entry_6(fields: &[u8]) -> Vec<u8> {
    [b"\x04\x08o:\x20ActiveSupport::Cache::Entry".as_slice(), fields].concat()
}

fn entry_7_1(kind: u8, expires_at: f64, version: i32, rest: &[u8]) -> Vec<u8> {
    [&[0, 0x11, kind], expires_at.to_le_bytes().as_slice(), &version.to_le_bytes(), rest].concat()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut zlib, bytes).unwrap();
    zlib.finish().unwrap()
}

fn marshalled() -> Vec<u8> {
    [b"\x04\x08".as_slice(), HASH].concat()
}

#[test]
fn what_is_no_entry_is_no_session() {
    let table = [
        (Vec::new(), "no entry of Rails' cache"),
        (b"{}".to_vec(), "no entry of Rails' cache"),
        (marshalled(), "no ActiveSupport::Cache::Entry"),
        (b"\x04\x08o:\x08Foo\x06:\x0b@value{\0".to_vec(), "no ActiveSupport::Cache::Entry"),
        (entry_6(b"\0"), "an entry without a value"),
        (entry_6(b"\x06:\x0b@value0"), "the session is not a map"),
        (entry_6(b"\x07:\x0b@value{\0:\x10@expires_ini\x06"), "a life without a beginning"),
        (entry_6(b"\x07:\x0b@value{\0:\x10@compressedT"), "an entry without a value"),
        (b"\x00\x04\x08[\0".to_vec(), "an entry without a value"),
        (b"\x01\x04\x08[\0".to_vec(), "not a zlib stream"),
        (entry_7_1(2, -1.0, -1, b"text"), "an entry that is a string"),
        (entry_7_1(1, -1.0, -1, b"\xcc\x80"), "an entry of the serializer :message_pack"),
        (entry_7_1(0x81, -1.0, -1, &deflate(b"\xcc\x80\x80")), "an entry of the serializer :message_pack"),
        (entry_7_1(1, -1.0, -2, &marshalled()), "a negative length"),
        (entry_7_1(1, -1.0, i32::MAX, &marshalled()), "a length of 2147483647 where"),
        (entry_7_1(1, f64::NAN, -1, &marshalled()), "an expiry that is no time"),
        (entry_7_1(1, f64::INFINITY, -1, &marshalled()), "an expiry that is no time"),
        (entry_7_1(0x81, -1.0, -1, &deflate(&vec![0; 1_000_000])), "a length of 262145"),
        (b"\x00\x11\x01".to_vec(), "the record ends"),
    ];
    for (bytes, expected) in table {
        assert!(said(&bytes).starts_with(expected), "{}: {}", bytes.escape_ascii(), said(&bytes));
    }
}

#[test]
fn every_format_gives_its_value_and_its_expiry() {
    let fields = b"\x08:\x0b@value{\x06:\x06ai\x06:\x10@created_atf\x0f1000000.25:\x10@expires_ini\x0f";
    let inflated = |plain: &[u8]| [&[1], deflate(plain).as_slice()].concat();
    let array = [b"\x04\x08[\x07".as_slice(), HASH, b"f\x081.5"].concat();
    let table = [
        (entry_6(fields), r#"{"a":1} Some(1000010250)"#),
        ([b"\0".as_slice(), &array].concat(), r#"{"a":1} Some(1500)"#),
        (inflated(&array), r#"{"a":1} Some(1500)"#),
        (entry_7_1(1, 1.5, -1, &marshalled()), r#"{"a":1} Some(1500)"#),
        (entry_7_1(1, -1.0, 2, &[b"v1".as_slice(), &marshalled()].concat()), r#"{"a":1} None"#),
        (entry_7_1(0x81, -1.0, -1, &deflate(&marshalled())), r#"{"a":1} None"#),
    ];
    for (bytes, expected) in table {
        assert_eq!(said(&bytes), expected, "{}", bytes.escape_ascii());
    }
}
