use super::*;
use crate::config::{FormatOptions, Framework, Located};
use crate::format::fixture::{at, key, present, profile};

const GUID: &str = "7f9c24e5-1c2b-4b1f-9d0e-8a1d2c3b4e5f";
/// Written in Python after Microsoft's documentation: master key 0..64, purposes `shop` and `SessionMiddleware`.
const COOKIE: &str = ".AspNetCore.Session=CfDJ8EEhc4CP7IBLr5zE0tH%2FiQFkZWZnaGlqa2xtbm9wcXJzyMnKy8zNzs%2FQ0dLT1NXW1%2F%2FxPg8\
    FUxHSzyh9eRIXscj4Q3zGteI5bi6ly6tyxSSONEHPsQi478NbrT7u09q51kwldbN6JCkQ0w6t7dAlZVO4TWDLscirDSA8ZQ5%2B1FvW";
/// The same keys and purposes, `../other` inside.
const NO_GUID: &str = ".AspNetCore.Session=CfDJ8EEhc4CP7IBLr5zE0tH/iQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAL0J46ZXDAJPv\
    zn72XMNQSHvHbzvxo3AsIjqv09UQXF9QYiF/QUOM74Fs8vooCwuMA";

fn keys(lengths: &[u8]) -> Vec<Located<Secret>> {
    lengths.iter().map(|length| at(Secret::new((0..*length).collect()))).collect()
}

fn aspnet(application: &str, serializer: &str) -> Aspnet {
    let options = FormatOptions {
        secrets: keys(&[64]),
        cookie_prefix: Some(at(application.to_owned())),
        serializer: Some(at(serializer.to_owned())),
        ..FormatOptions::default()
    };
    Aspnet::new(&profile(Framework::Aspnet, options)).unwrap()
}

fn decode(serializer: &str, fields: &[(&str, &[u8])]) -> Result<Decoded, Reject> {
    let fields = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
    let aspnet = aspnet("shop", serializer);
    let Some(Ok(lookup)) = present(&aspnet, COOKIE) else { panic!("a session") };
    aspnet.decode(&Record::Hash(fields), &lookup)
}

fn entry(name: &str, value: &[u8]) -> Vec<u8> {
    let (short, long) = ((name.len() as u16).to_be_bytes(), (value.len() as u32).to_be_bytes());
    [&short[..], name.as_bytes(), &long, value].concat()
}

fn data(count: u8, entries: &[Vec<u8>]) -> Vec<u8> {
    [&[2, 0, 0, count][..], &[7; 16], &entries.concat()].concat()
}

#[test]
fn a_cookie_of_another_application_or_purpose_does_not_open() {
    for application in ["", "other", "Shop"] {
        assert_eq!(key(&aspnet(application, "text"), COOKIE), Err(Reject::BadSignature { secrets: 1 }));
    }
}

#[test]
fn what_is_inside_must_be_a_guid() {
    let inside = Reject::MalformedCookie("no session key of 36 characters inside");
    assert_eq!(key(&aspnet("shop", "text"), NO_GUID), Err(inside));
    assert_eq!(key(&aspnet("shop", "text"), COOKIE), Ok(GUID.into()));
}

#[test]
fn a_master_key_has_64_bytes() {
    let options = FormatOptions { secrets: keys(&[32]), ..FormatOptions::default() };
    let errors = Aspnet::new(&profile(Framework::Aspnet, options)).unwrap_err();
    assert!(errors.iter().any(|error| error.found == "a master key of another length"), "{errors:?}");
}

#[test]
fn hostile_data_is_refused_by_name() {
    let one = entry("a", b"b");
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("nothing", vec![], "ends in the middle"),
        ("revision 1", vec![1], "another revision than 2"),
        ("an entry less than it says", data(2, std::slice::from_ref(&one)), "ends in the middle"),
        ("an entry more", data(0, std::slice::from_ref(&one)), "bytes after the entries"),
        (
            "a value of 4 GiB",
            data(1, &[[0, 0, 0xff, 0xff, 0xff, 0xff].to_vec()]),
            "a length of 4294967295 where 0",
        ),
        ("a name beyond the end", data(1, &[[0xff, 0xff].to_vec()]), "a length of 65535 where 0"),
        ("a name that is no text", data(1, &[[0, 1, 0xff, 0, 0, 0, 0].to_vec()]), "a name that is not UTF-8"),
        ("sixteen million entries", vec![2, 0xff, 0xff, 0xff], "a length of 16"),
    ];
    for (case, data, expected) in cases {
        let Err(Reject::Undecodable(error)) = decode("text", &[("absexp", b"-1"), ("data", data)]) else {
            panic!("{case}")
        };
        assert!(error.to_string().contains(expected), "{case}: {error}");
    }
}

#[test]
fn a_hash_without_its_fields_is_no_session() {
    let data = data(0, &[]);
    for fields in
        [vec![("data", data.as_slice())], vec![("absexp", b"-1")], vec![("absexp", b"x"), ("data", &data)]]
    {
        assert!(matches!(decode("text", &fields), Err(Reject::Undecodable(_))));
    }
}

#[test]
fn an_absolute_end_is_in_ticks() {
    let end = |ticks: &[u8]| decode("text", &[("absexp", ticks), ("data", &data(0, &[]))]).unwrap().ends_at;
    assert_eq!(end(b"638355968000000000"), Some(UnixMillis::from_secs(1_700_000_000)));
    assert_eq!(end(b"-1"), None);
    assert_eq!(end(b"0"), Some(UnixMillis::new(0)));
}

#[test]
fn four_bytes_are_a_number_unless_they_may_be_text() {
    let entries = [
        entry("id", &[0, 0, 0, 42]),
        entry("name", b"acme"),
        entry("raw", &[0xff]),
        entry("long", "Ål".as_bytes()),
    ];
    let data = data(4, &entries);
    let read = |serializer| decode(serializer, &[("absexp", b"-1"), ("data", &data)]).unwrap().data;
    assert!(read("text").get("id") == Some(&Value::Int(42)));
    assert!(read("text").get("name") == Some(&Value::Text("acme".to_owned())));
    assert!(read("text").get("raw") == Some(&Value::Bytes(vec![0xff])));
    assert!(read("text").get("long") == Some(&Value::Text("Ål".to_owned())));
    assert!(read("int32").get("name") == Some(&Value::Int(0x6163_6d65)));
}
