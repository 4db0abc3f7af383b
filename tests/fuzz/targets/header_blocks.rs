//! Header blocks of HTTP/2: however one is cut, the same bytes change, and only from `#` to `>`, written out or in Huffman's code.
#![no_main]

use cloakroom::listen::fuzz::without_fragments;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let passed = without_fragments(input, input.len());
    for step in [1, 7] {
        assert_eq!(without_fragments(input, step), passed, "in pieces of {step}");
    }
    assert_eq!(passed.len(), input.len());
    for (before, after) in input.iter().zip(&passed).filter(|(before, after)| before != after) {
        let written_out = (*before, *after) == (b'#', b'>');
        let in_huffman = before & after == *before && (before ^ after).is_power_of_two();
        assert!(written_out || in_huffman, "{before:#x} became {after:#x}");
    }
    assert_eq!(without_fragments(&passed, passed.len()), passed, "nothing is left to change");
});
