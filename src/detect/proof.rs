//! One session, decoded from the cookie to the user.
//!
//! Every way to read the given cookies is tried: each candidate, each cookie, each secret, each way to make a cookie that no
//! record shows. What a signature vouches for, and leads to a record that decodes, is proven; for a framework that signs
//! nothing the record under the id is the proof.

use crate::clock::UnixMillis;
use crate::codec::Value;
use crate::config::{DuplicateCookie, Framework, Secret};
use crate::detect::candidate::{Candidate, Opt, Secrets};
use crate::detect::ids::Alphabet;
use crate::detect::sample::Reading;
use crate::format::cookies::{self, CookieRules};
use crate::format::{Lookup, Presented, Reject, SessionFormat};
use crate::request::Cookies;
use crate::session::{SubjectPath, user_id};
use std::time::Duration;

/// Cookies of one header that are tried; browsers keep about as many for a site.
const COOKIES_MAX: usize = 60;
/// Records that are looked up.
const ATTEMPTS_MAX: usize = 100;

/// @fastify/session's ids: base64url of 24 bytes.
const FASTIFY_ID_BYTES: usize = 32;

/// A way to read the cookie that got as far as a key.
pub(crate) struct Attempt {
    /// Which explanation: its place among those tried.
    pub place: usize,
    /// The cookie's name.
    pub cookie: String,
    /// What the profile must say of the cookie.
    pub options: Vec<Opt>,
    /// What the profile must say is before the id in it.
    pub cookie_prefix: Option<String>,
    /// Whether the id in it looks as this framework makes them and others do not.
    pub is_typical: bool,
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
                let prefix = cookie_prefix(one.candidate.framework, name, cookies);
                for prefix in std::iter::once(None).chain(prefix.as_deref().map(Some)) {
                    let way = Way { name, options, prefix };
                    match attempt(one, place, &way, secrets, cookies) {
                        Ok(attempt) => attempts.extend(attempt),
                        Err(reject) if name == one.candidate.cookie => rejects.push((place, reject)),
                        Err(_) => {}
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

/// One way to read one cookie.
struct Way<'w> {
    name: &'w str,
    options: &'w [Opt],
    prefix: Option<&'w str>,
}

/// The first choice of secrets that gets as far as a key; `Ok(None)` if there is no such cookie.
fn attempt(
    one: &Try<'_>,
    place: usize,
    way: &Way<'_>,
    secrets: &[Secret],
    cookies: &Cookies,
) -> Result<Option<Attempt>, Reject> {
    let mut refused = None;
    for chosen in choices(secrets.len(), one.candidate.framework) {
        match attempt_with(one, place, way, &chosen, secrets, cookies) {
            Some(Ok(attempt)) => return Ok(Some(attempt)),
            Some(Err(reject)) => refused = refused.or(Some(reject)),
            None => {}
        }
    }
    refused.map_or(Ok(None), Err)
}

fn attempt_with(
    one: &Try<'_>,
    place: usize,
    way: &Way<'_>,
    choice: &Choice,
    secrets: &[Secret],
    cookies: &Cookies,
) -> Option<Result<Attempt, Reject>> {
    let pick = |places: &[usize]| places.iter().filter_map(|at| secrets.get(*at)).collect::<Vec<_>>();
    let (chosen, encryption) = (pick(&choice.secrets), pick(&choice.encryption));
    let known = Secrets::Known { secrets: &chosen, encryption: &encryption };
    let given = if chosen.is_empty() { Secrets::Unknown } else { known };
    let format = one.candidate.format(way.name, &one.key, way.options, way.prefix, &given)?;
    match format.present(cookies) {
        Presented::Absent | Presented::Carried(_) => None,
        Presented::Rejected(reject) => Some(Err(reject)),
        Presented::Session(lookup) => Some(Ok(Attempt {
            place,
            cookie: way.name.to_owned(),
            options: way.options.to_vec(),
            cookie_prefix: way.prefix.map(ToOwned::to_owned),
            is_typical: is_typical(one.candidate, way.name, cookies),
            secret: lookup.secret.and_then(|at| choice.secrets.get(at).copied()),
            encryption: choice.encryption.first().copied(),
            lookup,
            format,
        })),
    }
}

/// What @fastify/session was told to put before the id, if that is there and the id of its own making.
fn cookie_prefix(framework: Framework, name: &str, cookies: &Cookies) -> Option<String> {
    if framework != Framework::Fastify {
        return None;
    }
    let value = cookies::pick(cookies, name, CookieRules::FASTIFY, DuplicateCookie::AsFramework).ok()??;
    let signed = value.get(..memchr::memrchr(b'.', &value)?)?;
    let (prefix, id) = signed.split_at_checked(signed.len().checked_sub(FASTIFY_ID_BYTES)?)?;
    let prefix = std::str::from_utf8(prefix).ok().filter(|prefix| !prefix.is_empty())?;
    id.iter().all(|byte| Alphabet::Url.has(*byte)).then(|| prefix.to_owned())
}

/// Whether the bare id in the cookie has the framework's own length: the record's key, a hash of it, does not show it.
fn is_typical(candidate: &Candidate, name: &str, cookies: &Cookies) -> bool {
    let Some(length) = candidate.public_id else { return false };
    let picked = cookies::pick(cookies, name, CookieRules::RACK, DuplicateCookie::AsFramework);
    let hex = |id: &[u8]| id.len() == length && id.iter().all(|byte| Alphabet::Hex.has(*byte));
    picked.ok().flatten().is_some_and(|id| hex(&id))
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
