//! Ruby's Marshal 4.8.
#![no_main]

use cloakroom::codec::marshal;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, marshal::read);
});
