//! JSON as Node, Python and Go write it.
#![no_main]

use cloakroom::codec::json;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, json::decode);
});
