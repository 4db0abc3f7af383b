//! LZF, as phpredis compresses.
#![no_main]

use cloakroom::codec::lzf;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::inflate(input, lzf::read);
});
