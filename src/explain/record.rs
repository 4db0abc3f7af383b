//! What the store's record says: whether it decodes, when it ends, and whose it is.

use crate::clock::{UnixMillis, in_words};
use crate::explain::shown::{Mask, clip};
use crate::explain::step::{Mark, Step};
use crate::format::{Carried, Decoded, Lookup, Reject};
use crate::session::{Profile, user_id};
use crate::store::{Reading, Record, Stored};
use std::time::Duration;

/// Other users of one session that are named.
const OTHERS_MAX: usize = 5;

/// Finishes the step of a profile whose key was found, with the session if it is live.
pub(super) fn judge(
    mut step: Step,
    name: &str,
    profile: &Profile,
    now: UnixMillis,
    lookup: &Lookup,
    reading: Reading,
    mask: Mask,
) -> (Step, Option<Decoded>) {
    let outcome = match reading {
        Reading::Missing => Err(Reject::UnknownSession),
        Reading::WrongType => Err(Reject::WrongType),
        Reading::TooLarge { bytes } => Err(Reject::ValueTooLarge { bytes }),
        Reading::Found(stored) => found(&mut step, profile, now, lookup, &stored, mask),
    };
    match outcome {
        Ok((user, decoded)) => {
            step.mark = Mark::Passed;
            step.text = format!("{name}: a live session{}", if user { "" } else { " without a user" });
            (step, Some(decoded))
        }
        Err(reject) => {
            step.text = format!("{name}: {reject}");
            (step, None)
        }
    }
}

/// Finishes the step of a profile whose cookie is the session.
pub(super) fn carried(
    mut step: Step,
    name: &str,
    profile: &Profile,
    now: UnixMillis,
    carried: &Carried,
    mask: Mask,
) -> Step {
    step.fact("record", "none: the cookie is the session, and the store is never asked");
    for line in mask.outline(&carried.decoded.data) {
        step.fact("data", line);
    }
    let user = subject(&mut step, profile, &carried.decoded, mask);
    step.fact(
        "ends",
        match carried.decoded.ends_at {
            None => "never, by its own word".to_owned(),
            Some(end) if end <= now => format!("{} ago, by its `exp`", in_words(end.until(now))),
            Some(end) => {
                format!("in {}, by its `exp`; no logout ends it before", in_words(now.until(end)))
            }
        },
    );
    match user.and_then(|user| carried.judge(now).map(|()| user)) {
        Ok(user) => {
            step.mark = Mark::Passed;
            step.text = format!("{name}: a live session{}", if user { "" } else { " without a user" });
        }
        Err(reject) => step.text = format!("{name}: {reject}"),
    }
    step
}

/// The session, with whether there is a user.
fn found(
    step: &mut Step,
    profile: &Profile,
    now: UnixMillis,
    lookup: &Lookup,
    stored: &Stored,
    mask: Mask,
) -> Result<(bool, Decoded), Reject> {
    let kind = match stored.record {
        Record::String(_) => "a string",
        Record::Hash(_) => "a hash",
    };
    let ttl = stored.ttl_ms.map(Duration::from_millis);
    let life = ttl.map_or_else(|| "no TTL".to_owned(), |ttl| format!("TTL {}", in_words(ttl)));
    step.fact("record", format!("{kind} of {} bytes, {life}", stored.record.len()));
    let decoded = profile.format.decode(&stored.record, lookup)?;
    for line in mask.outline(&decoded.data) {
        step.fact("data", line);
    }
    let user = subject(step, profile, &decoded, mask)?;
    let ends_at = [ttl.map(|ttl| now.plus(ttl)), decoded.ends_at, lookup.ends_at].into_iter().flatten().min();
    step.fact(
        "ends",
        match ends_at {
            None => "never, by all that says so: not the TTL, nor the record, nor the cookie".to_owned(),
            Some(end) if end <= now => {
                format!("{} ago, by the {}", in_words(end.until(now)), who(end, decoded.ends_at, lookup))
            }
            Some(end) => {
                format!("in {}, by the {}", in_words(now.until(end)), who(end, decoded.ends_at, lookup))
            }
        },
    );
    match ends_at {
        Some(end) if end <= now => Err(Reject::Expired),
        Some(_) | None => Ok((user, decoded)),
    }
}

fn who(end: UnixMillis, record: Option<UnixMillis>, lookup: &Lookup) -> &'static str {
    if record == Some(end) {
        "record's own word"
    } else if lookup.ends_at == Some(end) {
        "cookie's own word"
    } else {
        "key's TTL"
    }
}

fn subject(step: &mut Step, profile: &Profile, decoded: &Decoded, mask: Mask) -> Result<bool, Reject> {
    let path = profile.subject_path().or_else(|| profile.format.subject_convention());
    let path = clip(path.unwrap_or("by the framework's convention"));
    let Some(value) = profile.subject_value(&decoded.data) else {
        step.fact("subject", format!("`{path}` leads nowhere: a guest"));
        for other in profile.format.other_subjects(&decoded.data).iter().take(OTHERS_MAX) {
            let other = clip(other);
            step.fact(
                "hint",
                format!("somebody is logged in at `{other}`: name it as `subject` if that is whom you mean"),
            );
        }
        return Ok(false);
    };
    let user = user_id(&value)?;
    step.fact(
        "subject",
        match &user {
            Some(user) => format!("`{path}`: {}", mask.json("subject", &user.as_str().into())),
            None => format!("`{path}` is {}, which no app means as a user: a guest", value.kind()),
        },
    );
    Ok(user.is_some())
}
