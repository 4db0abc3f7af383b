//! Who has fetched the key set, from whichever gateway: one record, a field for each service.

use crate::state::State;
use crate::store::StoreError;
use std::time::Duration;

const NOTE: &str = include_str!("readers.lua");

/// A service that fetched the key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Which tells it from others.
    pub name: String,
    /// When it last did, in milliseconds.
    pub at: u64,
    /// The longest time between two of its fetches, in milliseconds.
    pub longest: u64,
}

impl State {
    /// Notes who fetched it lately, with the time; everybody who did from some gateway.
    ///
    /// # Errors
    /// [`StoreError`]; it can be noted again.
    pub async fn note_readers(
        &self,
        lately: &[(String, u64)],
        (most, silent): (usize, Duration),
    ) -> Result<Vec<Fetched>, StoreError> {
        let (most, silent) = (most.to_string(), silent.as_millis().to_string());
        let times: Vec<String> = lately.iter().map(|(_, at)| at.to_string()).collect();
        let noted = lately.iter().zip(&times).flat_map(|((name, _), at)| [name.as_bytes(), at.as_bytes()]);
        let args: Vec<&[u8]> = [most.as_bytes(), silent.as_bytes()].into_iter().chain(noted).collect();
        let mut said = self.store.run(NOTE, &self.key("readers", "keys"), &args).await?.into_iter();
        let mut all = Vec::new();
        while let (Some(name), Some(value)) = (said.next(), said.next()) {
            all.extend(fetched(name, &value));
        }
        Ok(all)
    }
}

fn fetched(name: Vec<u8>, value: &[u8]) -> Option<Fetched> {
    let (at, longest) = std::str::from_utf8(value).ok()?.split_once(':')?;
    Some(Fetched {
        name: String::from_utf8(name).ok()?,
        at: at.parse().ok()?,
        longest: longest.parse().ok()?,
    })
}
