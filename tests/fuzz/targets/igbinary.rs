//! igbinary versions 1 and 2.
#![no_main]

use cloakroom::codec::igbinary;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, igbinary::read);
});
