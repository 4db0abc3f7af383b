//! The `gateway.toml` for what was found.

use crate::detect::candidate::{Need, Opt};
use crate::detect::finding::{Explanation, Subject};
use crate::format::options::word;
use std::path::PathBuf;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(PathBuf),
    /// Typed into the command line, as the first of its kind or a later one. A file never holds it: it names a variable.
    Typed(usize),
}

/// How to reach the store.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The URL, without a password.
    pub url: String,
    /// The user, if not in the URL.
    pub username: Option<String>,
    /// Where the password is, if there is one.
    pub password: Option<SecretRef>,
}

/// All that the file says.
#[derive(Clone, Debug)]
pub struct GatewayFile {
    /// The store.
    pub store: Connection,
    /// How the app keeps its sessions.
    pub how: Explanation,
    /// The template of the key.
    pub key: String,
    /// Where the user is.
    pub subject: Subject,
    /// Attributes that services may want, with their paths.
    pub attributes: Vec<(&'static str, String)>,
    /// The app's secrets, newest first; if there are none and it signs, `SESSION_SECRET` is named.
    pub secrets: Vec<SecretRef>,
    /// The block keys beside them.
    pub encryption_secrets: Vec<SecretRef>,
    /// The app's URL.
    pub app: String,
}

impl SecretRef {
    /// As `gateway.toml` says it.
    fn toml(&self) -> String {
        match self {
            Self::Env(name) => format!("{{ env = {} }}", quoted(name)),
            Self::File(path) => format!("{{ file = {} }}", quoted(&path.to_string_lossy())),
            Self::Typed(nth) => format!("{{ env = {} }}", quoted(&Self::variable(*nth))),
        }
    }

    /// The environment variable that `gateway.toml` names for the `nth` typed secret.
    pub fn variable(nth: usize) -> String {
        if nth == 0 { "SESSION_SECRET".to_owned() } else { format!("SESSION_SECRET_{}", nth + 1) }
    }
}

impl GatewayFile {
    /// The secrets that the profile names.
    pub fn secrets(&self) -> Vec<SecretRef> {
        let signed = |value| self.how.options.contains(&("signed", value));
        let wanted = match self.how.secrets {
            Need::Never => false,
            Need::Perhaps => signed("true") || self.how.options.contains(&("encrypted", "true")),
            Need::Cookie => !signed("false"),
            Need::Value => true,
        };
        match (wanted, self.secrets.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => vec![SecretRef::Env(SecretRef::variable(0))],
            (true, false) => self.secrets.clone(),
        }
    }

    /// The text of the file. It loads as it stands, once its secrets are there.
    pub fn text(&self) -> String {
        let mut lines = vec![
            "# Written by `cloakroom init` from a look at the store. `cloakroom check` finds every mistake in it;".to_owned(),
            "# `cloakroom schema` prints what else there is.".to_owned(),
            String::new(),
        ];
        self.store(&mut lines);
        self.profile(&mut lines);
        lines.extend([
            "[upstreams.app]".to_owned(),
            format!("endpoints = [{}]", quoted(self.app.trim_end_matches('/'))),
            String::new(),
            "# Everything goes to the app as before: cookie and all, no token, and the store is not even asked.".to_owned(),
            "[[routes]]".to_owned(),
            "path = \"/*\"".to_owned(),
            "upstream = \"app\"".to_owned(),
            "access = \"open\"".to_owned(),
        ]);
        lines.extend(MOVE.lines().map(ToOwned::to_owned));
        lines.push(String::new());
        lines.join("\n")
    }

    fn store(&self, lines: &mut Vec<String>) {
        lines.push("# Only ever read: a Redis user of the gateway's own needs few rights (README, \"The Redis user\").".to_owned());
        lines.push("[stores.app]".to_owned());
        lines.push(format!("url = {}", quoted(&self.store.url)));
        lines.extend(self.store.username.as_ref().map(|name| format!("username = {}", quoted(name))));
        lines.extend(self.store.password.as_ref().map(|place| format!("password = {}", place.toml())));
        lines.push(String::new());
    }

