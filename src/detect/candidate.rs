//! One way in which a framework may have written a family, and what speaks for it.

use crate::codec::{Limits, Value, json};
use crate::config::{At, DuplicateCookie, FormatOptions, Framework, Located, Profile, Secret, StoreId};
use crate::detect::family::Family;
use crate::detect::ids::Ids;
use crate::format::{Decoded, SessionFormat};
use crate::store::Record;

const NOWHERE: At = At { file: 0, start: 0, end: 0 };
/// Stands in for a secret where only the value is read: 64 bytes please every framework that counts them.
const PLACEHOLDER: [u8; 64] = [7; 64];

/// An option of a profile and its value, as `gateway.toml` would say it.
pub type Opt = (&'static str, &'static str);

/// One way to keep sessions.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Whose.
    pub framework: Framework,
    /// In words, for people.
    pub name: &'static str,
    /// The default name of the cookie.
    pub cookie: &'static str,
    /// The default template of the key.
    pub key: &'static str,
    /// Parts of a key that tell of it.
    pub hints: &'static [&'static str],
    /// What its ids are made of.
    pub ids: &'static [Ids],
    /// How many hexadecimal digits the id in its cookie has, where the key only holds a hash of it.
    pub public_id: Option<usize>,
    /// Whether it makes no other ids, whatever the app is told.
    pub ids_only: bool,
    /// How the value is serialised.
    pub serializer: &'static str,
    /// What a profile must say beside cookie and key.
    pub options: Vec<Opt>,
    /// Ways to make the cookie that no record shows, the default first.
    pub cookies: &'static [&'static [Opt]],
    /// What it needs secrets for.
    pub secrets: Need,
    /// Points for a value that decodes at all.
    pub base: i32,
    /// What else speaks for or against it.
    pub marks: Vec<Mark>,
    /// Whether a value is one of its, though only a secret opens it.
    pub sealed: Option<fn(&[u8]) -> bool>,
}

/// What secrets are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Never,
    /// The cookie's signature, if the app signs.
    Perhaps,
    /// The cookie's signature.
    Cookie,
    /// The cookie and the value.
    Value,
}

/// Something that speaks for a candidate, or, with negative points, against it.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// How much.
    pub points: i32,
    /// How many values must have it.
    pub share: Share,
    /// What the values do: "hold `_permanent`".
    pub says: &'static str,
    /// Whether one value does.
    pub test: fn(&Seen<'_>) -> bool,
}

impl Mark {
    /// A mark of every value.
    pub const fn every(points: i32, says: &'static str, test: fn(&Seen<'_>) -> bool) -> Self {
        Self { points, share: Share::Every, says, test }
    }

    /// A mark that only some values have.
    pub const fn some(points: i32, says: &'static str, test: fn(&Seen<'_>) -> bool) -> Self {
        Self { points, share: Share::Some, says, test }
    }
}

/// How many values a mark is expected in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// In every one: the points are shared out.
    Every,
    /// In some, such as those of users who logged in.
    Some,
}

/// A value that decoded, with what the format took away.
pub struct Seen<'r> {
    /// As it is in the store.
    pub record: &'r Record,
    /// As JSON, if it is.
    pub json: Option<Value>,
    /// As the app sees it.
    pub data: &'r Value,
    /// The family it is of.
    pub family: &'r Family,
}

impl Candidate {
    /// A candidate with nothing special to it.
    pub const fn new(
        framework: Framework,
        name: &'static str,
        cookie: &'static str,
        key: &'static str,
    ) -> Self {
        Self {
            framework,
            name,
            cookie,
            key,
            hints: &[],
            ids: &[],
            public_id: None,
            ids_only: false,
            serializer: "json",
            options: Vec::new(),
            cookies: &[&[]],
            secrets: Need::Never,
            base: 0,
            marks: Vec::new(),
            sealed: None,
        }
    }

    /// Whether it only says what the value is, and not who wrote it.
    pub const fn is_generic(&self) -> bool {
        matches!(self.framework, Framework::Json | Framework::Msgpack)
    }

