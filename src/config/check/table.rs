//! Reading the values of one table, noting what is wrong.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::check::given::Given;
use crate::config::place::File;
use crate::config::raw::{DurationText, KnownOutage, OutageWord, Placed, RawConfig, RawOutage, SizeText};
use crate::config::units::{self, UnitError};
use crate::config::{At, ConfigError, Marks, Outage, Premises};

const DURATION: &str = "a duration with its unit, as \"250ms\", \"2s\", \"5m\", \"24h\", \"30d\"";
/// An outage that lasts longer is for people to decide about, not for a policy.
const SERVE_KNOWN_MAX: Duration = Duration::from_secs(3600);
const SIZE: &str = "a size, as \"4KiB\", \"10MiB\", \"64KB\", or a plain number of bytes";

/// What all checks share.
pub(crate) struct Checker<'a> {
    pub(crate) given: Given<'a>,
    errors: Vec<ConfigError>,
    /// What was read beside the configuration's own files.
    pub(crate) premises: Premises,
    /// The same, by the table that refers to it.
    pub(crate) marks: Marks,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(given: Given<'a>) -> Self {
        let (errors, premises, marks) = Default::default();
        Self { given, errors, premises, marks }
    }

    /// Notes a mistake.
    pub(crate) fn push(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    /// The main file's tables.
    pub(crate) fn main(&self) -> Option<(File, &'a RawConfig)> {
        self.given.documents.first().map(|document| (document.file, &document.raw))
    }

    /// Whether something was taken out of the table at `at`, so that what it seems to lack proves nothing.
    pub(crate) fn damaged(&self, at: At) -> bool {
        self.given.notes.iter().any(|note| note.damaged.contains(&at))
    }

    /// Whether the table of this kind and name was taken out.
    pub(crate) fn lost(&self, kind: &str, name: &str) -> bool {
        let mut lost = self.given.notes.iter().flat_map(|note| &note.lost);
        lost.any(|(its_kind, its_name)| its_kind == kind && its_name == name)
    }

    /// `gateway.toml line 12`.
    pub(crate) fn place(&self, at: At) -> String {
        let position = self.given.sources.position(at);
        position.map_or(String::new(), |(path, line, _)| format!("{} line {line}", path.display()))
    }

    /// The mistakes, without those that only follow from what was taken out.
    pub(crate) fn into_errors(self) -> Vec<ConfigError> {
        let damaged: Vec<At> =
            self.given.notes.iter().flat_map(|note| note.damaged.iter().copied()).collect();
        self.errors.into_iter().filter(|error| !damaged.contains(&error.at)).collect()
    }
}

/// One table under check.
pub(crate) struct Table<'t, 'a> {
    pub(crate) checker: &'t mut Checker<'a>,
    pub(crate) file: File,
    /// Its dotted name.
    pub(crate) name: String,
    /// Its place, for what is missing in it.
    pub(crate) at: At,
}

impl Table<'_, '_> {
    /// Notes that the value of `key`, written at `at`, is wrong.
    pub(crate) fn refuse(
        &mut self,
        at: At,
        key: &str,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        let error = ConfigError::new(at, self.key(key), found, accepted);
        self.checker.push(error);
    }

    /// The same, with what to try.
    pub(crate) fn refuse_with(
        &mut self,
        at: At,
        key: &str,
        found: impl Into<String>,
        accepted: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let error = ConfigError::new(at, self.key(key), found, accepted).hint(hint);
        self.checker.push(error);
    }

    /// The dotted name of `key`.
    pub(crate) fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// A duration longer than nothing, or `default` where the key is left out.
    pub(crate) fn duration(
        &mut self,
        key: &str,
        raw: Option<&Placed<DurationText>>,
        default: Duration,
    ) -> Duration {
        match self.duration_or_zero(key, raw, default) {
            Duration::ZERO => {
                let at = raw.map_or(self.at, |raw| self.file.at(raw));
                self.refuse(at, key, "0 is no time at all", "a duration longer than 0");
                default
            }
            duration => duration,
        }
    }

    /// A duration within `range`, or `default` where the key is left out.
    pub(crate) fn duration_within(
        &mut self,
        key: &str,
        raw: Option<&Placed<DurationText>>,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let duration = self.duration(key, raw, default);
        if range.contains(&duration) {
            return duration;
        }
        let at = raw.map_or(self.at, |raw| self.file.at(raw));
        let accepted = format!("a duration from {:?} to {:?}", range.start(), range.end());
        self.refuse(at, key, format!("{duration:?} is out of range"), accepted);
        default
    }

    /// What is done in an outage of the store, or `None` where the key is left out.
    pub(crate) fn outage(&mut self, raw: Option<&Placed<RawOutage>>) -> Option<Outage> {
        Some(match raw?.get() {
            RawOutage::Word(OutageWord::Deny) => Outage::Deny,
            RawOutage::Word(OutageWord::Anonymous) => Outage::Anonymous,
            RawOutage::Known(KnownOutage { serve_known }) => {
                let range = Duration::from_millis(1)..=SERVE_KNOWN_MAX;
                let default = Duration::from_secs(30);
                let time = self.duration_within("outage.serve_known", Some(serve_known), default, range);
                Outage::ServeKnown(time)
            }
        })
    }

