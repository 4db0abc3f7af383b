use proptest::prelude::*;

use crate::codec::gob::read;
use crate::codec::{DecodeError, Limits, Value};

/// scs 2.5.0 with redisstore 2.5.0, Go 1.19.8: a login session.
const SCS: &str = "26ff81030102ff820001020108446561646c696e6501ff8400010656616c75657301ff8600000010ff830501010454\
    696d6501ff8400000027ff85040101176d61705b737472696e675d696e74657266616365207b7d01ff8600010c01100000ff83ff82010f01\
    0000000ee2942b611d4188a3ffff010607757365725f696403696e740402005405656d61696c06737472696e670c130011616c6963654065\
    78616d706c652e636f6d046e616d6506737472696e670c130011c3856c69636520c39cc3b1c3ad20e29c9305726f6c6573085b5d73747269\
    6e67ff87020102ff8800010c000038ff880f00020561646d696e06656469746f720674656e616e7406737472696e670c06000461636d6506\
    7669736974730369 6e740402000200";

/// gorilla/sessions 1.2.1 with boj/redistore, Go 1.19.8: interface keys, a struct, flashes, types defined inside.
const GORILLA: &str = "0eff81040102ff820001100110000075ff82000b06737472696e670c0600046e616d6506737472696e670c130011c3\
    856c69636520c39cc3b1c3ad20e29c9306737472696e670c09000770726f66696c650c6d61696e2e50726f66696c65ff830301010750726f\
    66696c6501ff84000102010249440104000105526f6c657301ff8600000016ff85020101085b5d737472696e6701ff8600010c000054ff84\
    0b015401010561646d696e0003696e740402000e06737472696e670c090007696e74206b657906737472696e670c0800065f666c6173680e\
    5b5d696e74657266616365207b7dff87020102ff880001100000fff3ff8812000106737472696e670c07000568656c6c6f06737472696e67\
    0c08000676697369747303696e740402000206737472696e670c090007757365725f696403696e740402005406737472696e670c07000573\
    636f726507666c6f61743634080400fef83f06737472696e670c0400026f6b04626f6f6c0202000106737472696e670c070005726f6c6573\
    085b5d737472696e67ff860f00020561646d696e06656469746f7206737472696e670c070005656d61696c06737472696e670c130011616c\
    696365406578616d706c652e636f6d06737472696e670c08000674656e616e7406737472696e670c06000461636d65";

/// `map[interface{}]interface{}`, the type of a gorilla session, as type 65.
const ANY_MAP: &str = "0eff81040102ff8200011001100000";

/// `type N struct { ID int }` as type 65.
const STRUCT: &str = "16 ff81 03 01 01 01 4e 01 ff82 00 01 01 01 02 4944 01 04 00 00 00";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn decode(input: &[u8]) -> Result<Value, DecodeError> {
    read(input, Limits::default())
}

