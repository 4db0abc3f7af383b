//! Field compression (RFC 7541).

use crate::http2::conformance::Ends::{Connection, Good, Harmless, Stream};
use crate::http2::conformance::{COMPRESSION_ERROR, Case, PROTOCOL_ERROR, case, get_block, raw};
use crate::support::h2::{END_HEADERS, END_STREAM, HEADERS, block, frame, integer};

pub(super) fn hpack() -> Vec<Case> {
    let bad = Connection(COMPRESSION_ERROR);
    let mut long = vec![0x00];
    integer(1_000_000, 7, 0, &mut long);
    let indexed: Vec<u8> =
        [&[0x82, 0x86][..], &block(&[(":authority", "gw.test"), (":path", "/open/a")])].concat();
    // `www.example.com`, RFC 7541 C.4.1.
    let huffman = [0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    let coded: Vec<u8> = [&[0x82, 0x86, 0x41][..], &huffman, &block(&[(":path", "/open/a")])].concat();
    let inserted = [&get_block()[..], &[0x40, 1, b'a', 1, b'b']].concat();
    vec![
        case("7541 2.3.1", "fields from the static table", &[whole(1, &indexed)], Good(1)),
        case("7541 2.3.3", "an index beyond both tables", &[raw(&[0xff, 0x0f])], bad),
        case("7541 2.3.3", "a name beyond both tables", &[raw(&[0x7f, 0x1f, 1, b'x'])], bad),
        case("7541 4.2", "a table size behind a field", &[raw(&[0x20])], bad),
        case("7541 5.1", "an integer without end", &[raw(&[0xff; 12])], bad),
        case("7541 5.2", "a string in Huffman's code", &[whole(1, &coded)], Good(1)),
        case(
            "7541 5.2",
            "padding of more than 7 bits",
            &[raw(&[0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 1, b'x'])],
            Harmless,
        ),
        case(
            "7541 5.2",
            "padding with zeros",
            &[raw(&[0x00, 0x83, 0x49, 0x50, 0x90, 1, b'x'])],
            Stream(&[PROTOCOL_ERROR]),
        ),
        case(
            "7541 5.2",
            "the end of string as a symbol",
            &[raw(&[0x00, 0x88, 0xf2, 0xb2, 0x4a, 0x87, 0xff, 0xff, 0xff, 0xff, 1, b'x'])],
            bad,
        ),
        case("7541 5.2", "a string longer than its block", &[raw(&long)], bad),
        case("7541 6.1", "index 0", &[raw(&[0x80])], bad),
        case(
            "7541 6.2.1",
            "a field from the dynamic table",
            &[whole(1, &inserted), whole(3, &[&get_block()[..], &[0xbe]].concat())],
            Good(3),
        ),
        case("7541 6.2.3", "a field that is never indexed", &[raw(&[0x10, 1, b'a', 1, b'b'])], Good(1)),
        case(
            "7541 6.3",
            "a table size at the start",
            &[whole(1, &[&[0x20][..], &get_block()].concat())],
            Good(1),
        ),
        case(
            "7541 6.3",
            "a table size over the limit",
            &[whole(1, &[&[0x3f, 0xe2, 0x1f][..], &get_block()].concat())],
            bad,
        ),
        case(
            "7541 6.3",
            "two table sizes at the start",
            &[whole(1, &[&[0x20, 0x3f, 0xe1, 0x1f][..], &get_block()].concat())],
            Good(1),
        ),
        case(
            "7541 C.3",
            "a block that ends within a field",
            &[whole(1, &get_block()[..get_block().len() - 2])],
            bad,
        ),
    ]
}

/// A whole request of this block.
fn whole(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, block)
}
