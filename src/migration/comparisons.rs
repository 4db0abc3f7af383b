//! What was compared on one route.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::migration::answer::{Agreement, Answer, Would};

/// Requests that are named for each kind of difference: enough to look them up, too few to be a log.
const EXAMPLES_MAX: usize = 5;
/// Bytes of a path that are kept.
const PATH_BYTES_MAX: usize = 256;

/// How often the rules and the app were of one mind, and how often and why not. Both words of a key are from closed sets.
#[derive(Debug, Default)]
pub struct Comparisons(Mutex<BTreeMap<(Agreement, &'static str), Seen>>);

/// One kind of difference.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// The latest, oldest first.
    pub examples: Vec<Example>,
}

/// A request to look into: its access line has the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its id.
    pub request_id: String,
    /// When it came, RFC 3339.
    pub time: String,
    /// Its method and path, cut.
    pub asked: String,
    /// The app's status.
    pub status: u16,
}

impl Comparisons {
    /// Notes one; `example` is asked only where the two differ.
    pub fn note(&self, would: Would, answer: Answer, example: impl FnOnce() -> Example) -> Agreement {
        let agreement = would.compare(answer);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.entry((agreement, would.cause())).or_default();
        seen.count = seen.count.saturating_add(1);
        if matches!(agreement, Agreement::WouldRefuse | Agreement::WouldAdmit) {
            if seen.examples.len() == EXAMPLES_MAX {
                seen.examples.remove(0);
            }
            seen.examples.push(example());
        }
        agreement
    }

    /// All that was seen, the worst first.
    pub fn seen(&self) -> Vec<(Agreement, &'static str, Seen)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|((agreement, cause), seen)| (*agreement, *cause, seen.clone())).collect()
    }
}

impl Example {
    /// What is kept of a method and path.
    pub fn asked(method: &str, path: &str) -> String {
        let end = path.floor_char_boundary(PATH_BYTES_MAX);
        format!("{method} {}", path.get(..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(number: usize) -> Example {
        Example {
            request_id: number.to_string(),
            time: String::new(),
            asked: Example::asked("GET", "/"),
            status: 200,
        }
    }

    #[test]
    fn only_the_latest_differences_are_kept_as_examples() {
        let comparisons = Comparisons::default();
        for number in 0..20 {
            comparisons.note(Would::Refuse("expired"), Answer::Served, || example(number));
            comparisons.note(Would::Forward { anonymous: false }, Answer::Served, || panic!("no difference"));
        }
        let seen = comparisons.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[0].0, seen[0].1, seen[0].2.count), (Agreement::WouldRefuse, "expired", 20));
        let ids: Vec<&str> = seen[0].2.examples.iter().map(|example| example.request_id.as_str()).collect();
        assert_eq!(ids, ["15", "16", "17", "18", "19"]);
    }
}
