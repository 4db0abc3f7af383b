//! `[logout]`, resolved.

use crate::config::{IssuerId, ProfileId};

/// `[logout]`: ending sessions at the gateway.
#[derive(Debug)]
pub struct Logout {
    /// Which profiles' sessions can be ended.
    pub sessions: Vec<ProfileId>,
    /// Where a form's browser goes afterwards.
    pub then: Option<http::HeaderValue>,
    /// At which path the app sets its cookies.
    pub path: String,
    /// For which domain it does, if for more than the host.
    pub domain: Option<String>,
    /// Whose word ends sessions.
    pub backchannel: Vec<Backchannel>,
}

/// `[logout.backchannel.X]`: an issuer whose logout tokens count.
#[derive(Debug)]
pub struct Backchannel {
    /// X.
    pub issuer: IssuerId,
    /// Values of `aud`, of which a token must have one.
    pub audience: Vec<String>,
    /// The profiles whose users are its subjects.
    pub sessions: Vec<ProfileId>,
    /// The attribute that says which of its logins a session came of.
    pub sid: Option<String>,
}
