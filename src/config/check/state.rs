//! `[state]`.

use crate::config::check::names::Names;
use crate::config::check::table::{Checker, Table};
use crate::config::raw::Placed;
use crate::config::{Backend, State, Store, StoreId};

/// Longest prefix: it is in every key.
const PREFIX_BYTES_MAX: usize = 64;

/// Checks `[state]`, if it is there.
pub(crate) fn check(checker: &mut Checker<'_>, names: &Names<'_>, stores: &[Store]) -> Option<State> {
    let (file, raw) = checker.main()?;
    let raw = raw.state.as_ref()?;
    let at = file.at(raw);
    let mut table = Table { checker, file, name: "state".to_owned(), at };
    let raw = raw.get();
    let store = match &raw.store {
        Some(raw) => names.resolve(&mut table, file.at(raw), "store", raw.get()),
        None => names.only(&mut table, "store"),
    };
    if let Some(found) = store.and_then(|id| stores.get(id))
        && matches!(found.backend, Backend::Memory)
    {
        let at = raw.store.as_ref().map_or(at, |raw| file.at(raw));
        let found =
            format!("store `{}` is inside the process, and would forget every login with it", found.name);
        table.refuse(at, "store", found, "a store that is a Redis");
    }
    Some(State { store: StoreId(store.unwrap_or(0)), prefix: prefix(&mut table, raw.prefix.as_ref()) })
}

fn prefix(table: &mut Table<'_, '_>, raw: Option<&Placed<String>>) -> String {
    let Some(raw) = raw else { return "cloakroom:".to_owned() };
    let text = raw.get();
    // Braces would decide which node of a Cluster has the keys.
    let plain =
        text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'*' | b'?'));
    if text.is_empty() || text.len() > PREFIX_BYTES_MAX || !plain {
        let accepted = format!(
            "up to {PREFIX_BYTES_MAX} visible characters without braces, `*` and `?`, as \"cloakroom:\""
        );
        table.refuse(table.file.at(raw), "prefix", format!("`{text}` is not a prefix"), accepted);
    }
    text.clone()
}
