use super::*;
use proptest::prelude::*;

/// What a session of PHP 8.2 looked like with an object, an enum, a reference and an object inside itself in it.
const CAPTURED: &[u8] = b"a:18:{s:6:\"visits\";i:1;s:7:\"user_id\";i:42;s:4:\"user\";a:9:{s:2:\"id\";i:42;s:5:\"email\";\
s:17:\"alice@example.com\";s:4:\"name\";s:17:\"\xc3\x85lice \xc3\x9c\xc3\xb1\xc3\xad \xe2\x9c\x93\";s:5:\"roles\";\
a:2:{i:0;s:5:\"admin\";i:1;s:6:\"editor\";}s:6:\"tenant\";s:4:\"acme\";s:5:\"score\";d:1.5;s:4:\"none\";N;s:2:\"ok\";\
b:1;s:3:\"big\";i:9007199254740991;}s:4:\"acct\";O:7:\"Account\":4:{s:2:\"id\";i:42;s:8:\"\0*\0email\";s:3:\"a@x\";\
s:15:\"\0Account\0tenant\";s:4:\"acme\";s:6:\"parent\";N;}s:3:\"std\";O:8:\"stdClass\":1:{s:1:\"a\";i:1;}s:5:\"level\";\
E:10:\"Level:Gold\";s:2:\"at\";O:17:\"DateTimeImmutable\":3:{s:4:\"date\";s:26:\"2023-11-14 22:13:20.000000\";\
s:13:\"timezone_type\";i:2;s:8:\"timezone\";s:1:\"Z\";}s:3:\"ser\";O:3:\"Ser\":1:{s:1:\"v\";i:7;}s:3:\"neg\";i:-7;\
s:3:\"inf\";d:INF;s:2:\"pi\";d:3.14;s:3:\"bin\";s:2:\"\0\xff\";s:4:\"pipe\";s:9:\"a|b;i:1;}\";s:4:\"list\";\
a:3:{i:5;s:1:\"x\";s:1:\"k\";s:1:\"y\";i:7;s:1:\"z\";}s:4:\"ref1\";s:6:\"shared\";s:4:\"ref2\";R:39;s:3:\"cyc\";\
O:8:\"stdClass\":1:{s:4:\"self\";r:40;}s:5:\"again\";r:21;}";

fn parsed(input: &[u8]) -> Value {
    read(input, Limits::default()).unwrap()
}

