//! The PROXY header, as a balancer's neighbour could send it.
#![no_main]

use cloakroom::listen::fuzz::introduce;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let whole = introduce(input);
    let Ok(Some((end, _))) = &whole else { return };
    assert!(*end <= input.len().min(4096), "more than there is, or than may be");
    assert_eq!(introduce(&input[..*end]), whole, "what follows changes nothing");
    for cut in [end / 2, end - 1] {
        assert_eq!(introduce(&input[..cut]), Ok(None), "a part is not the whole");
    }
});
