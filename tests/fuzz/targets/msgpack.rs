//! MessagePack, plain and as PHP's extension writes objects.
#![no_main]

use cloakroom::codec::msgpack;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cloakroom_fuzz::decode(input, msgpack::read);
    cloakroom_fuzz::decode(input, msgpack::read_php);
});
