//! The gateway's own endpoints on the public port: what is below `/.cloakroom/`.
//!
//! Job: trade a live session for an access and a refresh token, renew the pair, end it; end the session itself, or those of which an issuer
//! says that they are over. Not the job: reading sessions (`session`),
//! signing (`token`), keeping families (`state`), or what a request must be before it comes here (`pipeline`: POST, from no
//! other site's page).
//!
//! A refresh token is a way back to the session, never a way around it. It holds the key under which the session's own cookies are kept,
//! and each renewal opens them and judges the session as any request would be judged, asking its store. So whatever ends the session
//! ends the pair: a logout, an expiry, another user, a change of the app's secret; there is no second truth to be kept in step. And an
//! access token is minted from that verified session, like every token, and ends no later.
//!
//! Errors: what cannot be asked just now is 503, and the client keeps what it has. Only an answer ends a login: `invalid-grant` is said
//! when the family, its token or its session is known to be no good, and which of them it was is for the log.
//!
//! Threats: a stolen refresh token (rotation, and the end of the family when one comes back); a page of another site (POST only, and the
//! same judgement as for cookies; the cookie is `__Host-`, `HttpOnly` and `SameSite=Strict`); a service that is sent the cookie (it is
//! taken out on every route); a reader of the Redis (hashes, and cookies under a key that is not there).
//!
//! The folder is a *roof*.

mod answer;
mod backchannel;
mod endpoint;
mod fields;
mod logout;
mod pair;
mod refresh_token;
mod turned;

pub use answer::{REFRESH_COOKIE, forget, permit, preflight};
pub use backchannel::Notice;
pub use endpoint::Endpoint;
pub use fields::{BODY_BYTES_MAX, Fields};
pub use logout::{Leaving, Scope};
pub use pair::{Done, Door, Visit, Witness};
pub use turned::{Dead, Turned};
