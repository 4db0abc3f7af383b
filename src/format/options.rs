//! What a profile says about its framework's bytes, read by the format that uses it.
//!
//! A format asks for each option it knows, with the framework's default; at the end whatever the profile sets and
//! nobody asked for is a mistake, because an option that does nothing is an option that somebody relies on in vain.

use crate::config::{At, ConfigError, FormatOptions, Framework, Located, Profile, Secret};
use crate::store::StoreKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A profile's options while its format is made. Ask for everything the format knows, then [`Options::finish`].
pub struct Options<'p> {
    profile: &'p Profile,
    asked: Vec<&'static str>,
    errors: Vec<ConfigError>,
}

/// A store key with the place of the session id in it.
#[derive(Clone, Debug)]
pub struct KeyTemplate {
    prefix: String,
    suffix: String,
}

impl KeyTemplate {
    /// The template `text`; `None` unless `{id}` is in it exactly once. Other braces are text (hash tags of a cluster).
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, suffix) = text.split_once("{id}")?;
        (!suffix.contains("{id}")).then(|| Self { prefix: prefix.into(), suffix: suffix.into() })
    }

    /// The key of the session `id`.
    pub fn key(&self, id: &[u8]) -> StoreKey {
        StoreKey::new([self.prefix.as_bytes(), id, self.suffix.as_bytes()].concat())
    }
}

impl<'p> Options<'p> {
    /// The options of this profile.
    pub const fn new(profile: &'p Profile) -> Self {
        Self { profile, asked: Vec::new(), errors: Vec::new() }
    }

    /// `cookie`: the cookie's name. Wider than RFC 6265's token: frameworks write `koa:sess`, and browsers send it back.
    pub fn cookie(&mut self, default: &str) -> String {
        let name = self.text("cookie", |options| &options.cookie).unwrap_or_else(|| default.to_owned());
        if name.is_empty() || !name.bytes().all(in_cookie_name) {
            self.wrong(
                "cookie",
                format!("`{name}` is no cookie name"),
                "visible ASCII without `\"`, `,`, `;` and `=`",
            );
        }
        name
    }

    /// `key`: the template of the store key.
    pub fn key(&mut self, default: &str) -> KeyTemplate {
        let text = self.text("key", |options| &options.key).unwrap_or_else(|| default.to_owned());
        KeyTemplate::parse(&text).unwrap_or_else(|| {
            let found = format!("`{text}` has {} places for the id", text.matches("{id}").count());
            self.wrong("key", found, "a template with `{id}` in it exactly once");
            KeyTemplate { prefix: String::new(), suffix: String::new() }
        })
    }

    /// `secrets`, at least one: plain text, or bytes as `base64:...` or `hex:...`. The hint says where the app has it.
    pub fn secrets(&mut self, hint: &str) -> Vec<Secret> {
        let secrets = self.secrets_if_any();
        if self.profile.options.secrets.is_empty() {
            let word = word(self.profile.framework.value);
            let key = self.dotted("secrets");
            let missing = ConfigError::new(
                self.profile.at,
                key,
                format!("framework `{word}` needs `secrets`, and there are none"),
                "a list of references, newest first: [{ env = \"...\" }] or [{ file = \"...\" }]",
            );
            self.errors.push(missing.hint(hint));
        }
        secrets
    }

    /// `secrets`, or none.
    pub fn secrets_if_any(&mut self) -> Vec<Secret> {
        self.asked.push("secrets");
        let given = &self.profile.options.secrets;
        given.iter().filter_map(|secret| self.secret("secrets", secret)).collect()
    }

    /// `encryption_secrets`, or none; if any, as many as `secrets`.
    pub fn encryption_secrets(&mut self) -> Vec<Secret> {
        self.asked.push("encryption_secrets");
        let options = &self.profile.options;
        let given = &options.encryption_secrets;
        if let Some(first) = given.first()
            && given.len() != options.secrets.len()
        {
            let found =
                format!("{} encryption secrets beside {} secrets", given.len(), options.secrets.len());
            let accepted = "one for each entry of `secrets`, or none";
            self.push(first.at, "encryption_secrets", found, accepted);
        }
        given.iter().filter_map(|secret| self.secret("encryption_secrets", secret)).collect()
    }

    /// `signed`; `None`: the framework's default.
    pub fn signed(&mut self) -> Option<bool> {
        self.asked.push("signed");
        self.profile.options.signed.as_ref().map(|signed| signed.value)
    }

