//! Spring Session Data Redis: `RedisSessionRepository` and `RedisIndexedSessionRepository`, with Spring Security.
//!
//! Captured from spring-session-data-redis 3.5.4 with spring-security 6.4.13 on JDK 17: both repositories, the JDK's
//! serializer and `GenericJackson2JsonRedisSerializer`. OAuth2 and OIDC logins were written by Spring Security 6.4; bare ids and
//! routes are from the source.
//! * Cookie `SESSION`: base64 (standard, padded) of the id, not signed; `engine = "plain_cookie"` is for
//!   `useBase64Encoding = false`. A `jvmRoute` is a dot and a name behind the UUID and not part of the id.
//! * Several cookies of the name Spring tries one by one until a session lives. Which one that is only Redis can say,
//!   so two different values are refused here, whatever `duplicate_cookie` says.
//! * Key: `spring:session:sessions:` + id, a hash: `creationTime`, `lastAccessedTime` (milliseconds),
//!   `maxInactiveInterval` (seconds; negative: never), and `sessionAttr:NAME`, each serialised by itself. Without the
//!   three it is the rest of a write that raced with a deletion. An interval of 0 is a logout of the indexed repository,
//!   whose hash stays for five minutes with everything in it. An empty attribute is a removed one.
//! * User: the name of `SPRING_SECURITY_CONTEXT`'s authentication, as its `getName()` gives it, if it is authenticated and
//!   not anonymous. A principal of the app's own class counts if it has a field `username`; for any other, name a `subject`.

use crate::clock::UnixMillis;
use crate::codec::seal::Base64;
use crate::codec::{Limits, Value, java, json};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::{
    Decoded, Lookup, Presented, Reject, Rewritten, SessionFormat, SessionId, Touching, jackson, record,
};
use crate::request::Cookies;
use crate::store::{Change, Ending, Record, RecordKind, SpringChange, StoreKey};
use std::time::Duration;

const CONTEXT: &str = "SPRING_SECURITY_CONTEXT";
const ANONYMOUS: &str = "org.springframework.security.authentication.AnonymousAuthenticationToken";
/// The indexed repository keeps a set of the sessions that end in each minute.
const MINUTE_MS: u64 = 60_000;
const SAML_PREFIX: &str = "org.springframework.security.saml2.";

/// Spring Session.
#[derive(Debug)]
pub struct Spring {
    cookie: String,
    key: KeyTemplate,
    base64: bool,
    serializer: Serializer,
}

#[derive(Clone, Copy, Debug)]
enum Serializer {
    Jdk,
    Json,
}

impl Spring {
    /// Reads `cookie`, `key`, `engine` and `serializer`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        let mut options = Options::new(profile);
        let cookie = options.cookie("SESSION");
        let key = options.key("spring:session:sessions:{id}");
        let base64 = options.engine(&[("base64_cookie", true), ("plain_cookie", false)]).unwrap_or(true);
        let serializer = options
            .serializer(&[("jdk", Serializer::Jdk), ("json", Serializer::Json)])
            .unwrap_or(Serializer::Jdk);
        options.finish(|| Self { cookie, key, base64, serializer })
    }

    fn find(&self, value: &[u8]) -> Result<Lookup, Reject> {
        let id = match self.base64 {
            true => Base64::Standard.decode(value).ok_or(Reject::MalformedCookie("not base64"))?,
            false => value.to_vec(),
        };
        let id = without_route(&id).to_vec();
        if id.is_empty() || !id.iter().all(u8::is_ascii_graphic) {
            return Err(Reject::MalformedCookie("no session id"));
        }
        Ok(Lookup { keys: vec![self.key.key(&id)], id: SessionId::new(id), secret: None, ends_at: None })
    }

    fn value(&self, bytes: &[u8]) -> Result<Value, Reject> {
        match self.serializer {
            Serializer::Jdk => java::read(bytes, Limits::default()),
            Serializer::Json => json::decode(bytes, Limits::default()).map(jackson::untyped),
        }
        .map_err(Reject::Undecodable)
    }

    fn number(&self, fields: &[(Vec<u8>, Vec<u8>)], name: &[u8]) -> Result<i64, Reject> {
        let field = fields.iter().find(|(field, value)| field == name && !value.is_empty());
        match field.map(|(_, value)| self.value(value)).transpose()? {
            Some(Value::Int(number)) => Ok(number),
            _ => Err(record::malformed("no `creationTime`, `lastAccessedTime` or `maxInactiveInterval`")),
        }
    }
}

impl Serializer {
    /// A time as the framework writes it. A Java Long ends in its eight bytes, whatever the classes before them.
    fn number(self, like: &[u8], millis: u64) -> Option<Vec<u8>> {
        match self {
            Self::Json => Some(millis.to_string().into_bytes()),
            Self::Jdk => {
                let (class, _) = like.split_last_chunk::<8>()?;
                let written = [class, &millis.to_be_bytes()].concat();
                let read = java::read(&written, Limits::default()).ok()?;
                (read == Value::Int(i64::try_from(millis).ok()?)).then_some(written)
            }
        }
    }

