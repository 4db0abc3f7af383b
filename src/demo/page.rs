//! The page to click through: one file, and a policy under which nothing else runs.

use crate::codec::seal::Base64;
use aws_lc_rs::digest::{SHA256, digest};

const HTML: &str = include_str!("page.html");

/// The page with its Content-Security-Policy.
pub(super) struct Page {
    policy: String,
}

impl Page {
    pub(super) fn new() -> Self {
        let (style, script) = (hash(between("<style>", "</style>")), hash(between("<script>", "</script>")));
        let policy = format!(
            "default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; \
             img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        Self { policy }
    }

    pub(super) const fn html(&self) -> &'static str {
        HTML
    }

    /// Names the page's own style and script by their hashes.
    pub(super) fn policy(&self) -> &str {
        &self.policy
    }
}

/// What stands between the first `start` and the next `end`.
fn between(start: &str, end: &str) -> &'static str {
    let inner = HTML.split_once(start).map_or("", |(_, rest)| rest);
    inner.split_once(end).map_or("", |(inner, _)| inner)
}

fn hash(text: &str) -> String {
    format!("sha256-{}", Base64::Standard.encode(digest(&SHA256, text.as_bytes()).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_nothing_that_another_host_would_have_to_send() {
        for outside in ["http://", "https://", "src=\"/", "@import"] {
            assert!(!HTML.contains(outside), "{outside}");
        }
    }

    #[test]
    fn there_is_one_style_and_one_script_and_the_policy_knows_both() {
        assert_eq!((HTML.matches("<style").count(), HTML.matches("<script").count()), (1, 1));
        assert!(!between("<style>", "</style>").is_empty() && !between("<script>", "</script>").is_empty());
        assert!(!HTML.contains(" style=") && !HTML.contains(" onclick="));
    }
}
