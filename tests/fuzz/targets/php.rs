//! PHP's serialize.
#![no_main]

use cloakroom::codec::php;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, php::read);
});
