//! What an app keeps of a user beside the sessions, and what must hold of both for a session to be good.
//!
//! A session is decoded without it first. What is left to be asked of the user's record then ([`Want`]) depends on the session's bytes
//! alone, so what both together make is remembered beside the session for as long as neither changes.

use crate::codec::{Limits, Value, json};
use crate::config::{AttributeSource, Condition, ConfigError, Expected, IN_USER_RECORD, StoreId};
use crate::format::{Reject, record};
use crate::session::attribute::{as_standard, claim_of};
use crate::session::cache::Known;
use crate::session::subject::SubjectPath;
use crate::session::template::SubjectTemplate;
use crate::session::verified::{Marks, Session};
use crate::store::{Record, RecordKind, StoreKey};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What a profile says of its users.
#[derive(Debug, Default)]
pub(super) struct UserRules {
    record: Option<UserRecord>,
    conditions: Vec<Rule>,
    attributes: Vec<(Arc<str>, SubjectPath)>,
}

/// Where the records of users are.
#[derive(Debug)]
pub(super) struct UserRecord {
    pub(super) store: StoreId,
    key: SubjectTemplate,
    /// Whether the last that was found was a hash.
    is_hash: AtomicBool,
}

/// One of `valid_if`.
#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    left: Side,
    right: Side,
}

/// What is compared.
#[derive(Debug)]
enum Side {
    Session(SubjectPath),
    Record(SubjectPath),
    Text(String),
}

/// What a session takes of the record of its user: two sides that must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Want {
    name: Arc<str>,
    path: SubjectPath,
    equals: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Text(String),
    Path(SubjectPath),
}

/// What a session is together with the record of its user.
#[derive(Debug)]
pub struct Beside<T> {
    wants: Vec<Want>,
    joined: Mutex<Option<Joined<T>>>,
}

#[derive(Debug)]
struct Joined<T> {
    /// The record; `None`: there was none.
    of: Option<Weak<Known<T>>>,
    session: Arc<Session<T>>,
}

impl UserRules {
    /// What the profile `name` says, whose attributes that come from the record are `attributes`.
    ///
    /// # Errors
    /// Every path that is none.
    pub(super) fn build(profile: &crate::config::Profile) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let has_record = profile.user_record.is_some();
        let conditions = profile.valid_if.iter().filter_map(|condition| {
            let rule = Rule::parse(condition, has_record);
            if rule.is_none() {
                let key = format!("sessions.{}.valid_if.{}", profile.name, condition.path);
                let accepted = "names joined by dots, as `record.active`";
                errors.push(ConfigError::new(condition.at, key, "a path with an empty step", accepted));
            }
            rule
        });
        let conditions = conditions.collect();
        let record = profile.user_record.as_ref().and_then(|record| {
            let key = SubjectTemplate::parse(&record.key.value);
            if key.is_none() {
                let (key, found) =
                    (format!("sessions.{}.user_record", profile.name), "no `{subject}` in the template");
                errors.push(ConfigError::new(record.key.at, key, found, "`{subject}` exactly once"));
            }
            Some(UserRecord { store: record.store, key: key?, is_hash: AtomicBool::new(false) })
        });
        let attributes = profile.attributes.iter().filter(|(_, source)| has_record && is_of_record(source));
        let attributes = attributes.filter_map(|(name, source)| match source {
            AttributeSource::Path(path) => {
                Some((Arc::from(name.as_str()), SubjectPath::parse(path.strip_prefix(IN_USER_RECORD)?)?))
            }
            AttributeSource::Const(_) => None,
        });
        let attributes = attributes.collect();
        if errors.is_empty() { Ok(Self { record, conditions, attributes }) } else { Err(errors) }
    }

    /// The attributes that the sessions themselves have.
    pub(super) fn of_sessions(profile: &crate::config::Profile) -> Vec<(String, AttributeSource)> {
        let has_record = profile.user_record.is_some();
        let own = profile.attributes.iter().filter(|(_, source)| !(has_record && is_of_record(source)));
        own.cloned().collect()
    }

    /// Where the records are, if there are any.
    pub(super) const fn record(&self) -> Option<&UserRecord> {
        self.record.as_ref()
    }

    /// What a session with this `data` takes of the record of its user.
    ///
    /// # Errors
    /// [`Reject::UserChanged`] if something does not hold whatever is there.
    pub(super) fn beside<T>(&self, data: &Value) -> Result<Beside<T>, Reject> {
        let mut wants = Vec::new();
        for rule in &self.conditions {
            wants.extend(rule.want(data)?);
        }
        Ok(Beside { wants, joined: Mutex::new(None) })
    }

    /// What `session` and the record of its user make together.
    ///
    /// # Errors
    /// [`Reject::UserChanged`] if it is not as `valid_if` says, [`Reject::Undecodable`] if it is no record.
    pub(super) fn join<T: Default>(
        &self,
        session: &Session<T>,
        of: Option<&Arc<Known<T>>>,
    ) -> Result<Arc<Session<T>>, Reject> {
        let before = session.beside.joined();
        if let Some(joined) = before.as_ref().filter(|joined| joined.is_of(of)) {
            return Ok(Arc::clone(&joined.session));
        }
        let data = of.map_or(Ok(Value::Map(Vec::new())), |known| value_of(known.record()))?;
        if let Some(want) = session.beside.wants.iter().find(|want| !want.holds(&data)) {
            return Err(Reject::UserChanged(Arc::clone(&want.name)));
        }
        let mut whole = self.with_attributes(session, &data);
        if let Some(before) = before.filter(|before| before.session.says_the_same(&whole)) {
            whole = before.session;
        }
        let of = of.map(Arc::downgrade);
        session.beside.remember(Joined { of, session: Arc::clone(&whole) });
        Ok(whole)
    }

    fn with_attributes<T: Default>(&self, session: &Session<T>, data: &Value) -> Arc<Session<T>> {
        let of_record = self.attributes.iter().filter_map(|(name, path)| {
            let value = as_standard(name, path.find(data).and_then(claim_of)?)?;
            Some((Arc::clone(name), value))
        });
        Arc::new(Session {
            by: session.by,
            client_id: Arc::clone(&session.client_id),
            subject: session.subject.clone(),
            sub: session.sub.clone(),
            act: session.act.clone(),
            sid: session.sid.clone(),
            attributes: session.attributes.iter().cloned().chain(of_record).collect(),
            attached: T::default(),
            marks: Marks::default(),
            beside: Beside::default(),
        })
    }

    /// Each condition's path with whether it holds, as far as both sides are known.
    pub(super) fn judge(&self, data: &Value, of: Option<&Record>) -> Result<Vec<(Arc<str>, bool)>, Reject> {
        let user = of.map_or(Ok(Value::Map(Vec::new())), value_of)?;
        let holds = |rule: &Rule| match rule.want(data) {
            Ok(want) => want.is_none_or(|want| want.holds(&user)),
            Err(_) => false,
        };
        Ok(self.conditions.iter().map(|rule| (Arc::clone(&rule.name), holds(rule))).collect())
    }
}

