use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Value, DecodeError> {
    decode(text.as_bytes(), Limits::default())
}

fn fault(text: &str) -> Fault {
    read(text).expect_err(text).fault
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "nul",
        "nulll",
        "True",
        "undefined",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        "1_0",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{a:1}",
        "{'a':1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{1:2}",
        "\"\\x41\"",
        "\"\\u12g4\"",
        "'a'",
        "1 1",
        "{}{}",
        "[] x",
        "//",
        "/**/1",
        "\u{feff}{}",
        "\"\t\"",
        "\"\0\"",
        "\u{a0}1",
        "]",
        "}",
        ",",
        ":",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_text_that_ends_early_is_truncated() {
    let whole = r#"{"a":[1.5e-3,true,"b\u00e9\n",{"c":null}]}"#;
    for end in 0..whole.len() {
        let cut = &whole[..end];
        let error = read(cut).expect_err(cut);
        let odd = matches!(error.fault, Fault::LengthExceeded { .. } | Fault::Truncated);
        assert!(odd, "{cut}: {error:?}");
        assert!(error.offset <= end);
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_where_they_are() {
    for (bytes, offset) in
        [(&b"\"a\xff\""[..], 2), (b"\x00\xff garbage", 1), (b"\"\xed\xa0\x80\"", 1), (b"\"\xc0\x80\"", 1)]
    {
        let error = decode(bytes, Limits::default()).unwrap_err();
        assert_eq!((error.offset, error.fault), (offset, Fault::Malformed("invalid UTF-8")), "{bytes:?}");
    }
}

#[test]
fn a_text_with_a_lone_surrogate_is_bytes() {
    let table: [(&str, &[u8]); 6] = [
        (r#""\ud800""#, b"\xed\xa0\x80"),
        (r#""\udc00""#, b"\xed\xb0\x80"),
        (r#""\ud800\ud83d\ude00""#, b"\xed\xa0\x80\xf0\x9f\x98\x80"),
        (r#""\ud83dx""#, b"\xed\xa0\xbdx"),
        (r#""\ud83d\n""#, b"\xed\xa0\xbd\n"),
        (r#""\ude00\ud83d""#, b"\xed\xb8\x80\xed\xa0\xbd"),
    ];
    for (text, bytes) in table {
        assert_eq!(read(text), Ok(Value::Bytes(bytes.to_vec())), "{text}");
    }
    assert_eq!(fault(r#"{"\ud800":1}"#), Fault::Malformed("a lone surrogate in a key"));
    assert_eq!(fault(r#""\ud83d\uzzzz""#), Fault::Malformed("no hexadecimal digit"));
    assert_eq!(read(r#""\ud83d\ude00""#), Ok(Value::Text("😀".into())));
    assert_eq!(read(r#""\u0041\ude00x""#), Ok(Value::Bytes(b"A\xed\xb8\x80x".to_vec())));
}

#[test]
fn depth_and_number_of_values_and_length_are_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(&nested(64)).is_ok());
    assert_eq!(fault(&nested(65)), Fault::DepthExceeded { limit: 64 });
    assert_eq!(fault(&"[".repeat(100_000)), Fault::DepthExceeded { limit: 64 });
    assert_eq!(fault(&r#"{"a":"#.repeat(1000)), Fault::DepthExceeded { limit: 64 });
    let wide = |values: usize| format!("[{}]", vec!["0"; values].join(","));
    assert!(read(&wide(9_999)).is_ok());
    assert_eq!(fault(&wide(10_000)), Fault::NodesExceeded { limit: 10_000 });
    let long = format!("\"{}\"", "a".repeat(256 * 1024));
    assert!(matches!(fault(&long), Fault::LengthExceeded { .. }));
}

#[test]
fn depth_counts_what_is_open_and_not_what_was() {
    let many = format!("[{}]", vec!["[[[]]]"; 100].join(","));
    assert!(read(&many).is_ok());
}

#[test]
fn integers_keep_every_digit() {
    assert_eq!(read("9223372036854775807"), Ok(Value::Int(i64::MAX)));
    assert_eq!(read("-9223372036854775808"), Ok(Value::Int(i64::MIN)));
    assert_eq!(read("9223372036854775808"), Ok(Value::BigInt("9223372036854775808".into())));
    assert_eq!(read("9007199254740993"), Ok(Value::Int(9_007_199_254_740_993)));
    let digits = "123456789".repeat(30);
    assert_eq!(read(&digits), Ok(Value::BigInt(digits.clone())));
    assert_eq!(read("-0"), Ok(Value::Int(0)));
}

#[test]
fn floats_are_the_nearest_ones() {
    for (text, float) in
        [("1.5", 1.5), ("1e3", 1000.0), ("-0.0", -0.0), ("5e-324", 5e-324), ("1E+2", 100.0), ("0.1", 0.1)]
    {
        assert_eq!(read(text), Ok(Value::Float(float)), "{text}");
    }
    assert_eq!(read("1e999"), Ok(Value::Float(f64::INFINITY)));
}

#[test]
fn the_last_of_duplicate_keys_counts_and_proto_is_a_key() {
    let value = read(r#"{"id":1,"__proto__":{"id":7},"id":2}"#).unwrap();
    assert_eq!(value.get("id"), Some(&Value::Int(2)));
    assert!(value.get("__proto__").is_some());
}

#[test]
fn an_object_with_a_magic_key_of_serde_json_is_an_object() {
    let value = read(r#"{"$serde_json::private::Number":"1"}"#).unwrap();
    assert!(matches!(value, Value::Map(_)));
}

#[test]
fn every_escape_means_what_it_means() {
    let text = read(r#""\"\\\/\b\f\n\r\t\u0041\u00e9\u2028\u0000é""#);
    assert_eq!(text, Ok(Value::Text("\"\\/\u{8}\u{c}\n\r\tAé\u{2028}\0é".into())));
}

fn agrees(ours: &Value, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (ours, theirs) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(ours), Json::Bool(theirs)) => ours == theirs,
        (Value::Int(ours), Json::Number(theirs)) => theirs.as_i64() == Some(*ours),
        (Value::Float(ours), Json::Number(theirs)) => theirs.as_f64() == Some(*ours),
        (Value::Text(ours), Json::String(theirs)) => ours == theirs,
        (Value::List(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agrees(ours, theirs))
        }
        (Value::Map(_), Json::Object(theirs)) => {
            theirs.iter().all(|(key, theirs)| ours.get(key).is_some_and(|ours| agrees(ours, theirs)))
        }
        _ => false,
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<i32>().prop_map(|number| (f64::from(number) / 8.0).into()),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            proptest::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Err(error) = decode(&bytes, Limits::default()) {
            prop_assert!(error.offset <= bytes.len());
        }
    }

    #[test]
    fn what_almost_is_json_is_refused_exactly_where_serde_json_refuses_it(text in "[\\[\\]{}:,\"\\\\0-9eE+.ntrufalsx -]{0,24}") {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let out_of_range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assert!(out_of_range || read(&text).is_ok() == theirs.is_ok(), "{text}");
    }

    #[test]
    fn whatever_serde_json_writes_is_read_back(json in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) }.unwrap();
        let ours = read(&text).unwrap();
        prop_assert!(agrees(&ours, &json), "{text}");
    }
}
