//! Who was here lately, in a fixed amount of memory.

use governor::nanos::Nanos;
use std::sync::{Mutex, PoisonError};

/// Places that a key can be in.
const WAYS: usize = 8;

/// A set-associative table of keys, each with the time at which its bucket will be full again. Locks are one a bucket of eight, held
/// for a few instructions.
#[derive(Debug)]
pub(super) struct Table(Box<[Mutex<[Place; WAYS]>]>);

/// One key; the time 0 is an empty place.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: u64,
    full_at: u64,
}

impl Table {
    /// A table of about `keys` places.
    pub(super) fn new(keys: usize) -> Self {
        let buckets = keys.div_ceil(WAYS).max(1);
        Self((0..buckets).map(|_| Mutex::default()).collect())
    }

    /// Whether it is what [`Table::new`] makes for so many keys.
    pub(super) fn holds(&self, keys: usize) -> bool {
        self.0.len() == keys.div_ceil(WAYS).max(1)
    }

    /// What is known of `key` goes through `judge`; what comes out is kept, if `keep`. In a full bucket it takes the place of the key
    /// whose own bucket is full soonest, or has been for longest: it has least to lose.
    pub(super) fn judge<T, E>(
        &self,
        key: u64,
        keep: bool,
        judge: impl Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    ) -> Result<T, E> {
        let buckets = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(key % buckets).unwrap_or_default();
        let Some(bucket) = self.0.get(at) else { return judge(None).map(|(judged, _)| judged) };
        let mut places = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.iter().position(|place| place.key == key && place.full_at > 0);
        let place = known.or_else(|| (0..WAYS).min_by_key(|at| places.get(*at).map(|place| place.full_at)));
        let full_at = known.and_then(|at| places.get(at)).map(|place| Nanos::from(place.full_at));
        let (judged, next) = judge(full_at)?;
        if let Some(place) = place.and_then(|at| places.get_mut(at)).filter(|_| keep) {
            *place = Place { key, full_at: next.into() };
        }
        Ok(judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(table: &Table, key: u64, full_at: u64) {
        table.judge(key, true, |_| Ok::<_, ()>(((), full_at.into()))).unwrap();
    }

    fn get(table: &Table, key: u64) -> Option<u64> {
        table.judge(key, false, |known| Ok::<_, ()>((known, Nanos::default()))).unwrap().map(Nanos::as_u64)
    }

    #[test]
    fn a_full_table_forgets_who_is_furthest_from_a_limit() {
        let table = Table::new(WAYS);
        (1..=8).for_each(|key| set(&table, key, 100 + key));
        set(&table, 9, 500);
        assert_eq!((get(&table, 1), get(&table, 2), get(&table, 9)), (None, Some(102), Some(500)));
    }

    #[test]
    fn a_million_keys_take_no_more_places_than_there_are() {
        let table = Table::new(1000);
        (0..1_000_000).for_each(|key| set(&table, key, key + 1));
        let places: usize = table.0.iter().map(|bucket| bucket.lock().unwrap().len()).sum();
        assert_eq!((table.0.len(), places), (125, 1000));
    }

    #[test]
    fn a_refusal_and_a_look_change_nothing() {
        let table = Table::new(WAYS);
        set(&table, 1, 5);
        assert_eq!(table.judge(1, true, |_| Err::<((), Nanos), _>("no")), Err("no"));
        assert_eq!((get(&table, 1), get(&table, 2), get(&table, 1)), (Some(5), None, Some(5)));
    }
}