impl UserRecord {
    pub(super) fn key(&self, subject: &str) -> StoreKey {
        StoreKey::new(self.key.fill(subject).into_bytes())
    }

    /// How the records are kept, as far as has been seen.
    pub(super) fn kind(&self) -> RecordKind {
        if self.is_hash.load(Ordering::Relaxed) { RecordKind::Hash } else { RecordKind::String }
    }

    /// They are kept otherwise than so.
    pub(super) fn is_not(&self, kind: RecordKind) -> RecordKind {
        self.is_hash.store(kind == RecordKind::String, Ordering::Relaxed);
        self.kind()
    }
}

impl Rule {
    fn parse(condition: &Condition, has_record: bool) -> Option<Self> {
        let side = |path: &str| match path.strip_prefix(IN_USER_RECORD).filter(|_| has_record) {
            Some(path) => SubjectPath::parse(path).map(Side::Record),
            None => SubjectPath::parse(path).map(Side::Session),
        };
        let right = match &condition.equals {
            Expected::Text(text) => Side::Text(text.clone()),
            Expected::Path(path) => side(path)?,
        };
        Some(Self { name: Arc::from(condition.path.as_str()), left: side(&condition.path)?, right })
    }

    /// What is left to be asked of the record of the user.
    fn want(&self, data: &Value) -> Result<Option<Want>, Reject> {
        let changed = || Reject::UserChanged(Arc::clone(&self.name));
        let text = |side: &Side| match side {
            Side::Session(path) => path.find(data).and_then(text_of).ok_or_else(changed).map(Some),
            Side::Text(text) => Ok(Some(text.clone())),
            Side::Record(_) => Ok(None),
        };
        let want = |path: &SubjectPath, equals| {
            Some(Want { name: Arc::clone(&self.name), path: path.clone(), equals })
        };
        match (&self.left, &self.right, text(&self.left)?, text(&self.right)?) {
            (_, _, Some(left), Some(right)) => {
                if left == right {
                    Ok(None)
                } else {
                    Err(changed())
                }
            }
            (Side::Record(path), _, _, Some(text)) | (_, Side::Record(path), Some(text), _) => {
                Ok(want(path, Wanted::Text(text)))
            }
            (Side::Record(left), Side::Record(right), ..) => Ok(want(left, Wanted::Path(right.clone()))),
            _ => Err(changed()),
        }
    }
}

impl Want {
    fn holds(&self, data: &Value) -> bool {
        let found = |path: &SubjectPath| path.find(data).and_then(text_of);
        let equals = match &self.equals {
            Wanted::Text(text) => Some(text.clone()),
            Wanted::Path(path) => found(path),
        };
        equals.is_some() && found(&self.path) == equals
    }
}

