//! Answers that we write ourselves, and the last touch on those we pass on.
//!
//! Job: one table from a [`Reason`] to status, code, sentence and side; one renderer for the forms an answer may take
//! (problem+json, a small page, a login redirect, a gRPC status); response hygiene. Not the job: deciding.
//!
//! Invariant: same outside, different inside. Every reject of a session gives the client the same `login-required`;
//! the true reason goes to the log and the metrics. A `Refusal` has no `Display`, so a cause cannot slip into a body.
//!
//! The folder is a *roof*.

mod body;
mod cookie_care;
mod drain;
mod form;
mod hygiene;
mod live;
mod login;
mod reason;
mod render;
mod slide;

pub use body::ResponseBody;
pub use cookie_care::{CookieCare, Flaw, Flaws};
pub use drain::drain;
pub use form::Form;
pub use hygiene::{ResponseRules, clean, sets_one_of};
pub use live::{LiveBody, SessionOver, Stream, goes_on};
pub use login::{LoginRedirect, LoginTemplate, seen_before};
pub use reason::{Answer, Reason, Side, TABLE};
pub use render::{Rendering, render};
pub use slide::{CookieSlide, SetCookie, read_set_cookie};
