//! Go's gob.
#![no_main]

use cloakroom::codec::gob;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, gob::read);
});
