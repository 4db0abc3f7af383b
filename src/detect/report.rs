//! One look at a store, from its keys to what is told.

use crate::clock::UnixMillis;
use crate::config::Secret;
use crate::detect::candidate::Candidate;
use crate::detect::carried;
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
/// So many points apart, two explanations are equally good.
const NEAR: u8 = 10;
/// What the framework's own name of the cookie is worth in a proof, and an id in it of its own length.
const NAME_POINTS: u8 = 5;
const PUBLIC_ID_POINTS: u8 = 12;
/// Shorter than this, the end of a key is an id by chance.
const ID_BYTES_MIN: usize = 16;

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

impl Judged {
    /// What puts it before others: how sure it is, and a little how large, so that a stray key does not come first.
    fn weight(&self) -> Option<usize> {
        let confidence = usize::from(self.finding.as_ref()?.how.confidence);
        Some(confidence + 2 * self.family.keys.len().min(10))
    }
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
    let table = candidates();
    let (mut judged, mut others) = (Vec::new(), Vec::new());
    for family in families {
        let of_family: Vec<_> =
            readings.iter().filter(|reading| family.keys.contains(&reading.key)).cloned().collect();
        let judgements = judge(&table, &family, &of_family, &given.secrets);
        let finding = Finding::new(&family, &of_family, &judgements);
        if finding.is_none() {
            others.push((family.template(), family.keys.len(), kinds(&of_family)));
        }
        judged.push(Judged { family, judgements, finding });
    }
    judged.sort_by_key(|one| std::cmp::Reverse(one.weight()));
    merge(&mut judged);
    let proof = match &given.cookies {
        None => None,
        Some(_) => Some(prove(source, &table, &judged, given, now).await?),
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

/// Makes one finding of families that one profile would read: ids of two lengths under one prefix.
fn merge(judged: &mut [Judged]) {
    for at in 1..judged.len() {
        let (before, rest) = judged.split_at_mut(at);
        let Some(Judged { finding, .. }) = rest.first_mut() else { continue };
        let mut known = before.iter_mut().filter_map(|one| one.finding.as_mut());
        let alike = known.find(|known| finding.as_ref().is_some_and(|finding| known.is_read_like(finding)));
        if let Some(known) = alike
            && let Some(finding) = finding.take()
        {
            known.absorb(finding);
        }
    }
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

/// An explanation to prove.
struct Claim<'c> {
    /// What was made of its family, if it has one.
    judged: Option<(&'c Judged, &'c Judgement)>,
    one: Try<'c>,
    /// Whether a record under the id is proof enough. Where nothing is signed every framework with a bare id and the same
    /// serialisation would read it: only one that explains the family as well as any may claim it.
    unsigned: bool,
}

async fn prove(
    source: &mut Source,
    table: &[Candidate],
    judged: &[Judged],
    given: &Given,
    now: UnixMillis,
) -> Result<Result<Proof, Vec<String>>, ::redis::RedisError> {
    let claims = claims(table, judged);
    let mut misses = match try_all(source, &claims, given, now).await? {
        Ok(proof) => return Ok(Ok(proof)),
        Err(misses) => misses,
    };
    let elsewhere = elsewhere(&claims, judged, given);
    if !elsewhere.is_empty() {
        match try_all(source, &elsewhere, given, now).await? {
            Ok(proof) => return Ok(Ok(proof)),
            Err(more) => misses.extend(more),
        }
    }
    misses.extend(given.cookies.iter().flat_map(|cookies| carried::notes(cookies, &given.secrets)));
    misses.sort();
    misses.dedup();
    if misses.is_empty() {
        misses.push("no cookie of these leads to a record".to_owned());
    }
    Ok(Err(misses))
}

fn claims<'c>(table: &'c [Candidate], judged: &'c [Judged]) -> Vec<Claim<'c>> {
    let mut claims: Vec<Claim<'c>> = Vec::new();
    for one in judged {
        let specific = one.judgements.iter().any(|judgement| !judgement.candidate.is_generic());
        // A bare id would pass for any framework's whose cookie is the id, its signature unseen.
        let fair = one.judgements.iter().filter(|judgement| !specific || !judgement.candidate.is_generic());
        let claim = |judgement: &'c Judgement| {
            let best = one.judgements.first().map_or(0, |best| best.confidence);
            Claim {
                judged: Some((one, judgement)),
                one: Try { candidate: &judgement.candidate, key: one.family.template() },
                unsigned: judgement.confidence + NEAR >= best,
            }
        };
        claims.extend(fair.map(claim));
    }
    // The family of this session may be one that the sample missed.
    let defaults = table.iter().filter(|candidate| !candidate.is_generic());
    let judged_at =
        |key: &str| judged.iter().any(|one| !one.judgements.is_empty() && one.family.template() == key);
    claims.extend(defaults.map(|candidate| Claim {
        judged: None,
        one: Try { candidate, key: candidate.key.to_owned() },
        unsigned: !judged_at(candidate.key) && candidate.key != "{id}",
    }));
    claims
}

/// The same candidates with another key: one that was scanned and ends in an id that a cookie holds. It finds the prefix where
/// ids are of the app's own making.
fn elsewhere<'c>(claims: &[Claim<'c>], judged: &[Judged], given: &Given) -> Vec<Claim<'c>> {
    let Some(cookies) = &given.cookies else { return Vec::new() };
    let tries: Vec<_> = claims.iter().map(|claim| claim.one.clone()).collect();
    let (attempts, _) = attempts(&tries, cookies, &given.secrets);
    let mut found: Vec<Claim<'c>> = Vec::new();
    let vouched =
        |attempt: &&Attempt| attempt.secret.is_some() && attempt.lookup.id.expose().len() >= ID_BYTES_MIN;
    for attempt in attempts.iter().filter(vouched) {
        let Some(Claim { one, .. }) = claims.get(attempt.place) else { continue };
        let keys = judged.iter().flat_map(|one| &one.family.keys);
        let prefix = keys.filter_map(|key| key.expose().strip_suffix(attempt.lookup.id.expose())).next();
        if let Some(prefix) = prefix.and_then(|prefix| std::str::from_utf8(prefix).ok()) {
            let one = Try { candidate: one.candidate, key: format!("{prefix}{{id}}") };
            found.push(Claim { judged: None, one, unsigned: false });
        }
    }
    found
}

