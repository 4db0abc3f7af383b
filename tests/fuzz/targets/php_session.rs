//! PHP's three session handlers.
#![no_main]

use cloakroom::codec::php_session;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, php_session::read_php);
    cloakroom_fuzz::decode(input, php_session::read_php_binary);
    cloakroom_fuzz::decode(input, php_session::read_php_serialize);
});
