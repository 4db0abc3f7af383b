//! Moving an app's users from its own sessions to our tokens, route by route.
//!
//! Job: compare what a route's rules would have made of a request with what the app made of it by itself ([`Comparisons`], for `mode =
//! "shadow"` and for those whom a rollout leaves where they are); say whom a rollout has moved over already, and move more, or all back
//! ([`Rollout`]); keep both for whoever asks ([`Report`]). Not the job: deciding (`guard`), forwarding (`pipeline`), printing (`cli`).
//!
//! What the app says: 401, 403 and a redirect to a login are *turned away*, 2xx, 304 and 101 are *served*. All else says nothing of
//! who may pass: a 404 or a 500 comes to the right user as well.
//!
//! Who is moved: a hash of `sub` below the share, with no salt. So a user is on the same side at every gateway and on every route
//! that has moved as many, and a larger share moves more users and none back. Who is nobody, or cannot be told because a store is down,
//! is served by the side that served everybody before.
//!
//! What fails: for those moved, a refusal of ours, a 5xx, and a 401 or 403 of the service; for the others the same answers of the old
//! side. That those who stay would have been refused while the app serves them counts against the new side too: they are the next to be
//! moved, and a wrong secret would otherwise show when everybody is logged out. Both counts halve every minute, so an old fault
//! is forgotten and a new one is seen within some hundred requests. The way back is immediate on the gateway that sees it, and the others
//! follow by `[state]` within [`Rollout`]'s second; without `[state]` each gateway judges by itself.
//!
//! The folder is a *roof*.

mod answer;
mod comparisons;
mod report;
mod rollout;
mod routes;
mod sides;

pub use answer::{Agreement, Answer, Would, serves};
pub use comparisons::{Comparisons, Example};
pub use report::{Compared, CookiesAt, Moving, Report, RouteReport, UpstreamReport};
pub use rollout::{Outcome, Rollout};
pub use routes::{Migration, RouteMigration};

use std::time::Duration;

/// How often rollouts are looked after: so soon a step or a way back is known to all gateways.
pub const TEND_EVERY: Duration = Duration::from_secs(1);
