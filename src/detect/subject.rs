//! Where the user may be, for frameworks that have no convention.

use crate::codec::Value;
use crate::session::{SubjectPath, user_id};
use std::collections::{BTreeMap, BTreeSet};

/// Paths in the order of how surely they name a user, with the confidence they deserve at best.
const KNOWN: [(&str, u8); 24] = [
    ("passport.user", 95),
    ("_auth_user_id", 95),
    ("_user_id", 95),
    ("userId", 90),
    ("user_id", 90),
    ("userID", 90),
    ("userid", 88),
    ("user.id", 88),
    ("user.userId", 86),
    ("user.user_id", 86),
    ("user._id", 85),
    ("user.uid", 84),
    ("user.sub", 84),
    ("passport.user.id", 88),
    ("auth.userId", 84),
    ("account.id", 75),
    ("accountId", 75),
    ("account_id", 75),
    ("member_id", 72),
    ("customer_id", 70),
    ("uid", 70),
    ("user", 60),
    ("username", 55),
    ("email", 40),
];
/// Other names are looked for down to this depth.
const DEPTH_MAX: usize = 3;
/// Paths that are told.
const TOLD_MAX: usize = 3;

/// A path that may be the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// As `subject` in a profile.
    pub path: String,
    /// 0 to 95.
    pub confidence: u8,
    /// In how many of the sessions there is a user at the path.
    pub found: usize,
}

/// The likeliest paths to a user id in these sessions, the best first.
pub(crate) fn guess(sessions: &[Value]) -> Vec<Guess> {
    let mut paths: BTreeMap<String, (u8, usize)> = BTreeMap::new();
    for (place, (path, confidence)) in KNOWN.iter().enumerate() {
        paths.insert((*path).to_owned(), (*confidence, place));
    }
    for session in sessions {
        let mut found = Vec::new();
        walk(session, "", 0, &mut found);
        for (path, confidence) in found {
            paths.entry(path).or_insert((confidence, KNOWN.len()));
        }
    }
    let mut guesses: Vec<_> = paths
        .into_iter()
        .filter_map(|(path, (confidence, place))| {
            let users = users(&path, sessions);
            let different: BTreeSet<_> = users.iter().collect();
            // One value in all of many sessions is a setting more likely than a user.
            let constant = users.len() >= 10 && different.len() == 1;
            let confidence = if constant { confidence / 2 } else { confidence };
            (!users.is_empty()).then_some((Guess { path, confidence, found: users.len() }, place))
        })
        .collect();
    guesses
        .sort_by(|(a, left), (b, right)| (b.confidence, left, &a.path).cmp(&(a.confidence, right, &b.path)));
    guesses.into_iter().map(|(guess, _)| guess).take(TOLD_MAX).collect()
}

/// Where the session has something that people map to a claim of that name.
pub(crate) fn attribute(sessions: &[Value], name: &str) -> Option<String> {
    let paths = [name.to_owned(), format!("user.{name}")];
    let holds = |path: &String| {
        let path = SubjectPath::parse(path);
        let is_claim = |value: &Value| matches!(value, Value::Text(_) | Value::List(_));
        path.is_some_and(|path| sessions.iter().any(|session| path.find(session).is_some_and(is_claim)))
    };
    paths.into_iter().find(holds)
}

/// The user ids at the path.
fn users(path: &str, sessions: &[Value]) -> Vec<String> {
    let Some(path) = SubjectPath::parse(path) else { return Vec::new() };
    sessions.iter().filter_map(|session| user_id(path.find(session)?).ok().flatten()).collect()
}

/// Names in the session that sound like a user's.
fn walk(value: &Value, before: &str, depth: usize, found: &mut Vec<(String, u8)>) {
    let (Value::Map(fields) | Value::Object { fields, .. }) = value else { return };
    for (name, inner) in fields.iter().filter(|(name, _)| !name.is_empty()) {
        let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        // Devise and Laravel name the scope and the guard of the login.
        if name.starts_with("warden.user.") && name.ends_with(".key") {
            found.push((format!("{path}.0.0"), 85));
        } else if name.starts_with("login_") && name.len() > 46 {
            found.push((path.clone(), 85));
        } else if sounds_like_a_user(name) {
            found.push((path.clone(), 65_u8.saturating_sub(u8::try_from(depth * 10).unwrap_or(u8::MAX))));
        }
        if depth + 1 < DEPTH_MAX {
            walk(inner, &path, depth + 1, found);
        }
    }
}

fn sounds_like_a_user(name: &str) -> bool {
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    let whose = ["user", "account", "member", "customer", "login", "principal", "person"];
    whose.iter().any(|whose| name.ends_with(&format!("{whose}id")) || name.ends_with(&format!("{whose}uuid")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Limits, json};

    fn sessions(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| json::decode(text.as_bytes(), Limits::default()).unwrap()).collect()
    }

    fn best(texts: &[&str]) -> Option<String> {
        guess(&sessions(texts)).into_iter().next().map(|guess| guess.path)
    }

    #[test]
    fn a_session_without_a_user_has_no_subject() {
        assert_eq!(best(&[r#"{"cart":[1],"userId":null}"#, r#"{"userId":0}"#]), None);
    }

    #[test]
    fn a_record_is_no_user_but_its_id_is() {
        assert_eq!(best(&[r#"{"user":{"id":42,"name":"a"}}"#]).as_deref(), Some("user.id"));
        assert_eq!(best(&[r#"{"passport":{"user":{"id":42}}}"#]).as_deref(), Some("passport.user.id"));
        assert_eq!(best(&[r#"{"user":"alice"}"#]).as_deref(), Some("user"));
    }

    #[test]
    fn a_name_of_the_apps_own_is_found_by_its_sound() {
        assert_eq!(best(&[r#"{"ctx":{"currentUserId":7}}"#]).as_deref(), Some("ctx.currentUserId"));
        assert_eq!(
            best(&[r#"{"warden.user.admin.key":[[3],"x"]}"#]).as_deref(),
            Some("warden.user.admin.key.0.0")
        );
    }

    #[test]
    fn one_value_in_many_sessions_is_hardly_a_user() {
        let many = vec![r#"{"userId":1,"uid":"a"}"#; 12];
        let guesses = guess(&sessions(&many));
        assert!(guesses.first().is_some_and(|guess| guess.confidence < 50), "{guesses:?}");
    }
}
