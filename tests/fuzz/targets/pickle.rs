//! Python's pickle, protocols 0 to 5.
#![no_main]

use cloakroom::codec::pickle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, pickle::read);
});
