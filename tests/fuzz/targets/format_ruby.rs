//! Rails, Rack: a profile of the family, a Cookie header, a record.
#![no_main]

use cloakroom_fuzz::family::Family;
use std::sync::LazyLock;

static FAMILY: LazyLock<Family> = LazyLock::new(|| Family::load("ruby"));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    FAMILY.run(input);
});
