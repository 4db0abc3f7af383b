use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    id: String,
    r#ref: String,
    #[serde(default)]
    proto: String,
    #[serde(default)]
    raw: serde_json::Value,
    expect: String,
}

/// `{a*n}` is `a` n times; characters are bytes.
fn bytes(raw: &str) -> Vec<u8> {
    let mut text = raw.to_owned();
    while let Some(start) = text.find("{a*") {
        let end = start + text[start..].find('}').unwrap();
        let count: usize = text[start + 3..end].parse().unwrap();
        text.replace_range(start..=end, &"a".repeat(count));
    }
    text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect()
}

/// The cases that this room alone decides, from the list of real attacks.
fn cases() -> Vec<Case> {
    let refs =
        ["D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D11", "D12", "B11", "B12", "F3"];
    include_str!("../../../../tests/security/cases.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Case>(line).unwrap())
        .filter(|case| case.proto == "h1" && case.raw.is_string())
        .filter(|case| refs.contains(&case.r#ref.as_str()) || case.id == "trace")
        // Decided by a deadline.
        .filter(|case| case.expect != "timeout_408")
        .collect()
}

/// Sends a case in pieces of that size and returns how many whole requests were made of it. A case that may pass is
/// followed by bytes that no request begins with, so that every case ends with a close.
fn requests_made_of(case: &Case, piece: usize) -> usize {
    let world = World::new(Limits::few());
    let mut client = world.client();
    let mut stream = bytes(case.raw.as_str().unwrap());
    if case.expect != "reject" {
        stream.extend([0; 16]);
    }
    for piece in stream.chunks(piece) {
        // The other end may have refused and closed already.
        if client.stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = client.stream.read_to_end(&mut client.read);
    let answer = String::from_utf8_lossy(&client.read).into_owned();
    assert!(answer.starts_with("HTTP/1.1 "), "{}: {answer:?}", case.id);
    world.seen().iter().filter(|line| !line.starts_with("refused") && !line.starts_with("broken")).count()
}

#[test]
fn every_listed_framing_attack_is_refused_and_every_sound_case_passes() {
    let cases = cases();
    assert!(cases.len() > 90, "{}", cases.len());
    for case in &cases {
        let made = requests_made_of(case, usize::MAX);
        let sound = match case.expect.as_str() {
            "reject" => made == 0,
            "one_or_reject" | "no_unauth" => made <= 1,
            "forward_clean" => made == 1,
            "two_clean" => made == 2,
            other => panic!("{}: {other}", case.id),
        };
        assert!(sound, "{}: {made} requests where {} is due", case.id, case.expect);
    }
}

#[test]
fn byte_by_byte_every_case_comes_to_the_same() {
    for case in cases().iter().filter(|case| case.raw.as_str().unwrap().len() < 300) {
        assert_eq!(requests_made_of(case, 1), requests_made_of(case, usize::MAX), "{}", case.id);
    }
}

/// Runs a stream through guard and hyper in memory; returns what the handler saw and the raw answers.
fn serve_in_memory(stream: &[u8]) -> (Vec<String>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let world = deadlines::Memory::new(Limits::few());
        let mut client = world.client();
        client.write_all(stream).await.unwrap();
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.unwrap();
        (world.seen(), String::from_utf8_lossy(&answers).into_owned())
    })
}

fn head() -> impl Strategy<Value = Vec<u8>> {
    let printable = prop::collection::vec(0x20_u8..0x7f, 0..20);
    let anything = prop::collection::vec(any::<u8>(), 0..20);
    let names = vec!["a", "Host", "Expect", "Connection", "Upgrade", "Content-Length", "x_y"];
    let value = prop_oneof![4 => printable.clone(), 1 => anything.clone()];
    let field = (prop::sample::select(names), value)
        .prop_map(|(name, value)| [name.as_bytes(), b": ", &value[..], b"\r\n"].concat());
    let start = prop::sample::select(vec!["/", "/?", "http://", "http://h", "*", ""]);
    let visible = prop::collection::vec(0x21_u8..0x7f, 0..20);
    let method = prop::sample::select(vec!["GET", "OPTIONS", "PoST", "!#$%&'*+-.^_`|~"]);
    let version = prop::sample::select(vec!["1.1", "1.1", "1.0", "2.0"]);
    let rest = prop_oneof![8 => visible, 1 => printable, 1 => anything];
    (method, start, rest, version, prop::collection::vec(field, 0..3)).prop_map(
        |(method, start, rest, version, fields)| {
            let version = format!(" HTTP/{version}\r\n");
            let line = [method.as_bytes(), b" ", start.as_bytes(), &rest, version.as_bytes()].concat();
            [line, fields.concat(), b"\r\n".to_vec()].concat()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // A head that hyper refuses by itself is answered with an empty body; our answers are never empty.
    #[test]
    fn hyper_refuses_nothing_that_the_guard_passed(head in head()) {
        let (seen, answers) = serve_in_memory(&head);
        prop_assert_eq!(seen.is_empty(), answers.is_empty(), "{:?} {}", seen, answers);
        prop_assert!(!answers.contains("content-length: 0"), "{}", answers);
    }

    #[test]
    fn random_bytes_make_no_request(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        let (seen, _) = serve_in_memory(&bytes);
        prop_assert!(seen.iter().all(|line| line.starts_with("refused")), "{seen:?}");
    }
}
