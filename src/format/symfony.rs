//! Symfony: HttpFoundation's RedisSessionHandler and the security component's token.
//!
//! Facts [captured with Symfony's 4.2, 4.4, 5.4, 6.4 and 7.1 components on PHP 8.2; MetadataBag read]: PHP's
//! own cookie and handler; the key is `sf_s{id}`. `_sf2_attributes` holds what the app calls the session; `_sf2_meta`
//! says when it was last used (`u`) and how long its cookie lives (`l`, 0: as long as the browser). The login is the
//! attribute `_security_{firewall}`, a string with a serialised token in it: an object whose innermost list is user,
//! a flag, null, attributes and roles. Up to 4.2, and up to PHP 7.3, it is an object of the `C:` kind around the same lists,
//! the innermost then user, flag, roles, attributes. `_security.last_username` is what was typed into the form and is nobody.
//!
//! Such a token is unfolded to `user` and `roles`, so that a path may go on into it: `_security_main.user.id`.

use crate::clock::UnixMillis;
use crate::codec::{Limits, Value, php};
use crate::config::{ConfigError, Profile};
use crate::format::options::Options;
use crate::format::php::{Handler, PhpCookie};
use crate::format::{Decoded, Lookup, Presented, Reject, SessionFormat, record};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};
use std::borrow::Cow;

const TOKEN_PREFIX: &str = "_security_";
/// The component's own token classes are logins; of others (a second factor still missing, a bundle's own) we cannot tell.
const TOKEN_NAMESPACE: &str = "Symfony\\Component\\Security\\";
/// Most tokens that are unfolded: each may grow to the limits of a record.
const FIREWALLS_MAX: usize = 8;
/// Tokens of the component that stand for nobody.
const NOBODY: [&str; 2] = ["\\AnonymousToken", "\\NullToken"];
/// What `getUserIdentifier` returns in the component's own users and in those the maker bundle writes.
const IDENTIFIERS: [&str; 3] = ["userIdentifier", "username", "email"];

/// Symfony's sessions in Redis.
#[derive(Debug)]
pub struct Symfony {
    cookie: PhpCookie,
    handler: Handler,
}

impl Symfony {
    /// The format of this profile.
    ///
    /// # Errors
    /// Every mistake in its options.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = PhpCookie::new(&mut options, "sf_s{id}", profile.duplicate_cookie);
        let handler = Handler::new(&mut options);
        options.finish(|| Self { cookie, handler })
    }
}

impl SessionFormat for Symfony {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.name.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        self.cookie.present(cookies)
    }

    fn decode(&self, record: &Record, _: &Lookup) -> Result<Decoded, Reject> {
        let session = self.handler.read(record::string(record)?).map_err(Reject::Undecodable)?;
        let ends_at = session.get("_sf2_meta").and_then(cookie_end);
        let data = match session.get("_sf2_attributes") {
            Some(Value::Map(attributes)) => unfold(attributes),
            Some(Value::List(none)) if none.is_empty() => Vec::new(),
            None => Vec::new(),
            Some(_) => return Err(record::malformed("the attributes are no array")),
        };
        Ok(Decoded { data: Value::Map(data), ends_at })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.cookie.key_of(id))
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        identifier(token(data)?.get("user")?)
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some("the user identifier of the token in `_security_main`, or of the only `_security_{firewall}`")
    }

    fn other_subjects(&self, data: &Value) -> Vec<String> {
        let Value::Map(attributes) = data else { return Vec::new() };
        let tokens = attributes.iter().filter(|(name, _)| name.starts_with(TOKEN_PREFIX));
        let users = tokens.filter_map(|(name, token)| Some((name, token.get("user")?)));
        let paths = |(name, user): (&String, &Value)| match user {
            Value::Text(_) => vec![format!("{name}.user")],
            user => {
                let known = IDENTIFIERS.iter().filter(|field| user.get(field).is_some());
                known.map(|field| format!("{name}.user.{field}")).collect()
            }
        };
        users.flat_map(paths).collect()
    }
}

