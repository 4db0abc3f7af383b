//! One look at a store, from its keys to what is told.

use crate::clock::UnixMillis;
use crate::config::Secret;
use crate::detect::candidate::Candidate;
use crate::detect::family::{Family, families};
use crate::detect::finding::{Explanation, Finding, Subject};
use crate::detect::frameworks::candidates;
use crate::detect::judge::{Judgement, judge};
use crate::detect::proof::{Attempt, Proven, Try, attempts};
use crate::detect::sample::{Content, Reading, VALUES_MAX};
use crate::detect::source::Source;
use crate::detect::subject;
use crate::request::Cookies;
use crate::store::StoreKey;

/// Families whose values are read: the largest ones.
const FAMILIES_MAX: usize = 20;
/// Values of one family that are read before every family has had its turn.
const TURN: usize = 10;

/// What is known beside the store.
#[derive(Default)]
pub struct Given {
    /// A browser's cookies.
    pub cookies: Option<Cookies>,
    /// The app's secrets.
    pub secrets: Vec<Secret>,
}

/// What a look at a store told.
#[derive(Debug)]
pub struct Report {
    /// How much was looked at.
    pub look: Look,
    /// What looks like sessions, the surest first.
    pub findings: Vec<Finding>,
    /// What does not: template, number of keys, and what the values are.
    pub others: Vec<(String, usize, String)>,
    /// What the cookie proved; `None` if there was none.
    pub proof: Option<Result<Proof, Vec<String>>>,
}

/// How much was looked at.
#[derive(Debug)]
pub struct Look {
    /// The database.
    pub database: i64,
    /// Keys that were scanned.
    pub keys: usize,
    /// Whether these were all.
    pub complete: bool,
    /// Values that were read.
    pub values: usize,
    /// Databases that hold keys, with how many; only asked for where nothing was found.
    pub databases: Vec<(i64, u64)>,
}

/// A session that was read from cookie to user.
#[derive(Debug)]
pub struct Proof {
    /// How: with the name of the cookie and its options.
    pub how: Explanation,
    /// The template of the key.
    pub key: String,
    /// Which of the given secrets verified the cookie.
    pub secret: Option<usize>,
    /// Which of them decrypted it, where that is another one.
    pub encryption: Option<usize>,
    /// Where the user is.
    pub subject: Subject,
    /// The user; `None` for a session of somebody who is not logged in.
    pub user: Option<String>,
    /// When the session ends.
    pub ends_at: Option<UnixMillis>,
}

/// A family with all that was made of it.
struct Judged {
    family: Family,
    judgements: Vec<Judgement>,
    finding: Option<Finding>,
}

/// Looks at a store.
///
/// # Errors
/// What the client library says of a store that cannot be read.
pub async fn detect(
    source: &mut Source,
    given: &Given,
    now: UnixMillis,
) -> Result<Report, ::redis::RedisError> {
    let scanned = source.keys().await?;
    let families = families(&scanned.keys);
    let readings = source.read(&wanted(&families)).await?;
    let secrets: Vec<_> = given.secrets.iter().collect();
    let table = candidates();
    let (mut judged, mut others) = (Vec::new(), Vec::new());
    for family in families {
        let of_family: Vec<_> =
            readings.iter().filter(|reading| family.keys.contains(&reading.key)).cloned().collect();
        let judgements = judge(&table, &family, &of_family, &secrets);
        let finding = Finding::new(&family, &of_family, &judgements);
        if finding.is_none() {
            others.push((family.template(), family.keys.len(), kinds(&of_family)));
        }
        judged.push(Judged { family, judgements, finding });
    }
    judged.sort_by_key(|one| {
        let confidence = one.finding.as_ref().map(|finding| finding.how.confidence);
        std::cmp::Reverse((confidence, one.family.keys.len()))
    });
    let proof = match &given.cookies {
        None => None,
        Some(cookies) => Some(prove(source, &table, &judged, cookies, &secrets, now).await?),
    };
    let findings: Vec<_> = judged.into_iter().filter_map(|one| one.finding).collect();
    let databases = if findings.is_empty() { source.databases().await } else { Vec::new() };
    let look = Look {
        database: source.database(),
        keys: scanned.keys.len(),
        complete: scanned.complete,
        values: readings.len(),
        databases,
    };
    Ok(Report { look, findings, others, proof })
}

/// The keys to read: some of each family in turn, as far as the bound goes.
fn wanted(families: &[Family]) -> Vec<StoreKey> {
    let mut wanted = Vec::new();
    for turn in 0..VALUES_MAX / TURN {
        for family in families.iter().take(FAMILIES_MAX) {
            wanted.extend(family.keys.iter().skip(turn * TURN).take(TURN).cloned());
        }
    }
    wanted.truncate(VALUES_MAX);
    wanted
}

