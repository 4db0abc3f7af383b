use super::*;
use crate::codec::shown::{hex, shown};
use proptest::prelude::*;

/// A hash in the shape of a Devise session: links to a symbol and to a string, a bignum, a float.
const RECORD: &str = concat!(
    "04087b094922197761726465",
    "6e2e757365722e757365722e6b6579063a0645545b075b06692f492222243261243034247172705a49584a41515a64523267312f6230626b5065",
    "063b0054492208626967063b00546c2b09ffffffffffff1f0049220a73636f7265063b00546608312e3549220a616761696e063b00544006",
);

fn said(input: &[u8]) -> String {
    match read(&[b"\x04\x08", input].concat(), Limits::default()) {
        Ok(value) => shown(&value),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_only_ruby_could_resolve_is_refused_by_tag_and_name() {
    let hostile: [(&[u8], &str); 12] = [
        (b"c\x0bString", "`c` of `String` could only be resolved by running code at byte 10"),
        (b"m\x0bKernel", "`m` of `Kernel` could only"),
        (b"M\x0bObject", "`M` of `Object` could only"),
        (b"e:\x06Ae:\x08ERBo:\x0bObject\0", "`e` of `ERB` could only"),
        (b"d:\x08Foo0", "`d` of `Foo` could only"),
        // The chains of Ruby 2.x to 3.x begin with one of these.
        (b"[\x07c\x15Gem::SpecFetcherc\x13Gem::Installer", "`c` of `Gem::SpecFetcher` could only"),
        (
            b"U:\x15Gem::Requirement[\x06o:\x1cGem::Package::TarReader\x00",
            "`U` of `Gem::Requirement` could only",
        ),
        (b"o:\x1dGem::Package::TarReader::X\0", "`o` of `Gem::Package::TarReader:` could only"),
        (b"u:\x11Gem::Version\x061", "`u` of `Gem::Version"),
        (b"o:\x16Net::WriteAdapter\x07", "`o` of `Net::WriteAdapter"),
        (b"o:\x08ERB\x06:\x09@src0", "`o` of `ERB` could only"),
        (
            b"o:\x40ActiveSupport::Deprecation::DeprecatedInstanceVariableProxy\0",
            "`o` of `ActiveSupport::Deprecation::",
        ),
    ];
    for (input, expected) in hostile {
        let said = said(input);
        assert!(said.starts_with(expected), "{}: {said}", input.escape_ascii());
    }
}

#[test]
fn an_extended_object_is_the_object_and_counts_once() {
    // Written by Ruby 3.1: a text, a hash, an object and a subclass of Hash, each extended, then links to the first and third.
    let dump = b"[\x0bIe:\x06Ne:\x06M\"\x06a\x06:\x06ETe;\x06{\x06i\x06i\x07e;\x06o:\x0bObject\x06:\x07@ki\x06e;\x00C:\x06H{\x00@\x06@\x08";
    let plain = b"[\x0bI\"\x06a\x06:\x06ET{\x06i\x06i\x07o:\x0bObject\x06:\x07@ki\x06C:\x06H{\x00@\x06@\x08";
    assert_eq!(said(dump), said(plain));
    assert_eq!(said(b"e:\x06Mi\x06"), "an extension of what has none at byte 7");
    let deep = [b"e:\x06M".repeat(20_000), b"{\0".to_vec()].concat();
    assert!(said(&deep).starts_with("more than 10000 values"), "{}", said(&deep));
}

#[test]
fn lengths_are_checked_against_what_is_there() {
    let table: [(&[u8], &str); 8] = [
        (b"{\x04\xff\xff\xff\x7f", "a length of 2147483647 where 0 are possible at byte 8"),
        (b"[\x04\xff\xff\xff\x7f00", "a length of 2147483647 where 2"),
        (b"\"\x04\xff\xff\xff\x7fab", "a length of 2147483647 where 2"),
        (b"\"\xfa", "a negative length"),
        (b"[\xff\x00", "a negative length"),
        (b"l+\x04\xff\xff\xff\x7f", "a length of 2147483647 where 0"),
        (b"o:\x08Foo\x04\xff\xff\xff\x7f", "a length of 2147483647 where 0"),
        (b":\xfc\0\0\0\x80", "a negative length"),
    ];
    for (input, expected) in table {
        let said = said(input);
        assert!(said.starts_with(expected), "{}: {said}", input.escape_ascii());
    }
}

#[test]
fn an_integer_of_a_kilobyte_is_not_written_out() {
    let mut input = b"l+\x02\x02\x02".to_vec();
    input.resize(5 + 0x202 * 2, 0x7f);
    assert!(said(&input).starts_with("a length of 1028 where 1024"));
}

#[test]
fn depth_and_link_bombs_are_refused_by_their_limit() {
    assert!(said(&[b"[\x06".repeat(70), b"0".to_vec()].concat()).starts_with("nested deeper than 64"));
    assert!(said(&b"U:\x06A".repeat(70)).starts_with("nested deeper than 64"));
    assert!(said(&b"C:\x06A".repeat(70)).starts_with("a subclass of what has none"));
    assert!(said(&b"I".repeat(70)).starts_with("no such tag in Marshal"));
    // A list of lists, each of ten links to the one before.
    let mut laughs = b"[\x12[\x00".to_vec();
    for level in 1..=12_u8 {
        laughs.extend_from_slice(b"[\x0f");
        laughs.extend_from_slice(&[b'@', level + 5].repeat(10));
    }
    assert!(said(&laughs).starts_with("more than 10000 values"), "{}", said(&laughs));
}

#[test]
fn a_long_text_that_is_linked_again_counts_with_all_its_bytes() {
    let text = [b"\"\x02\0\x40".to_vec(), vec![b'a'; 0x4000]].concat();
    let input = [b"[\x19".to_vec(), text, b"@\x06".repeat(19)].concat();
    assert!(said(&input).starts_with("a length of 278528 where 262144"), "{}", said(&input));
}

#[test]
fn a_container_inside_itself_is_cut_to_null() {
    assert_eq!(said(b"[\x06@\0"), "[null]");
    assert_eq!(said(b"{\x06i\x06@\0"), r#"{"1":null}"#);
    assert_eq!(said(b"o:\x08Foo\x06:\x08@me@\0"), r#"Foo{"me":null}"#);
    assert_eq!(said(b"U:\x08Foo[\x06@\0"), r#"Foo{"marshal_dump":[null]}"#);
}

#[test]
fn links_to_nothing_and_other_versions_are_refused() {
    assert!(said(b"@\x06").starts_with("a reference to nothing"));
    assert!(said(b";\0").starts_with("a reference to nothing"));
    assert!(said(b"@\xfa").starts_with("a negative length"));
    for version in [b"\x04\x09", b"\x03\x08", b"\x05\x00"] {
        let error = read(&[version.as_slice(), b"0"].concat(), Limits::default()).unwrap_err();
        assert!(error.to_string().starts_with("not Marshal 4.8"));
    }
    assert!(read(b"\x04\x070", Limits::default()).is_ok());
    assert!(said(b"00").starts_with("more after the Marshal stream"));
}

#[test]
fn the_packed_integer_is_exact_on_both_sides_of_every_edge() {
    let table: [(&[u8], &str); 12] = [
        (b"i\0", "0"),
        (b"i\x06", "1"),
        (b"i\xfa", "-1"),
        (b"i\x7f", "122"),
        (b"i\x80", "-123"),
        (b"i\x01\x7b", "123"),
        (b"i\xff\x84", "-124"),
        (b"i\xff\0", "-256"),
        (b"i\x02\0\x01", "256"),
        (b"i\xfe\xff\xfe", "-257"),
        (b"i\x04\xff\xff\xff\x3f", "1073741823"),
        (b"i\xfc\0\0\0\xc0", "-1073741824"),
    ];
    for (input, expected) in table {
        assert_eq!(said(input), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn the_object_table_counts_what_ruby_counts() {
    // 0 the array, 1 a float, 2 a bignum, 3 a string; small integers, nil, booleans and symbols are not in it.
    assert_eq!(
        said(b"[\x0ef\x081.5l+\x07\0\0\0\x40i\x06T:\x06aI\"\x06b\x06:\x06ET@\x06@\x07@\x08"),
        r#"[1.5,1073741824,1,true,"a","b",1.5,1073741824,"b"]"#
    );
    // A `u` is counted after the strings among its instance variables: 1 the zone's name, 2 the time.
    assert_eq!(
        said(b"[\x08Iu:\x09Time\x0d\x20\x80\x1b\xc0\0\0\0\0\x06:\x09zoneI\"\x08UTC\x06:\x06EF@\x06@\x07"),
        r#"["2010-01-01T00:00:00Z","UTC","2010-01-01T00:00:00Z"]"#
    );
    // A `U` before its data: 1 the object, 2 the array, 3 the string.
    assert_eq!(
        said(b"[\x08U:\x08Foo[\x06\"\x06a@\x08@\x06"),
        r#"[Foo{"marshal_dump":["a"]},"a",Foo{"marshal_dump":["a"]}]"#
    );
}

#[test]
fn strings_are_text_as_their_encoding_says() {
    assert_eq!(said(b"\"\x07a\x00"), r#"b"a\x00""#);
    assert_eq!(said(b"\"\x07\xc3\x85"), r#"b"\xc3\x85""#);
    assert_eq!(said(b"I\"\x07\xc3\x85\x06:\x06ET"), r#""Å""#);
    assert_eq!(said(b"I\"\x06\xff\x06:\x06ET"), r#"b"\xff""#);
    assert_eq!(said(b"I\"\x06\xc5\x06:\x0dencoding\"\x0fISO-8859-1"), r#""Å""#);
    assert_eq!(said(b"I\"\x07a\0\x06:\x0dencoding\"\x0dUTF-16LE"), r#"b"a\x00""#);
    assert_eq!(said(b"I\"\x06a\x06:\x0dencoding\"\x0eShift_JIS"), r#""a""#);
}

#[test]
fn objects_are_their_variables_under_bare_names() {
    assert_eq!(said(b"o:\x08Foo\x07:\x08@idi/:\x06bT"), r#"Foo{"id":42,"b":true}"#);
    assert_eq!(said(b"S:\x0aPoint\x07:\x06xi\x06:\x06yi\x07"), r#"Point{"x":1,"y":2}"#);
    assert_eq!(said(b"o:\x08Set\x06:\x0a@hash}\x07i\x06Ti\x07TF"), "[1,2]");
    assert_eq!(
        said(b"C:-ActiveSupport::HashWithIndifferentAccess{\x06I\"\x06a\x06:\x06ETi\x06"),
        r#"{"a":1}"#
    );
    assert_eq!(said(b"IC:\x1eActiveSupport::SafeBuffer\"\x06a\x06:\x06ET"), r#""a""#);
    assert_eq!(said(b"/\x06a\0"), r#""a""#);
    assert_eq!(said(b"[\x08e:\x06Ae:\x06B[\x06i\x06e;\0\"\x06a@\x06"), r#"[[1],"a",[1]]"#);
    assert_eq!(said(b"e:\x06Ai\x06"), "an extension of what has none at byte 7");
    assert_eq!(said(b"[\x08f\x08inff\x09-inff\x08nan"), "[inf,-inf,NaN]");
}

#[test]
fn moments_and_decimals_are_text() {
    assert_eq!(said(b"u:\x0fBigDecimal\x0f18:0.125e2"), r#""12.5""#);
    assert_eq!(said(b"u:\x0fBigDecimal\x0f18:-0.1e-1"), r#""-0.01""#);
    assert_eq!(said(b"u:\x0fBigDecimal\x0d9:0.12e4"), r#""1200.0""#);
    assert_eq!(said(b"u:\x0fBigDecimal\x0f9:0.1e9999"), r#""0.1e9999""#);
    assert_eq!(said(b"u:\x0fBigDecimal\x0a9:NaN"), r#""NaN""#);
    // Date.new(2024, 2, 29) has the Julian day 2460370.
    assert_eq!(said(b"U:\x09Date[\x0bi\0i\x03\xd2\x8a%i\0i\0i\0f\x0c2299161"), r#""2024-02-29""#);
    assert_eq!(
        said(b"U:\x0dDateTime[\x0bi\0i\x03\xd2\x8a%i\x02\x10\x0ei\0i\0i\0"),
        r#""2024-02-29T01:00:00Z""#
    );
    assert_eq!(
        said(b"U:\x20ActiveSupport::TimeWithZone[\x08Iu:\x09Time\x0d\x20\x80\x1b\xc0\0\0\0\0\0\"\x08UTC0"),
        r#""2010-01-01T00:00:00Z""#
    );
    assert_eq!(said(b"u:\x08Foo\x06a"), r#"Foo{"_dump":b"a"}"#);
}

#[test]
fn a_record_reads_as_ruby_reads_it() {
    let value = read(&hex(RECORD), Limits::default()).unwrap();
    assert_eq!(
        shown(&value),
        concat!(
            r#"{"warden.user.user.key":[[42],"$2a$04$qrpZIXJAQZdR2g1/b0bkPe"],"big":9007199254740991,"score":1.5,"#,
            r#""again":"warden.user.user.key"}"#
        )
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_prefix(&[b"\x04\x08".as_slice(), &bytes].concat(), Limits::default());
    }

    #[test]
    fn mutated_records_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = hex(RECORD);
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        let _ = read_prefix(&bytes, Limits::default());
    }

    #[test]
    fn a_record_cut_short_is_refused(cut: prop::sample::Index) {
        let bytes = hex(RECORD);
        prop_assert!(read_prefix(&bytes[..cut.index(bytes.len())], Limits::default()).is_err());
    }
}