/// `prefix`, then one message with `body`.
fn with_message(prefix: &str, body: &str) -> Vec<u8> {
    let (mut input, body) = (bytes(prefix), bytes(body));
    assert!(body.len() < 128);
    input.push(body.len() as u8);
    input.extend(body);
    input
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn hostile_streams_are_refused_by_name() {
    let cut = "ff82 00 01 06737472696e67 0c 02 00 00";
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("nothing", vec![], "ends in the middle"),
        (
            "a message longer than the record",
            bytes("f8 7fffffffffffffff"),
            "a length of 9223372036854775807 where 0",
        ),
        ("a length of nine bytes", bytes("f7 010203040506070809"), "an integer of more than 8 bytes"),
        ("a string longer than its message", with_message("", "0c 00 7f 61"), "a length of 127 where 1"),
        (
            "a map of 2^62 entries",
            with_message(ANY_MAP, "ff82 00 f8 4000000000000000"),
            "a length of 4611686018427387904",
        ),
        ("an undefined type", with_message("", "ff82 00 01"), "a reference to nothing"),
        (
            "a built-in type redefined",
            with_message("", "0b 02 01 01 01 61 00 01 0c 00 00"),
            "a type defined twice",
        ),
        ("a type defined twice", [bytes(ANY_MAP), bytes(ANY_MAP)].concat(), "a type defined twice"),
        ("a type of no kind", with_message("", "ff81 00"), "a type of no kind"),
        ("a type of two kinds", with_message("", "ff81 02 00 01 00 00"), "a type of two kinds"),
        ("a type of an eighth kind", with_message("", "ff81 08 00 00"), "a type of unknown kind"),
        (
            "bytes after a definition",
            with_message("", "ff81 02 01 00 01 0c 00 00 00"),
            "bytes after a type definition",
        ),
        ("a value without its zero", with_message("", "0c 01 61"), "no zero byte"),
        ("bytes after the value", with_message("", "0c 00 01 61 00"), "bytes after the value"),
        (
            "a second value",
            [with_message("", "0c 00 01 61"), with_message("", "0c 00 01 61")].concat(),
            "bytes after the value",
        ),
        ("a truth of 2", with_message("", "02 00 02"), "neither 0 nor 1"),
        (
            "a map as a key",
            with_message(ANY_MAP, "ff82 00 01 01 6d ff82 02 00 00 00"),
            "a map key that is not a scalar",
        ),
        ("cut inside a value", with_message(ANY_MAP, cut), "ends in the middle"),
        (
            "a field its struct lacks",
            with_message(STRUCT, "ff82 02 54 00"),
            "a field that its struct does not have",
        ),
    ];
    for (case, input, expected) in cases {
        let message = decode(input).expect_err(case).to_string();
        assert!(message.contains(expected), "{case}: {message}");
    }
}

#[test]
fn interfaces_inside_interfaces_stop_at_the_depth_limit() {
    // An interface value whose concrete type is `interface{}` itself, again and again.
    let mut body = bytes("10 00");
    for _ in 0..5000 {
        body.extend(bytes("01 61 10 00 00"));
    }
    let mut input = vec![0xfe];
    input.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    input.extend(body);
    assert!(decode(&input).unwrap_err().to_string().contains("nested deeper than 64"));
}

#[test]
fn a_recursive_type_does_not_expand_its_unsent_self() {
    // type N struct { Next *N; ID int }, only ID sent.
    let defined =
        "18 ff81 03 01 01 01 4e 01 ff82 00 01 02 01 04 4e657874 01 ff82 00 01 02 4944 01 04 00 00 00";
    let body = bytes(defined)[1..].to_vec();
    let mut input = vec![body.len() as u8];
    input.extend(body);
    let input = [input, with_message("", "ff82 02 54 00")].concat();
    let expected = vec![("Next".to_owned(), Value::Null), ("ID".to_owned(), Value::Int(42))];
    assert!(decode(&input) == Ok(Value::Object { class: "N".to_owned(), fields: expected }));
}

#[test]
fn long_names_lent_to_many_instances_are_counted() {
    // type T struct { <1000 letters> int }, and a slice of 5000 empty ones.
    let named = |name: &str| {
        let mut out = vec![0xfe];
        out.extend((name.len() as u16).to_be_bytes());
        out.extend(name.bytes());
        out
    };
    let definition =
        [bytes("ff81 03 01 01 01 54 00 01 01 01"), named(&"x".repeat(1000)), bytes("01 04 00 00 00")]
            .concat();
    let slice = bytes("ff83 02 01 00 01 ff82 00 00");
    let value = [bytes("ff84 00 fe 1388"), vec![0; 5000]].concat();
    let mut input = Vec::new();
    for message in [definition, slice, value] {
        input.push(0xfe);
        input.extend((message.len() as u16).to_be_bytes());
        input.extend(message);
    }
    let message = decode(&input).unwrap_err().to_string();
    assert!(message.contains("where 262144 are possible"), "{message}");
}

