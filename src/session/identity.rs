//! Who somebody is by what was decoded: the configured paths and template, parsed.

use crate::codec::Value;
use crate::config::{At, AttributeSource, ConfigError, Located};
use crate::format::Reject;
use crate::session::attribute::{as_standard, claim_of};
use crate::session::fingerprint::Fingerprint;
use crate::session::subject::{SubjectPath, user_id};
use crate::session::template::SubjectTemplate;
use crate::session::user::Beside;
use crate::session::verified::{Marks, Session, Voucher};
use serde_json::json;
use std::sync::Arc;

/// How a table of the configuration reads a person out of decoded data.
#[derive(Debug)]
pub struct Identity {
    subject: Option<SubjectPath>,
    act: Option<SubjectPath>,
    sub: SubjectTemplate,
    attributes: Vec<(Arc<str>, Attribute)>,
}

/// What a table says of it.
#[derive(Debug)]
pub struct IdentityRules<'c> {
    /// The table's dotted name and place, for what is wrong in it.
    pub table: (String, At),
    /// Path of the subject; `None`: it is found in some other way.
    pub subject: Option<&'c Located<String>>,
    /// Path of who really acts; `None`: nobody ever does.
    pub act: Option<&'c Located<String>>,
    /// Template of `sub`.
    pub sub: &'c Located<String>,
    /// Names and where their values are.
    pub attributes: &'c [(String, AttributeSource)],
}

/// Where an attribute comes from, parsed.
#[derive(Debug)]
enum Attribute {
    Path(SubjectPath),
    Const(serde_json::Value),
}

impl Identity {
    /// Parses paths and template.
    ///
    /// # Errors
    /// Every one that is none.
    pub fn build(rules: &IdentityRules<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let (table, at) = &rules.table;
        let key = |name: &str| format!("{table}.{name}");
        let mut path = |text: &str, at: At, name: &str| {
            let path = SubjectPath::parse(text);
            if path.is_none() {
                let found = format!("`{text}` has an empty step");
                let accepted = "names in the session joined by dots, as `user.id`";
                errors.push(ConfigError::new(at, key(name), found, accepted));
            }
            path
        };
        let subject = rules.subject.and_then(|subject| path(&subject.value, subject.at, "subject"));
        let act = rules.act.and_then(|act| path(&act.value, act.at, "act"));
        let attributes = rules.attributes.iter().filter_map(|(name, source)| {
            let attribute = match source {
                AttributeSource::Const(value) => Attribute::Const(value.clone()),
                AttributeSource::Path(text) => Attribute::Path(path(text, *at, "attributes")?),
            };
            Some((Arc::from(name.as_str()), attribute))
        });
        let attributes = attributes.collect();
        let sub = SubjectTemplate::parse(&rules.sub.value);
        if sub.is_none() {
            let found = "no `{subject}` in the template";
            errors.push(ConfigError::new(rules.sub.at, key("sub"), found, "`{subject}` exactly once"));
        }
        match sub {
            Some(sub) if errors.is_empty() => Ok(Self { subject, act, sub, attributes }),
            _ => Err(errors),
        }
    }

    /// The configured path of the subject.
    pub fn subject_path(&self) -> Option<&str> {
        self.subject.as_ref().map(SubjectPath::as_str)
    }

    /// The `sub` of this subject.
    pub(super) fn sub_of(&self, subject: &str) -> String {
        self.sub.fill(subject)
    }

    /// The value at that path, if there is a path.
    pub fn subject_value<'v>(&self, data: &'v Value) -> Option<Option<&'v Value>> {
        self.subject.as_ref().map(|path| path.find(data))
    }

    /// The session of whoever `subject` is; nobody: a guest.
    ///
    /// # Errors
    /// [`Reject::SubjectNotScalar`] if the subject, or who acts for it, is a list or a map.
    pub(super) fn session<T: Default>(
        &self,
        (by, client_id): (Voucher, &Arc<str>),
        subject: Option<&Value>,
        data: &Value,
        sid: Fingerprint,
    ) -> Result<Session<T>, Reject> {
        let subject = match subject {
            Some(value) => user_id(value)?,
            None => None,
        };
        let sub = match &subject {
            Some(subject) => self.sub.fill(subject),
            None => format!("guest:{}", sid.as_str()),
        };
        let act = match self.act.as_ref().and_then(|path| path.find(data)) {
            Some(value) => user_id(value)?.map(|actor| json!({ "sub": self.sub.fill(&actor) })),
            None => None,
        };
        let attributes = self.attributes.iter().filter_map(|(name, source)| {
            let value = match source {
                Attribute::Const(value) => Some(value.clone()),
                Attribute::Path(path) => path.find(data).and_then(claim_of),
            };
            Some((Arc::clone(name), as_standard(name, value?)?))
        });
        let attributes = attributes.collect();
        let client_id = Arc::clone(client_id);
        Ok(Session {
            by,
            client_id,
            subject,
            sub,
            act,
            sid,
            attributes,
            attached: T::default(),
            marks: Marks::default(),
            beside: Beside::default(),
        })
    }
}