    /// `encrypted`; false if left out.
    pub fn encrypted(&mut self) -> bool {
        self.asked.push("encrypted");
        self.profile.options.encrypted.as_ref().is_some_and(|encrypted| encrypted.value)
    }

    /// `cookie_prefix`; empty if left out.
    pub fn cookie_prefix(&mut self) -> String {
        self.text("cookie_prefix", |options| &options.cookie_prefix).unwrap_or_default()
    }

    /// `engine`, one of `accepted`; the first of them if left out.
    pub fn engine<T: Copy>(&mut self, accepted: &[(&'static str, T)]) -> Option<T> {
        self.word("engine", |options| &options.engine, accepted).or_else(|| first(accepted))
    }

    /// `serializer`, one of `accepted`; the first of them if left out.
    pub fn serializer<T: Copy>(&mut self, accepted: &[(&'static str, T)]) -> Option<T> {
        self.word("serializer", |options| &options.serializer, accepted).or_else(|| first(accepted))
    }

    /// `store_serializer`, one of `accepted`; `None` if left out.
    pub fn store_serializer<T: Copy>(&mut self, accepted: &[(&'static str, T)]) -> Option<T> {
        self.word("store_serializer", |options| &options.store_serializer, accepted)
    }

    /// `compressor`, one of `accepted`; `None` if left out.
    pub fn compressor<T: Copy>(&mut self, accepted: &[(&'static str, T)]) -> Option<T> {
        self.word("compressor", |options| &options.compressor, accepted)
    }

    /// `cipher`, one of `accepted`; the first of them if left out.
    pub fn cipher<T: Copy>(&mut self, accepted: &[(&'static str, T)]) -> Option<T> {
        self.word("cipher", |options| &options.cipher, accepted).or_else(|| first(accepted))
    }

    /// `issuer`; `None` if left out.
    pub fn issuer(&mut self) -> Option<String> {
        self.text("issuer", |options| &options.issuer)
    }

    /// `audience`; empty if left out.
    pub fn audience(&mut self) -> Vec<String> {
        self.asked.push("audience");
        self.profile.options.audience.iter().map(|audience| audience.value.clone()).collect()
    }

    /// `algorithms`, each one of `accepted`; all of them if left out.
    pub fn algorithms<T: Copy>(&mut self, accepted: &[(&'static str, T)]) -> Vec<T> {
        self.asked.push("algorithms");
        let given = &self.profile.options.algorithms;
        if given.is_empty() {
            return accepted.iter().map(|(_, value)| *value).collect();
        }
        let mut chosen = Vec::new();
        for word in given {
            match accepted.iter().find(|(name, _)| *name == word.value) {
                Some((_, value)) => chosen.push(*value),
                None => self.push(word.at, "algorithms", format!("`{}`", word.value), names(accepted)),
            }
        }
        chosen
    }

    /// `typ`; `None` if left out.
    pub fn typ(&mut self) -> Option<String> {
        self.text("typ", |options| &options.typ)
    }

    /// `missing_exp`, one of `accepted`; the first of them if left out.
    pub fn missing_exp<T: Copy>(&mut self, accepted: &[(&'static str, T)]) -> Option<T> {
        self.word("missing_exp", |options| &options.missing_exp, accepted).or_else(|| first(accepted))
    }

    /// A mistake that only the format can see, at the option's place or, if it is not set, the profile's.
    pub fn wrong(&mut self, option: &'static str, found: impl Into<String>, accepted: impl Into<String>) {
        let at = places(&self.profile.options)
            .into_iter()
            .find_map(|(name, at)| at.filter(|_| name == option))
            .unwrap_or(self.profile.at);
        self.push(at, option, found.into(), accepted.into());
    }

    /// The format, if every option was right and used.
    ///
    /// # Errors
    /// Every mistake that was found, and one for each option that this framework has no use for.
    pub fn finish<F>(mut self, make: impl FnOnce() -> F) -> Result<F, Vec<ConfigError>> {
        let word = word(self.profile.framework.value);
        for (option, at) in places(&self.profile.options) {
            let Some(at) = at.filter(|_| !self.asked.contains(&option)) else { continue };
            self.push(at, option, format!("`{option}` means nothing for framework `{word}`"), "no such key");
        }
        if self.errors.is_empty() { Ok(make()) } else { Err(self.errors) }
    }

    fn text(
        &mut self,
        option: &'static str,
        field: fn(&FormatOptions) -> &Option<Located<String>>,
    ) -> Option<String> {
        self.asked.push(option);
        field(&self.profile.options).as_ref().map(|text| text.value.clone())
    }

    fn word<T: Copy>(
        &mut self,
        option: &'static str,
        field: fn(&FormatOptions) -> &Option<Located<String>>,
        accepted: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(option, field)?;
        let found = accepted.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            self.wrong(option, format!("`{text}`"), names(accepted));
        }
        found
    }

    fn secret(&mut self, option: &'static str, secret: &Located<Secret>) -> Option<Secret> {
        let bytes = secret.value.expose();
        let decoded = if let Some(text) = bytes.strip_prefix(b"base64:") {
            STANDARD.decode(text).ok()
        } else if let Some(text) = bytes.strip_prefix(b"hex:") {
            from_hex(text)
        } else {
            Some(bytes.to_vec())
        };
        // The value itself is never part of the message.
        let Some(decoded) = decoded else {
            self.push(
                secret.at,
                option,
                "not the encoding that its prefix says",
                "text, `base64:` or `hex:`",
            );
            return None;
        };
        if decoded.is_empty() {
            self.push(secret.at, option, "an empty secret", "at least one byte");
            return None;
        }
        Some(Secret::new(decoded))
    }

    fn push(&mut self, at: At, option: &str, found: impl Into<String>, accepted: impl Into<String>) {
        let key = self.dotted(option);
        self.errors.push(ConfigError::new(at, key, found, accepted));
    }

    fn dotted(&self, option: &str) -> String {
        format!("sessions.{}.{option}", self.profile.name)
    }
}

/// The framework's word in the configuration.
pub const fn word(framework: Framework) -> &'static str {
    match framework {
        Framework::Express => "express",
        Framework::Koa => "koa",
        Framework::Fastify => "fastify",
        Framework::BetterAuth => "better-auth",
        Framework::Django => "django",
        Framework::Flask => "flask",
        Framework::Starlette => "starlette",
        Framework::Rails => "rails",
        Framework::Rack => "rack",
        Framework::Laravel => "laravel",
        Framework::Php => "php",
        Framework::Symfony => "symfony",
        Framework::Spring => "spring",
        Framework::GoScs => "go-scs",
        Framework::Gorilla => "gorilla",
        Framework::Gin => "gin",
        Framework::Actix => "actix",
        Framework::Tower => "tower",
        Framework::Aspnet => "aspnet",
        Framework::Json => "json",
        Framework::Msgpack => "msgpack",
        Framework::Jwt => "jwt",
    }
}

/// Every option and where it is set.
fn places(options: &FormatOptions) -> [(&'static str, Option<At>); 17] {
    let text = |option: &Option<Located<String>>| option.as_ref().map(|text| text.at);
    let flag = |option: &Option<Located<bool>>| option.as_ref().map(|flag| flag.at);
    let list = |option: &[Located<Secret>]| option.first().map(|secret| secret.at);
    let words = |option: &[Located<String>]| option.first().map(|word| word.at);
    [
        ("cookie", text(&options.cookie)),
        ("key", text(&options.key)),
        ("secrets", list(&options.secrets)),
        ("encryption_secrets", list(&options.encryption_secrets)),
        ("signed", flag(&options.signed)),
        ("cookie_prefix", text(&options.cookie_prefix)),
        ("engine", text(&options.engine)),
        ("serializer", text(&options.serializer)),
        ("store_serializer", text(&options.store_serializer)),
        ("compressor", text(&options.compressor)),
        ("cipher", text(&options.cipher)),
        ("encrypted", flag(&options.encrypted)),
        ("issuer", text(&options.issuer)),
        ("audience", words(&options.audience)),
        ("algorithms", words(&options.algorithms)),
        ("typ", text(&options.typ)),
        ("missing_exp", text(&options.missing_exp)),
    ]
}

fn names<T>(accepted: &[(&'static str, T)]) -> String {
    let names: Vec<_> = accepted.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(", ")
}

fn first<T: Copy>(accepted: &[(&'static str, T)]) -> Option<T> {
    accepted.first().map(|(_, value)| *value)
}

/// What no reader of a Cookie header takes for the end of a name or its quoting.
const fn in_cookie_name(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'=')
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len().is_multiple_of(2))?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
