//! Calls about the way from the app's sessions to our tokens.

use crate::admin::problem::Problem;
use crate::migration::Report;
use bytes::Bytes;
use serde_json::{Value, json};

/// Who knows how far the migration is.
pub struct MigrationDesk {
    /// All of it, now.
    pub report: Box<dyn Fn() -> Report + Send>,
    /// Has the rollout of a route begin again; whether it has one.
    pub resume: Box<dyn Fn(&str) -> bool + Send>,
}

impl MigrationDesk {
    /// The report.
    pub(super) fn tell(&self) -> Value {
        json!((self.report)())
    }

    /// `{"route": "/api/*"}`
    pub(super) fn resume(&self, body: &Bytes) -> Result<Value, Problem> {
        let told: Option<Value> = serde_json::from_slice(body).ok();
        let route = told.as_ref().and_then(|told| told.get("route")?.as_str());
        let route = route.ok_or(Problem::Malformed { takes: "{\"route\": \"...\"}" })?;
        if (self.resume)(route) { Ok(self.tell()) } else { Err(Problem::NoSuchRollout) }
    }
}

impl std::fmt::Debug for MigrationDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MigrationDesk")
    }
}