#[test]
fn every_cut_of_a_session_is_refused() {
    for whole in [bytes(SCS), bytes(GORILLA)] {
        for end in 0..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn a_session_of_gorilla_reads_as_the_app_sees_it() {
    let value = decode(&bytes(GORILLA)).unwrap();
    assert!(value.get("user_id") == Some(&Value::Int(42)));
    assert!(value.get("7") == Some(&text("int key")));
    assert!(value.get("score") == Some(&Value::Float(1.5)));
    assert!(value.get("ok") == Some(&Value::Bool(true)));
    assert!(value.get("_flash") == Some(&Value::List(vec![text("hello")])));
    let profile =
        vec![("ID".to_owned(), Value::Int(42)), ("Roles".to_owned(), Value::List(vec![text("admin")]))];
    assert!(
        value.get("profile") == Some(&Value::Object { class: "main.Profile".to_owned(), fields: profile })
    );
}

#[test]
fn a_session_of_scs_has_its_deadline_and_values() {
    let value = decode(&bytes(SCS)).unwrap();
    assert!(
        value.get("Deadline").and_then(Value::as_text).is_some_and(|at| at.starts_with("2026-")),
        "{:?}",
        value.get("Deadline").and_then(Value::as_text)
    );
    let values = value.get("Values").unwrap();
    assert!(values.get("user_id") == Some(&Value::Int(42)));
    assert!(values.get("roles") == Some(&Value::List(vec![text("admin"), text("editor")])));
}

#[test]
fn scalars_have_their_own_types() {
    let cases: &[(&str, Value)] = &[
        ("04 00 54", Value::Int(42)),
        ("04 00 53", Value::Int(-42)),
        ("04 00 f8 ffffffffffffffff", Value::Int(i64::MIN)),
        ("06 00 f8 ffffffffffffffff", Value::BigInt("18446744073709551615".to_owned())),
        ("06 00 07", Value::Int(7)),
        ("08 00 fe f83f", Value::Float(1.5)),
        ("0a 00 02 6162", Value::Bytes(b"ab".to_vec())),
        ("0c 00 02 ff61", Value::Bytes(vec![0xff, 0x61])),
        ("0e 00 fe f03f fe 0040", Value::List(vec![Value::Float(1.0), Value::Float(2.0)])),
        ("10 00 00", Value::Null),
    ];
    for (body, expected) in cases {
        assert!(decode(&with_message("", body)).as_ref() == Ok(expected), "{body}");
    }
}

#[test]
fn times_are_text_in_their_own_zone() {
    let time = "0d ff81 05 01 01 04 54696d65 00 00 00";
    let prefix = format!("{:02x} {}", bytes(time).len() - 1, &time[3..]);
    let cases = [
        ("0f 01 0000000ee2942b61 1d4188a3 ffff", None),
        ("0f 01 0000000edce5ff90 00000000 ffff", Some("Z")),
        ("0f 01 0000000edce5ff90 1dcd6500 0078", Some(".5+02:00")),
        ("10 02 0000000edce5ff90 00000000 ff2e ff", Some("-03:30:01")),
    ];
    for (encoded, end) in cases {
        let value = decode(&with_message(&prefix, &format!("ff82 00 {encoded}"))).unwrap();
        let at = value.as_text().unwrap().to_owned();
        assert!(end.is_none_or(|end| at.ends_with(end)), "{at}");
    }
    let late = with_message(&prefix, "ff82 00 0f 01 0000000edce5ff90 ffffffff ffff");
    assert!(decode(&late).unwrap_err().to_string().contains("no time"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&input);
    }

    #[test]
    fn no_mutation_of_a_session_makes_the_reader_panic(
        gorilla in any::<bool>(), changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6), cut in any::<u16>(),
    ) {
        let mut input = bytes(if gorilla { GORILLA } else { SCS });
        for (at, byte) in changes {
            let at = usize::from(at) % input.len();
            input[at] = byte;
        }
        input.truncate(usize::from(cut) % 1200);
        let _ = decode(&input);
    }
}
