//! Headers that the configuration sets and removes.

use crate::config::{self, ConfigError, HeaderChange, Located};
use crate::request::header::{Reserved, fold, why_no_rule};
use http::{HeaderMap, HeaderName};

/// Rules for one direction, compiled. They touch neither what only the gateway may say nor what frames a message: that is
/// a mistake in the configuration, not a race between two writers.
#[derive(Clone, Debug)]
pub struct HeaderRules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    name: HeaderName,
    /// What CGI-like servers make of it: to them `X_Tenant` is `X-Tenant` too.
    folded: String,
    change: HeaderChange,
}

impl HeaderRules {
    /// The rules of an upstream and then those of a route, which have the last word. `None` if there are none.
    pub fn of(upstream: &config::HeaderRules, route: &config::HeaderRules) -> Option<Box<Self>> {
        let rules = upstream.0.iter().chain(&route.0).map(|(Located { value: name, .. }, change)| Rule {
            folded: fold(name.as_str().as_bytes()),
            name: name.clone(),
            change: change.clone(),
        });
        let rules: Vec<Rule> = rules.collect();
        (!rules.is_empty()).then(|| Box::new(Self(rules)))
    }

    /// Applies them in order. What is removed or set is so in every spelling.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for Rule { name, folded, change } in &self.0 {
            match change {
                HeaderChange::Remove => remove(headers, folded),
                HeaderChange::Set(value) => {
                    remove(headers, folded);
                    headers.insert(name, value.clone());
                }
                HeaderChange::Append(value) => drop(headers.append(name, value.clone())),
            }
        }
    }

    /// What they do, each in a few words.
    pub fn words(&self) -> Vec<String> {
        let word = |rule: &Rule| match rule.change {
            HeaderChange::Remove => format!("{} removed", rule.name),
            HeaderChange::Set(_) => format!("{} set", rule.name),
            HeaderChange::Append(_) => format!("{} appended", rule.name),
        };
        self.0.iter().map(word).collect()
    }

    /// Whether one of them is about `name`.
    pub fn concern(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|rule| fold(name.as_str().as_bytes()) == rule.folded)
    }
}

fn remove(headers: &mut HeaderMap, folded: &str) {
    let spelled = |name: &&HeaderName| name.as_str() == folded || fold(name.as_str().as_bytes()) == folded;
    let found: Vec<HeaderName> = headers.keys().filter(spelled).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Every rule for a name that only the gateway may say, or that would let a service see another method than was judged.
pub fn refuse_reserved(
    rules: &config::HeaderRules,
    key: &str,
    reserved: &Reserved,
) -> impl Iterator<Item = ConfigError> {
    rules.0.iter().filter_map(move |(Located { value: name, at }, _)| {
        let found = if reserved.contains(name) {
            format!("`{name}` is reserved: only the gateway says it")
        } else if let Some(reason) = why_no_rule(name) {
            format!("`{name}` {reason}")
        } else {
            return None;
        };
        let error = ConfigError::new(*at, key.to_owned(), found, "a name that is not reserved");
        Some(error.hint("what a rule sets goes before what a client sent, so it need not be reserved"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::At;
    use http::HeaderValue;

    fn rules(given: &[(&'static str, HeaderChange)]) -> config::HeaderRules {
        let at = At { file: 0, start: 0, end: 0 };
        let located = |name| Located { value: HeaderName::from_static(name), at };
        config::HeaderRules(given.iter().map(|(name, change)| (located(name), change.clone())).collect())
    }

    fn value(text: &'static str) -> HeaderValue {
        HeaderValue::from_static(text)
    }

    fn applied(upstream: &config::HeaderRules, route: &config::HeaderRules) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, text) in
            [("x-gone", "1"), ("x_gone", "2"), ("x-a", "client"), ("x.a", "client"), ("x-d", "client")]
        {
            headers.append(name, value(text));
        }
        HeaderRules::of(upstream, route).unwrap().apply(&mut headers);
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, text)| (name.as_str().to_owned(), text.to_str().unwrap().to_owned()))
            .collect();
        left.sort();
        left
    }

    #[test]
    fn the_route_has_the_last_word_and_no_other_spelling_stays() {
        let set = |text| HeaderChange::Set(value(text));
        let upstream = rules(&[
            ("x-gone", HeaderChange::Remove),
            ("x-a", set("upstream")),
            ("x-b", set("upstream")),
            ("x-c", set("upstream")),
        ]);
        let route = rules(&[
            ("x-b", HeaderChange::Remove),
            ("x-a", set("route")),
            ("x-d", HeaderChange::Append(value("route"))),
        ]);
        let expected = [("x-a", "route"), ("x-c", "upstream"), ("x-d", "client"), ("x-d", "route")];
        let expected: Vec<_> =
            expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(applied(&upstream, &route), expected);
        assert!(HeaderRules::of(&rules(&[]), &rules(&[])).is_none());
    }

    #[test]
    fn a_reserved_name_in_any_spelling_is_a_mistake() {
        let reserved = Reserved::new(["x-tenant"]);
        let given = rules(&[
            ("authorization", HeaderChange::Remove),
            ("x-fine", HeaderChange::Remove),
            ("x_tenant", HeaderChange::Set(value("1"))),
            ("cloakroom.verdict", HeaderChange::Append(value("1"))),
            ("x-http-method-override", HeaderChange::Set(value("DELETE"))),
        ]);
        assert_eq!(refuse_reserved(&given, "routes.request_headers", &reserved).count(), 4);
    }
}
