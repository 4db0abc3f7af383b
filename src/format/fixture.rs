//! Profiles and cookies for the tests of this folder.

use crate::config::{At, DuplicateCookie, FormatOptions, Framework, Located, Profile, Secret, StoreId};
use crate::format::{Lookup, Presented, Reject, SessionFormat};
use crate::request::Cookies;

/// Where the profile's table is.
pub(crate) const TABLE: At = At { file: 0, start: 0, end: 9 };
/// Where every value of it is.
pub(crate) const VALUE: At = At { file: 0, start: 20, end: 30 };

/// The profile `shop`, as the default has it but for framework and options.
pub(crate) fn profile(framework: Framework, options: FormatOptions) -> Profile {
    Profile {
        name: "shop".into(),
        at: TABLE,
        framework: at(framework),
        store: Some(StoreId(0)),
        skew: std::time::Duration::ZERO,
        options,
        subject: None,
        sub: at("{subject}".into()),
        attributes: Vec::new(),
        duplicate_cookie: DuplicateCookie::Reject,
        user_record: None,
        valid_if: Vec::new(),
        cookie_repair: Vec::new(),
        idle_touch: None,
        act: None,
    }
}

/// A value at [`VALUE`].
pub(crate) const fn at<T>(value: T) -> Located<T> {
    Located { value, at: VALUE }
}

/// The only secret.
pub(crate) fn secret(text: &str) -> Vec<Located<Secret>> {
    vec![at(Secret::new(text.into()))]
}

/// What the format makes of a Cookie header; `None` for no session cookie.
pub(crate) fn present(format: &dyn SessionFormat, line: &str) -> Option<Result<Lookup, Reject>> {
    match format.present(&Cookies::from_line(line.to_owned())) {
        Presented::Absent => None,
        Presented::Rejected(reject) => Some(Err(reject)),
        Presented::Session(lookup) => Some(Ok(lookup)),
        Presented::Carried(_) => panic!("a session without a record"),
    }
}

/// The only key that a Cookie header leads to.
pub(crate) fn key(format: &dyn SessionFormat, line: &str) -> Result<String, Reject> {
    let lookup = present(format, line).expect("a session cookie")?;
    Ok(String::from_utf8(lookup.keys[0].expose().to_vec()).expect("a readable key"))
}
