use super::*;
use crate::config::{At, FormatOptions, Framework, Located, Secret, StoreId};

pub(crate) const ID: &str = "ga5lip2cb504jjk4s6ujomnj5o";

pub(crate) fn located<T>(value: T) -> Located<T> {
    Located { value, at: At { file: 0, start: 0, end: 0 } }
}

pub(crate) fn profile(framework: Framework, options: FormatOptions) -> Profile {
    Profile {
        name: "shop".to_owned(),
        at: At { file: 0, start: 0, end: 0 },
        framework: located(framework),
        store: Some(StoreId(0)),
        skew: std::time::Duration::ZERO,
        options,
        subject: None,
        sub: located("{subject}".to_owned()),
        attributes: vec![],
        duplicate_cookie: DuplicateCookie::Reject,
        user_record: None,
        valid_if: Vec::new(),
        cookie_repair: Vec::new(),
        idle_touch: None,
        act: None,
    }
}

pub(crate) fn word(text: &str) -> Option<Located<String>> {
    Some(located(text.to_owned()))
}

pub(crate) fn lookup(presented: Presented) -> Lookup {
    match presented {
        Presented::Session(lookup) => lookup,
        other => panic!("{other:?}"),
    }
}

fn php(options: FormatOptions) -> Php {
    Php::new(&profile(Framework::Php, options)).unwrap()
}

fn present(format: &Php, line: &str) -> Presented {
    format.present(&Cookies::from_line(line.to_owned()))
}

fn decoded(format: &Php, value: &[u8]) -> Result<Value, Reject> {
    let lookup = lookup(present(format, &format!("PHPSESSID={ID}")));
    format.decode(&Record::String(value.to_vec()), &lookup).map(|decoded| decoded.data)
}

#[test]
fn an_id_that_php_does_not_make_names_no_key() {
    let format = php(FormatOptions::default());
    let long = "a".repeat(257);
    for id in ["", "bogus", "../ga5lip2cb504jjk4s6ujomnj5o", "ga5lip2cb504jjk4s6ujomnj5o_LOCK", &long] {
        let presented = present(&format, &format!("PHPSESSID={id}"));
        assert!(matches!(presented, Presented::Rejected(Reject::MalformedCookie(_))), "{id}");
    }
}

#[test]
fn a_cookie_sent_as_an_array_is_no_session_whatever_else_was_sent() {
    let format = php(FormatOptions::default());
    for line in [format!("PHPSESSID[0]={ID}"), format!("PHPSESSID={ID}; PHPSESSID[]={ID}")] {
        assert!(matches!(present(&format, &line), Presented::Rejected(_)), "{line}");
    }
}

#[test]
fn the_id_goes_into_the_key_as_it_is_after_unescaping() {
    let format = php(FormatOptions { key: word("shop:{id}"), ..FormatOptions::default() });
    let lookup = lookup(present(&format, "PHPSESSID=aaaaaaaaaaaaaaaaaaaaa%2C-%62"));
    assert_eq!(lookup.keys[0].expose(), b"shop:aaaaaaaaaaaaaaaaaaaaa,-b");
    assert_eq!(lookup.id.expose(), b"aaaaaaaaaaaaaaaaaaaaa,-b");
}

#[test]
fn an_option_of_another_framework_is_a_mistake() {
    let options = FormatOptions { cipher: word("AES-256-CBC"), ..FormatOptions::default() };
    let errors = Php::new(&profile(Framework::Php, options)).unwrap_err();
    assert_eq!(errors[0].key, "sessions.shop.cipher");
    let options = FormatOptions {
        secrets: vec![located(Secret::new(b"s".to_vec()))],
        serializer: word("wddx"),
        ..FormatOptions::default()
    };
    assert_eq!(Php::new(&profile(Framework::Php, options)).unwrap_err().len(), 2);
}

#[test]
fn a_hash_is_the_wrong_type() {
    let format = php(FormatOptions::default());
    let lookup = lookup(present(&format, &format!("PHPSESSID={ID}")));
    assert_eq!(format.decode(&Record::Hash(vec![]), &lookup).unwrap_err(), Reject::WrongType);
}

#[test]
fn an_empty_string_is_a_session_without_a_user() {
    for handler in ["php", "php_serialize", "php_binary", "igbinary", "msgpack"] {
        let format = php(FormatOptions { serializer: word(handler), ..FormatOptions::default() });
        assert!(decoded(&format, b"").unwrap() == Value::Map(vec![]), "{handler}");
    }
}

#[test]
fn what_one_handler_wrote_another_refuses() {
    let written: [&[u8]; 5] = [
        b"id|i:42;",
        b"a:1:{s:2:\"id\";i:42;}",
        b"\x02idi:42;",
        b"\0\0\0\x02\x14\x01\x11\x02id\x06\x2a",
        b"\x82\xc0\x01\xa2id\x2a",
    ];
    for (index, handler) in
        ["php", "php_serialize", "php_binary", "igbinary", "msgpack"].into_iter().enumerate()
    {
        let format = php(FormatOptions { serializer: word(handler), ..FormatOptions::default() });
        for (other, bytes) in written.into_iter().enumerate() {
            let read = decoded(&format, bytes);
            let id = read.as_ref().ok().and_then(|data| data.get("id"));
            assert_eq!(id == Some(&Value::Int(42)), index == other, "{handler} reads {other}");
        }
    }
}

#[test]
fn a_value_that_does_not_inflate_is_taken_as_it_is() {
    for compressor in ["lzf", "zstd", "lz4"] {
        let format = php(FormatOptions { compressor: word(compressor), ..FormatOptions::default() });
        assert!(decoded(&format, b"id|i:42;").unwrap().get("id") == Some(&Value::Int(42)), "{compressor}");
        assert!(decoded(&format, b"\0\xff garbage").is_err(), "{compressor}");
    }
}

#[test]
fn compressed_values_inflate() {
    let plain = b"id|i:42;a|s:5:\"aaaaa\";";
    // A run of 16 literals, `a` four times over from one byte back, a run of two.
    let lzf = [&[0x0f][..], &plain[..16], &[0x40, 0x00, 0x01], &plain[20..]].concat();
    // A block of literals alone: its token says 15, and the next byte 7 more.
    let block = [&[0xf0, 0x07][..], plain].concat();
    let lz4 = [&[crc8(22u32.to_le_bytes())][..], &22u32.to_le_bytes(), &block].concat();
    for (compressor, bytes) in [("lzf", lzf), ("lz4", lz4)] {
        let format = php(FormatOptions { compressor: word(compressor), ..FormatOptions::default() });
        let data = decoded(&format, &bytes).unwrap();
        assert!(data == decoded(&format, plain).unwrap(), "{compressor}");
    }
}
