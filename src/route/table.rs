//! All routes, indexed.

use crate::config::{ConfigError, RouteId};
use crate::request::{Path, PathExceptions, exception_text};
use crate::route::Route;
use crate::route::pattern::Pattern;
use crate::route::tree::PathTree;
use http::Method;
use std::collections::HashMap;

/// What a look-up finds.
#[derive(Debug)]
pub enum Found<'a> {
    /// The one route.
    Route(&'a Route),
    /// Routes for the path, none for the method; the text is the Allow field's.
    OtherMethods(String),
    /// No route, or a stricter one in a lax reading of the path.
    Nothing,
}

/// Every route of the gateway.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Route>,
    exact: HashMap<String, HostTable>,
    /// By suffix, `.example.com`; longest first.
    wildcard: Vec<(String, HostTable)>,
    any: HostTable,
    /// Whether some pattern differs from its own lax reading; then every look-up is made twice.
    odd_patterns: bool,
}

/// The routes of one host pattern: as written, and in the lax reading.
#[derive(Debug, Default)]
struct HostTable {
    raw: PathTree,
    folded: PathTree,
}

impl RouteTable {
    /// Indexes `routes`.
    ///
    /// # Errors
    /// Every pattern that is none, every pair of routes that one request could match equally well, and every
    /// `allow_in_path` through which a stricter route could be reached.
    pub fn build(routes: Vec<crate::config::Route>) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut patterns = Vec::new();
        for rules in &routes {
            match Pattern::parse(&rules.path.value) {
                Ok(pattern) => patterns.push(pattern),
                Err(wrong) => errors.push(bad_pattern(rules, wrong)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let odd_patterns = patterns.iter().any(|pattern| pattern.folded() != *pattern);
        let routes: Vec<Route> = routes
            .into_iter()
            .enumerate()
            .map(|(at, rules)| Route {
                id: RouteId(at),
                allowed: PathExceptions::new(&rules.allow_in_path),
                rules,
            })
            .collect();
        errors.extend(ambiguities(&routes, &patterns));
        errors.extend(reachable(&routes, &patterns));
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut table = Self {
            routes: Vec::new(),
            exact: HashMap::new(),
            wildcard: Vec::new(),
            any: HostTable::default(),
            odd_patterns,
        };
        for (route, pattern) in routes.iter().zip(&patterns) {
            for host in host_patterns(&route.rules) {
                table.insert(host, route.id, pattern);
            }
        }
        table.wildcard.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        table.routes = routes;
        Ok(table)
    }

    fn insert(&mut self, host: &str, route: RouteId, pattern: &Pattern) {
        if host.is_empty() {
            self.any.insert(route, pattern);
        } else if let Some(suffix) = host.strip_prefix('*') {
            match self.wildcard.iter_mut().find(|(known, _)| known == suffix) {
                Some((_, known)) => known.insert(route, pattern),
                None => {
                    let mut fresh = HostTable::default();
                    fresh.insert(route, pattern);
                    self.wildcard.push((suffix.to_owned(), fresh));
                }
            }
        } else {
            self.exact.entry(host.to_owned()).or_default().insert(route, pattern);
        }
    }

    /// All routes, in the order of the configuration.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route of a request. `method` is the one a preflight asks for.
    pub fn find(&self, host: &str, path: &Path, method: &Method) -> Found<'_> {
        let takes = |node: &[RouteId]| self.counts_for(node, method);
        let Some(node) = self.tables(host).find_map(|table| table.raw.find(path.as_str(), &takes)) else {
            return Found::Nothing;
        };
        let Some(route) = self.by_method(node, method) else { return Found::OtherMethods(self.allow(node)) };
        if (self.odd_patterns || path.folded().is_some())
            && self.lax_reading_is_stricter(host, path, method, route)
        {
            return Found::Nothing;
        }
        Found::Route(route)
    }

    /// Whether `path`, by which the service of `taken` gets a request, is one that a stricter route to the same service has
    /// under its own name.
    pub fn is_guarded_more(&self, host: &str, path: &Path, method: &Method, taken: &Route) -> bool {
        let folded = path.folded().unwrap_or_else(|| path.as_str());
        let takes = |node: &[RouteId]| self.counts_for(node, method);
        let nodes = self
            .tables(host)
            .flat_map(|table| [table.raw.find(path.as_str(), &takes), table.folded.find(folded, &takes)]);
        nodes.flatten().flatten().filter_map(|id| self.route(*id)).any(|other| {
            other.rules.upstream == taken.rules.upstream
                && other.rules.rewrite.is_none()
                && matches_method(&other.rules, method)
                && other.is_stricter_than(taken)
        })
    }

    /// The routes whose pattern fits, also those for other methods: of the bytes as sent, and in the lax reading. For `explain`.
    pub fn fitting(&self, host: &str, path: &Path, method: &Method) -> (Vec<&Route>, Vec<&Route>) {
        let takes = |node: &[RouteId]| self.counts_for(node, method);
        let routes = |node: &[RouteId]| node.iter().filter_map(|id| self.route(*id)).collect();
        let folded = path.folded().unwrap_or_else(|| path.as_str());
        let sent = self.tables(host).find_map(|table| table.raw.find(path.as_str(), &takes));
        let lax = self.tables(host).find_map(|table| table.folded.find(folded, &takes));
        (sent.map(routes).unwrap_or_default(), lax.map(routes).unwrap_or_default())
    }

    /// Whether a router that ignores case, a trailing slash and escapes of unreserved characters would apply stricter
    /// rules, or none for this method.
    fn lax_reading_is_stricter(&self, host: &str, path: &Path, method: &Method, route: &Route) -> bool {
        let folded = path.folded().unwrap_or_else(|| path.as_str());
        let takes = |node: &[RouteId]| self.counts_for(node, method);
        self.tables(host).filter_map(|table| table.folded.find(folded, &takes)).any(|node| {
            let mut takers = node
                .iter()
                .filter_map(|id| self.route(*id))
                .filter(|other| matches_method(&other.rules, method));
            match takers.next() {
                None => true,
                Some(first) => {
                    std::iter::once(first).chain(takers).any(|other| other.is_stricter_than(route))
                }
            }
        })
    }

    fn tables(&self, host: &str) -> impl Iterator<Item = &HostTable> {
        let wildcard =
            self.wildcard.iter().filter(move |(suffix, _)| is_below(host, suffix)).map(|(_, table)| table);
        self.exact.get(host).into_iter().chain(wildcard).chain([&self.any])
    }

    /// Whether a path that these routes share is theirs for this method. Routes in shadow take what they name and leave the rest as it
    /// was without them: nothing is blocked for their sake.
    fn counts_for(&self, node: &[RouteId], method: &Method) -> bool {
        let mut routes = node.iter().filter_map(|id| self.route(*id));
        routes.any(|route| !route.rules.shadow || matches_method(&route.rules, method))
    }

    fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(id.0)
    }

