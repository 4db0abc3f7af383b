use super::*;
use proptest::prelude::*;

/// What a session of PHP 8.2 with igbinary 3.2 looked like, an object inside itself and a reference in it.
const CAPTURED: &[u8] =
    b"\x00\x00\x00\x02\x14\x12\x11\x06visits\x06\x01\x11\x07user_id\x06*\x11\x04user\x14\x09\x11\x02\
id\x06*\x11\x05email\x11\x11alice@example.com\x11\x04name\x11\x11\xc3\x85lice \xc3\x9c\xc3\xb1\
\xc3\xad \xe2\x9c\x93\x11\x05roles\x14\x02\x06\x00\x11\x05admin\x06\x01\x11\x06editor\x11\x06\
tenant\x11\x04acme\x11\x05score\x0c?\xf8\x00\x00\x00\x00\x00\x00\x11\x04none\x00\x11\x02ok\x05\
\x11\x03big \x00\x1f\xff\xff\xff\xff\xff\xff\x11\x04acct\x17\x07Account\x14\x04\x0e\x03\x06*\
\x11\x08\x00*\x00email\x11\x03a@x\x11\x0f\x00Account\x00tenant\x0e\x0c\x11\x06parent\x00\x11\
\x03std\x17\x08stdClass\x14\x01\x11\x01a\x06\x01\x11\x05level\x17\x05Level'\x11\x04Gold\x11\x02\
at\x17\x11DateTimeImmutable\x14\x03\x11\x04date\x11\x1a2023-11-14 22:13:20.000000\x11\x0dtim\
ezone_type\x06\x02\x11\x08timezone\x11\x01Z\x11\x03ser\x17\x03Ser\x14\x01\x11\x01v\x06\x07\x11\
\x03neg\x07\x07\x11\x03inf\x0c\x7f\xf0\x00\x00\x00\x00\x00\x00\x11\x02pi\x0c@\x09\x1e\xb8Q\xeb\
\x85\x1f\x11\x03bin\x11\x02\x00\xff\x11\x04pipe\x11\x09a|b;i:1;}\x11\x04list\x14\x03\x06\x05\
\x11\x01x\x11\x01k\x11\x01y\x06\x07\x11\x01z\x11\x04ref1%\x11\x06shared\x11\x04ref2%\x01\x09\
\x11\x03cyc\x1a\x18\x14\x01\x11\x04self\"\x0a\x11\x05again\"\x04";

fn parsed(value: &[u8]) -> Result<Value, DecodeError> {
    read(&[b"\0\0\0\x02", value].concat(), Limits::default())
}

