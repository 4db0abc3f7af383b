//! Picking the session cookie out of a Cookie header, by the rules of every family.
#![no_main]

use cloakroom::config::DuplicateCookie::{AsFramework, Reject};
use cloakroom::format::cookies::{self, VALUE_BYTES_MAX};
use cloakroom::request::Cookies;
use cloakroom_fuzz::{NAMES, RULES};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let line = Cookies::from_line(input.to_vec());
    for rules in RULES {
        for name in NAMES {
            let theirs = cookies::pick(&line, name, rules, AsFramework);
            let strict = cookies::pick(&line, name, rules, Reject);
            // The strict policy refuses more, and never picks another.
            match (&strict, &theirs) {
                (Ok(strict), Ok(theirs)) => assert_eq!(strict, theirs),
                (Ok(_), Err(_)) => panic!("the strict policy takes what the lax one does not"),
                (Err(_), _) => {}
            }
            if let Ok(Some(value)) = theirs {
                assert!(value.len() <= VALUE_BYTES_MAX, "unescaping never makes it longer");
            }
            let all = cookies::values(&line, name, rules);
            if let (Ok(all), Ok(strict)) = (all, strict) {
                assert_eq!(all.is_empty(), strict.is_none(), "both see the cookie");
            }
        }
    }
});
