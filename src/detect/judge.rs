//! How well a candidate explains a family.

use crate::codec::Value;
use crate::config::Secret;
use crate::detect::candidate::{Candidate, Need, Secrets, Seen, Share};
use crate::detect::family::Family;
use crate::detect::sample::Reading;
use crate::format::{Decoded, Lookup, Reject, SessionFormat, SessionId};
use crate::store::{Record, RecordKind};

/// What is below this is not worth telling.
const CONFIDENCE_MIN: i32 = 25;
/// Without a cookie nothing is certain.
const CONFIDENCE_MAX: i32 = 97;
/// So many values are not chance any more; fewer cost points.
const VALUES_ENOUGH: usize = 3;
const FEW_POINTS: i32 = 8;
/// What a value costs that none of the given secrets opens.
const UNOPENED_POINTS: i32 = 20;
/// Points for a key as the framework has it by default, and for one that has a part of it.
const KEY_POINTS: (i32, i32) = (15, 10);
/// Points for a bare id as key, where that is the default: every app without a prefix has it.
const BARE_KEY_POINTS: i32 = 8;
/// Points for ids that look exactly like the framework's, and for ids that may be.
const ID_POINTS: (i32, i32) = (12, 6);

/// A candidate with what it made of a family.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The candidate.
    pub candidate: Candidate,
    /// 0 to 97.
    pub confidence: u8,
    /// Why, in sentences.
    pub evidence: Vec<String>,
    /// The sessions that it read.
    pub sessions: Vec<Value>,
    /// Which of the given secrets opened the values, where they are sealed.
    pub opened_by: Option<usize>,
    /// Whether the format has its own way to the user in any of them.
    pub convention: Option<Convention>,
}

/// A framework's own way to the user.
#[derive(Clone, Debug)]
pub struct Convention {
    /// In words.
    pub words: &'static str,
    /// In how many sessions it leads somewhere.
    pub found: usize,
}

/// Every candidate that explains the family, the best first.
pub(crate) fn judge(
    candidates: &[Candidate],
    family: &Family,
    readings: &[Reading],
    secrets: &[Secret],
) -> Vec<Judgement> {
    let mut found: Vec<_> =
        candidates.iter().filter_map(|candidate| try_one(candidate, family, readings, secrets)).collect();
    // A stable sort: of equals the first in the table is the likelier.
    found.sort_by_key(|judgement| std::cmp::Reverse(judgement.confidence));
    found
}

fn try_one(
    candidate: &Candidate,
    family: &Family,
    readings: &[Reading],
    secrets: &[Secret],
) -> Option<Judgement> {
    if candidate.ids_only && !candidate.ids.iter().any(|ids| ids.fits(family.ids) > 0) {
        return None;
    }
    let template = family.template();
    let records: Vec<_> =
        readings.iter().filter_map(|reading| Some((family.id(&reading.key), reading.record()?))).collect();
    if candidate.secrets != Need::Value {
        let format = candidate.format(candidate.cookie, &template, &[], None, &Secrets::Unknown)?;
        return Tally::take(format.as_ref(), &records).judge(candidate, family, None);
    }
    // Secrets are only tried on what looks like it: each try derives keys and decrypts every value.
    let looks_sealed = candidate.sealed.is_none_or(|test| {
        records.iter().any(|(_, record)| matches!(record, Record::String(bytes) if test(bytes)))
    });
    if !looks_sealed {
        return None;
    }
    let opened = secrets.iter().enumerate().find_map(|(index, secret)| {
        let known = Secrets::Known { secrets: &[secret], encryption: &[] };
        let cookies = candidate.cookies.iter();
        let mut tallies = cookies.filter_map(|options| {
            let format = candidate.format(candidate.cookie, &template, options, None, &known)?;
            let tally = Tally::take(format.as_ref(), &records);
            (!tally.decoded.is_empty()).then_some(tally)
        });
        Some((tallies.next()?, index))
    });
    match opened {
        Some((tally, index)) => tally.judge(candidate, family, Some(index)),
        None => sealed(candidate, family, &records, !secrets.is_empty()),
    }
}

/// What a format made of all values.
struct Tally<'r> {
    total: usize,
    decoded: Vec<(&'r Record, Decoded)>,
    /// Sessions that ended by what they themselves say.
    ended: usize,
    convention: Option<Convention>,
}

