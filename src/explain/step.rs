//! What is said of a request, as data.

/// Everything there is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Method and URL.
    pub asked: String,
    /// What each stage found, in the order of the path.
    pub steps: Vec<Step>,
    /// How it ends.
    pub answer: Answer,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name, as in the map of the crate.
    pub stage: &'static str,
    /// What it means for the request.
    pub mark: Mark,
    /// What was found and why, in one sentence.
    pub text: String,
    /// What that rests on.
    pub facts: Vec<Fact>,
    /// Whether no later profile is asked: a store that is down must not let a lower profile win.
    pub stops: bool,
}

/// What a stage means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It goes on.
    Passed,
    /// It stops here, or this profile has no session for it.
    Refused,
    /// The stage has nothing to do.
    Skipped,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub name: &'static str,
    /// What was found.
    pub text: String,
}

/// How it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It goes to an upstream.
    Forwarded {
        /// Its name.
        upstream: String,
        /// Whether a token goes with it.
        with_token: bool,
    },
    /// `publish_jwks`: the answer is a document of the gateway's own.
    Published,
    /// One of the gateway's own endpoints answers: its name.
    Own(&'static str),
    /// We answer ourselves.
    Refused {
        /// The status.
        status: u16,
        /// The code in `Cloakroom-Refusal`.
        code: &'static str,
        /// What the access line would say.
        why: Option<String>,
        /// The Allow field of a 405.
        allow: Option<String>,
        /// Where a browser's navigation is sent instead.
        login: Option<String>,
    },
}

impl Step {
    /// The request goes on.
    pub(super) fn passed(stage: &'static str, text: impl Into<String>) -> Self {
        Self::new(stage, Mark::Passed, text)
    }

    /// The request stops here.
    pub(super) fn refused(stage: &'static str, text: impl Into<String>) -> Self {
        Self::new(stage, Mark::Refused, text)
    }

    /// There is nothing to do.
    pub(super) fn skipped(stage: &'static str, text: impl Into<String>) -> Self {
        Self::new(stage, Mark::Skipped, text)
    }

    fn new(stage: &'static str, mark: Mark, text: impl Into<String>) -> Self {
        Self { stage, mark, text: text.into(), facts: Vec::new(), stops: false }
    }

    /// Adds what was found.
    pub(super) fn fact(&mut self, name: &'static str, text: impl Into<String>) {
        self.facts.push(Fact { name, text: text.into() });
    }

    /// The same step with what was found.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.fact(name, text);
        self
    }
}