fn refusal(input: &[u8]) -> String {
    read(input, Limits::default()).unwrap_err().to_string()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn what_is_no_value_is_refused_by_name() {
    for (input, refused) in [
        (&b""[..], "the record ends in the middle of a value at byte 0"),
        (b"N", "the record ends in the middle of a value at byte 1"),
        (b"N:", "a null without its semicolon at byte 1"),
        (b"x:1;", "an unknown tag at byte 0"),
        (b"o:8:\"stdClass\":0:{}", "an unknown tag at byte 0"),
        (b"b:2;", "a boolean that is neither 0 nor 1 at byte 2"),
        (b"i:1.5;", "an integer that is not one of 64 bits at byte 2"),
        (b"i:9223372036854775808;", "an integer that is not one of 64 bits at byte 2"),
        (b"i:;", "an integer that is not one of 64 bits at byte 2"),
        (b"i:1", "the record ends in the middle of a value at byte 2"),
        (b"d:inf;", "a float that is no number at byte 2"),
        (b"d:nan;", "a float that is no number at byte 2"),
        (b"s:3:\"ab\";", "a string without its closing quote at byte 8"),
        (b"s:1:\"ab\";", "a string without its closing quote at byte 6"),
        (b"s:2:\"ab\"", "the record ends in the middle of a value at byte 8"),
        (b"S:1:\"\\zz\";", "an escape that is not hex at byte 5"),
        (b"S:2:\"\\41\";", "a string without its closing quote at byte 9"),
        (b"E:5:\"Level\";", "an enum without a case at byte 0"),
        (b"a:1:{d:1.5;N;}", "a key that is neither number nor string at byte 5"),
        (b"a:1:{i:0;N;i:1;N;}", "a container without its closing brace at byte 11"),
        (b"a:2:{i:0;N;}", "the record ends in the middle of a value at byte 12"),
    ] {
        assert_eq!(refusal(input), refused, "{}", String::from_utf8_lossy(input));
    }
}

#[test]
fn a_length_that_cannot_be_is_refused_before_anything_is_allocated() {
    for (input, refused) in [
        (&b"s:999999999:\"a\";"[..], "a length of 999999999 where 4 are possible at byte 2"),
        (b"s:99999999999999999999:\"\";", "a length of 18446744073709551615 where 3 are possible at byte 2"),
        (b"s:-1:\"\";", "a length that is not a number at byte 2"),
        (b"s:+1:\"a\";", "a length that is not a number at byte 2"),
        (b"s:0x1:\"a\";", "a length that is not a number at byte 2"),
        (b"a:99999999:{}", "a length of 99999999 where 2 are possible at byte 2"),
        (b"a:-1:{}", "a length that is not a number at byte 2"),
        (b"O:8:\"stdClass\":77777:{}", "a length of 77777 where 2 are possible at byte 15"),
        (b"O:+8:\"stdClass\":0:{}", "a length that is not a number at byte 2"),
        (b"C:3:\"Ser\":99:{abc}", "a length of 99 where 5 are possible at byte 10"),
    ] {
        assert_eq!(refusal(input), refused, "{}", String::from_utf8_lossy(input));
    }
}

#[test]
fn gadgets_are_words() {
    let chain = b"O:40:\"Illuminate\\Broadcasting\\PendingBroadcast\":2:{s:9:\"\0*\0events\";\
        O:15:\"Faker\\Generator\":1:{s:13:\"\0*\0formatters\";a:1:{s:8:\"dispatch\";s:6:\"system\";}}\
        s:8:\"\0*\0event\";s:2:\"id\";}";
    let Value::Object { class, fields } = parsed(chain) else { panic!("no object") };
    assert_eq!(class, "Illuminate\\Broadcasting\\PendingBroadcast");
    assert_eq!(fields.len(), 2);
    let phar = parsed(b"C:16:\"SplObjectStorage\":17:{x:i:0;m:a:0:{}{{{}}");
    assert!(phar == Value::Object { class: "SplObjectStorage".to_owned(), fields: vec![] });
}

#[test]
fn nesting_past_the_limit_is_refused_in_a_record_and_in_what_it_unfolds_to() {
    let bomb = [b"a:1:{i:0;".repeat(5000), b"N;".to_vec(), b"}".repeat(5000)].concat();
    assert_eq!(refusal(&bomb), "nested deeper than 64 at byte 581");
    let objects = b"O:1:\"A\":1:{s:1:\"a\";".repeat(5000);
    assert!(refusal(&objects).starts_with("nested deeper than 64"), "{}", refusal(&objects));
    // Each element holds the one before it twice over, one level deeper each time.
    let mut tower = b"a:100:{i:0;a:0:{}".to_vec();
    for level in 1..100 {
        tower.extend(format!("i:{level};a:1:{{i:0;R:{};}}", level + 1).bytes());
    }
    tower.push(b'}');
    assert!(refusal(&tower).starts_with("nested deeper than 64"), "{}", refusal(&tower));
}

#[test]
fn references_pay_for_what_they_repeat() {
    let mut laughs = b"a:20:{i:0;a:10:{".to_vec();
    (0..10).for_each(|index| laughs.extend(format!("i:{index};N;").bytes()));
    laughs.push(b'}');
    // Slot 2 is the first array; its ten nulls follow; from 13 on each array is one slot, its references none.
    for level in 1..20 {
        let before = if level == 1 { 2 } else { 11 + level };
        laughs.extend(format!("i:{level};a:10:{{").bytes());
        (0..10).for_each(|index| laughs.extend(format!("i:{index};R:{before};").bytes()));
        laughs.push(b'}');
    }
    laughs.push(b'}');
    assert!(refusal(&laughs).starts_with("more than 10000 values"), "{}", refusal(&laughs));
    let mut long = format!("a:9000:{{i:0;s:200000:\"{}\";", "x".repeat(200_000)).into_bytes();
    (1..9000).take(1000).for_each(|index| long.extend(format!("i:{index};R:2;").bytes()));
    long = String::from_utf8(long).unwrap().replacen("a:9000", "a:1001", 1).into_bytes();
    long.push(b'}');
    assert_eq!(refusal(&long), "a length of 400000 where 262144 are possible at byte 12");
}

#[test]
fn a_reference_to_nothing_is_refused() {
    for input in [
        &b"R:1;"[..],
        b"a:1:{i:0;R:0;}",
        b"a:1:{i:0;R:2;}",
        b"a:1:{i:0;R:-1;}",
        b"a:1:{i:0;r:99999999999999999999;}",
        b"a:1:{i:0;R:x;}",
    ] {
        let refused = refusal(input);
        assert!(refused.starts_with("a reference to nothing that came before"), "{refused}");
    }
    assert_eq!(refusal(b"a:1:{i:0;r:1;}"), "an object reference to something else at byte 9");
}

#[test]
fn a_reference_behind_a_custom_payload_is_refused_because_its_slots_cannot_be_counted() {
    let before = parsed(b"a:3:{i:0;s:1:\"a\";i:1;C:1:\"C\":4:{i:1;}i:2;R:2;}");
    assert!(before.at(2) == Some(&text("a")));
    let behind = refusal(b"a:4:{i:0;N;i:1;C:1:\"C\":4:{i:1;}i:2;s:1:\"a\";i:3;R:4;}");
    assert!(behind.starts_with("a reference to nothing that came before"), "{behind}");
}

#[test]
fn a_value_inside_itself_is_cut_to_null() {
    assert!(parsed(b"a:1:{i:0;R:1;}") == Value::List(vec![Value::Null]));
    let itself = parsed(b"O:1:\"A\":1:{s:1:\"a\";r:1;}");
    assert!(itself.get("a") == Some(&Value::Null));
}

#[test]
fn a_record_longer_than_the_limit_is_refused_unread() {
    let limits = Limits { bytes: 8, ..Limits::default() };
    let refused = read(b"s:3:\"abc\";", limits).unwrap_err();
    assert_eq!(refused.to_string(), "a length of 10 where 8 are possible at byte 0");
}

#[test]
fn an_array_is_a_list_only_if_its_keys_count_from_zero() {
    assert!(parsed(b"a:0:{}") == Value::List(vec![]));
    assert!(parsed(b"a:2:{i:0;N;s:1:\"1\";N;}") == Value::List(vec![Value::Null; 2]));
    for map in [&b"a:1:{i:1;N;}"[..], b"a:2:{i:1;N;i:0;N;}", b"a:1:{s:2:\"00\";N;}", b"a:2:{i:0;N;i:0;N;}"] {
        assert!(matches!(parsed(map), Value::Map(_)));
    }
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let twice = parsed(b"a:2:{s:7:\"user_id\";i:42;s:7:\"user_id\";i:99;}");
    assert!(twice.get("user_id") == Some(&Value::Int(99)));
}

#[test]
fn numbers_read_as_php_wrote_them() {
    assert!(parsed(b"i:-9223372036854775808;") == Value::Int(i64::MIN));
    assert!(parsed(b"d:1.0E+25;") == Value::Float(1e25));
    assert!(parsed(b"d:-INF;") == Value::Float(f64::NEG_INFINITY));
    assert!(matches!(parsed(b"d:NAN;"), Value::Float(nan) if nan.is_nan()));
    assert!(parsed(b"S:4:\"\\00a\\ff|\";") == Value::Bytes(b"\0a\xff|".to_vec()));
}

#[test]
fn a_captured_session_reads_whole() {
    let session = parsed(CAPTURED);
    let user = session.get("user").unwrap();
    assert!(user.get("name") == Some(&text("Ålice Üñí ✓")));
    assert!(user.get("roles").unwrap().at(1) == Some(&text("editor")));
    let account = session.get("acct").unwrap();
    assert!(account.get("tenant") == Some(&text("acme")));
    assert!(account.get("email") == Some(&text("a@x")));
    assert!(session.get("level").unwrap().get("case") == Some(&text("Gold")));
    assert!(session.get("bin") == Some(&Value::Bytes(vec![0, 255])));
    assert!(session.get("list").unwrap().get("7") == Some(&text("z")));
    assert!(session.get("ref2") == Some(&text("shared")));
    assert!(session.get("again") == session.get("std"));
    assert!(session.get("cyc").unwrap().get("self") == Some(&Value::Null));
}

/// How many values a tree has, how deep it is, and how much text is in it.
fn measure(value: &Value) -> (usize, usize, usize) {
    let inside = |parts: &mut dyn Iterator<Item = (usize, &Value)>| {
        parts.fold((1, 1, 0), |(nodes, depth, text), (key, part)| {
            let (n, d, t) = measure(part);
            (nodes + n, depth.max(d + 1), text + t + key)
        })
    };
    match value {
        Value::List(items) => inside(&mut items.iter().map(|item| (0, item))),
        Value::Map(fields) | Value::Object { fields, .. } => {
            inside(&mut fields.iter().map(|(name, value)| (name.len(), value)))
        }
        Value::Text(text) => (1, 0, text.len()),
        Value::Bytes(bytes) => (1, 0, bytes.len()),
        _ => (1, 0, 0),
    }
}

proptest! {
    #[test]
    fn no_tree_is_larger_than_the_limits(parts in prop::collection::vec((0..6u8, 1..60usize), 1..60)) {
        let mut items = String::new();
        for (index, (kind, slot)) in parts.iter().enumerate() {
            items += &format!("i:{index};");
            items += &match kind {
                0 => "s:9:\"abcdefghi\";".to_owned(),
                1 => format!("a:3:{{i:0;R:{slot};i:1;R:{slot};s:1:\"k\";R:{slot};}}"),
                2 => format!("O:1:\"A\":2:{{s:1:\"a\";R:{slot};s:1:\"b\";R:1;}}"),
                3 => format!("r:{slot};"),
                4 => format!("R:{slot};"),
                _ => "a:1:{i:0;a:1:{i:0;N;}}".to_owned(),
            };
        }
        let limits = Limits { bytes: 4000, depth: 12, nodes: 300 };
        // References to what is not there yet are refused, so cut the record down until it reads.
        for length in (1..=parts.len()).rev() {
            let end = items.find(&format!("i:{length};")).unwrap_or(items.len());
            let record = format!("a:{length}:{{{}}}", &items[..end]);
            if let Ok(value) = read(record.as_bytes(), limits) {
                let (nodes, depth, text) = measure(&value);
                prop_assert!(nodes <= 300 && depth <= 12 && text <= 4000, "{} {} {}", nodes, depth, text);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = read(&bytes, Limits::default());
    }

    #[test]
    fn a_damaged_session_is_read_or_refused(at in 0..CAPTURED.len(), byte: u8, cut in 0..CAPTURED.len()) {
        let mut damaged = CAPTURED.to_vec();
        damaged[at] = byte;
        let _ = read(&damaged, Limits::default());
        prop_assert!(read(&damaged[..cut], Limits::default()).is_err());
    }
}