impl<T> Beside<T> {
    /// Whether another session takes the same of its user's record.
    pub(super) fn wants_the_same(&self, other: &Self) -> bool {
        self.wants == other.wants
    }

    /// What was last made of both.
    pub(super) fn last(&self) -> Option<Arc<Session<T>>> {
        self.joined().map(|joined| joined.session)
    }

    fn joined(&self) -> Option<Joined<T>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, joined: Joined<T>) {
        *self.joined.lock().unwrap_or_else(PoisonError::into_inner) = Some(joined);
    }
}

impl<T> Joined<T> {
    fn is_of(&self, of: Option<&Arc<Known<T>>>) -> bool {
        match (&self.of, of) {
            (None, None) => true,
            (Some(before), Some(now)) => std::ptr::eq(before.as_ptr(), Arc::as_ptr(now)),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl<T> Clone for Joined<T> {
    fn clone(&self) -> Self {
        Self { of: self.of.clone(), session: Arc::clone(&self.session) }
    }
}

impl<T> Default for Beside<T> {
    fn default() -> Self {
        Self { wants: Vec::new(), joined: Mutex::new(None) }
    }
}

fn is_of_record(source: &AttributeSource) -> bool {
    matches!(source, AttributeSource::Path(path) if path.starts_with(IN_USER_RECORD))
}

/// What a record of a user says: a JSON object, or a hash of texts.
fn value_of(of: &Record) -> Result<Value, Reject> {
    match of {
        Record::String(bytes) => {
            record::object(json::decode(bytes, Limits::default()).map_err(Reject::Undecodable)?)
        }
        Record::Hash(fields) => {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
            let field = |(name, value): &(Vec<u8>, Vec<u8>)| {
                let value = text(value).map_or_else(|_| Value::Bytes(value.clone()), Value::Text);
                Some((text(name).ok()?, value))
            };
            Ok(Value::Map(fields.iter().filter_map(field).collect()))
        }
    }
}

/// A value as text, for a hash knows nothing else: `true` is `"true"`, 1 is `"1"`. What is missing or no single value is like nothing.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::BigInt(digits) => Some(digits.clone()),
        Value::Float(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Null | Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::Object { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these hold, given the texts of a session and of a record.
    fn holding(conditions: &[(&str, Expected)], session: &str, user: Option<&str>) -> Vec<bool> {
        let at = crate::config::At { file: 0, start: 0, end: 0 };
        let rule = |(path, equals): &(&str, Expected)| {
            Rule::parse(&Condition { at, path: (*path).to_owned(), equals: equals.clone() }, true).unwrap()
        };
        let rules = UserRules { conditions: conditions.iter().map(rule).collect(), ..UserRules::default() };
        let session = json::decode(session.as_bytes(), Limits::default()).unwrap();
        let user = user.map(|text| Record::String(text.as_bytes().to_vec()));
        rules.judge(&session, user.as_ref()).unwrap().into_iter().map(|(_, holds)| holds).collect()
    }

    fn text(text: &str) -> Expected {
        Expected::Text(text.to_owned())
    }

    fn path(path: &str) -> Expected {
        Expected::Path(path.to_owned())
    }

    #[test]
    fn what_is_missing_or_no_single_value_equals_nothing() {
        let none = [
            ("record.a", path("record.b")),
            ("record.a", path("b")),
            ("a", path("record.b")),
            ("a", path("b")),
            ("list", path("record.list")),
            ("record.null", text("null")),
            ("record.list", text("1")),
        ];
        let same = r#"{"list": [1], "null": null}"#;
        assert_eq!(holding(&none, same, Some(same)), [false; 7]);
        assert_eq!(holding(&none, same, None), [false; 7]);
    }

    #[test]
    fn both_sides_may_be_in_the_session_or_in_the_record() {
        let all = [
            ("record.on", text("true")),
            ("record.count", text("7")),
            ("v", text("1.5")),
            ("hash", path("record.hash")),
            ("record.hash", path("hash")),
            ("record.a.b", path("record.c")),
            ("hash", path("again")),
        ];
        let session = r#"{"v": 1.5, "hash": "h", "again": "h"}"#;
        let user = r#"{"on": true, "count": 7, "hash": "h", "a": {"b": "x"}, "c": "x"}"#;
        assert_eq!(holding(&all, session, Some(user)), [true; 7]);
        let other = r#"{"on": false, "count": 8, "hash": "H", "a": {"b": "x"}, "c": "y"}"#;
        let only_the_sessions_own = [false, false, true, false, false, false, true];
        assert_eq!(holding(&all, session, Some(other)), only_the_sessions_own);
    }

    #[test]
    fn a_path_with_an_empty_step_is_none() {
        let at = crate::config::At { file: 0, start: 0, end: 0 };
        for (path, equals) in [("record.", text("x")), ("a..b", text("x")), ("a", path("record..b"))] {
            let condition = Condition { at, path: path.to_owned(), equals };
            assert!(Rule::parse(&condition, true).is_none(), "{path}");
        }
    }
}
