//! `mode` and `rollout` of a route.

use std::time::Duration;

use crate::config::check::names::Names;
use crate::config::check::table::Table;
use crate::config::raw::{Mode, Placed, RawRollout, RawRoute, ShareText};
use crate::config::{Access, Rollout, Share, UpstreamId};

const SHARE: &str = "a percentage, as \"10%\" or \"0.5%\"";
/// A share that ends sooner could not be told from the next.
const EVERY_MIN: Duration = Duration::from_secs(1);
const EVERY_MAX: Duration = Duration::from_secs(30 * 86_400);
const MINIMUM_MAX: u32 = 1_000_000;

/// Whether the route's rules are only decided.
pub(crate) fn is_shadow(table: &mut Table<'_, '_>, raw: &RawRoute, access: Access) -> bool {
    let Some(mode) = raw.mode.as_ref().filter(|mode| *mode.get() == Mode::Shadow) else { return false };
    let at = table.file.at(mode);
    if access == Access::Open {
        let found = "an open route decides nothing, so there is nothing to compare";
        table.refuse_with(at, "mode", found, "`enforce`", "say the access it is to have one day beside it");
    }
    if raw.rollout.is_some() {
        let found = "a route in shadow mode has no users to move yet";
        table.refuse(at, "mode", found, "`enforce`, or no `rollout` beside it");
    }
    true
}

/// Whom the route's rules count for so far.
pub(crate) fn rollout(
    table: &mut Table<'_, '_>,
    raw: &RawRoute,
    access: Access,
    upstreams: &Names<'_>,
) -> Option<Rollout> {
    let placed = raw.rollout.as_ref()?;
    let (file, at) = (table.file, table.file.at(placed));
    let raw: &RawRollout = placed.get();
    if access == Access::Open {
        let found = "an open route asks nobody who they are, so nobody can be told from the rest";
        table.refuse(at, "rollout", found, "access = \"optional\" beside it, or stricter");
    }
    let rest = upstreams.resolve(table, file.at(&raw.rest), "rollout.rest", raw.rest.get());
    let share = share(table, "rollout.share", Some(&raw.share), Share::NONE);
    let mut steps: Vec<Share> = Vec::new();
    for step in &raw.steps {
        let before = steps.last().copied().unwrap_or(share);
        let next = self::share(table, "rollout.steps", Some(step), Share::ALL);
        if next <= before {
            let found = format!("`{next}` does not follow `{before}`");
            table.refuse(file.at(step), "rollout.steps", found, "each share larger than the one before");
        }
        steps.push(next);
    }
    let hour = Duration::from_secs(3600);
    Some(Rollout {
        share,
        steps,
        every: table.duration_within("rollout.every", raw.every.as_ref(), hour, EVERY_MIN..=EVERY_MAX),
        rest: UpstreamId(rest.unwrap_or(0)),
        margin: self::share(table, "rollout.margin", raw.margin.as_ref(), Share::of_parts(500)),
        minimum: u32::try_from(table.count("rollout.minimum", raw.minimum.as_ref(), 100, 1..=MINIMUM_MAX))
            .unwrap_or(MINIMUM_MAX),
    })
}

fn share(table: &mut Table<'_, '_>, key: &str, raw: Option<&Placed<ShareText>>, default: Share) -> Share {
    let Some(raw) = raw else { return default };
    let text = raw.get().0.as_str();
    Share::parse(text).unwrap_or_else(|| {
        let (at, found) = (table.file.at(raw), format!("`{text}` is not a share"));
        match Share::parse(&format!("{}%", text.trim_end_matches('%').trim())) {
            Some(near) => table.refuse_with(at, key, found, SHARE, format!("did you mean \"{near}\"?")),
            None => table.refuse(at, key, found, SHARE),
        }
        default
    })
}