fn refusal(value: &[u8]) -> String {
    parsed(value).unwrap_err().to_string()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn what_is_no_value_is_refused_by_name() {
    for (value, refused) in [
        (&b""[..], "the record ends in the middle of a value at byte 4"),
        (b"\x28", "an unknown tag at byte 4"),
        (b"\x00\x00", "bytes behind the end at byte 5"),
        (b"\x0c\x00", "the record ends in the middle of a value at byte 5"),
        (b"\x11\x05ab", "a length of 5 where 2 are possible at byte 5"),
        (b"\x13\xff\xff\xff\xff", "a length of 4294967295 where 0 are possible at byte 5"),
        (
            b"\x26\xff\xff\xff\xff\xff\xff\xff\xff",
            "a length of 18446744073709551615 where 0 are possible at byte 5",
        ),
        (b"\x16\x7f\xff\xff\xff", "a length of 2147483647 where 0 are possible at byte 5"),
        (b"\x20\x80\0\0\0\0\0\0\0", "an integer that is not one of 64 bits at byte 4"),
        (b"\x14\x01\x04\x00", "a key that is neither number nor string at byte 6"),
        (b"\x17\x01A\x06\x01", "an object without properties at byte 7"),
        (b"\x17\x01A\x27\x00", "an enum without a case at byte 8"),
        (b"\x25\x25\x00", "a reference to a reference at byte 4"),
    ] {
        assert_eq!(refusal(value), refused, "{value:x?}");
    }
}

#[test]
fn another_header_is_refused() {
    for header in [&b"\0\xff garbage"[..], b"\0\0\0\x03\0", b"\0\0\0\x00\0", b"\x02\0\0\0\0", b"i:1;"] {
        let refused = read(header, Limits::default()).unwrap_err();
        assert_eq!(refused.to_string(), "not igbinary version 1 or 2 at byte 0");
    }
    assert!(read(b"\0\0\0\x01\x05", Limits::default()).unwrap() == Value::Bool(true));
}

#[test]
fn a_number_that_nothing_has_is_refused() {
    for value in [
        &b"\x0e\x00"[..],
        b"\x01\x00",
        b"\x22\x00",
        b"\x1a\x00\x14\x00",
        b"\x14\x01\x06\x00\x03\xff\xff\xff\xff",
    ] {
        let refused = refusal(value);
        assert!(refused.starts_with("a reference to nothing that came before"), "{refused}");
    }
}

#[test]
fn nesting_past_the_limit_is_refused() {
    assert_eq!(refusal(&b"\x14\x01\x06\x00".repeat(5000)), "nested deeper than 64 at byte 262");
    let objects = [&b"\x17\x01A"[..], &b"\x14\x01\x0e\x00\x1a\x00".repeat(5000)].concat();
    assert!(refusal(&objects).starts_with("nested deeper than 64"), "{}", refusal(&objects));
}

#[test]
fn repetitions_pay_for_what_they_repeat() {
    // Ten levels, each an array of ten references to the one before.
    let mut laughs = b"\x14\x0a\x06\x00\x14\x00".to_vec();
    for level in 1..10u8 {
        laughs.extend([0x06, level, 0x14, 10]);
        (0..10).for_each(|index| laughs.extend([0x06, index, 0x01, level]));
    }
    assert!(refusal(&laughs).starts_with("more than 10000 values"), "{}", refusal(&laughs));
    let mut long = b"\x15\x03\xe8\x06\x00\x13\x00\x03\x00\x00".to_vec();
    long.extend(vec![b'x'; 0x3_0000]);
    (1..1000u16).for_each(|index| {
        long.push(0x08);
        long.extend(index.to_be_bytes());
        long.extend([0x0e, 0x00]);
    });
    assert!(refusal(&long).starts_with("a length of 393216 where 262144 are possible"), "{}", refusal(&long));
}

#[test]
fn a_payload_of_the_class_itself_is_skipped() {
    let gadget = parsed(b"\x14\x02\x06\x00\x17\x03Ser\x1d\x05raw;}\x06\x01\x05").unwrap();
    assert!(gadget.at(0) == Some(&Value::Object { class: "Ser".to_owned(), fields: vec![] }));
    assert!(gadget.at(1) == Some(&Value::Bool(true)));
}

#[test]
fn a_value_inside_itself_is_cut_to_null() {
    assert!(parsed(b"\x14\x01\x06\x00\x01\x00").unwrap() == Value::List(vec![Value::Null]));
}

#[test]
fn a_property_that_was_skipped_has_no_value() {
    let object = parsed(b"\x17\x01A\x14\x02\x00\x11\x01b\x05").unwrap();
    assert!(object.get("b") == Some(&Value::Bool(true)));
}

#[test]
fn integers_of_every_width_read() {
    for (value, number) in [
        (&b"\x06\xff"[..], 255),
        (b"\x07\xff", -255),
        (b"\x08\x01\x00", 256),
        (b"\x09\x01\x00", -256),
        (b"\x0a\x00\x01\x00\x00", 65536),
        (b"\x0b\xff\xff\xff\xff", -4_294_967_295),
        (b"\x20\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
        (b"\x21\x80\x00\x00\x00\x00\x00\x00\x00", i64::MIN),
    ] {
        assert!(parsed(value).unwrap() == Value::Int(number), "{number}");
    }
}

#[test]
fn a_captured_session_reads_whole() {
    let session = read(CAPTURED, Limits::default()).unwrap();
    assert!(session.get("user_id") == Some(&Value::Int(42)));
    assert!(session.get("user").unwrap().get("tenant") == Some(&text("acme")));
    assert!(session.get("acct").unwrap().get("tenant") == Some(&text("acme")));
    assert!(session.get("acct").unwrap().get("email") == Some(&text("a@x")));
    assert!(session.get("level").unwrap().get("case") == Some(&text("Gold")));
    assert!(session.get("at").unwrap().get("timezone") == Some(&text("Z")));
    assert!(session.get("inf") == Some(&Value::Float(f64::INFINITY)));
    assert!(session.get("bin") == Some(&Value::Bytes(vec![0, 255])));
    assert!(session.get("ref2") == Some(&text("shared")));
    assert!(session.get("again") == session.get("std"));
    assert!(session.get("cyc").unwrap().get("self") == Some(&Value::Null));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = parsed(&bytes);
    }

    #[test]
    fn a_damaged_session_is_read_or_refused(at in 0..CAPTURED.len(), byte: u8, cut in 0..CAPTURED.len()) {
        let mut damaged = CAPTURED.to_vec();
        damaged[at] = byte;
        let _ = read(&damaged, Limits::default());
        prop_assert!(read(&CAPTURED[..cut], Limits::default()).is_err());
    }
}
