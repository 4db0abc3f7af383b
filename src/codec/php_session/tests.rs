use super::*;
use proptest::prelude::*;

fn refusal(read: fn(&[u8], Limits) -> Result<Value, DecodeError>, input: &[u8]) -> String {
    read(input, Limits::default()).unwrap_err().to_string()
}

#[test]
fn a_php_record_that_breaks_off_or_goes_on_is_refused() {
    for (input, refused) in [
        (&b"\0\xff garbage"[..], "a variable without its bar at byte 0"),
        (b"a|i:1;trailing", "a variable without its bar at byte 6"),
        (b"a|", "the record ends in the middle of a value at byte 2"),
        (b"!gone|user_id|i:42;", "a variable marked as undefined at byte 0"),
        (b"a|i:1;!b|i:2;", "a variable marked as undefined at byte 6"),
        (b"a|R:1;", "a reference to nothing that came before at byte 2"),
    ] {
        assert_eq!(refusal(read_php, input), refused);
    }
}

#[test]
fn a_binary_record_that_breaks_off_is_refused() {
    for (input, refused) in [
        (&b"\0\xff garbage"[..], "a tag without its colon at byte 2"),
        (b"\x05a", "a length of 5 where 1 are possible at byte 1"),
        (b"\x81a\x07user_idi:42;", "a variable marked as undefined at byte 0"),
    ] {
        assert_eq!(refusal(read_php_binary, input), refused);
    }
}

#[test]
fn a_session_that_is_no_array_is_refused() {
    assert_eq!(refusal(read_php_serialize, b"i:42;"), "a session that is no array at byte 0");
    assert_eq!(refusal(read_php_serialize, b"O:1:\"A\":0:{}"), "a session that is no array at byte 0");
}

#[test]
fn a_bar_inside_a_string_ends_no_name() {
    let session = read_php(b"pipe|s:9:\"a|b;i:1;}\";user_id|i:42;", Limits::default()).unwrap();
    assert!(session.get("user_id") == Some(&Value::Int(42)));
    assert!(session.get("b;i:1;}\";user_id").is_none());
}

#[test]
fn references_count_across_variables() {
    let session = read_php(b"a|a:1:{i:0;s:1:\"x\";}b|s:1:\"y\";c|R:2;d|R:3;", Limits::default()).unwrap();
    assert!(session.get("c") == Some(&Value::Text("x".to_owned())));
    assert!(session.get("d") == Some(&Value::Text("y".to_owned())));
}

#[test]
fn the_last_of_two_equal_names_counts_and_numbers_are_no_names() {
    let session = read_php(b"id|i:1;7|i:9;id|i:2;", Limits::default()).unwrap();
    assert!(session.get("id") == Some(&Value::Int(2)));
    assert!(session.get("7").is_none());
}

#[test]
fn no_bytes_are_a_session_without_a_variable() {
    for read in [read_php, read_php_binary, read_php_serialize] {
        assert!(read(b"", Limits::default()).unwrap() == Value::Map(vec![]));
    }
    assert!(read_php_serialize(b"a:0:{}", Limits::default()).unwrap() == Value::Map(vec![]));
}

#[test]
fn the_three_handlers_agree() {
    let session = read_php(b"visits|i:1;user|a:1:{s:2:\"id\";i:42;}", Limits::default()).unwrap();
    let binary = read_php_binary(b"\x06visitsi:1;\x04usera:1:{s:2:\"id\";i:42;}", Limits::default()).unwrap();
    let array = read_php_serialize(
        b"a:2:{s:6:\"visits\";i:1;s:4:\"user\";a:1:{s:2:\"id\";i:42;}}",
        Limits::default(),
    );
    assert!(session == binary && session == array.unwrap());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        for read in [read_php, read_php_binary, read_php_serialize] {
            let _ = read(&bytes, Limits::default());
        }
    }

    #[test]
    fn any_variables_are_read_or_refused(text in "([a-c]\\|([ibs]:[0-2];|N;|R:[0-3];|a:1:\\{i:0;N;\\})){0,6}") {
        let _ = read_php(text.as_bytes(), Limits::default());
    }
}