    /// No seconds as the framework writes them. A Java Integer ends in its four bytes.
    fn none(self, like: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Json => Some(b"0".to_vec()),
            Self::Jdk => {
                let (class, _) = like.split_last_chunk::<4>()?;
                let written = [class, &[0; 4]].concat();
                let read = java::read(&written, Limits::default()).ok()?;
                (read == Value::Int(0)).then_some(written)
            }
        }
    }

    /// A text as the framework writes it; ids are ASCII.
    fn text(self, text: &[u8]) -> Option<Vec<u8>> {
        let length = u16::try_from(text.len()).ok()?.to_be_bytes();
        Some(match self {
            Self::Json => [b"\"", text, b"\""].concat(),
            Self::Jdk => [&[0xac, 0xed, 0, 5, b't'], length.as_slice(), text].concat(),
        })
    }
}

/// The id before `.route`; only a UUID's, since an id of another kind may have dots of its own.
fn without_route(id: &[u8]) -> &[u8] {
    match id.split_at_checked(36) {
        Some((uuid, [b'.', _, ..])) if uuid.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') => {
            uuid
        }
        _ => id,
    }
}

/// When a session last used at `last` ends that may idle for `interval` seconds.
fn end(last: i64, interval: i64) -> Result<Option<UnixMillis>, Reject> {
    match u64::try_from(interval) {
        Err(_) => Ok(None),
        Ok(0) => Err(Reject::Expired),
        Ok(interval) => {
            let last = UnixMillis::new(u64::try_from(last).unwrap_or(0));
            Ok(Some(last.plus(Duration::from_secs(interval))))
        }
    }
}

/// `AbstractAuthenticationToken.getName()`
fn name(principal: &Value) -> Option<Value> {
    let Value::Object { class, .. } = principal else {
        return principal.as_text().map(|name| Value::Text(name.to_owned()));
    };
    if let Some(key) = principal.get("nameAttributeKey") {
        let key = key.as_text()?;
        let attribute = |claims: Option<&Value>| claims?.get(key).cloned();
        return attribute(principal.get("attributes"))
            .or_else(|| attribute(principal.get("idToken")?.get("claims")))
            .or_else(|| attribute(principal.get("userInfo")?.get("claims")));
    }
    let field = if class.starts_with(SAML_PREFIX) { "name" } else { "username" };
    principal.get(field).filter(|name| name.as_text().is_some()).cloned()
}

impl SessionFormat for Spring {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn record_kind(&self) -> RecordKind {
        RecordKind::Hash
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::SPRING, DuplicateCookie::Reject);
        Presented::from_cookie(picked, |value| self.find(value))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let Record::Hash(fields) = record else { return Err(Reject::WrongType) };
        self.number(fields, b"creationTime")?;
        let last = self.number(fields, b"lastAccessedTime")?;
        let ends_at = end(last, self.number(fields, b"maxInactiveInterval")?)?;
        let mut attributes = Vec::new();
        for (field, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            let Some(name) = field.strip_prefix(b"sessionAttr:") else { continue };
            let name = std::str::from_utf8(name)
                .map_err(|_| record::malformed("an attribute's name is not text"))?;
            attributes.push((name.to_owned(), self.value(value)?));
        }
        Ok(Decoded { data: Value::Map(attributes), ends_at })
    }

    fn touching(&self) -> Touching {
        Touching::Rewrite
    }

    fn idle(&self, record: &Record) -> Option<Duration> {
        let Record::Hash(fields) = record else { return None };
        let seconds = self.number(fields, b"maxInactiveInterval").ok()?;
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    fn rewritten(
        &self,
        record: &Record,
        id: &SessionId,
        now: UnixMillis,
        life: Duration,
    ) -> Option<Rewritten> {
        let Record::Hash(fields) = record else { return None };
        let field =
            |name: &[u8]| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let (old, interval) = (field(b"lastAccessedTime")?, field(b"maxInactiveInterval")?);
        let last = u64::try_from(self.number(fields, b"lastAccessedTime").ok()?).ok()?;
        let ends = UnixMillis::new(last).plus(life);
        let namespace = self.key.key(b"");
        let namespace = namespace.expose().strip_suffix(b"sessions:").unwrap_or_default();
        let minute = |end: UnixMillis| {
            let minute = (end.as_millis() / MINUTE_MS + 1) * MINUTE_MS;
            StoreKey::new([namespace, format!("expirations:{minute}").as_bytes()].concat())
        };
        let name = [b"expires:", id.expose()].concat();
        let change = SpringChange {
            new: self.serializer.number(&old, now.as_millis())?,
            old,
            interval,
            left: now.until(ends),
            minutes: [minute(ends), minute(now.plus(life))],
            member: self.serializer.text(&name)?,
            expires: self.key.key(&name),
        };
        Some(Rewritten { change: Change::Spring(Box::new(change)), ttl: life })
    }

    fn ending(&self, record: &Record, id: &SessionId) -> Ending {
        let Record::Hash(fields) = record else { return Ending::Delete };
        let interval = fields.iter().find(|(field, _)| field == b"maxInactiveInterval");
        let interval = interval.and_then(|(_, value)| self.serializer.none(value));
        let expires = self.key.key(&[b"expires:", id.expose()].concat());
        interval.map_or(Ending::Delete, |interval| Ending::Spring { expires, interval })
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        let authentication = data.get(CONTEXT)?.get("authentication")?;
        let Value::Object { class, .. } = authentication else { return None };
        if class == ANONYMOUS || authentication.get("authenticated") != Some(&Value::Bool(true)) {
            return None;
        }
        name(authentication.get("principal")?)
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some("SPRING_SECURITY_CONTEXT.authentication.principal, its name")
    }
}

#[cfg(test)]
mod tests;
