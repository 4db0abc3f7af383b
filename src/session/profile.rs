//! One app's way of keeping sessions, ready to read them.

use crate::codec::Value;
use crate::config::{ConfigError, IdleTouch, ProfileId, StoreId};
use crate::format::{Decoded, Lookup, Reject, SessionFormat, SessionId, Touching};
use crate::session::fingerprint::{Fingerprint, FingerprintKey};
use crate::session::identity::{Identity, IdentityRules};
use crate::session::verified::{Session, Voucher};
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
        let identity = Identity::build(&IdentityRules {
            table: (format!("sessions.{}", profile.name), profile.at),
            subject: profile.subject.as_ref(),
            act: profile.act.as_ref(),
            sub: &profile.sub,
            attributes: &profile.attributes,
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
        match (format, identity) {
            (Some(format), Some(identity)) if errors.is_empty() => Ok(Self {
                id,
                name: profile.name.as_str().into(),
                store: profile.store,
                format,
                identity,
                idle_touch,
            }),
            _ => Err(errors),
        }
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
    /// [`Reject::SubjectNotScalar`] if the subject is a list or a map.
    pub(super) fn session<T: Default>(
        &self,
        decoded: &Decoded,
        sid: Fingerprint,
    ) -> Result<Session<T>, Reject> {
        let subject = self.subject_value(&decoded.data);
        let by = (Voucher::Profile(self.id), &self.name);
        self.identity.session(by, subject.as_ref(), &decoded.data, sid)
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
