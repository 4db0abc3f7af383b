//! Patterns as a tree of segments.

use crate::config::RouteId;
use crate::route::pattern::{Pattern, Segment};
use std::collections::HashMap;

/// A tree from paths to the routes of one pattern, or of several that fold to one. At each segment a literal goes before a
/// parameter, and a parameter before "all below"; what fails deeper down comes back to the next choice, so a look-up
/// visits each node at most once.
#[derive(Debug, Default)]
pub(super) struct PathTree {
    literals: HashMap<String, PathTree>,
    parameter: Option<Box<PathTree>>,
    here: Vec<RouteId>,
    below: Vec<RouteId>,
}

impl PathTree {
    /// Adds a route under its pattern.
    pub(super) fn insert(&mut self, pattern: &Pattern, route: RouteId) {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Parameter => node.parameter.get_or_insert_default(),
            };
        }
        let routes = if pattern.is_open_ended() { &mut node.below } else { &mut node.here };
        routes.push(route);
    }

    /// The routes of the most specific pattern that matches `path`, which starts with a slash, and that `takes` takes.
    pub(super) fn find(&self, path: &str, takes: &impl Fn(&[RouteId]) -> bool) -> Option<&[RouteId]> {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.descend((!path.is_empty()).then_some(path), takes)
    }

    /// `rest` is what is left of the path; `None` at its end, the empty text behind a trailing slash.
    fn descend(&self, rest: Option<&str>, takes: &impl Fn(&[RouteId]) -> bool) -> Option<&[RouteId]> {
        let taken = |routes| non_empty(routes).filter(|routes| takes(routes));
        let Some(rest) = rest else {
            return taken(&self.here).or_else(|| taken(&self.below));
        };
        let (segment, deeper) = match rest.split_once('/') {
            Some((segment, deeper)) => (segment, Some(deeper)),
            None => (rest, None),
        };
        let literal = self.literals.get(segment).and_then(|node| node.descend(deeper, takes));
        let parameter = || {
            let node = self.parameter.as_ref().filter(|_| !segment.is_empty())?;
            node.descend(deeper, takes)
        };
        literal.or_else(parameter).or_else(|| taken(&self.below))
    }
}

fn non_empty(routes: &[RouteId]) -> Option<&[RouteId]> {
    (!routes.is_empty()).then_some(routes)
}
