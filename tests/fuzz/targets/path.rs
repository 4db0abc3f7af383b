//! The judge of paths, against what a lax upstream could make of one that passed.
#![no_main]

use cloakroom::request::{Path, fold};
use http::uri::PathAndQuery;
use percent_encoding::percent_decode;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(target) = PathAndQuery::try_from(input) else { return };
    let Ok(path) = Path::parse(&target) else { return };
    let sent = path.as_str();
    assert_eq!(sent, target.path(), "the path judged is the path sent");
    assert_eq!(path.raw().as_str(), target.as_str(), "what travels on is what was sent");

    // Unescaped once or twice, as upstreams do, with whatever some take for a slash: no segment is a dot segment.
    let once: Vec<u8> = percent_decode(sent.as_bytes()).collect();
    let twice: Vec<u8> = percent_decode(&once).collect();
    for reading in [sent.as_bytes(), &once, &twice] {
        for segment in reading.split(|byte| matches!(byte, b'/' | b'\\')) {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or(segment);
            assert!(!matches!(name, b"." | b".."), "a dot segment");
        }
    }
    assert!(!once.iter().any(|byte| byte.is_ascii_control()), "a control character");
    assert!(std::str::from_utf8(&once).is_ok(), "no UTF-8");

    // The other reading is stable, so that both ways to it compare alike, and `None` means that there is none.
    let folded = path.folded().unwrap_or(sent);
    assert_eq!(fold(sent), folded, "the short way is the long way");
    assert_eq!(fold(folded), folded, "folded twice is folded once");
    let lower = sent.to_ascii_lowercase();
    if sent.len() > 1 {
        assert_eq!(fold(&format!("{lower}/")), folded, "case and a trailing slash are one reading");
    }

    // What is in the path is in its needs.
    let odd = once != sent.as_bytes() && once.iter().any(|byte| matches!(byte, b'%' | b'#' | b'?'));
    let odd = odd || sent.contains("//") || sent.contains(';') || sent.to_ascii_lowercase().contains("%2f");
    assert!(!odd || path.needs() != Default::default(), "an exception nobody has to allow");
});