/// What the values of a family are, in words.
fn kinds(readings: &[Reading]) -> String {
    let mut kinds: Vec<&str> = readings
        .iter()
        .map(|reading| match &reading.content {
            Content::Record(crate::store::Record::String(_)) => "strings of no session format",
            Content::Record(crate::store::Record::Hash(_)) => "hashes of no session format",
            Content::TooLarge => "too large for sessions",
            Content::Other(kind) => kind,
            Content::Gone => "gone",
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() { "not read".to_owned() } else { kinds.join(", ") }
}

async fn prove(
    source: &mut Source,
    table: &[Candidate],
    judged: &[Judged],
    cookies: &Cookies,
    secrets: &[&Secret],
    now: UnixMillis,
) -> Result<Result<Proof, Vec<String>>, ::redis::RedisError> {
    let mut tries = Vec::new();
    for one in judged {
        let specific = one.judgements.iter().any(|judgement| !judgement.candidate.is_generic());
        // A bare id would pass for any framework's whose cookie is the id, its signature unseen.
        let fair = one.judgements.iter().filter(|judgement| !specific || !judgement.candidate.is_generic());
        tries.extend(
            fair.map(|judgement| (Some((one, judgement)), &judgement.candidate, one.family.template())),
        );
    }
    // The family of this session may be one that the sample missed.
    let defaults = table.iter().filter(|candidate| !candidate.is_generic());
    tries.extend(defaults.map(|candidate| (None, candidate, candidate.key.to_owned())));
    let plain: Vec<_> = tries.iter().map(|(_, candidate, key)| Try { candidate, key: key.clone() }).collect();
    let (attempts, refused) = attempts(&plain, cookies, secrets);
    let mut keys: Vec<StoreKey> = Vec::new();
    for key in attempts.iter().flat_map(|attempt| &attempt.lookup.keys) {
        if keys.len() < VALUES_MAX && !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    let readings = source.read(&keys).await?;
    let mut best: Option<(u8, Proof)> = None;
    let mut misses = Vec::new();
    for attempt in &attempts {
        let Some((judged, candidate, key)) = tries.get(attempt.place) else { continue };
        match attempt.conclude(&readings, now) {
            Ok(proven) => {
                let (rank, proof) = conclude(*judged, candidate, key, attempt, &proven);
                if best.as_ref().is_none_or(|(other, _)| rank > *other) {
                    best = Some((rank, proof));
                }
            }
            Err(reject) if attempt.secret.is_some() => {
                misses.push(format!(
                    "{}: the cookie `{}` verifies, but {reject}",
                    candidate.name, attempt.cookie
                ));
            }
            Err(_) => {}
        }
    }
    if let Some((_, proof)) = best {
        return Ok(Ok(proof));
    }
    for (place, reject) in refused {
        if let Some((Some(_), candidate, _)) = tries.get(place) {
            misses.push(format!("{}: {reject}", candidate.name));
        }
    }
    misses.dedup();
    if misses.is_empty() {
        misses.push("no cookie of these leads to a record".to_owned());
    }
    Ok(Err(misses))
}

/// The proof, and how good it is.
fn conclude(
    judged: Option<(&Judged, &Judgement)>,
    candidate: &Candidate,
    key: &str,
    attempt: &Attempt,
    proven: &Proven,
) -> (u8, Proof) {
    let finding = judged.and_then(|(one, _)| one.finding.as_ref());
    let found = judged.map_or(0, |(_, judgement)| judgement.confidence);
    let mut evidence = judged.map(|(_, judgement)| judgement.evidence.clone()).unwrap_or_default();
    evidence.push(format!("the cookie `{}` leads to a record that decodes", attempt.cookie));
    let by_convention = proven.by_convention.clone().map(|user| {
        let words = "the framework's own".to_owned();
        (Subject { path: None, words, confidence: 100 }, user)
    });
    let guessed = || {
        let of_family = finding.into_iter().flat_map(|finding| finding.subjects.iter());
        let of_session = subject::guess(std::slice::from_ref(&proven.data));
        let mut paths =
            of_family.map(|guess| guess.path.clone()).chain(of_session.into_iter().map(|guess| guess.path));
        paths.find_map(|path| {
            let user = proven.user(&path)?;
            let words = format!("`{path}`");
            Some((Subject { path: Some(path), words, confidence: 90 }, user))
        })
    };
    let nobody = || {
        let unknown = Subject { path: None, words: "nobody is logged in".to_owned(), confidence: 0 };
        finding.map_or(unknown, |finding| finding.subject.clone())
    };
    let (subject, user) = by_convention.or_else(guessed).unzip();
    let how = Explanation {
        framework: candidate.framework,
        name: candidate.name,
        cookie: attempt.cookie.clone(),
        serializer: candidate.serializer,
        options: candidate.options.iter().chain(&attempt.options).copied().collect(),
        secrets: candidate.secrets,
        confidence: 100,
        evidence,
    };
    // Two frameworks may write and sign the same: the cookie's name is all that is left.
    let named = if attempt.cookie == candidate.cookie { 5 } else { 0 };
    let subject = subject.unwrap_or_else(nobody);
    let (secret, encryption) = (attempt.secret, attempt.encryption);
    let proof =
        Proof { how, key: key.to_owned(), secret, encryption, subject, user, ends_at: proven.ends_at };
    (found + named, proof)
}
