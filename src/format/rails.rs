//! Rails with its sessions in Redis, and Devise on top of it.
//!
//! Captured from Rails 6.1.7 and 7.1.5 with redis-actionpack 5.3, redis-session-store 0.11.6 and `:cache_store`, and Devise
//! 4.8.1; the encrypted cookie's layout was checked by hand on 6.1, `signed` and the serializer `hybrid` are from source.
//! * Cookie: its name is the app's `key:` (`_session_id` without one). The bare public id, 32 hexadecimal digits; with
//!   `signed = true` encrypted or signed with `secret_key_base`, see `rails_cookie`.
//! * Key: whatever `engine` puts before the private id, see `rack_id`: `redis_store` (redis-actionpack) a namespace and `:`;
//!   `redis_session_store` its `key_prefix` as it is; `cache_store` `_session_id:`, a namespace before it.
//! * Value: Marshal of a hash; redis-session-store, and redis-actionpack if its client is told so, also JSON, and with
//!   `hybrid` either; `cache_store` a cache entry with an expiry of its own, see `rails_entry`. No TTL at all is normal without
//!   `expire_after`.
//! * The user is Devise's: `warden.user.user.key` is `[[id], first 29 characters of the password's hash]`. Other scopes than
//!   `user`, and apps without Devise, name their `subject`. `:timeoutable` is the app's own and shows nowhere here.

use crate::codec::{Limits, Value, json, marshal};
use crate::config::{ConfigError, DuplicateCookie, Profile};
use crate::format::cookies::{self, CookieRules};
use crate::format::options::{KeyTemplate, Options};
use crate::format::rails_cookie::CookieKeys;
use crate::format::{
    Decoded, Lookup, Presented, Reject, SessionFormat, Touching, rack_id, rails_entry, record,
};
use crate::request::Cookies;
use crate::store::{Record, StoreKey};

/// Rails.
#[derive(Debug)]
pub struct Rails {
    cookie: String,
    key: KeyTemplate,
    /// `None`: the cookie is the bare id.
    secrets: Option<Vec<CookieKeys>>,
    content: Content,
    duplicate: DuplicateCookie,
}

/// What the value is.
#[derive(Clone, Copy, Debug)]
enum Content {
    CacheEntry,
    Hybrid,
    Json,
    Marshal,
}

#[derive(Clone, Copy, Debug)]
enum Engine {
    ActionPack,
    Cache,
    SessionStore,
}

impl Rails {
    /// Reads `cookie`, `key`, `engine`, `serializer`, `signed`, and `secrets` where the cookie is signed.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(profile: &Profile) -> Result<Self, Vec<ConfigError>> {
        const ENGINES: [(&str, Engine); 3] = [
            ("redis_store", Engine::ActionPack),
            ("redis_session_store", Engine::SessionStore),
            ("cache_store", Engine::Cache),
        ];
        let mut options = Options::new(profile);
        let cookie = options.cookie("_session_id");
        let marshal = ("marshal", Content::Marshal);
        let serializers = [marshal, ("json", Content::Json), ("hybrid", Content::Hybrid)];
        let (key, content) = match options.engine(&ENGINES).unwrap_or(Engine::ActionPack) {
            Engine::ActionPack => ("session:{id}", options.serializer(&serializers)),
            Engine::SessionStore => ("{id}", options.serializer(&serializers)),
            Engine::Cache => ("_session_id:{id}", options.serializer(&[("marshal", Content::CacheEntry)])),
        };
        let key = options.key(key);
        let content = content.unwrap_or(Content::Marshal);
        let secrets = (options.signed() == Some(true)).then(|| {
            let secrets = options.secrets("`secret_key_base` of the app's credentials");
            secrets.iter().map(|secret| CookieKeys::new(secret.expose())).collect()
        });
        let duplicate = profile.duplicate_cookie;
        options.finish(|| Self { cookie, key, secrets, content, duplicate })
    }

    fn verify(&self, value: &[u8]) -> Result<Lookup, Reject> {
        let Some(secrets) = &self.secrets else { return rack_id::lookup(value, &self.key) };
        let opened = secrets.iter().enumerate().find_map(|(index, keys)| Some((keys.open(value)?, index)));
        let (message, index) = opened.ok_or(Reject::BadSignature { secrets: secrets.len() })?;
        let (id, ends_at) = message.id(&self.cookie)?;
        Ok(Lookup { secret: Some(index), ends_at, ..rack_id::lookup(id.as_bytes(), &self.key)? })
    }
}

impl SessionFormat for Rails {
    fn cookie_names(&self) -> Vec<String> {
        vec![self.cookie.clone()]
    }

    fn present(&self, cookies: &Cookies) -> Presented {
        let picked = cookies::pick(cookies, &self.cookie, CookieRules::RACK, self.duplicate);
        Presented::from_cookie(picked, |value| self.verify(value))
    }

    fn decode(&self, record: &Record, _lookup: &Lookup) -> Result<Decoded, Reject> {
        let bytes = record::string(record)?;
        let limits = Limits::default();
        let unmarshal = || marshal::read_prefix(bytes, limits).map(|(value, _)| value);
        let value = match self.content {
            Content::CacheEntry => return rails_entry::read(bytes),
            Content::Hybrid if bytes.starts_with(b"\x04\x08") => unmarshal(),
            Content::Hybrid | Content::Json => json::decode(bytes, limits),
            Content::Marshal => unmarshal(),
        };
        Ok(Decoded { data: record::object(value.map_err(Reject::Undecodable)?)?, ends_at: None })
    }

    fn touching(&self) -> Touching {
        match self.content {
            Content::CacheEntry => {
                Touching::Never("the cache's entry says itself when it ends, and only the app can write it")
            }
            Content::Hybrid | Content::Json | Content::Marshal => Touching::Expire,
        }
    }

    fn key_of(&self, id: &[u8]) -> Option<StoreKey> {
        Some(self.key.key(id))
    }

    fn subject(&self, data: &Value) -> Option<Value> {
        data.get("warden.user.user.key")?.at(0)?.at(0).cloned()
    }

    fn subject_convention(&self) -> Option<&'static str> {
        Some("`warden.user.user.key`, its first element's first (Devise)")
    }

    fn other_subjects(&self, data: &Value) -> Vec<String> {
        let Value::Map(fields) = data else { return Vec::new() };
        let of_warden =
            |name: &str| name.strip_prefix("warden.user.").is_some_and(|rest| rest.ends_with(".key"));
        fields.iter().filter(|(name, _)| of_warden(name)).map(|(name, _)| format!("{name}.0.0")).collect()
    }
}

#[cfg(test)]
mod tests;