    fn profile(&self, lines: &mut Vec<String>) {
        lines
            .push(format!("# {}, found with a confidence of {} in 100.", self.how.name, self.how.confidence));
        lines.push("[sessions.app]".to_owned());
        lines.push(format!("framework = {}", quoted(word(self.how.framework))));
        lines.push(format!("cookie = {}", quoted(&self.how.cookie)));
        let prefix = self.how.cookie_prefix.as_ref();
        lines.extend(prefix.map(|prefix| format!("cookie_prefix = {}", quoted(prefix))));
        lines.push(format!("key = {}", quoted(&self.key)));
        for (name, places) in
            [("secrets", self.secrets()), ("encryption_secrets", self.encryption_secrets.clone())]
        {
            if !places.is_empty() {
                let places: Vec<_> = places.iter().map(SecretRef::toml).collect();
                lines.push(format!("{name} = [{}]", places.join(", ")));
            }
        }
        lines.extend(self.how.options.iter().map(option));
        match &self.subject {
            Subject { path: Some(path), .. } => lines.push(format!("subject = {}", quoted(path))),
            Subject { confidence: 0, .. } => {
                lines.push("# No user was found in any session: say where the app keeps it.".to_owned());
                lines.push("subject = \"userId\"".to_owned());
            }
            Subject { words, .. } => lines.push(format!("# The user is where it always is: {words}.")),
        }
        if !self.attributes.is_empty() {
            let pair = |(name, path): &(&str, String)| format!("{name} = {}", quoted(path));
            let pairs: Vec<_> = self.attributes.iter().map(pair).collect();
            lines.push(format!("attributes = {{ {} }}", pairs.join(", ")));
        }
        lines.push(String::new());
    }
}

/// The route that a reader takes the marks off.
const MOVE: &str = r#"
# The first API to move to a service of its own: it gets a signed token and never sees the cookie. The service checks it with
# the keys at http://127.0.0.1:9900/.well-known/jwks.json; clients must not reach that address.
#[internal]
#listen = "127.0.0.1:9900"
#[upstreams.orders]
#endpoints = ["http://127.0.0.1:3001"]
#[[routes]]
#path = "/api/orders/*"
#upstream = "orders"
#access = "required""#;

fn option((name, value): &Opt) -> String {
    match *value {
        "true" | "false" => format!("{name} = {value}"),
        value => format!("{name} = {}", quoted(value)),
    }
}

/// A TOML string; JSON's escapes are TOML's too, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Framework;
    use crate::detect::candidate::{Candidate, Secrets};
    use crate::detect::frameworks::candidates;

    fn file(candidate: &Candidate) -> GatewayFile {
        GatewayFile {
            store: Connection {
                url: "redis://127.0.0.1:6379/3".to_owned(),
                username: Some("gateway".to_owned()),
                password: Some(SecretRef::Env("REDIS_PASSWORD".to_owned())),
            },
            how: Explanation {
                framework: candidate.framework,
                name: candidate.name,
                cookie: candidate.cookie.to_owned(),
                cookie_prefix: None,
                serializer: candidate.serializer,
                options: candidate.options.clone(),
                secrets: candidate.secrets,
                confidence: 90,
                evidence: Vec::new(),
            },
            key: candidate.key.to_owned(),
            subject: Subject { path: None, words: String::new(), confidence: 0 },
            attributes: vec![("email", "user.email".to_owned())],
            secrets: Vec::new(),
            encryption_secrets: Vec::new(),
            app: "http://127.0.0.1:3000/".to_owned(),
        }
    }

    /// Long enough for every framework that counts.
    fn environment(name: &str) -> Option<String> {
        let bytes = match name {
            "SESSION_SECRET" => "hex:".to_owned() + &"07".repeat(64),
            "SHORT_SECRET" => "hex:".to_owned() + &"07".repeat(32),
            "REDIS_PASSWORD" => "p".to_owned(),
            _ => return None,
        };
        Some(bytes)
    }

    fn loads(text: &str) -> crate::config::Config {
        match crate::config::from_text("gateway.toml", text, std::path::Path::new("/nowhere"), &environment) {
            Ok((config, _)) => config,
            Err((errors, sources)) => panic!("{text}\n{}", crate::config::render(&errors, &sources, false)),
        }
    }

    #[test]
    fn the_file_of_every_candidate_loads_and_its_format_builds() {
        for candidate in candidates() {
            let mut file = file(&candidate);
            if candidate.framework == Framework::Laravel {
                file.secrets = vec![SecretRef::Env("SHORT_SECRET".to_owned())];
            }
            let config = loads(&file.text());
            let built = crate::format::build(&config.profiles[0]);
            assert!(built.is_ok(), "{}: {:?}\n{}", candidate.name, built.err(), file.text());
        }
    }

    #[test]
    fn a_key_with_quotes_and_controls_stays_one_string() {
        let mut file = file(&candidates()[0]);
        file.key = "a\"\\\n\u{7f}{id}".to_owned();
        let config = loads(&file.text());
        assert_eq!(
            config.profiles[0].options.key.as_ref().map(|key| key.value.as_str()),
            Some(file.key.as_str())
        );
    }

    #[test]
    fn what_is_before_the_id_in_the_cookie_is_said() {
        let table = candidates();
        let fastify = table.iter().find(|candidate| candidate.framework == Framework::Fastify).unwrap();
        let mut file = file(fastify);
        file.how.cookie_prefix = Some("p=.%:".to_owned());
        let config = loads(&file.text());
        let prefix = config.profiles[0].options.cookie_prefix.as_ref().map(|prefix| prefix.value.as_str());
        assert_eq!(prefix, Some("p=.%:"));
    }

    #[test]
    fn the_commented_route_loads_once_its_marks_are_off() {
        let text = file(&candidates()[0]).text();
        let code =
            |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).map(ToOwned::to_owned);
        let marks_off: Vec<_> = text.lines().map(|line| code(line).unwrap_or(line.to_owned())).collect();
        let marks_off = marks_off.join("\n");
        assert_eq!(loads(&marks_off).routes.len(), 2);
    }

    #[test]
    fn an_app_that_does_not_sign_gets_no_secret() {
        let table = candidates();
        let unsigned = table.iter().find(|candidate| candidate.secrets == Need::Perhaps).unwrap();
        assert_eq!(file(unsigned).secrets(), []);
        assert!(unsigned.format("a", "{id}", &[], None, &Secrets::Unknown).is_some());
    }
}
