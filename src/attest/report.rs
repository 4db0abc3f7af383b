//! What was found, as data, and for machines that run tests.

use crate::attest::kinds::{Kind, Severity, Wanted};
use crate::migration::serves;
use http::StatusCode;

/// What a service did with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status.
    Status(StatusCode),
    /// It gave no answer; the text says why.
    Nothing(String),
}

/// What is wrong with what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It let in what it should keep out.
    Accepted,
    /// It kept out what it should let in.
    Refused,
    /// It kept it out by breaking.
    Broke,
}

/// All that was tried.
#[derive(Debug)]
pub struct Report {
    /// Every kind and what came of it, in the order of the table.
    pub tried: Vec<(&'static Kind, Outcome)>,
}

impl Outcome {
    /// What is wrong with it for a token of this kind.
    pub fn flaw(&self, kind: &Kind) -> Option<Flaw> {
        match (kind.wanted, self) {
            (Wanted::Accept, Self::Status(status)) if serves(*status) => None,
            (Wanted::Accept, _) => Some(Flaw::Refused),
            (Wanted::Refuse, Self::Status(status)) if serves(*status) => Some(Flaw::Accepted),
            (Wanted::Refuse, Self::Status(status)) if status.is_server_error() => Some(Flaw::Broke),
            (Wanted::Refuse, Self::Status(_) | Self::Nothing(_)) => None,
        }
    }
}

impl Flaw {
    /// How bad it is for this kind: who breaks has kept the door shut.
    pub fn severity(self, kind: &Kind) -> Severity {
        match self {
            Self::Accepted | Self::Refused => kind.severity,
            Self::Broke => Severity::Low,
        }
    }

    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Broke => "broke",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => status.as_u16().fmt(f),
            Self::Nothing(why) => f.write_str(why),
        }
    }
}

impl Severity {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Report {
    /// The flaws, the worst first.
    pub fn flaws(&self) -> Vec<(&'static Kind, &Outcome, Flaw)> {
        let tried = self.tried.iter();
        let mut flaws: Vec<_> =
            tried.filter_map(|(kind, outcome)| Some((*kind, outcome, outcome.flaw(kind)?))).collect();
        flaws.sort_by_key(|(kind, _, flaw)| std::cmp::Reverse(flaw.severity(kind)));
        flaws
    }
}

/// JUnit's XML: one case a kind.
pub fn junit(report: &Report, service: &str) -> String {
    let (tests, failures) = (report.tried.len(), report.flaws().len());
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"attest {}\" tests=\"{tests}\" failures=\"{failures}\">\n",
        escaped(service)
    );
    for (kind, outcome) in &report.tried {
        let name = kind.name;
        xml.push_str(&match outcome.flaw(kind) {
            None => format!("  <testcase classname=\"attest\" name=\"{name}\"/>\n"),
            Some(flaw) => format!(
                "  <testcase classname=\"attest\" name=\"{name}\">\n    <failure type=\"{}\" message=\"{} ({})\">{}</failure>\n  </testcase>\n",
                flaw.severity(kind).word(),
                flaw.word(),
                escaped(&outcome.to_string()),
                escaped(kind.fix)
            ),
        });
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn escaped(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    visible.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
