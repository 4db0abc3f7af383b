use proptest::prelude::*;

use super::*;

/// What a stream came to: the heads that passed (with their upgrade flag), all passed bytes, and how it ended.
#[derive(Debug, Default, PartialEq)]
struct Run {
    heads: Vec<(Vec<u8>, bool)>,
    passed: Vec<u8>,
    end: Option<ParseError>,
}

/// Feeds a stream in the given pieces, as the guard does.
fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Run {
    let mut sieve = Sieve::new(&Limits::few());
    let (mut held, mut run) = (Vec::new(), Run::default());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let taken = match sieve.step(&held) {
                Step::Head { bytes, upgrade } => {
                    run.heads.push((held[..bytes].to_vec(), upgrade));
                    run.passed.extend_from_slice(&held[..bytes]);
                    bytes
                }
                Step::Pass(bytes) => {
                    run.passed.extend_from_slice(&held[..bytes]);
                    bytes
                }
                Step::Skip(bytes) => bytes,
                Step::More | Step::Hold => break,
                Step::Refuse(error) | Step::Break(error) => {
                    run.end = Some(error);
                    return run;
                }
            };
            held.drain(..taken);
        }
    }
    run
}

fn whole(stream: &[u8]) -> Run {
    run([stream])
}

fn bytewise(stream: &[u8]) -> Run {
    run(stream.chunks(1))
}

fn refusal(stream: &str) -> Option<ParseError> {
    assert_eq!(bytewise(stream.as_bytes()).end, whole(stream.as_bytes()).end, "{stream:?}");
    whole(stream.as_bytes()).end
}

#[test]
fn a_bare_line_end_is_refused_as_soon_as_it_is_seen() {
    for stream in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nA: b\n", "GET / HTTP/1.1\rH", "\n", "\rG", "G\r\rG"]
    {
        assert_eq!(refusal(stream), Some(ParseError::BareLineEnd), "{stream:?}");
    }
}

#[test]
fn what_cannot_begin_a_request_is_refused_at_its_first_byte() {
    for stream in ["\x16\x03\x01", " GET", "\0", "\u{e9}"] {
        assert_eq!(refusal(stream), Some(ParseError::BadRequestLine), "{stream:?}");
    }
}

#[test]
fn one_empty_line_before_a_request_is_dropped_and_a_second_refused() {
    let head = b"GET / HTTP/1.1\r\n\r\n";
    let stream = [b"\r\n", &head[..], b"\r\n", head].concat();
    assert_eq!(whole(&stream).passed, [&head[..], head].concat());
    assert_eq!(refusal("\r\n\r\nGET"), Some(ParseError::BadRequestLine));
}

#[test]
fn a_head_is_refused_at_the_limit_and_not_before() {
    let head = |bytes: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(bytes - 23));
    assert_eq!(whole(head(32 * 1024).as_bytes()).heads.len(), 1);
    assert_eq!(refusal(&head(32 * 1024 + 1)), Some(ParseError::HeadTooLarge));
    assert_eq!(refusal(&"a".repeat(32 * 1024)), Some(ParseError::HeadTooLarge));
}

#[test]
fn nothing_behind_a_refused_head_is_looked_at() {
    let mut sieve = Sieve::new(&Limits::few());
    assert_eq!(sieve.step(b"GET ? HTTP/1.1\r\n\r\n"), Step::Refuse(ParseError::BadTarget));
    assert_eq!(sieve.step(b"GET / HTTP/1.1\r\n\r\n"), Step::Hold);
    assert_eq!(sieve.awaits(), Awaits::Nothing);
}

#[test]
fn nothing_behind_an_upgrade_passes_before_it_is_settled() {
    let head = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    for tunnel in [true, false] {
        let mut sieve = Sieve::new(&Limits::few());
        assert_eq!(sieve.step(head), Step::Head { bytes: head.len(), upgrade: true });
        assert_eq!(sieve.step(b"\x81\x00"), Step::Hold);
        sieve.settle(tunnel);
        let expected = if tunnel { Step::Pass(2) } else { Step::Refuse(ParseError::BadRequestLine) };
        assert_eq!(sieve.step(b"\x81\x00"), expected);
    }
}

#[test]
fn a_request_in_the_body_of_another_is_body() {
    let stream =
        b"GET /a HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    let heads: Vec<_> = whole(stream).heads.into_iter().map(|(head, _)| head[..6].to_vec()).collect();
    assert_eq!(heads, [b"GET /a", b"GET /b"]);
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just("GET / HTTP/1.1\r\n"),
        2 => Just("POST /p?q HTTP/1.1\r\n"),
        1 => Just("OPTIONS * HTTP/1.0\r\n"),
        4 => Just("Host: a\r\n"),
        2 => Just("Content-Length: 5\r\n"),
        2 => Just("Transfer-Encoding: chunked\r\n"),
        1 => Just("Upgrade: h2c\r\n"),
        6 => Just("\r\n"),
        2 => Just("hello"),
        2 => Just("5\r\nhello\r\n0\r\n\r\n"),
        1 => Just("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n"),
        1 => Just("\n"),
        1 => Just("\r"),
        1 => Just(" "),
        1 => Just(":"),
    ];
    let bytes = prop_oneof![
        6 => piece.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(bytes, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_a_stream_is_cut_it_comes_to_the_same(stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let cut = run(cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]));
        let (whole, bytewise) = (whole(&stream), bytewise(&stream));
        prop_assert_eq!(&cut.heads, &whole.heads);
        prop_assert_eq!(&cut.end, &whole.end);
        prop_assert_eq!(&bytewise.heads, &whole.heads);
        prop_assert_eq!(&bytewise.end, &whole.end);
        // In front of a broken chunk a slower client gets more of the body through, and never less.
        prop_assert!(bytewise.passed.starts_with(&cut.passed));
        prop_assert!(cut.passed.starts_with(&whole.passed));
    }

    #[test]
    fn random_bytes_never_panic(stream in prop::collection::vec(any::<u8>(), 0..200)) {
        whole(&stream);
    }

    #[test]
    fn a_head_that_passes_is_free_of_what_two_parsers_could_read_differently(stream in stream()) {
        for (head, _) in whole(&stream).heads {
            let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
            prop_assert!(!has_bare_line_end(&head));
            let names = text.split("\r\n").filter_map(|line| line.split(':').next()).map(str::trim);
            prop_assert!(names.filter(|name| matches!(*name, "content-length" | "transfer-encoding")).count() <= 1);
            prop_assert!(!text.contains("\r\n ") && !text.contains("\r\n\t"));
        }
    }
}

/// Not a claim but a number: `cargo test --release judging -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn judging_a_browser_head() {
    let cookie = format!("cookie: sid={}\r\n", "a".repeat(120));
    let head = format!(
        "GET /api/orders/12?page=3 HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\naccept: application/json, */*\r\n\
         accept-language: en-GB,en;q=0.9\r\naccept-encoding: gzip, deflate, br, zstd\r\nreferer: \
         https://shop.example.com/orders\r\nsec-fetch-dest: empty\r\nsec-fetch-mode: cors\r\nsec-fetch-site: \
         same-origin\r\nconnection: keep-alive\r\n{cookie}\r\n"
    );
    let mut sieve = Sieve::new(&Limits::few());
    let begin = std::time::Instant::now();
    for _ in 0..1_000_000 {
        let step = sieve.step(std::hint::black_box(head.as_bytes()));
        assert!(matches!(step, Step::Head { .. }));
    }
    println!("{} bytes: {} ns", head.len(), begin.elapsed().as_nanos() / 1_000_000);
}
