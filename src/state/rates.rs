//! Who asked how often, of all gateways together.

use std::time::Duration;

use crate::config::Rate;
use crate::state::State;
use crate::store::StoreError;

const RATE: &str = include_str!("rate.lua");

/// What came of a request's count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether it may go on; if not, nothing was counted.
    pub passes: bool,
    /// When the bucket is full again.
    pub full_in: Duration,
}

impl State {
    /// Counts one for `who`. It is exact: the script runs alone, and by the server's clock. Asked again, it counts again.
    ///
    /// # Errors
    /// [`StoreError`]; it may have been counted.
    pub async fn take(&self, who: &str, rate: Rate) -> Result<Taken, StoreError> {
        let one = rate.per.as_micros() as f64 / f64::from(rate.count.get());
        let (one, burst) = (one.to_string(), rate.burst.to_string());
        let answer =
            self.store.run(RATE, &self.key("rate", who), &[one.as_bytes(), burst.as_bytes()]).await?;
        taken(&answer).ok_or(StoreError::UnexpectedReply)
    }
}

fn taken(answer: &[Vec<u8>]) -> Option<Taken> {
    let [passes, full_in] = answer else { return None };
    let full_in = std::str::from_utf8(full_in).ok()?.parse().ok()?;
    Some(Taken { passes: passes == b"1", full_in: Duration::from_micros(full_in) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_something_else_is_none() {
        let answer = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(
            taken(&answer(&["1", "1500"])),
            Some(Taken { passes: true, full_in: Duration::from_micros(1500) })
        );
        for words in [&["1"][..], &["1", "-5"], &["1", "soon"], &["1", "5", "5"], &[]] {
            assert_eq!(taken(&answer(words)), None, "{words:?}");
        }
    }
}
