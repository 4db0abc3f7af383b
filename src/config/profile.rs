//! `[sessions.X]`.

use std::time::Duration;

use crate::config::{At, CookieAttribute, DuplicateCookie, Framework, IdleTouch, Located, Secret, StoreId};

/// `[sessions.X]`: how one app keeps its sessions.
#[derive(Debug)]
pub struct Profile {
    /// X; also the `client_id` claim.
    pub name: String,
    /// Where the table starts.
    pub at: At,
    /// Whose format it is.
    pub framework: Located<Framework>,
    /// Where the records are; `None` for the one framework that keeps none, `jwt`.
    pub store: Option<StoreId>,
    /// How far the app's clock and ours may differ: `[server] skew`.
    pub skew: Duration,
    /// The framework's own options, defaults not yet put in: each format knows its own.
    pub options: FormatOptions,
    /// Path of the user id in the decoded session; `None`: the framework's convention.
    pub subject: Option<Located<String>>,
    /// Template of the `sub` claim.
    pub sub: Located<String>,
    /// Path of who really acts in the user's name; `None`: nobody ever does.
    pub act: Option<Located<String>>,
    /// Names that claims and conditions use, with where each comes from.
    pub attributes: Vec<(String, AttributeSource)>,
    /// What the app keeps of each user beside the sessions; paths that begin with `record.` lead into it.
    pub user_record: Option<UserRecord>,
    /// What must hold for a session to be good, in the order of the file.
    pub valid_if: Vec<Condition>,
    /// What two session cookies with different values mean.
    pub duplicate_cookie: DuplicateCookie,
    /// What is put right about its cookie where the app leaves it out.
    pub cookie_repair: Vec<CookieAttribute>,
    /// Who keeps its sessions alive; `None`: the file does not say.
    pub idle_touch: Option<IdleTouch>,
}

impl Profile {
    /// The stores that are asked about its sessions: of their records, and of their users' where that is another.
    pub fn stores(&self) -> impl Iterator<Item = StoreId> {
        let users = self.user_record.as_ref().map(|record| record.store);
        self.store.into_iter().chain(users.filter(|id| Some(*id) != self.store))
    }
}

/// How paths begin that lead into the record of the user.
pub const IN_USER_RECORD: &str = "record.";

/// `user_record`: where the app keeps something of each user.
#[derive(Clone, Debug)]
pub struct UserRecord {
    /// The store.
    pub store: StoreId,
    /// Template of its key, with `{subject}` in it once.
    pub key: Located<String>,
}

/// One of `valid_if`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Where it is written.
    pub at: At,
    /// The path of the value that is compared.
    pub path: String,
    /// What it must be the same as.
    pub equals: Expected,
}

/// What a value must be the same as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This text; numbers and booleans as they are written.
    Text(String),
    /// Whatever is at this path.
    Path(String),
}

/// Where an attribute's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeSource {
    /// A dotted path in the decoded session.
    Path(String),
    /// The same value for everybody.
    Const(serde_json::Value),
}

/// What a format may be told about its framework's bytes. A format refuses what it does not use.
#[derive(Debug, Default)]
pub struct FormatOptions {
    /// The cookie's name.
    pub cookie: Option<Located<String>>,
    /// Template of the store key; `{id}` is the session id as the framework puts it there.
    pub key: Option<Located<String>>,
    /// Signing or encryption secrets, newest first, as a person configures them.
    pub secrets: Vec<Located<Secret>>,
    /// AES block keys, each beside the entry of `secrets` at the same place.
    pub encryption_secrets: Vec<Located<Secret>>,
    /// Whether the cookie is signed, where the framework leaves the choice.
    pub signed: Option<Located<bool>>,
    /// Text before the id in the cookie, neither signed nor in the key.
    pub cookie_prefix: Option<Located<String>>,
    /// Which of the framework's stores wrote the record.
    pub engine: Option<Located<String>>,
    /// How the value is serialised.
    pub serializer: Option<Located<String>>,
    /// phpredis's own serializer around the value.
    pub store_serializer: Option<Located<String>>,
    /// How the value is compressed.
    pub compressor: Option<Located<String>>,
    /// Cipher of the cookie, and of the value where `encrypted`.
    pub cipher: Option<Located<String>>,
    /// Whether the value is encrypted with `secrets`.
    pub encrypted: Option<Located<bool>>,
    /// `iss` that a JWT must have.
    pub issuer: Option<Located<String>>,
    /// Values of `aud`, of which a JWT must have one.
    pub audience: Vec<Located<String>>,
    /// Signature algorithms, of those that the keys allow.
    pub algorithms: Vec<Located<String>>,
    /// `typ` that a JWT must have.
    pub typ: Option<Located<String>>,
    /// What a JWT without `exp` is.
    pub missing_exp: Option<Located<String>>,
}