impl<'r> Tally<'r> {
    fn take(format: &dyn SessionFormat, records: &[(&[u8], &'r Record)]) -> Self {
        let mut tally = Self { total: 0, decoded: Vec::new(), ended: 0, convention: None };
        for (id, record) in records {
            tally.total += 1;
            if kind(record) != format.record_kind() {
                continue;
            }
            let lookup =
                Lookup { id: SessionId::new(id.to_vec()), keys: Vec::new(), secret: None, ends_at: None };
            match format.decode(record, &lookup) {
                Ok(decoded) => tally.decoded.push((record, decoded)),
                Err(Reject::Expired) => tally.ended += 1,
                Err(_) => {}
            }
        }
        let found =
            tally.decoded.iter().filter(|(_, decoded)| format.subject(&decoded.data).is_some()).count();
        tally.convention = format.subject_convention().map(|words| Convention { words, found });
        tally
    }

    fn judge(self, candidate: &Candidate, family: &Family, opened_by: Option<usize>) -> Option<Judgement> {
        let count = self.decoded.len();
        if count == 0 {
            return None;
        }
        let total = self.total;
        let seen: Vec<_> =
            self.decoded.iter().map(|(record, decoded)| Seen::new(record, decoded, family)).collect();
        let mut evidence =
            vec![format!("{} of {total} values decode as {}", count + self.ended, serialisation(candidate))];
        let mut points = candidate.base;
        for mark in &candidate.marks {
            let having = seen.iter().filter(|seen| (mark.test)(seen)).count();
            if having == 0 {
                continue;
            }
            points += match mark.share {
                Share::Every => share(mark.points, having, count),
                Share::Some => mark.points,
            };
            evidence.push(format!("{having} of {total} {}", mark.says));
        }
        let mut confidence = share(points, count + self.ended, total);
        if confidence > 0 {
            confidence += key_points(candidate, family, &mut evidence);
        }
        if count < VALUES_ENOUGH {
            confidence -= FEW_POINTS;
            evidence.push(format!("only {count} to go by"));
        }
        if confidence < CONFIDENCE_MIN {
            return None;
        }
        Some(Judgement {
            candidate: candidate.clone(),
            confidence: u8::try_from(confidence.min(CONFIDENCE_MAX)).unwrap_or_default(),
            evidence,
            sessions: self.decoded.into_iter().map(|(_, decoded)| decoded.data).collect(),
            opened_by,
            convention: self.convention,
        })
    }
}

/// What is only known by its wrapping.
fn sealed(
    candidate: &Candidate,
    family: &Family,
    records: &[(&[u8], &Record)],
    tried: bool,
) -> Option<Judgement> {
    let test = candidate.sealed?;
    let sealed = |record: &Record| matches!(record, Record::String(bytes) if test(bytes));
    let count = records.iter().filter(|(_, record)| sealed(record)).count();
    if count == 0 {
        return None;
    }
    let mut evidence = vec![format!(
        "{count} of {} values are sealed as it seals them; no given secret opens them",
        records.len()
    )];
    let mut confidence =
        share(candidate.base, count, records.len()) + key_points(candidate, family, &mut evidence);
    if tried {
        confidence -= UNOPENED_POINTS;
    }
    if confidence < CONFIDENCE_MIN {
        return None;
    }
    Some(Judgement {
        candidate: candidate.clone(),
        confidence: u8::try_from(confidence.min(CONFIDENCE_MAX)).unwrap_or_default(),
        evidence,
        sessions: Vec::new(),
        opened_by: None,
        convention: None,
    })
}

/// What prefix and id add, told in `evidence`.
fn key_points(candidate: &Candidate, family: &Family, evidence: &mut Vec<String>) -> i32 {
    let default = candidate.key.trim_end_matches("{id}");
    let mut points = 0;
    if family.prefix == default {
        points += if default.is_empty() { BARE_KEY_POINTS } else { KEY_POINTS.0 };
        evidence.push(format!("`{}` is its default key", candidate.key));
    } else if !default.is_empty() && family.prefix.ends_with(default) {
        points += KEY_POINTS.1;
        evidence.push(format!("its default key, `{}`, is behind another prefix", candidate.key));
    } else if let Some(hint) = candidate.hints.iter().find(|hint| family.prefix.contains(**hint)) {
        points += KEY_POINTS.1;
        evidence.push(format!("the key has `{hint}` in it"));
    }
    let fits = candidate.ids.iter().map(|ids| ids.fits(family.ids)).max().unwrap_or_default();
    if fits > 0 {
        points += if fits == 2 { ID_POINTS.0 } else { ID_POINTS.1 };
        evidence.push(format!("the ids, {}, are such as it makes", family.ids.words()));
    }
    points
}

fn serialisation(candidate: &Candidate) -> String {
    let compressor = candidate.options.iter().find(|(name, _)| *name == "compressor");
    match compressor {
        Some((_, compressor)) => format!("{}, compressed with {compressor} where long", candidate.serializer),
        None => candidate.serializer.to_owned(),
    }
}

const fn kind(record: &Record) -> RecordKind {
    match record {
        Record::String(_) => RecordKind::String,
        Record::Hash(_) => RecordKind::Hash,
    }
}

fn share(points: i32, part: usize, whole: usize) -> i32 {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX / 200);
    points * number(part) / number(whole).max(1)
}
