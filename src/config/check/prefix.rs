//! `strip_prefix` and `add_prefix` of a route.

use crate::config::Rewrite;
use crate::config::check::table::Table;
use crate::config::raw::{Placed, RawRoute};

const ACCEPTED: &str = "whole segments of unreserved characters, as \"/api\" or \"/api/v2\"";

/// What the service sees of the route's paths; `None` if they are forwarded as they come.
pub(crate) fn rewrite(table: &mut Table<'_, '_>, raw: &RawRoute) -> Option<Rewrite> {
    let strip = raw.strip_prefix.as_ref().map(|raw| prefix(table, "strip_prefix", raw));
    let add = raw.add_prefix.as_ref().map(|raw| prefix(table, "add_prefix", raw));
    if let (Some(Some(strip)), Some(given)) = (&strip, &raw.strip_prefix)
        && !begins_with(raw.path.get(), strip)
    {
        let found = format!("not every path of `{}` begins with `{strip}`", raw.path.get());
        let accepted = "the first segments of the route's `path`, none of them a parameter";
        table.refuse(table.file.at(given), "strip_prefix", found, accepted);
    }
    if strip.is_none() && add.is_none() {
        return None;
    }
    Some(Rewrite { strip: strip.flatten().unwrap_or_default(), add: add.flatten().unwrap_or_default() })
}

fn prefix(table: &mut Table<'_, '_>, key: &str, raw: &Placed<String>) -> Option<String> {
    let text = raw.get();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte);
    let segment = |segment: &str| {
        !segment.is_empty() && !segment.bytes().all(|byte| byte == b'.') && segment.bytes().all(plain)
    };
    let good = text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    if !good {
        table.refuse(table.file.at(raw), key, format!("`{text}` is no such prefix"), ACCEPTED);
    }
    good.then(|| text.clone())
}

/// Whether every path that fits `pattern` begins with the segments of `prefix`.
fn begins_with(pattern: &str, prefix: &str) -> bool {
    pattern.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
