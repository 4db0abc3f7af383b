use super::*;
use crate::codec::shown::{hex, shown};
use proptest::prelude::*;

/// One dict of everything a session may hold, by Python 3.11 in each protocol from 0 to 5.
const EVERYTHING: &str = include_str!("everything.hex");
/// An enum, a plain object, a named tuple, subclasses of dict and list, and a class, by protocols 0 and 5.
const OBJECTS: &str = include_str!("objects.hex");

fn refused(input: &[u8]) -> String {
    match read_prefix(input, Limits::default()) {
        Ok((value, _)) => format!("read as {}", shown(&value)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn whatever_would_call_something_is_refused_by_its_name() {
    let hostile: [(&[u8], &str); 21] = [
        // What pickle.dumps makes of an object whose `__reduce__` gives (os.system, ("id",)).
        (
            b"cos\nsystem\n(Vid\ntR.",
            "`REDUCE` of `os.system` could only be resolved by running code at byte 18",
        ),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.", "`REDUCE` of `posix.system` could only"),
        (b"c__builtin__\neval\n(V1\ntR.", "`REDUCE` of `__builtin__.eval` could only"),
        (b"cbuiltins\nexec\n(V1\ntR.", "`REDUCE` of `builtins.exec` could only"),
        (b"cbuiltins\ngetattr\n(cos\nsystem\nVx\ntR.", "`REDUCE` of `builtins.getattr` could only"),
        (b"cbuiltins\ngetattr\n(czoneinfo\nZoneInfo\nV__class__\ntR.", "`REDUCE` of `builtins.getattr`"),
        (b"csubprocess\nPopen\n(Vid\ntR.", "`REDUCE` of `subprocess.Popen` could only"),
        (b"\x80\x02csubprocess\nPopen\n)\x81.", "`NEWOBJ` of `subprocess.Popen` could only"),
        (b"ctypes\nFunctionType\n(tR.", "`REDUCE` of `types.FunctionType` could only"),
        (b"coperator\nattrgetter\n(Vx\ntR.", "`REDUCE` of `operator.attrgetter` could only"),
        (
            b"ccopy_reg\n_reconstructor\n(csubprocess\nPopen\nc__builtin__\nobject\nNtR.",
            "`REDUCE` of `subprocess.Popen`",
        ),
        // The result of a call, called.
        (b"Vx\n(tR.", "`REDUCE` could only be resolved by running code at byte 6"),
        (b"capp\nUser\n(dVadmin\nI01\nsb.", "`BUILD` of `app.User` could only"),
        (b"(Vid\nios\nsystem\n.", "`INST` could only"),
        (b"(cos\nsystem\nVid\no.", "`OBJ` could only"),
        (b"Pid\n.", "`PERSID` could only"),
        (b"NQ.", "`BINPERSID` could only"),
        (b"\x80\x02\x82\x01.", "`EXT1` could only"),
        (b"\x80\x02\x84\x01\0\0\0.", "`EXT4` could only"),
        (b"\x80\x04capp\nUser\n)}\x92.", "`NEWOBJ_EX` could only"),
        (b"\x80\x05\x97\x98.", "`NEXT_BUFFER` could only"),
    ];
    for (input, expected) in hostile {
        let said = refused(input);
        assert!(said.starts_with(expected), "{}: {said}", input.escape_ascii());
    }
}

#[test]
fn what_is_data_in_spite_of_its_name_is_an_opaque_object() {
    let table: [(&[u8], &str); 4] = [
        (b"cbuiltins\ncomplex\n(F1\nF-2\ntR.", "builtins.complex"),
        (b"c__builtin__\nxrange\n(I1\ntR.", "__builtin__.xrange"),
        (b"cbuiltins\nValueError\n(Vbad\ntR.", "builtins.ValueError"),
        (b"cdjango.db.models.base\nmodel_unpickle\n((Vshop\nVCart\nttR(dVid\nI7\nsb.", "model_unpickle"),
    ];
    for (input, expected) in table {
        let said = refused(input);
        assert!(said.starts_with("read as") && said.contains(expected), "{}: {said}", input.escape_ascii());
    }
}

#[test]
fn lengths_are_checked_against_what_is_there() {
    let table: [(&[u8], &str); 9] = [
        (b"X\xff\xff\xff\xffab", "a length of 4294967295 where 2 are possible at byte 5"),
        (
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab",
            "a length of 18446744073709551615 where 2 are possible at byte 9",
        ),
        (b"\x8e\0\0\0\0\0\0\0\x80", "a length of 9223372036854775808 where 0"),
        (b"T\xff\xff\xff\xffab", "a negative length at byte 5"),
        (b"\x8b\0\0\0\x80ab", "a negative length at byte 5"),
        (b"\x8b\xff\xff\xff\x7fab", "a length of 2147483647 where 2"),
        (b"\x80\x04\x95\xff\xff\xff\xff\0\0\0\0N.", "a length of 4294967295 where 2"),
        (b"r\xff\xff\xff\xff", "an opcode for an empty stack"),
        (b"\x80\x06N.", "a pickle protocol above 5"),
    ];
    for (input, expected) in table {
        let said = refused(input);
        assert!(said.starts_with(expected), "{}: {said}", input.escape_ascii());
    }
}

#[test]
fn an_integer_of_a_megabit_is_refused_and_not_written_out() {
    let mut input = b"\x8b\0\0\x02\0".to_vec();
    input.resize(5 + 0x20000, 0x7f);
    assert!(refused(&input).starts_with("a length of 131072 where 1024 are possible"));
}

#[test]
fn depth_and_memo_bombs_are_refused_by_their_limit() {
    let nested = [b"]".repeat(70), b"a".repeat(69), b".".to_vec()].concat();
    assert!(refused(&nested).starts_with("nested deeper than 64"));
    // Ten lists of ten references each to the one before: 10^12 values in 300 bytes.
    let mut laughs = b"\x80\x04]\x94".to_vec();
    for level in 0..12 {
        laughs.extend_from_slice(b"]\x94(");
        laughs.extend_from_slice(&[b'h', level].repeat(10));
        laughs.push(b'e');
    }
    laughs.push(b'.');
    assert!(refused(&laughs).starts_with("more than 10000 values"));
    let flat = [b"(".to_vec(), b"N".repeat(10_001), b"t.".to_vec()].concat();
    assert!(refused(&flat).starts_with("more than 10000 values"));
}

#[test]
fn a_long_text_that_is_referred_to_again_counts_with_all_its_bytes() {
    let text = [b"X\0\x80\0\0".to_vec(), vec![b'a'; 0x8000]].concat();
    let again = [b"(".to_vec(), text, b"q\0".to_vec(), b"h\0".repeat(20), b"t.".to_vec()].concat();
    assert!(refused(&again).starts_with("a length of 294912 where 262144"));
}

#[test]
fn copying_what_came_before_is_counted() {
    // A state of 5000 fields, given to the same object again and again.
    let mut input = b"capp\nUser\n)\x81(".to_vec();
    input.extend_from_slice(&b"NN".repeat(2000));
    input.extend_from_slice(b"dq\0b");
    input.extend_from_slice(&b"h\0b".repeat(1000));
    input.push(b'.');
    assert!(refused(&input).starts_with("more than 10000 values"));
}

#[test]
fn a_text_with_half_a_surrogate_pair_is_bytes() {
    assert_eq!(refused(b"\x8c\x04a\xed\xa0\xbd."), r#"read as b"a\xed\xa0\xbd""#);
    assert!(refused(b"\x8c\x02\xed\xa0.").starts_with("invalid UTF-8"));
}

#[test]
fn a_container_inside_itself_is_cut_to_null() {
    assert_eq!(refused(b"]q\0h\0a."), "read as [null]");
    assert_eq!(refused(b"}q\0Vx\nh\0s."), r#"read as {"x":null}"#);
    // An object whose state is itself.
    let me = refused(b"\x80\x02capp\nUser\n)\x81q\0}Vme\nh\0sb.");
    assert_eq!(me, r#"read as app.User{"me":null}"#);
}

#[test]
fn references_and_stacks_that_are_not_there_are_refused() {
    let inputs: [&[u8]; 13] = [
        b".", b"h\x07.", b"g7\n.", b"0.", b"(0.", b"a.", b"e.", b"u.", b"\x93.", b"R.", b"(NNNd.", b"]Na",
        b"1.",
    ];
    for input in inputs {
        assert!(read(input, Limits::default()).is_err(), "{}", input.escape_ascii());
    }
}

#[test]
fn arguments_that_a_class_would_not_take_are_refused() {
    let inputs: [&[u8]; 7] = [
        b"cdatetime\ndate\n(V\x07\xe8\x0d\x1d\ntR.",
        b"cdatetime\ndatetime\n(V1\ntR.",
        b"cdatetime\ntimedelta\n(I9223372036854775807\ntR.",
        b"cdatetime\ntimezone\n(Vx\ntR.",
        b"cdecimal\nDecimal\n(V1;2\ntR.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        b"c__builtin__\nset\n(Vabc\ntR.",
    ];
    for input in inputs {
        assert!(refused(input).starts_with("arguments that its class would not take"), "{}", refused(input));
    }
}

#[test]
fn trailing_bytes_are_counted_or_refused_as_the_caller_asks() {
    assert_eq!(refused(b"N.x"), "read as null");
    assert_eq!(read_prefix(b"N.x", Limits::default()).map(|(_, length)| length), Ok(2));
    let error = read(b"N.x", Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "more after the pickle at byte 2");
}

#[test]
fn an_unknown_class_is_its_name_and_its_state() {
    let objects: Vec<_> = OBJECTS.lines().map(|line| refused(&hex(line))).collect();
    let user = r#""user":app.User{"id":42,"name":"a"}"#;
    for object in &objects {
        assert!(object.contains(r#""role":app.Role{"0":"admin"}"#), "{object}");
        assert!(object.contains(user), "{object}");
        assert!(object.contains(r#""cls":app.User{}"#), "{object}");
    }
    assert!(
        objects[1]
            .contains(r#""point":app.Point{"0":1,"1":2},"bag":app.Bag{"k":1},"row":app.Row{"0":1,"1":2}"#)
    );
}

#[test]
fn every_protocol_reads_everything_as_python_prints_it() {
    let expected = concat!(
        r#"{"none":null,"t":true,"f":false,"i":42,"neg":-1,"i16":4660,"i32":-2147483648,"big":9007199254740993,"#,
        r#""i64":-9223372036854775808,"huge":1180591620717411303424n,"nhuge":-1180591620717411303424n,"x":1.5,"#,
        r#""inf":inf,"s":"Ål\\ice \n✓😀","e":"","bytes":b"\x00\xff","eb":b"","ba":b"a","l":[1,[2]],"#,
        r#""tup":[1,-2,3.25,4],"t1":[1],"t2":[1,2],"t3":[1,2,3],"t0":[],"set":[7],"fs":[8],"#,
        r#""d":{"1":"a","null":"b","k":{}},"same":["admin"],"again":["admin"],"#,
        r#""at":"2023-11-14 22:13:20.000005+00:00","naive":"2023-11-14 22:13:20","cet":"2023-11-14 22:13:20-01:30","#,
        r#""berlin":"2023-11-14 22:13:20 Europe/Berlin","zutc":"2023-11-14 22:13:20+00:00","day":"2024-02-29","#,
        r#""time":"01:02:03","td":"-1 day, 0:00:02.000003","td0":"0:00:03","tz":"UTC+01:00","dec":"12.50","#,
        r#""uuid":"7f9c24e5-1c2b-4b1f-9d0e-8a1d2c3b4e5f","od":{"a":1},"dd":{"a":[1]},"dq":[1],"safe":"<b>"}"#,
    );
    for (protocol, line) in EVERYTHING.lines().enumerate() {
        let value = read(&hex(line), Limits::default()).unwrap();
        assert_eq!(shown(&value), expected, "protocol {protocol}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_prefix(&bytes, Limits::default());
    }

    #[test]
    fn mutated_pickles_never_panic(
        protocol in 0_usize..6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = hex(EVERYTHING.lines().nth(protocol).unwrap());
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        let _ = read_prefix(&bytes, Limits::default());
    }

    #[test]
    fn a_pickle_cut_short_is_refused(protocol in 0_usize..6, cut: prop::sample::Index) {
        let bytes = hex(EVERYTHING.lines().nth(protocol).unwrap());
        let cut = &bytes[..cut.index(bytes.len())];
        prop_assert!(read_prefix(cut, Limits::default()).is_err());
    }
}
