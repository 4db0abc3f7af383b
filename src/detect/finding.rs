//! What is told of a family that looks like sessions.

use crate::config::Framework;
use crate::detect::candidate::{Candidate, Need, Opt};
use crate::detect::family::Family;
use crate::detect::judge::Judgement;
use crate::detect::sample::{Content, Reading};
use crate::detect::subject::{self, Guess};

/// Other explanations that are told.
const ALTERNATIVES_MAX: usize = 2;
/// So many points apart, two serialisations of one framework are equally good.
const EQUAL: u8 = 2;
/// Names that services most often want beside the user's.
const ATTRIBUTES: [&str; 4] = ["email", "roles", "tenant", "name"];

/// A family of sessions, and how its app keeps them.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The best explanation.
    pub how: Explanation,
    /// The template of the key.
    pub key: String,
    /// What the ids are made of, in words.
    pub ids: String,
    /// How many keys were scanned.
    pub keys: usize,
    /// How many values were read.
    pub values: usize,
    /// How long the records live.
    pub ttl: Ttl,
    /// Where the user is.
    pub subject: Subject,
    /// Other paths to a user.
    pub subjects: Vec<Guess>,
    /// Attributes that services may want, with their paths.
    pub attributes: Vec<(&'static str, String)>,
    /// What else it may be, the likeliest first.
    pub alternatives: Vec<Explanation>,
}

/// One explanation of a family.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whose format it is.
    pub framework: Framework,
    /// In words.
    pub name: &'static str,
    /// The name of the cookie: the default one until a cookie proved it.
    pub cookie: String,
    /// What is before the id in the cookie, as one showed.
    pub cookie_prefix: Option<String>,
    /// How the value is serialised.
    pub serializer: &'static str,
    /// What else a profile must say.
    pub options: Vec<Opt>,
    /// What it needs secrets for.
    pub secrets: Need,
    /// 0 to 97; 100 once a cookie proved it.
    pub confidence: u8,
    /// Why, in sentences.
    pub evidence: Vec<String>,
}

/// Where the user is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// As `subject` in a profile; `None`: the framework's own convention, or nothing was found.
    pub path: Option<String>,
    /// In words.
    pub words: String,
    /// 0 to 95; 0: nothing was found.
    pub confidence: u8,
}

/// How long records live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ttl {
    /// The shortest, in seconds.
    pub shortest: Option<u64>,
    /// The longest, in seconds.
    pub longest: Option<u64>,
    /// How many have none.
    pub without: usize,
}

impl Finding {
    /// What to tell of a family by the judgements of its candidates, the best first; `None` if there are none.
    pub fn new(family: &Family, readings: &[Reading], judgements: &[Judgement]) -> Option<Self> {
        let best = judgements.first()?;
        let subjects = subject::guess(&best.sessions);
        let path = |name| Some((name, subject::attribute(&best.sessions, name)?));
        Some(Self {
            how: Explanation::new(&best.candidate, best),
            key: family.template(),
            ids: family.ids.words(),
            keys: family.keys.len(),
            values: readings.iter().filter(|reading| reading.record().is_some()).count(),
            ttl: Ttl::of(readings),
            subject: Subject::of(best, &subjects),
            subjects,
            attributes: ATTRIBUTES.into_iter().filter_map(path).collect(),
            alternatives: alternatives(judgements),
        })
    }
}

impl Finding {
    /// Whether one profile reads both.
    pub(crate) fn is_read_like(&self, other: &Self) -> bool {
        let how =
            |finding: &Self| (finding.how.framework, finding.how.serializer, finding.how.options.clone());
        self.key == other.key && how(self) == how(other)
    }

    /// Adds what another family showed of the same sessions.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.how.confidence = self.how.confidence.max(other.how.confidence);
        self.ids = format!("{}, or {}", self.ids, other.ids);
        self.keys += other.keys;
        self.values += other.values;
        self.ttl = self.ttl.with(other.ttl);
        if other.subject.confidence > self.subject.confidence {
            (self.subject, self.subjects) = (other.subject, other.subjects);
        }
        if self.attributes.is_empty() {
            self.attributes = other.attributes;
        }
    }
}

impl Explanation {
    fn new(candidate: &Candidate, judgement: &Judgement) -> Self {
        Self {
            framework: candidate.framework,
            name: candidate.name,
            cookie: candidate.cookie.to_owned(),
            cookie_prefix: None,
            serializer: candidate.serializer,
            options: candidate.options.clone(),
            secrets: candidate.secrets,
            confidence: judgement.confidence,
            evidence: judgement.evidence.clone(),
        }
    }
}

/// The best of each other framework: the options of one that was not it are of no use. Of the same framework only another
/// serialisation that explains the values just as well.
fn alternatives(judgements: &[Judgement]) -> Vec<Explanation> {
    let mut told: Vec<Explanation> = Vec::new();
    let Some(best) = judgements.first() else { return told };
    for judgement in judgements.iter().skip(1) {
        let Candidate { framework, serializer, .. } = judgement.candidate;
        let known = told.iter().any(|told| told.framework == framework);
        let other = best.candidate.framework != framework
            || best.candidate.serializer != serializer && judgement.confidence + EQUAL >= best.confidence;
        if !known && other && !judgement.candidate.is_generic() {
            told.push(Explanation::new(&judgement.candidate, judgement));
        }
    }
    told.truncate(ALTERNATIVES_MAX);
    told
}

impl Subject {
    fn of(judgement: &Judgement, guesses: &[Guess]) -> Self {
        let total = judgement.sessions.len();
        let convention = |words: String, confidence| Self { path: None, words, confidence };
        match (&judgement.convention, guesses.first()) {
            (Some(known), _) if known.found > 0 => convention(
                format!("the framework's own, {}: in {} of {total} sessions", known.words, known.found),
                95,
            ),
            (_, Some(guess)) => Self {
                path: Some(guess.path.clone()),
                words: format!("`{}`: in {} of {total} sessions", guess.path, guess.found),
                confidence: guess.confidence,
            },
            (Some(known), None) => {
                convention(format!("the framework's own, {}: in no session that was read", known.words), 40)
            }
            (None, None) if judgement.candidate.sealed.is_some() => {
                convention("the framework's own, as far as can be told of sealed values".to_owned(), 50)
            }
            (None, None) => convention("none was found in the sessions that were read".to_owned(), 0),
        }
    }
}

impl Ttl {
    fn of(readings: &[Reading]) -> Self {
        let there = || readings.iter().filter(|reading| !matches!(reading.content, Content::Gone));
        let seconds = || there().filter_map(|reading| reading.ttl_ms).map(|ttl| ttl / 1000);
        Self {
            shortest: seconds().min(),
            longest: seconds().max(),
            without: there().filter(|reading| reading.ttl_ms.is_none()).count(),
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            shortest: self.shortest.into_iter().chain(other.shortest).min(),
            longest: self.longest.max(other.longest),
            without: self.without + other.without,
        }
    }

    /// In words.
    pub fn words(self) -> String {
        match (self.shortest, self.longest) {
            (Some(shortest), Some(longest)) => {
                let without = match self.without {
                    0 => String::new(),
                    count => format!(", {count} without any"),
                };
                match (time(shortest), time(longest)) {
                    (shortest, longest) if shortest == longest => format!("{longest}{without}"),
                    (shortest, longest) => format!("{shortest} to {longest}{without}"),
                }
            }
            _ => "none: the records stay until they are deleted".to_owned(),
        }
    }
}

fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
