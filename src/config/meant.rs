//! What people write who come from another gateway or framework, and what it is called here. Slips of the finger are `suggest`'s.

/// Keys, as the table's path (`*` stands for a name), the key, and what to say.
const KEYS: &[(&str, &str, &str)] = &[
    ("server", "address", LISTEN),
    ("server", "bind", LISTEN),
    ("server", "host", LISTEN),
    ("server", "port", LISTEN),
    ("server", "tls", TLS),
    ("server", "ssl", TLS),
    ("sessions.*", "database", DATABASE),
    ("sessions.*", "db", DATABASE),
    ("sessions.*", "name", "the cookie's name is `cookie`"),
    ("sessions.*", "prefix", "the prefix is part of `key`, as \"sess:{id}\""),
    ("sessions.*", "user", "the path of the user id is `subject`"),
    ("stores.*", "db", DATABASE),
    ("stores.*", "host", URL),
    ("stores.*", "port", URL),
    ("upstreams.*", "server", ENDPOINTS),
    ("upstreams.*", "servers", ENDPOINTS),
    ("upstreams.*", "target", ENDPOINTS),
    ("upstreams.*", "url", ENDPOINTS),
    ("routes", "auth", "who may pass is `access`"),
    ("routes", "backend", "the service is `upstream`"),
    ("routes", "prefix", "one pattern for all below: path = \"/x/*\""),
    ("routes", "profile_name", "the profiles are `sessions`"),
    ("routes", "proxy_pass", "the service is `upstream`"),
    ("routes", "rewrite", PATH),
    ("routes", "roles", "who may pass among the users is `require`, as { roles = [\"admin\"] }"),
    ("routes", "service", "the service is `upstream`"),
    ("routes", "target", "the service is `upstream`"),
    (
        "routes",
        "timeout",
        "the service's is in [upstreams.NAME.timeouts], the whole exchange's is `limits.total`",
    ),
];

const DATABASE: &str = "the database number is the end of the store's `url`, as \"redis://127.0.0.1:6379/3\"";
const ENDPOINTS: &str = "the addresses are `endpoints`, as [\"http://127.0.0.1:3001\"]";
const LISTEN: &str = "address and port are `listen`, as [\"127.0.0.1:8080\"]";
const PATH: &str =
    "what the service does not get of the path is `strip_prefix`, what it gets before is `add_prefix`";
const TLS: &str = "TLS is [[server.certificates]], or [server.acme]";
const URL: &str = "host and port are in `url`, as \"redis://127.0.0.1:6379/0\"";

/// Words, as the key's path, the words, and what to say.
const WORDS: &[(&str, &[&str], &str)] = &[
    (ACCESS, &["public", "none", "anonymous", "all", "any", "off"], "everybody, without a token, is `open`"),
    (
        ACCESS,
        &["private", "protected", "authenticated", "user", "login", "on"],
        "whoever is logged in is `required`",
    ),
    (
        FRAMEWORK,
        &["nestjs", "nest", "passport", "connect-redis", "express-session", "node"],
        "its sessions are `express`",
    ),
    (FRAMEWORK, &["fastapi"], "with starsessions its sessions are `starlette`"),
    (FRAMEWORK, &["axum"], "with tower-sessions its sessions are `tower`"),
    (FRAMEWORK, &["sinatra", "hanami"], "with redis-rack its sessions are `rack`"),
    (FRAMEWORK, &["devise", "warden", "ruby", "ruby-on-rails"], "its sessions are `rails`"),
    (FRAMEWORK, &["java", "spring-boot", "spring-session"], "its sessions are `spring`"),
    (FRAMEWORK, &["scs"], "its sessions are `go-scs`"),
];

const ACCESS: &str = "routes.access";
const FRAMEWORK: &str = "sessions.*.framework";
/// For a framework that nobody has heard of.
const DETECT: &str =
    "`cloakroom detect REDIS-URL` looks at a store and tells which framework keeps its sessions there";

/// What an unknown key of the table at `path` is called here.
pub(crate) fn key(path: &str, key: &str) -> Option<&'static str> {
    KEYS.iter().find(|(table, name, _)| *table == path && *name == key).map(|(.., hint)| *hint)
}

/// What an unknown word for the key at `path` is called here.
pub(crate) fn word(path: &str, word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let known = WORDS.iter().find(|(key, words, _)| *key == path && words.contains(&word.as_str()));
    known.map(|(.., hint)| *hint).or_else(|| (path == FRAMEWORK).then_some(DETECT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::SCHEMA;

    /// A key that is built later must not be explained away.
    #[test]
    fn no_key_is_explained_that_there_is() {
        let tables = [
            ("server", "RawServer"),
            ("sessions.*", "RawProfile"),
            ("stores.*", "RawStore"),
            ("upstreams.*", "RawUpstream"),
            ("routes", "RawRoute"),
        ];
        for (path, name, _) in KEYS {
            let (_, table) = tables.iter().find(|(known, _)| known == path).expect("a table of the schema");
            assert!(SCHEMA.pointer(&format!("/definitions/{table}/properties")).is_some(), "{table}");
            let there = SCHEMA.pointer(&format!("/definitions/{table}/properties/{name}"));
            assert!(there.is_none(), "{path}.{name}");
        }
    }
}