async fn try_all(
    source: &mut Source,
    claims: &[Claim<'_>],
    given: &Given,
    now: UnixMillis,
) -> Result<Result<Proof, Vec<String>>, ::redis::RedisError> {
    let Some(cookies) = &given.cookies else { return Ok(Err(Vec::new())) };
    let tries: Vec<_> = claims.iter().map(|claim| claim.one.clone()).collect();
    let (attempts, refused) = attempts(&tries, cookies, &given.secrets);
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
        let Some(Claim { judged, one, unsigned }) = claims.get(attempt.place) else { continue };
        if !unsigned && attempt.secret.is_none() {
            continue;
        }
        match attempt.conclude(&readings, now) {
            Ok(proven) => {
                let (rank, proof) = conclude(*judged, one, attempt, &proven);
                if best.as_ref().is_none_or(|(other, _)| rank > *other) {
                    best = Some((rank, proof));
                }
            }
            Err(reject) if attempt.secret.is_some() => {
                let name = one.candidate.name;
                misses.push(format!("{name}: the cookie `{}` verifies, but {reject}", attempt.cookie));
            }
            Err(_) => {}
        }
    }
    for (place, reject) in refused {
        if let Some(Claim { judged: Some(_), one, .. }) = claims.get(place) {
            misses.push(format!("{}: {reject}", one.candidate.name));
        }
    }
    Ok(best.map(|(_, proof)| proof).ok_or(misses))
}

/// The proof, and how good it is.
fn conclude(
    judged: Option<(&Judged, &Judgement)>,
    one: &Try<'_>,
    attempt: &Attempt,
    proven: &Proven,
) -> (u8, Proof) {
    let finding = judged.and_then(|(one, _)| one.finding.as_ref());
    let found = judged.map_or(0, |(_, judgement)| judgement.confidence);
    let mut evidence = judged.map(|(_, judgement)| judgement.evidence.clone()).unwrap_or_default();
    evidence.push(format!("the cookie `{}` leads to a record that decodes", attempt.cookie));
    let prefix = attempt.cookie_prefix.as_ref();
    evidence.extend(prefix.map(|prefix| format!("`{prefix}` is before the id in it (`cookie_prefix`)")));
    if attempt.is_typical {
        evidence.push("the id in it has the framework's own length".to_owned());
    }
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
    let candidate = one.candidate;
    let how = Explanation {
        framework: candidate.framework,
        name: candidate.name,
        cookie: attempt.cookie.clone(),
        cookie_prefix: attempt.cookie_prefix.clone(),
        serializer: candidate.serializer,
        options: candidate.options.iter().chain(&attempt.options).copied().collect(),
        secrets: candidate.secrets,
        confidence: 100,
        evidence,
    };
    // Two frameworks may write and sign the same: the cookie's name and the length of its id are all that is left.
    let named = if attempt.cookie == candidate.cookie { NAME_POINTS } else { 0 };
    let typical = if attempt.is_typical { PUBLIC_ID_POINTS } else { 0 };
    let subject = subject.unwrap_or_else(nobody);
    let (secret, encryption) = (attempt.secret, attempt.encryption);
    let proof =
        Proof { how, key: one.key.clone(), secret, encryption, subject, user, ends_at: proven.ends_at };
    (found + named + typical, proof)
}
