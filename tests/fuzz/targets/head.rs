//! The head guard: however a stream is cut, it comes to the same pieces, and hyper takes each head that passed.
#![no_main]

use cloakroom::listen::fuzz::{HEADER_BYTES, HEADERS, Piece, sift};
use cloakroom::request::fuzz::judge;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&seed, stream)) = input.split_first() else { return };
    let tunnel = seed & 1 == 1;
    let whole = sift(stream, || stream.len(), tunnel);
    same(&whole, &sift(stream, || 1, tunnel));
    let mut cut = usize::from(seed);
    let uneven = sift(
        stream,
        || {
            cut = (cut * 5 + 3) % 64;
            cut
        },
        tunnel,
    );
    same(&whole, &uneven);
    for piece in &whole {
        if let Piece::Head(head, _) = piece {
            hyper_takes(head);
        }
    }
});

/// Equal but for how much of a broken body passed before the break: more, if more of it had come alone.
fn same(whole: &[Piece], cut: &[Piece]) {
    let broken = matches!(whole.last(), Some(Piece::Broken(_)));
    if !broken {
        assert_eq!(whole, cut);
        return;
    }
    let passed = |pieces: &[Piece]| {
        let heads = pieces.iter().filter(|piece| !matches!(piece, Piece::Body(_))).cloned();
        let body = match pieces {
            [.., Piece::Body(body), Piece::Broken(_)] => body.clone(),
            _ => Vec::new(),
        };
        (heads.collect::<Vec<_>>(), body)
    };
    let ((heads, body), (cut_heads, cut_body)) = (passed(whole), passed(cut));
    assert_eq!(heads, cut_heads);
    assert!(cut_body.starts_with(&body), "a cut stream passed less");
}

/// The steps from bytes to a request that hyper takes; then our own judge looks at that.
fn hyper_takes(bytes: &[u8]) {
    assert!(bytes.len() <= HEADER_BYTES);
    let mut fields = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Request::new(&mut fields);
    assert_eq!(head.parse(bytes), Ok(httparse::Status::Complete(bytes.len())), "hyper finds another end");
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method.unwrap().as_bytes()).unwrap();
    *request.uri_mut() = Uri::try_from(head.path.unwrap()).unwrap();
    assert_eq!(request.uri().to_string().len() >= head.path.unwrap().len(), true, "nothing is cut off");
    *request.version_mut() = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    for field in head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(field.value).unwrap());
    }
    let (head, ()) = request.into_parts();
    let _ = judge(&head);
}
