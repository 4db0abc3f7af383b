//! A path as the service behind a route knows it.
//!
//! Whole segments go at the front, and others come: nothing in the rest is touched, so that a rewritten path cannot get a
//! dot segment or an escape that the judged one had not. What it can get is a new meaning: `//x` where `/api` was taken
//! from `/api//x`, or a path that another route guards. So it is judged again as if it had come so.

use crate::request::error::ParseError;
use crate::request::path::Path;
use http::uri::PathAndQuery;

/// Judges `path` anew with the prefix `strip` taken away and `add` put in its place.
///
/// # Errors
/// As [`Path::parse`]; [`ParseError::BadTarget`] if the prefix is not there; an empty segment at the front, which browsers
/// and some apps read as a host, whatever the route allows.
pub(super) fn rewritten(path: &Path, strip: &str, add: &str) -> Result<Path, ParseError> {
    let target = target(path.raw(), strip, add).ok_or(ParseError::BadTarget)?;
    let seen = Path::parse(&target)?;
    if seen.as_str().starts_with("//") {
        return Err(ParseError::PathEmptySegment);
    }
    Ok(seen)
}

fn target(raw: &PathAndQuery, strip: &str, add: &str) -> Option<PathAndQuery> {
    let rest = raw.as_str().strip_prefix(strip)?;
    let (whole, in_query) = (rest.starts_with('/'), rest.starts_with('?') || rest.is_empty());
    if !whole && !in_query {
        return None;
    }
    let slash = if in_query && add.is_empty() { "/" } else { "" };
    PathAndQuery::try_from(format!("{add}{slash}{rest}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(path: &str, strip: &str, add: &str) -> Result<String, ParseError> {
        let path = Path::parse(&path.parse().unwrap()).unwrap();
        rewritten(&path, strip, add).map(|path| path.raw().as_str().to_owned())
    }

    #[test]
    fn whole_segments_are_taken_and_put() {
        for (path, strip, add, expected) in [
            ("/api/orders?x=/api", "/api", "", "/orders?x=/api"),
            ("/api", "/api", "", "/"),
            ("/api?x", "/api", "", "/?x"),
            ("/api/", "/api", "", "/"),
            ("/api", "/api", "/v2", "/v2"),
            ("/api?x", "/api", "/v2", "/v2?x"),
            ("/api/a%20b/", "/api", "/v2/x", "/v2/x/a%20b/"),
            ("/a", "", "/v2", "/v2/a"),
            ("/", "", "/v2", "/v2/"),
            ("/api/api/api", "/api", "", "/api/api"),
        ] {
            assert_eq!(seen(path, strip, add).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_prefix_that_is_not_there_as_whole_segments_is_refused() {
        for path in ["/apis/x", "/x/api", "/API/x", "/ap"] {
            assert_eq!(seen(path, "/api", ""), Err(ParseError::BadTarget), "{path}");
        }
    }

    #[test]
    fn what_would_look_like_a_host_is_refused() {
        for path in ["/api//evil.example", "/api//", "/api///x"] {
            assert_eq!(seen(path, "/api", ""), Err(ParseError::PathEmptySegment), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_rewritten_path_is_one_that_could_have_come(rest in "[a-z%2F5C.;/~A-Z0-9]{0,12}", add in "(/v[12])?") {
            let Ok(raw) = format!("/api{rest}").parse::<PathAndQuery>() else { return Ok(()) };
            let Ok(path) = Path::parse(&raw) else { return Ok(()) };
            if let Ok(seen) = rewritten(&path, "/api", &add) {
                prop_assert!(seen.as_str().starts_with('/') && !seen.as_str().starts_with("//"));
                prop_assert!(Path::parse(seen.raw()).is_ok());
            }
        }
    }
}
