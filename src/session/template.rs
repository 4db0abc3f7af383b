//! Text with a user id in it.

/// A template, split at its `{subject}`.
#[derive(Debug)]
pub(super) struct SubjectTemplate {
    before: String,
    after: String,
}

impl SubjectTemplate {
    /// `None` unless the placeholder is in it exactly once.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once("{subject}")?;
        (!after.contains("{subject}")).then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }

    pub(super) fn fill(&self, subject: &str) -> String {
        [self.before.as_str(), subject, self.after.as_str()].concat()
    }
}
