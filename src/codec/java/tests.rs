use proptest::prelude::*;

use crate::codec::java::read;
use crate::codec::{DecodeError, Limits, Value};

/// Written by the JDK 17; the recipe is beside it.
const OBJECTS: &str = include_str!("../../../tests/java/objects.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn object(name: &str) -> Vec<u8> {
    let line = OBJECTS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    bytes(line.unwrap_or_else(|| panic!("no {name}")))
}

fn decode(input: &[u8]) -> Result<Value, DecodeError> {
    read(input, Limits::default())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list<const N: usize>(items: [Value; N]) -> Value {
    Value::List(items.into())
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn expect(cases: &[(&str, Value)]) {
    for (name, expected) in cases {
        let value = decode(&object(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(value == *expected, "{name}: {value:?} {:?}", value.as_text());
    }
}

/// A class description without fields: name, serialVersionUID, flags.
fn class(name: &str, flags: u8) -> Vec<u8> {
    let mut out = vec![0x72, 0, name.len() as u8];
    out.extend(name.bytes());
    out.extend([0; 8]);
    out.extend([flags, 0, 0, 0x78, 0x70]);
    out
}

fn stream(parts: &[&[u8]]) -> Vec<u8> {
    [&[0xac, 0xed, 0, 5][..], &parts.concat()].concat()
}

fn refused(cases: &[(&str, Vec<u8>, &str)]) {
    for (case, input, expected) in cases {
        let message = decode(input).expect_err(case).to_string();
        assert!(message.contains(expected), "{case}: {message}");
    }
}

#[test]
fn hostile_streams_are_refused_by_name() {
    let array = |name: &str, length: &str| stream(&[&[0x75], &class(name, 2), &bytes(length)]);
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("nothing", vec![], "not a Java serialization stream"),
        ("another version", bytes("aced0006 70"), "not a Java serialization stream"),
        ("no value", bytes("aced0005"), "ends in the middle"),
        (
            "an exception",
            object("hostile-exception"),
            "`TC_EXCEPTION` could only be resolved by running code",
        ),
        ("a reset", object("hostile-reset"), "`TC_RESET` inside the value"),
        ("block data", object("hostile-block-data"), "block data where a value must be"),
        (
            "an externalizable of protocol 1",
            object("hostile-externalizable-1"),
            "`SC_EXTERNALIZABLE` of `Objects$Ext` could only be resolved by running code",
        ),
        ("an end mark", bytes("aced0005 78"), "`TC_ENDBLOCKDATA` where a value must be"),
        ("an unknown tag", bytes("aced0005 7f"), "an unknown tag"),
        ("a handle that nobody has", bytes("aced0005 71 007e0000"), "a reference to nothing"),
        ("a handle below the first", bytes("aced0005 71 00000000"), "a reference to nothing"),
        (
            "an array of 2^31-1 objects",
            array("[Ljava.lang.Object;", "7fffffff"),
            "a length of 2147483647 where 0",
        ),
        ("an array of 2^31-1 bytes", array("[B", "7fffffff"), "a length of 2147483647 where 0"),
        ("an array of minus one", array("[I", "ffffffff"), "a negative length"),
        ("an array of no array class", array("a.B", "00000000"), "an array of a class that is no array"),
        (
            "a string of 2^64-1 bytes",
            bytes("aced0005 7c ffffffffffffffff"),
            "a length of 18446744073709551615",
        ),
        ("a string that is UTF-8", bytes("aced0005 74 0004 f09f9880"), "not modified UTF-8"),
        (
            "a block longer than the stream",
            stream(&[&[0x73], &class("A", 3), &bytes("7a 7fffffff")]),
            "a length of 2147483647",
        ),
        ("bytes after the value", bytes("aced0005 70 70"), "bytes after the value"),
    ];
    refused(cases);
}

#[test]
fn hostile_classes_and_depths_are_refused_by_name() {
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("a value of no class", bytes("aced0005 73 70"), "a value of no class"),
        (
            "a class that is not serializable",
            stream(&[&[0x73], &class("A", 0)]),
            "a class that is not serializable",
        ),
        ("a class that is both", stream(&[&[0x73], &class("A", 6)]), "a class that is not serializable"),
        (
            "a string as a class",
            stream(&[&[0x73], &class("A", 3), &bytes("74 0001 61 73 71 007e0002")]),
            "a value where a class must be",
        ),
        (
            "a field of unknown type",
            bytes("aced0005 73 72 0001 41 0000000000000000 02 0001 51 0001 61 78 70"),
            "a field of unknown type",
        ),
        (
            "a constant without a name",
            stream(&[&[0x7e], &class("E", 0x12), &[0x70]]),
            "an enum constant without a name",
        ),
        ("arrays in arrays", object("hostile-depth"), "nested deeper than 64"),
        ("ten to the twentieth laughs", object("hostile-laughs"), "more than 10000 values"),
        ("800 KB in 5", object("hostile-repeats"), "where 262144 are possible"),
        (
            "classes without end",
            stream(&[&[0x73], &class("A", 2)[..16].repeat(9000)]),
            "nested deeper than 64",
        ),
    ];
    refused(cases);
}

#[test]
fn a_descendant_of_itself_is_no_class() {
    // The parent of the class is a reference to the class.
    let input = bytes("aced0005 73 72 0001 41 0000000000000000 02 0000 78 71 007e0000");
    assert!(decode(&input).unwrap_err().to_string().contains("a class inside its own description"));
}

#[test]
fn classes_of_known_exploits_are_names_that_grant_nothing() {
    // What ysoserial's chains are made of. Each alone with a field that its code would use; none is looked up.
    for name in [
        "org.apache.commons.collections.functors.InvokerTransformer",
        "org.apache.commons.collections.functors.ChainedTransformer",
        "org.apache.commons.collections.map.LazyMap",
        "org.apache.commons.collections4.comparators.TransformingComparator",
        "org.apache.commons.beanutils.BeanComparator",
        "com.sun.org.apache.xalan.internal.xsltc.trax.TemplatesImpl",
        "com.sun.rowset.JdbcRowSetImpl",
        "sun.reflect.annotation.AnnotationInvocationHandler",
        "org.codehaus.groovy.runtime.ConvertedClosure",
        "org.springframework.core.SerializableTypeWrapper$MethodInvokeTypeProvider",
        "org.hibernate.engine.spi.TypedValue",
        "com.mchange.v2.c3p0.impl.PoolBackedDataSourceBase",
        "java.rmi.server.UnicastRemoteObject",
        "sun.rmi.server.UnicastRef",
        "java.net.URL",
        "javax.management.BadAttributeValueExpException",
    ] {
        let mut described = class(name, 2);
        described.truncate(described.len() - 4);
        let input = stream(&[
            &[0x73],
            &described,
            &bytes("0001 4c 0004 6e616d65 74 0012 4c6a6176612f6c616e672f537472696e673b 78 70 74 0002 6964"),
        ]);
        let fields = vec![("name".to_owned(), text("id"))];
        assert!(decode(&input) == Ok(Value::Object { class: name.to_owned(), fields }), "{name}");
    }
}

#[test]
fn sets_of_sets_cost_no_hash_codes() {
    assert!(decode(&object("hostile-serial-dos")).is_ok());
}

#[test]
fn every_cut_of_every_object_is_refused() {
    for line in OBJECTS.lines().filter(|line| !line.starts_with("hostile")) {
        let (name, hex) = line.split_once(' ').unwrap();
        let whole = bytes(hex);
        for end in 0..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn a_collection_of_another_size_than_it_says_is_refused() {
    for (name, from, to) in [
        ("array-list", "00000002 7704", "00000003 7704"),
        ("linked-list", "7704 00000002", "7704 00000001"),
        ("hash-map", "7708 00000010 00000001", "7708 00000010 00000002"),
        ("hash-set", "770c 00000010 3f400000 00000001", "770c 00000010 3f400000 00000000"),
        ("list-of", "7704 00000002", "7704 7fffffff"),
        ("vector", "0000000000000002", "00000000000000ff"),
    ] {
        let (from, to) = (bytes(from), bytes(to));
        let mut input = object(name);
        let at =
            input.windows(from.len()).position(|window| window == from).unwrap_or_else(|| panic!("{name}"));
        input[at..at + to.len()].copy_from_slice(&to);
        let message = decode(&input).expect_err(name).to_string();
        assert!(message.contains("a collection of another size than it says"), "{name}: {message}");
    }
}

#[test]
fn boxes_are_what_is_in_them() {
    expect(&[
        ("null", Value::Null),
        ("string", text("Åz\0😀")),
        ("lone-surrogate", Value::Bytes(b"\xed\xa0\xbd".to_vec())),
        ("byte", Value::Int(-3)),
        ("short", Value::Int(-3)),
        ("int", Value::Int(42)),
        ("long", Value::Int(9_007_199_254_740_993)),
        ("char", text("é")),
        ("bool", Value::Bool(true)),
        ("float", Value::Float(0.5)),
        ("double", Value::Float(1.5)),
        ("atomic-int", Value::Int(6)),
        ("atomic-long", Value::Int(5)),
        ("enum", text("ADMIN")),
        ("enum-body", text("EDITOR")),
        ("big-integer", Value::BigInt("-123456789012345678901234567890".to_owned())),
        ("big-integer-small", Value::Int(-42)),
        ("big-integer-zero", Value::Int(0)),
        ("big-decimal", text("-12345678901234567890.05")),
        ("big-decimal-small", text("0.005")),
        ("uuid", text("7f9c24e5-1c2b-4b1f-9d0e-8a1d2c3b4e5f")),
    ]);
}

#[test]
fn collections_of_the_jdk_are_lists() {
    for name in [
        "array-list",
        "linked-list",
        "vector",
        "stack",
        "as-list",
        "array",
        "array-deque",
        "cow-list",
        "cow-set",
        "list-of",
        "to-list",
        "unmodifiable-list",
        "unmodifiable-linked",
        "synchronized-list",
        "checked-list",
    ] {
        expect(&[(name, list([text("a"), Value::Int(1)]))]);
    }
    for name in [
        "hash-set",
        "linked-set",
        "tree-set",
        "set-of",
        "set-from-map",
        "unmodifiable-set",
        "single-list",
        "single-set",
    ] {
        expect(&[(name, list([text("a")]))]);
    }
    for name in ["empty-list", "empty-set", "list-of-none"] {
        expect(&[(name, list([]))]);
    }
    expect(&[("enum-set", list([text("ADMIN")])), ("priority-queue", list([text("a"), text("b")]))]);
}

#[test]
fn maps_of_the_jdk_are_maps() {
    for name in [
        "hash-map",
        "linked-map",
        "tree-map",
        "hashtable",
        "concurrent-map",
        "skip-list-map",
        "identity-map",
        "properties",
        "map-of",
        "single-map",
        "own-map",
        "unmodifiable-map",
        "synchronized-map",
    ] {
        expect(&[(name, map([("k", Value::Int(1))]))]);
    }
    expect(&[
        ("empty-map", map([])),
        ("enum-map", map([("ADMIN", Value::Int(1))])),
        ("int-keys", map([("5", text("v"))])),
        ("null-key", list([list([Value::Null, text("v")])])),
        ("map-of-two", map([("a", Value::Int(1)), ("b", Value::Int(2))])),
    ]);
}

#[test]
fn times_are_the_text_that_java_prints() {
    expect(&[
        ("date", text("2023-11-14T22:13:20.123Z")),
        ("date-before", text("1969-12-31T23:59:59.999Z")),
        ("sql-timestamp", text("2023-11-14T22:13:20.123Z")),
        ("instant", text("2023-11-14T22:13:20.123Z")),
        ("duration", text("PT-1.5S")),
        ("local-date", text("2023-02-28")),
        ("time", text("09:05")),
        ("time-hour", text("09:00")),
        ("time-second", text("09:00:07")),
        ("time-nano", text("09:00:00.000000007")),
        ("local-date-time", text("2023-02-28T23:59:58")),
        ("zoned", text("2023-07-01T01:02:03+02:00[Europe/Berlin]")),
        ("zoned-offset", text("2023-07-01T01:02:03+02:00")),
        ("offset-date-time", text("2023-07-01T01:02:03.000004+01:02:03")),
        ("offset-time", text("01:02:03-03:00")),
        ("zone", text("Europe/Berlin")),
        ("zone-offset", text("Z")),
        ("year", text("2023")),
        ("year-month", text("2023-07")),
        ("month-day", text("--07-01")),
        ("period", text("P1Y2M3D")),
    ]);
}

#[test]
fn an_object_has_the_fields_of_its_whole_hierarchy_and_itself_is_null() {
    let value = decode(&object("object")).unwrap();
    let Value::Object { class, fields } = &value else { panic!("{value:?}") };
    assert_eq!(class, "Objects$Sub");
    assert_eq!(fields.first().map(|(name, _)| name.as_str()), Some("id"));
    for (name, expected) in [
        ("id", Value::Int(7)),
        ("name", text("sub")),
        ("on", Value::Bool(true)),
        ("b", Value::Int(-1)),
        ("c", text("é")),
        ("l", Value::Int(1 << 40)),
        ("s", Value::Int(-300)),
        ("self", Value::Null),
        ("ints", list([Value::Int(1), Value::Int(-2)])),
        ("raw", Value::Bytes(vec![1, 2])),
        ("grid", list([list([text("a")]), list([])])),
        ("role", text("ADMIN")),
    ] {
        assert!(value.get(name) == Some(&expected), "{name}: {:?}", value.get(name));
    }
    assert!(value.get("t").is_none());
}

#[test]
fn what_custom_code_wrote_is_skipped() {
    let object =
        |class: &str, fields: Vec<(String, Value)>| Value::Object { class: class.to_owned(), fields };
    expect(&[
        ("custom", object("Objects$Custom", vec![("a".to_owned(), Value::Int(1))])),
        ("externalizable", object("Objects$Ext", vec![])),
        ("class", object("java.lang.Class", vec![("name".to_owned(), text("java.lang.String"))])),
        (
            "proxy",
            object("proxy of Objects$Greets", vec![("h".to_owned(), object("Objects$Handler", vec![]))]),
        ),
    ]);
}

#[test]
fn shared_values_appear_wherever_they_are_referred_to() {
    expect(&[
        ("shared", list([list([text("a")]), list([text("a")])])),
        ("inside-itself", list([Value::Null])),
    ]);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&stream(&[&input]));
    }

    #[test]
    fn no_mutation_of_an_object_makes_the_reader_panic(
        line in any::<proptest::sample::Index>(), changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6),
    ) {
        let lines = OBJECTS.lines().collect::<Vec<_>>();
        let mut input = bytes(line.get(&lines).split_once(' ').unwrap().1);
        for (at, byte) in changes {
            let at = usize::from(at) % input.len();
            input[at] = byte;
        }
        let _ = decode(&input);
    }
}
