//! One session, decoded from the cookie to the user.
//!
//! Every way to read the given cookies is tried: each candidate, each cookie, each secret, each way to make a cookie that no
//! record shows. What a signature vouches for, and leads to a record that decodes, is proven; for a framework that signs
//! nothing the record under the id is the proof.

use crate::clock::UnixMillis;
use crate::codec::Value;
use crate::config::{Framework, Secret};
use crate::detect::candidate::{Candidate, Opt, Secrets};
use crate::detect::sample::Reading;
use crate::format::{Lookup, Presented, Reject, SessionFormat};
use crate::request::Cookies;
use crate::session::{SubjectPath, user_id};
use std::time::Duration;

/// Cookies of one header that are tried; browsers keep about as many for a site.
const COOKIES_MAX: usize = 60;
/// Records that are looked up.
const ATTEMPTS_MAX: usize = 100;

/// A way to read the cookie that got as far as a key.
pub(crate) struct Attempt {
    /// Which explanation: its place among those tried.
    pub place: usize,
    /// The cookie's name.
    pub cookie: String,
    /// What the profile must say of the cookie.
    pub options: Vec<Opt>,
    /// Which of the given secrets verified it.
    pub secret: Option<usize>,
    /// Which of them decrypted it, where that is another one.
    pub encryption: Option<usize>,
    /// The keys its record may be under.
    pub lookup: Lookup,
    format: Box<dyn SessionFormat>,
}

/// An explanation to try: a candidate with a key.
#[derive(Clone)]
pub(crate) struct Try<'c> {
    /// The candidate.
    pub candidate: &'c Candidate,
    /// The template of the key.
    pub key: String,
}

/// A session that was read from cookie to user.
#[derive(Debug)]
pub(crate) struct Proven {
    /// The session.
    pub data: Value,
    /// The user by the framework's convention.
    pub by_convention: Option<String>,
    /// When it ends.
    pub ends_at: Option<UnixMillis>,
}

/// Every way in which the cookies name a record; and, where a cookie of the right name was refused, why.
pub(crate) fn attempts(
    tries: &[Try<'_>],
    cookies: &Cookies,
    secrets: &[Secret],
) -> (Vec<Attempt>, Vec<(usize, Reject)>) {
    let names = names(cookies);
    let (mut attempts, mut refused) = (Vec::new(), Vec::new());
    for (place, one) in tries.iter().enumerate() {
        let mut rejects = Vec::new();
        let before = attempts.len();
        for name in &names {
            for options in one.candidate.cookies {
                // A signature that is there is not overlooked, nor one that was left out where secrets say that it is made.
                let signed = !secrets.is_empty() || names.contains(&format!("{name}.sig"));
                if signed && options.contains(&("signed", "false")) {
                    continue;
                }
                for chosen in choices(secrets.len(), one.candidate.framework) {
                    match attempt(one, place, name, options, &chosen, secrets, cookies) {
                        Some(Ok(attempt)) => {
                            attempts.push(attempt);
                            break;
                        }
                        Some(Err(reject)) if name == one.candidate.cookie => rejects.push((place, reject)),
                        Some(Err(_)) | None => {}
                    }
                }
            }
        }
        if attempts.len() == before {
            // What fails in the framework's default way tells most.
            refused.extend(rejects.into_iter().next());
        }
        if attempts.len() >= ATTEMPTS_MAX {
            break;
        }
    }
    (attempts, refused)
}

/// Secrets to try together: places in the list of those given.
#[derive(Clone, Debug, Default)]
struct Choice {
    secrets: Vec<usize>,
    encryption: Vec<usize>,
}

/// All of them as a rotation; each alone, for one of another length stands in the way of all; each with each other as block key,
/// for the frameworks that have such.
fn choices(count: usize, framework: Framework) -> Vec<Choice> {
    let all: Vec<usize> = (0..count).collect();
    let alone = |encryption: Vec<usize>| {
        move |place: usize| Choice { secrets: vec![place], encryption: encryption.clone() }
    };
    let mut choices = vec![Choice { secrets: all, encryption: Vec::new() }];
    if count > 1 {
        choices.extend((0..count).map(alone(Vec::new())));
    }
    let blocks = if matches!(framework, Framework::Gorilla | Framework::Gin) { count } else { 0 };
    for block in 0..blocks {
        choices.extend((0..count).map(alone(vec![block])));
    }
    choices
}

fn attempt(
    one: &Try<'_>,
    place: usize,
    name: &str,
    options: &[Opt],
    choice: &Choice,
    secrets: &[Secret],
    cookies: &Cookies,
) -> Option<Result<Attempt, Reject>> {
    let pick = |places: &[usize]| places.iter().filter_map(|at| secrets.get(*at)).collect::<Vec<_>>();
    let (chosen, encryption) = (pick(&choice.secrets), pick(&choice.encryption));
    let known = Secrets::Known { secrets: &chosen, encryption: &encryption };
    let given = if chosen.is_empty() { Secrets::Unknown } else { known };
    let format = one.candidate.format(name, &one.key, options, &given)?;
    match format.present(cookies) {
        Presented::Absent | Presented::Carried(_) => None,
        Presented::Rejected(reject) => Some(Err(reject)),
        Presented::Session(lookup) => Some(Ok(Attempt {
            place,
            cookie: name.to_owned(),
            options: options.to_vec(),
            secret: lookup.secret.and_then(|at| choice.secrets.get(at).copied()),
            encryption: choice.encryption.first().copied(),
            lookup,
            format,
        })),
    }
}

impl Attempt {
    /// The session, if one of the readings is its record and the framework would take it.
    ///
    /// # Errors
    /// Why it would not.
    pub(crate) fn conclude(&self, readings: &[Reading], now: UnixMillis) -> Result<Proven, Reject> {
        let found = self.lookup.keys.iter().find_map(|key| {
            readings
                .iter()
                .find(|reading| reading.key == *key)
                .and_then(|found| Some((found, found.record()?)))
        });
        let (reading, record) = found.ok_or(Reject::UnknownSession)?;
        let decoded = self.format.decode(record, &self.lookup)?;
        let of_store = reading.ttl_ms.map(|ttl| now.plus(Duration::from_millis(ttl)));
        let ends_at = [of_store, decoded.ends_at, self.lookup.ends_at].into_iter().flatten().min();
        if ends_at.is_some_and(|end| end <= now) {
            return Err(Reject::Expired);
        }
        let by_convention = self.format.subject(&decoded.data);
        let by_convention = by_convention.and_then(|value| user_id(&value).ok().flatten());
        Ok(Proven { data: decoded.data, by_convention, ends_at })
    }
}

impl Proven {
    /// The user at the path.
    pub(crate) fn user(&self, path: &str) -> Option<String> {
        user_id(SubjectPath::parse(path)?.find(&self.data)?).ok().flatten()
    }
}

/// The names of the cookies, as far as they are names that a profile may have.
pub(crate) fn names(cookies: &Cookies) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for segment in cookies.segments().take(COOKIES_MAX) {
        let end = memchr::memchr(b'=', segment).unwrap_or(segment.len());
        let name = std::str::from_utf8(segment.get(..end).unwrap_or_default()).unwrap_or_default().trim();
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
