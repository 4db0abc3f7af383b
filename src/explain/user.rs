//! What the record of a session's user says, and whether the session is good by it.

use crate::explain::Look;
use crate::explain::session::down;
use crate::explain::step::{Mark, Step};
use crate::format::{Decoded, Reject};
use crate::session::Profile;
use crate::store::{Reading, Record, RecordKind, Store, StoreError, StoreKey};

/// Finishes the step of a live session of a user.
pub(super) async fn judge(
    look: &Look<'_>,
    mut step: Step,
    (profile, name): (&Profile, &str),
    decoded: Option<&Decoded>,
) -> Step {
    let Some(decoded) = decoded.filter(|_| step.mark == Mark::Passed) else { return step };
    let mut record = None;
    if let Some((id, key)) = profile.user_record(decoded) {
        let Some(store) = look.stores.get(id.0) else { return step };
        record = match read(store, &key).await {
            Ok(Ok(record)) => record,
            Ok(Err(reject)) => return refused(step, name, &reject),
            Err(error) => return down(look, step, name, id, &error),
        };
        let kind = match &record {
            None => "none",
            Some(Record::String(_)) => "a string",
            Some(Record::Hash(_)) => "a hash",
        };
        step.fact("user", kind);
    }
    match profile.conditions(decoded, record.as_ref()) {
        Err(reject) => refused(step, name, &reject),
        Ok(conditions) => {
            for (path, holds) in &conditions {
                step.fact(
                    "valid_if",
                    format!("`{path}` {}", if *holds { "is as asked" } else { "is not as asked" }),
                );
            }
            match conditions.into_iter().find(|(_, holds)| !holds) {
                Some((path, _)) => refused(step, name, &Reject::UserChanged(path)),
                None => step,
            }
        }
    }
}

fn refused(mut step: Step, name: &str, reject: &Reject) -> Step {
    step.mark = Mark::Refused;
    step.text = format!("{name}: the session is live, but of its user: {reject}");
    step
}

/// A record that is kept in either way.
async fn read(store: &Store, key: &StoreKey) -> Result<Result<Option<Record>, Reject>, StoreError> {
    for kind in [RecordKind::String, RecordKind::Hash] {
        match store.read(key, kind).await? {
            Reading::Missing => return Ok(Ok(None)),
            Reading::Found(stored) => return Ok(Ok(Some(stored.record))),
            Reading::TooLarge { bytes } => return Ok(Err(Reject::ValueTooLarge { bytes })),
            Reading::WrongType => {}
        }
    }
    Ok(Err(Reject::WrongType))
}