    /// The format that reads this candidate's values; `None` if the secrets are not such as it takes.
    pub fn format(
        &self,
        cookie: &str,
        key: &str,
        more: &[Opt],
        cookie_prefix: Option<&str>,
        secrets: &Secrets<'_>,
    ) -> Option<Box<dyn SessionFormat>> {
        let mut options = FormatOptions { cookie: here(cookie), key: here(key), ..FormatOptions::default() };
        for (name, value) in self.options.iter().chain(more) {
            set(&mut options, name, value);
        }
        options.cookie_prefix = cookie_prefix.and_then(here);
        let all = |secrets: &[&Secret]| secrets.iter().map(|secret| located((*secret).clone())).collect();
        let signed = options.signed.as_ref().map(|signed| signed.value);
        let wanted = match self.secrets {
            Need::Never => false,
            Need::Perhaps => signed == Some(true) || options.encrypted.is_some(),
            Need::Cookie => signed != Some(false),
            Need::Value => true,
        };
        match secrets {
            Secrets::Known { secrets, encryption } if wanted => {
                options.secrets = all(secrets);
                options.encryption_secrets = all(encryption);
            }
            Secrets::Unknown if self.secrets == Need::Value => return None,
            // Laravel reads without any, where the app leaves the cookie alone.
            Secrets::Unknown if wanted && self.framework != Framework::Laravel => {
                options.secrets = all(&[&Secret::new(PLACEHOLDER.to_vec())]);
            }
            Secrets::Known { .. } | Secrets::Unknown => {}
        }
        let profile = Profile {
            name: "detect".to_owned(),
            at: NOWHERE,
            framework: located(self.framework),
            store: Some(StoreId(0)),
            skew: std::time::Duration::ZERO,
            options,
            subject: None,
            sub: located("{subject}".to_owned()),
            attributes: Vec::new(),
            duplicate_cookie: DuplicateCookie::Reject,
            user_record: None,
            valid_if: Vec::new(),
            cookie_repair: Vec::new(),
            idle_touch: None,
            act: None,
        };
        crate::format::build(&profile).ok()
    }
}

/// The secrets to build a format with.
pub enum Secrets<'s> {
    /// None were given: values are read, cookies are not.
    Unknown,
    /// These, newest first.
    Known {
        /// To sign or encrypt the cookie.
        secrets: &'s [&'s Secret],
        /// The block keys beside them.
        encryption: &'s [&'s Secret],
    },
}

impl<'r> Seen<'r> {
    /// A value and what it decoded to.
    pub fn new(record: &'r Record, decoded: &'r Decoded, family: &'r Family) -> Self {
        let json = match record {
            Record::String(bytes) if bytes.starts_with(b"{") => json::decode(bytes, Limits::default()).ok(),
            Record::String(_) | Record::Hash(_) => None,
        };
        Self { record, json, data: &decoded.data, family }
    }

    /// The bytes, if it is a string.
    pub fn bytes(&self) -> &[u8] {
        match self.record {
            Record::String(bytes) => bytes,
            Record::Hash(_) => &[],
        }
    }

    /// A field of the JSON object.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.json.as_ref()?.get(name)
    }

    /// Whether the session has an attribute of this name.
    pub fn holds(&self, name: &str) -> bool {
        self.data.get(name).is_some()
    }
}

fn set(options: &mut FormatOptions, name: &str, value: &str) {
    let slot = match name {
        "cookie" => &mut options.cookie,
        "key" => &mut options.key,
        "engine" => &mut options.engine,
        "serializer" => &mut options.serializer,
        "store_serializer" => &mut options.store_serializer,
        "compressor" => &mut options.compressor,
        "cipher" => &mut options.cipher,
        "signed" => return options.signed = Some(located(value == "true")),
        "encrypted" => return options.encrypted = Some(located(value == "true")),
        _ => return,
    };
    *slot = here(value);
}

fn here(value: &str) -> Option<Located<String>> {
    Some(located(value.to_owned()))
}

const fn located<T>(value: T) -> Located<T> {
    Located { value, at: NOWHERE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::frameworks::candidates;

    #[test]
    fn every_candidate_builds_the_format_it_names() {
        for candidate in candidates() {
            let secret = Secret::new(PLACEHOLDER.get(..32).unwrap().to_vec());
            let known = Secrets::Known { secrets: &[&secret], encryption: &[] };
            let secrets = if candidate.secrets == Need::Value { known } else { Secrets::Unknown };
            let format = candidate.format(candidate.cookie, candidate.key, &[], None, &secrets);
            assert!(format.is_some(), "{}: {:?}", candidate.name, candidate.options);
        }
    }
}