    /// Among routes of one path, one that names the method goes before one that takes all.
    fn by_method(&self, node: &[RouteId], method: &Method) -> Option<&Route> {
        let candidates = || {
            node.iter().filter_map(|id| self.route(*id)).filter(|route| matches_method(&route.rules, method))
        };
        candidates().find(|route| !route.rules.methods.is_empty()).or_else(|| candidates().next())
    }

    fn allow(&self, node: &[RouteId]) -> String {
        let mut names: Vec<&str> = node
            .iter()
            .filter_map(|id| self.route(*id))
            .flat_map(|route| &route.rules.methods)
            .flat_map(|method| {
                [method.as_str(), if *method == Method::GET { "HEAD" } else { method.as_str() }]
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

impl HostTable {
    fn insert(&mut self, route: RouteId, pattern: &Pattern) {
        self.raw.insert(pattern, route);
        self.folded.insert(&pattern.folded(), route);
    }
}

/// Whether `host` is one label below `suffix`, which starts with a dot.
fn is_below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix).is_some_and(|label| !label.is_empty() && !label.contains('.'))
}

fn matches_method(rules: &crate::config::Route, method: &Method) -> bool {
    rules.methods.is_empty()
        || rules.methods.contains(method)
        || (*method == Method::HEAD && rules.methods.contains(&Method::GET))
}

/// The host patterns of a route; the empty one stands for any.
fn host_patterns(rules: &crate::config::Route) -> Vec<&str> {
    if rules.hosts.is_empty() {
        vec![""]
    } else {
        rules.hosts.iter().map(|host| host.value.as_str()).collect()
    }
}

fn bad_pattern(rules: &crate::config::Route, wrong: &str) -> ConfigError {
    ConfigError::new(
        rules.path.at,
        "routes.path",
        wrong.to_owned(),
        "`/x` for one path, `/x/*` for it and all below, `/u/{id}/posts` with a name for one segment",
    )
}

/// Pairs of routes that one request matches equally well.
fn ambiguities(routes: &[Route], patterns: &[Pattern]) -> Vec<ConfigError> {
    let all: Vec<(&Route, &Pattern)> = routes.iter().zip(patterns).collect();
    let mut errors = Vec::new();
    for (at, (route, pattern)) in all.iter().enumerate() {
        let twin = all.iter().take(at).find(|(earlier, other)| {
            other == pattern
                && share_host(&route.rules, &earlier.rules)
                && share_method(&route.rules, &earlier.rules)
        });
        if let Some((earlier, _)) = twin {
            let error = ConfigError::new(
                route.rules.path.at,
                "routes.path",
                format!(
                    "`{}` is the pattern of an earlier route, for the same host and method",
                    route.rules.path.value
                ),
                "one route for each host, path and method",
            );
            errors.push(
                error.hint(format!("the earlier one has access = \"{}\"", earlier.rules.access.word())),
            );
        }
    }
    errors
}

fn share_host(a: &crate::config::Route, b: &crate::config::Route) -> bool {
    host_patterns(a).iter().any(|host| host_patterns(b).contains(host))
}

/// A route with methods goes before one without, so only equals collide.
fn share_method(a: &crate::config::Route, b: &crate::config::Route) -> bool {
    (a.methods.is_empty() && b.methods.is_empty())
        || a.methods.iter().any(|method| b.methods.contains(method))
}

/// Exceptions in paths through which an upstream that unescapes could reach a stricter route.
fn reachable(routes: &[Route], patterns: &[Pattern]) -> Vec<ConfigError> {
    let all: Vec<(&Route, &Pattern)> = routes.iter().zip(patterns).collect();
    let mut errors = Vec::new();
    for (lax, pattern) in &all {
        let Some(exception) = lax.rules.allow_in_path.first() else { continue };
        let seen = seen_as(&lax.rules);
        let stricter = all.iter().find(|(other, territory)| {
            let as_sent = territory.meets(pattern) && may_share_host(&lax.rules, &other.rules);
            let as_seen = || {
                let own = other.rules.rewrite.is_none() && other.rules.upstream == lax.rules.upstream;
                own && seen.as_ref().is_some_and(|seen| territory.meets(seen))
            };
            other.is_stricter_than(lax) && (as_sent || as_seen())
        });
        if let Some((other, _)) = stricter {
            let error = ConfigError::new(
                lax.rules.path.at,
                "routes.allow_in_path",
                format!(
                    "with `{}` in its path, a request could reach `{}`, which has stricter rules",
                    exception_text(*exception),
                    other.rules.path.value
                ),
                "exceptions only where no stricter route lies within the pattern",
            );
            errors.push(error.hint("narrow this route's path to the part that needs the exception"));
        }
    }
    errors
}

/// The pattern by which the service knows the paths of a route, where that is another one.
fn seen_as(rules: &crate::config::Route) -> Option<Pattern> {
    let rewrite = rules.rewrite.as_ref()?;
    let seen = format!("{}{}", rewrite.add, rules.path.value.strip_prefix(&rewrite.strip)?);
    Pattern::parse(if seen.is_empty() { "/" } else { &seen }).ok()
}

fn may_share_host(a: &crate::config::Route, b: &crate::config::Route) -> bool {
    let (a, b) = (host_patterns(a), host_patterns(b));
    a.iter().any(|mine| {
        b.iter().any(|theirs| {
            mine.is_empty()
                || theirs.is_empty()
                || mine == theirs
                || mine.strip_prefix('*').is_some_and(|suffix| is_below(theirs, suffix))
                || theirs.strip_prefix('*').is_some_and(|suffix| is_below(mine, suffix))
        })
    })
}

#[cfg(test)]
mod tests;
