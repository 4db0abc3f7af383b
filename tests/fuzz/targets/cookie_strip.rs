//! Stripping session cookies, against every family's way of finding one.
#![no_main]

use cloakroom::config::DuplicateCookie::AsFramework;
use cloakroom::format::cookies;
use cloakroom::request::{Cookies, fuzz::strip};
use cloakroom_fuzz::{NAMES, RULES};
use http::header::COOKIE;
use http::{HeaderValue, Request};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut request = Request::new(());
    for line in input.split(|byte| *byte == b'\n') {
        let Ok(line) = HeaderValue::from_bytes(line) else { return };
        request.headers_mut().append(COOKIE, line);
    }
    let sent: Vec<HeaderValue> = request.headers().get_all(COOKIE).iter().cloned().collect();
    let names = NAMES.map(str::to_owned);
    let kept = strip(request.into_parts().0, &names);

    let left = Cookies::from_headers(&kept);
    for rules in RULES {
        for name in NAMES {
            let found = cookies::pick(&left, name, rules, AsFramework);
            assert!(matches!(found, Ok(None)), "`{name}` travels on: {found:?}");
        }
    }
    // What is left was there, byte for byte and in order.
    let mut pieces = sent.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    for line in kept.get_all(COOKIE) {
        for piece in line.as_bytes().split(|byte| *byte == b';') {
            let same = |sent: &[u8]| sent.trim_ascii_start() == piece.trim_ascii_start();
            assert!(pieces.any(same), "a cookie that was not sent");
        }
    }
});