    /// A duration within `range`, or `None` where it is `none`.
    pub(crate) fn duration_or_none(
        &mut self,
        key: &str,
        raw: Option<&Placed<DurationText>>,
        default: Option<Duration>,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        match raw {
            None => default,
            Some(raw) if raw.get().0 == "none" => None,
            Some(_) => Some(self.duration_within(key, raw, *range.start(), range)),
        }
    }

    /// A duration, or `default` where the key is left out.
    pub(crate) fn duration_or_zero(
        &mut self,
        key: &str,
        raw: Option<&Placed<DurationText>>,
        default: Duration,
    ) -> Duration {
        let Some(raw) = raw else { return default };
        let text = raw.get().0.as_str();
        units::duration(text).unwrap_or_else(|error| {
            let hint = match &error {
                UnitError::UnitMissing => {
                    Some(format!("a bare number has no unit: \"{text}s\" or \"{text}ms\"?"))
                }
                UnitError::UnitUnknown(unit) => unknown_unit(unit),
                UnitError::TooLarge | UnitError::NumberMissing => None,
            };
            self.quantity(self.file.at(raw), key, text, &error, DURATION, hint);
            default
        })
    }

    /// A size within `range`, or `default` where the key is left out.
    pub(crate) fn size(
        &mut self,
        key: &str,
        raw: Option<&Placed<SizeText>>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> usize {
        let size = raw.and_then(|raw| {
            let size = self.any_size(key, raw)?;
            if !range.contains(&size) {
                let accepted = format!("from {} to {} bytes", range.start(), range.end());
                self.refuse(self.file.at(raw), key, format!("{size} bytes is out of range"), accepted);
            }
            Some(size)
        });
        usize::try_from(size.unwrap_or(default)).unwrap_or(usize::MAX)
    }

    /// A size, or no limit where the key is left out or says `none`.
    pub(crate) fn size_or_none(&mut self, key: &str, raw: Option<&Placed<SizeText>>) -> Option<u64> {
        match raw?.get() {
            SizeText::Text(text) if text == "none" => None,
            _ => self.any_size(key, raw?),
        }
    }

    fn any_size(&mut self, key: &str, raw: &Placed<SizeText>) -> Option<u64> {
        match raw.get() {
            SizeText::Bytes(bytes) => Some(*bytes),
            SizeText::Text(text) => units::size(text)
                .map_err(|error| {
                    let hint = match &error {
                        UnitError::UnitUnknown(unit) => {
                            known_size(unit).map(|unit| format!("did you mean `{unit}`?"))
                        }
                        UnitError::TooLarge | UnitError::UnitMissing | UnitError::NumberMissing => None,
                    };
                    self.quantity(self.file.at(raw), key, text, &error, SIZE, hint);
                })
                .ok(),
        }
    }

    /// A count within `range`, or `default` where the key is left out.
    pub(crate) fn count(
        &mut self,
        key: &str,
        raw: Option<&Placed<u32>>,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> usize {
        let count = raw.map_or(default, |raw| {
            let count = *raw.get();
            if !range.contains(&count) {
                let accepted = format!("from {} to {}", range.start(), range.end());
                self.refuse(self.file.at(raw), key, format!("{count} is out of range"), accepted);
            }
            count
        });
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// A path, relative ones starting where the main file is.
    pub(crate) fn path(&mut self, key: &str, raw: &Placed<String>) -> PathBuf {
        if raw.get().is_empty() {
            self.refuse(
                self.file.at(raw),
                key,
                "an empty path",
                "a path, relative ones starting at the main file",
            );
        }
        self.checker.given.directory.join(raw.get())
    }

    fn quantity(
        &mut self,
        at: At,
        key: &str,
        text: &str,
        error: &UnitError,
        accepted: &str,
        hint: Option<String>,
    ) {
        let found = match error {
            UnitError::TooLarge => format!("`{text}` is too large"),
            UnitError::UnitMissing => format!("`{text}` has no unit"),
            UnitError::UnitUnknown(unit) => format!("`{}` in `{text}` is not a unit", unit.trim()),
            UnitError::NumberMissing => format!("`{text}` does not begin with a number"),
        };
        let mut error = ConfigError::new(at, self.key(key), found, accepted);
        error.hint = hint;
        self.checker.push(error);
    }
}

fn unknown_unit(unit: &str) -> Option<String> {
    if unit.starts_with(['.', ',']) {
        return Some("fractions are not accepted: \"1500ms\" is 1.5 s".to_owned());
    }
    let known = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    Some(format!("did you mean `{known}`?"))
}

fn known_size(unit: &str) -> Option<&'static str> {
    match unit.trim().to_ascii_lowercase().as_str() {
        "k" | "kb" => Some("KB"),
        "m" | "mb" => Some("MB"),
        "g" | "gb" => Some("GB"),
        "kib" | "ki" => Some("KiB"),
        "mib" | "mi" => Some("MiB"),
        "gib" | "gi" => Some("GiB"),
        "b" | "byte" | "bytes" => Some("B"),
        _ => None,
    }
}
