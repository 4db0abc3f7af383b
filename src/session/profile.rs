//! One app's way of keeping sessions, ready to read them.

use crate::codec::Value;
use crate::config::{AttributeSource, ConfigError, IdleTouch, ProfileId, StoreId};
use crate::format::{Decoded, Lookup, Reject, SessionFormat, SessionId, Touching};
use crate::session::attribute::claim_of;
use crate::session::fingerprint::{Fingerprint, FingerprintKey};
use crate::session::subject::{SubjectPath, user_id};
use crate::session::verified::Session;
use std::sync::Arc;

/// A session profile as the authenticator uses it; shared by all workers.
pub struct Profile {
    /// Its index in the configuration.
    pub id: ProfileId,
    /// Its name, the `client_id` claim.
    pub name: Arc<str>,
    /// Where its records are; `None` where the cookie is all there is.
    pub store: Option<StoreId>,
    /// How to read them.
    pub format: Box<dyn SessionFormat>,
    subject: Option<SubjectPath>,
    sub: SubTemplate,
    attributes: Vec<(Arc<str>, Attribute)>,
    /// Whether we keep its sessions alive, and how.
    pub idle_touch: IdleTouch,
}

/// Where an attribute comes from, parsed.
enum Attribute {
    Path(SubjectPath),
    Const(serde_json::Value),
}

/// The profile's template of `sub`, split at its placeholder.
struct SubTemplate {
    before: String,
    after: String,
}

impl Profile {
    /// Makes a profile from its configuration.
    ///
    /// # Errors
    /// Everything the format, the paths or the template object to.
    pub fn build(id: ProfileId, profile: &crate::config::Profile) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let key = |name: &str| format!("sessions.{}.{name}", profile.name);
        let format = crate::format::build(profile).map_err(|found| errors.extend(found)).ok();
        let mut path = |text: &str, at, name: &str| {
            let path = SubjectPath::parse(text);
            if path.is_none() {
                let found = format!("`{text}` has an empty step");
                errors.push(ConfigError::new(
                    at,
                    key(name),
                    found,
                    "names in the session joined by dots, as `user.id`",
                ));
            }
            path
        };
        let subject =
            profile.subject.as_ref().and_then(|subject| path(&subject.value, subject.at, "subject"));
        let attributes = profile
            .attributes
            .iter()
            .filter_map(|(name, source)| {
                let attribute = match source {
                    AttributeSource::Const(value) => Attribute::Const(value.clone()),
                    AttributeSource::Path(text) => Attribute::Path(path(text, profile.at, "attributes")?),
                };
                Some((Arc::from(name.as_str()), attribute))
            })
            .collect();
        if profile.subject.is_none()
            && format.as_ref().is_some_and(|format| format.subject_convention().is_none())
        {
            let missing = ConfigError::new(
                profile.at,
                key("subject"),
                "no `subject`, and this framework has no convention for where the user id is",
                "the path of the user id in the decoded session",
            );
            errors.push(
                missing.hint("for Passport it is \"passport.user\"; often it is \"userId\" or \"user.id\""),
            );
        }
        let idle_touch = profile.idle_touch.clone().unwrap_or(IdleTouch::Off);
        errors.extend(format.as_deref().and_then(|format| cannot_touch(format, profile)));
        let sub = SubTemplate::parse(&profile.sub.value).ok_or_else(|| {
            vec![ConfigError::new(
                profile.sub.at,
                key("sub"),
                "no `{subject}` in the template",
                "`{subject}` exactly once",
            )]
        });
        match (format, sub) {
            (Some(format), Ok(sub)) if errors.is_empty() => Ok(Self {
                id,
                name: profile.name.as_str().into(),
                store: profile.store,
                format,
                subject,
                sub,
                attributes,
                idle_touch,
            }),
            (_, sub) => {
                errors.extend(sub.err().into_iter().flatten());
                Err(errors)
            }
        }
    }

    /// Whether we keep its sessions alive.
    pub const fn keeps_alive(&self) -> bool {
        matches!(self.idle_touch, IdleTouch::Gateway { .. })
    }

    /// The configured path of the subject; `None`: the framework's convention.
    pub fn subject_path(&self) -> Option<&str> {
        self.subject.as_ref().map(SubjectPath::as_str)
    }

    /// The value at the subject's place, by the configured path or by the framework's convention.
    pub fn subject_value(&self, data: &Value) -> Option<Value> {
        match &self.subject {
            Some(path) => path.find(data).cloned(),
            None => self.format.subject(data),
        }
    }

    /// The fingerprint of a looked-up session.
    pub fn fingerprint(&self, key: &FingerprintKey, lookup: &Lookup) -> Fingerprint {
        self.fingerprint_of(key, &lookup.id)
    }

    /// The fingerprint of the session with this id.
    pub fn fingerprint_of(&self, key: &FingerprintKey, id: &SessionId) -> Fingerprint {
        key.fingerprint(&self.name, id.expose())
    }

    /// A session from its decoded record.
    ///
    /// # Errors
    /// [`Reject::SubjectNotScalar`] if the subject is a list or a map.
    pub(super) fn session<T: Default>(
        &self,
        decoded: &Decoded,
        sid: Fingerprint,
    ) -> Result<Session<T>, Reject> {
        let subject = match self.subject_value(&decoded.data) {
            Some(value) => user_id(&value)?,
            None => None,
        };
        let sub = match &subject {
            Some(subject) => self.sub.fill(subject),
            None => format!("guest:{}", sid.as_str()),
        };
        let attributes = self.attributes.iter().filter_map(|(name, source)| {
            let value = match source {
                Attribute::Const(value) => Some(value.clone()),
                Attribute::Path(path) => path.find(&decoded.data).and_then(claim_of),
            };
            Some((Arc::clone(name), value?))
        });
        Ok(Session {
            profile: self.id,
            client_id: Arc::clone(&self.name),
            subject,
            sub,
            sid,
            attributes: attributes.collect(),
            attached: T::default(),
        })
    }
}

/// The mistake of wanting sessions to be kept alive which only their app can.
fn cannot_touch(format: &dyn SessionFormat, profile: &crate::config::Profile) -> Option<ConfigError> {
    let (Touching::Never(why), Some(IdleTouch::Gateway { .. })) = (format.touching(), &profile.idle_touch)
    else {
        return None;
    };
    let found = format!("these sessions cannot be kept alive from outside: {why}");
    Some(ConfigError::new(profile.at, format!("sessions.{}.idle_touch", profile.name), found, "`off`"))
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Profile({})", self.name)
    }
}

impl SubTemplate {
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once("{subject}")?;
        (!after.contains("{subject}")).then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }

    fn fill(&self, subject: &str) -> String {
        [self.before.as_str(), subject, self.after.as_str()].concat()
    }
}
