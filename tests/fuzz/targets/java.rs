//! Java's object serialisation.
#![no_main]

use cloakroom::codec::java;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, java::read);
});
