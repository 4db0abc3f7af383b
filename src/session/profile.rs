//! One app's way of keeping sessions, ready to read them.

use crate::codec::Value;
use crate::config::{ConfigError, IdleTouch, ProfileId, StoreId};
use crate::format::{Decoded, Lookup, Reject, SessionFormat, SessionId, Touching};
use crate::session::fingerprint::{Fingerprint, FingerprintKey};
use crate::session::identity::{Identity, IdentityRules};
use crate::session::subject::user_id;
use crate::session::user::UserRules;
use crate::session::verified::{Session, Voucher};
use crate::store::{Record, RecordKind, StoreKey};
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
    identity: Identity,
    pub(super) users: UserRules,
    /// Whether we keep its sessions alive, and how.
    pub idle_touch: IdleTouch,
}

impl Profile {
    /// The `sub` claim of this user.
    pub fn sub_of(&self, subject: &str) -> String {
        self.identity.sub_of(subject)
    }

    /// Makes a profile from its configuration.
    ///
    /// # Errors
    /// Everything the format, the paths or the template object to.
    pub fn build(id: ProfileId, profile: &crate::config::Profile) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let key = |name: &str| format!("sessions.{}.{name}", profile.name);
        let format = crate::format::build(profile).map_err(|found| errors.extend(found)).ok();
        let users = UserRules::build(profile).map_err(|found| errors.extend(found)).ok();
        let attributes = UserRules::of_sessions(profile);
        let identity = Identity::build(&IdentityRules {
            table: (format!("sessions.{}", profile.name), profile.at),
            subject: profile.subject.as_ref(),
            act: profile.act.as_ref(),
            sub: &profile.sub,
            attributes: &attributes,
        });
        let identity = identity.map_err(|found| errors.extend(found)).ok();
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
        match (format, identity, users) {
            (Some(format), Some(identity), Some(users)) if errors.is_empty() => Ok(Self {
                id,
                name: profile.name.as_str().into(),
                store: profile.store,
                format,
                identity,
                users,
                idle_touch,
            }),
            _ => Err(errors),
        }
    }

    /// How what is read in this store for it is kept: the records of its sessions, and of its users in either way.
    pub fn kinds_in(&self, store: StoreId) -> impl Iterator<Item = RecordKind> {
        let sessions = (self.store == Some(store)).then(|| self.format.record_kind());
        let users = self.users.record().is_some_and(|users| users.store == store);
        let users = [RecordKind::String, RecordKind::Hash].into_iter().filter(move |_| users);
        sessions.into_iter().chain(users)
    }

    /// Where the record of this session's user is, if there are any and the session has a user.
    pub fn user_record(&self, decoded: &Decoded) -> Option<(StoreId, StoreKey)> {
        let users = self.users.record()?;
        Some((users.store, users.key(&self.user_of(decoded)?)))
    }

    fn user_of(&self, decoded: &Decoded) -> Option<String> {
        user_id(&self.subject_value(&decoded.data)?).ok()?
    }

    /// The paths of `valid_if`, each with whether it holds for this session, given the record of its user; none for a guest's.
    ///
    /// # Errors
    /// [`Reject::Undecodable`] if that is no such record.
    pub fn conditions(
        &self,
        decoded: &Decoded,
        user: Option<&Record>,
    ) -> Result<Vec<(Arc<str>, bool)>, Reject> {
        if self.user_of(decoded).is_none() {
            return Ok(Vec::new());
        }
        self.users.judge(&decoded.data, user)
    }

    /// Whether we keep its sessions alive.
    pub const fn keeps_alive(&self) -> bool {
        matches!(self.idle_touch, IdleTouch::Gateway { .. })
    }

    /// The configured path of the subject; `None`: the framework's convention.
    pub fn subject_path(&self) -> Option<&str> {
        self.identity.subject_path()
    }

    /// The value at the subject's place, by the configured path or by the framework's convention.
    pub fn subject_value(&self, data: &Value) -> Option<Value> {
        match self.identity.subject_value(data) {
            Some(value) => value.cloned(),
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
    /// [`Reject::SubjectNotScalar`] if the subject is a list or a map, [`Reject::UserChanged`] if something in it is not as `valid_if`
    /// says.
    pub(super) fn session<T: Default>(
        &self,
        decoded: &Decoded,
        sid: Fingerprint,
    ) -> Result<Session<T>, Reject> {
        let subject = self.subject_value(&decoded.data);
        let by = (Voucher::Profile(self.id), &self.name);
        let mut session = self.identity.session(by, subject.as_ref(), &decoded.data, sid)?;
        if session.subject.is_some() {
            session.beside = self.users.beside(&decoded.data)?;
        }
        Ok(session)
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