/// When a browser that was given the cookie at the last use has dropped it.
fn cookie_end(meta: &Value) -> Option<UnixMillis> {
    let (Some(Value::Int(used)), Some(Value::Int(life))) = (meta.get("u"), meta.get("l")) else {
        return None;
    };
    let (used, life) = (u64::try_from(*used).ok()?, u64::try_from(*life).ok()?);
    (life > 0).then(|| UnixMillis::from_secs(used.saturating_add(life)))
}

/// The attributes, with the logins among them as data.
fn unfold(attributes: &[(String, Value)]) -> Vec<(String, Value)> {
    let mut left = FIREWALLS_MAX;
    let attribute = |(name, value): &(String, Value)| {
        let token = match value {
            Value::Text(text) if name.starts_with(TOKEN_PREFIX) && left > 0 => text.as_bytes(),
            Value::Bytes(bytes) if name.starts_with(TOKEN_PREFIX) && left > 0 => bytes,
            _ => return (name.clone(), value.clone()),
        };
        left -= 1;
        let token = without_custom(token);
        let login = php::read(&token, Limits::default()).ok().and_then(login);
        (name.clone(), login.unwrap_or_else(|| value.clone()))
    };
    attributes.iter().map(attribute).collect()
}

/// `C:3:"Tok":9:{payload}` as `O:3:"Tok":1:{i:0;payload}`: in both the object is the first slot and its state the second, so
/// that references in it mean the same.
fn without_custom(token: &[u8]) -> Cow<'_, [u8]> {
    let parts = || {
        let rest = token.strip_prefix(b"C:")?;
        let (class, payload) = rest.split_at_checked(memchr::memmem::find(rest, b"\":")?)?;
        let (length, payload) =
            payload.get(2..)?.split_at_checked(memchr::memchr(b':', payload.get(2..)?)?)?;
        let payload = payload.strip_prefix(b":{")?.strip_suffix(b"}")?;
        let declared: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
        (declared == payload.len()).then(|| [b"O:", class, b"\":1:{i:0;", payload, b"}"].concat())
    };
    parts().map_or(Cow::Borrowed(token), Cow::Owned)
}

/// What a token says, if it is one of a login.
fn login(token: Value) -> Option<Value> {
    let Value::Object { class, fields } = token else { return None };
    if !class.starts_with(TOKEN_NAMESPACE) || NOBODY.iter().any(|nobody| class.ends_with(nobody)) {
        return None;
    }
    let state = Value::List(fields.into_iter().map(|(_, value)| value).collect());
    let mut state = &state;
    // Each class appends its parent's state to its own: credentials, firewall, [user, authenticated, ...].
    while !matches!(state.at(1), Some(Value::Bool(_))) {
        let Value::List(parts) = state else { return None };
        state = parts.last()?;
    }
    // Before 6.0 the flag is false for a user without a role, who is logged in all the same [captured].
    let user = state.at(0)?.clone();
    let roles = state.at(4).cloned().or_else(|| role_names(state.at(2)?))?;
    Some(Value::Object { class, fields: vec![("user".to_owned(), user), ("roles".to_owned(), roles)] })
}

/// The names in a list of the role objects of Symfony 4.2.
fn role_names(roles: &Value) -> Option<Value> {
    let Value::List(roles) = roles else { return None };
    roles.iter().map(|role| role.get("role").cloned()).collect::<Option<_>>().map(Value::List)
}

/// The main firewall's login, or the only one. Users of two firewalls may be two people of one name.
fn token(data: &Value) -> Option<&Value> {
    if let Some(main) = data.get("_security_main") {
        return Some(main);
    }
    let Value::Map(attributes) = data else { return None };
    let mut tokens = attributes.iter().filter(|(name, _)| name.starts_with(TOKEN_PREFIX));
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Some(token),
        _ => None,
    }
}

/// A user's identifier; of a class of the app's own only if there is one candidate, for a name that anybody may choose must
/// not pass for somebody's address.
fn identifier(user: &Value) -> Option<Value> {
    match user {
        Value::Text(name) => Some(Value::Text(name.clone())),
        Value::Object { class, .. } if class.starts_with("Symfony\\Component\\") => {
            IDENTIFIERS.iter().find_map(|name| user.get(name)).cloned()
        }
        Value::Object { .. } => {
            let mut candidates = IDENTIFIERS.iter().filter_map(|name| user.get(name));
            match (candidates.next(), candidates.next()) {
                (Some(only), None) => Some(only.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
