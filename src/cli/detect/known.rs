//! What a person gives `detect` and `init` beside a URL.

use crate::config::{Backend, Freshness, Outage, Secret, Store, Topology};
use crate::detect::{Connection, Given, SecretRef};
use crate::request::Cookies;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest cookie or secret file that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// How to log in to the store.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct Login {
    /// The database; goes before the URL's.
    #[arg(long, value_name = "N")]
    pub(in crate::cli) db: Option<i64>,
    /// Only keys that match, as `sess:*`, for a store with much else in it.
    #[arg(long = "match", value_name = "PATTERN")]
    pub(in crate::cli) pattern: Option<String>,
    /// The user of the store.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) username: Option<String>,
    /// The environment variable with the store's password.
    #[arg(long, value_name = "NAME", conflicts_with = "password_file")]
    pub(in crate::cli) password_env: Option<String>,
    /// The file with the store's password.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<PathBuf>,
}

/// What is known beside the store, to prove the finding with.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct Known {
    /// A browser's Cookie header, or `name=value`: proves the finding. Other users of the machine can see a command line;
    /// `--cookie-file` is for a cookie that is worth something.
    #[arg(long, value_name = "COOKIE", conflicts_with = "cookie_file")]
    pub(in crate::cli) cookie: Option<String>,
    /// One of the app's secrets, seen in the same way; may be repeated, newest first.
    #[arg(long, value_name = "SECRET")]
    pub(in crate::cli) secret: Vec<String>,
    /// A file with a browser's Cookie header, or a line `name=value` for each cookie: proves the finding.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) cookie_file: Option<PathBuf>,
    /// An environment variable with one of the app's secrets; may be repeated, newest first.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) secret_env: Vec<String>,
    /// A file with one of the app's secrets; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) secret_file: Vec<PathBuf>,
}

impl Login {
    /// The store at the URL.
    ///
    /// # Errors
    /// What is wrong with the URL or the password's place, in words.
    pub(in crate::cli) fn store(&self, url: &str) -> Result<Store, String> {
        let rest = url.strip_prefix("redis://").or_else(|| url.strip_prefix("rediss://"));
        let rest = rest.ok_or("the URL begins with redis:// or rediss://")?;
        let host = rest.split('/').next().unwrap_or_default();
        if host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
            return Err("a password in the command line can be seen by every user of the machine: \
                        take it out of the URL and use --password-env or --password-file"
                .to_owned());
        }
        let password = self.password().map(|place| read_secret(&place)).transpose()?;
        Ok(Store {
            name: "app".to_owned(),
            at: crate::config::At { file: 0, start: 0, end: 0 },
            backend: Backend::Redis {
                url: Secret::new(url.as_bytes().to_vec()),
                topology: Topology::Single,
                username: self.username.clone(),
                password,
                ca: None,
                client: None,
            },
            timeout: Duration::from_secs(1),
            revocation_bound: Duration::from_secs(2),
            freshness: Freshness::Strict,
            outage: Outage::Deny,
            value_bytes: 256 * 1024,
        })
    }

    /// Where the password is.
    pub(in crate::cli) fn password(&self) -> Option<SecretRef> {
        let env = self.password_env.clone().map(SecretRef::Env);
        env.or_else(|| self.password_file.clone().map(SecretRef::File))
    }

    /// As `gateway.toml` would say it: the URL with the database in it, and where the password is.
    pub(in crate::cli) fn connection(&self, url: &str) -> Connection {
        let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
        let host = rest.split('/').next().unwrap_or_default();
        let url = self.db.map_or_else(|| url.to_owned(), |db| format!("{scheme}://{host}/{db}"));
        Connection { url, username: self.username.clone(), password: self.password() }
    }
}

impl Known {
    /// What the files and variables hold.
    ///
    /// # Errors
    /// Which of them cannot be read, in words.
    pub(in crate::cli) fn read(&self) -> Result<Given, String> {
        let file = self.cookie_file.as_ref().map(|path| read_file(path)).transpose()?;
        let cookies = file.as_ref().or(self.cookie.as_ref()).map(|text| cookies(text));
        let secrets = self.secrets().iter().map(|place| self.secret_at(place)).collect::<Result<_, _>>()?;
        Ok(Given { cookies, secrets })
    }

    fn secret_at(&self, place: &SecretRef) -> Result<Secret, String> {
        match place {
            SecretRef::Typed(nth) => Ok(Secret::new(
                self.secret.get(*nth).map(|text| text.as_bytes().to_vec()).unwrap_or_default(),
            )),
            SecretRef::Env(_) | SecretRef::File(_) => read_secret(place),
        }
    }

    /// The places of the secrets, in the order in which they are counted.
    pub(in crate::cli) fn secrets(&self) -> Vec<SecretRef> {
        let typed = (0..self.secret.len()).map(SecretRef::Typed);
        let env = self.secret_env.iter().cloned().map(SecretRef::Env);
        typed.chain(env).chain(self.secret_file.iter().cloned().map(SecretRef::File)).collect()
    }
}

/// What a person calls the place.
pub(in crate::cli) fn place(secret: &SecretRef) -> String {
    match secret {
        SecretRef::Env(name) => format!("${name}"),
        SecretRef::File(path) => path.display().to_string(),
        SecretRef::Typed(0) => "--secret".to_owned(),
        SecretRef::Typed(nth) => format!("--secret (number {})", nth + 1),
    }
}

fn read_secret(secret: &SecretRef) -> Result<Secret, String> {
    let text = match secret {
        SecretRef::Typed(_) => return Err("a password is never typed into a command line".to_owned()),
        SecretRef::Env(name) => crate::config::environment(name)
            .ok_or_else(|| format!("the environment variable {name} is not set, or not UTF-8"))?,
        SecretRef::File(path) => read_file(path)?,
    };
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).as_bytes().to_vec()))
}

fn read_file(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

/// A Cookie header, with its name or without, or lines of single cookies.
fn cookies(text: &str) -> Cookies {
    let line = |line: &str| {
        let named = line.split_once(':').filter(|(name, _)| name.trim().eq_ignore_ascii_case("cookie"));
        let line = named.map_or(line, |(_, rest)| rest).trim().trim_end_matches(';').to_owned();
        (!line.is_empty()).then_some(line)
    };
    let lines: Vec<_> = text.lines().filter_map(line).collect();
    Cookies::from_line(lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_is_refused() {
        let login = Login::default();
        for url in ["redis://user:secret@h/0", "redis://:secret@h", "rediss://u:p@w@h"] {
            let error = login.store(url).map(|_| ()).unwrap_err();
            assert!(error.contains("--password-env") && !error.contains("secret@"), "{url}: {error}");
        }
        assert!(login.store("redis://user@h:6379/0").is_ok());
        assert!(login.store("redis://h").is_ok());
        assert!(login.store("http://h").is_err());
    }

    #[test]
    fn cookies_are_read_as_a_header_or_as_lines() {
        let read = |text: &str| String::from_utf8(cookies(text).as_bytes().to_vec()).unwrap();
        assert_eq!(read("Cookie: a=1; b=2\r\n"), "a=1; b=2");
        assert_eq!(read("a=1; b=2"), "a=1; b=2");
        assert_eq!(read("a=1\nb=2;\n\n"), "a=1; b=2");
        assert_eq!(read("koa:sess=1"), "koa:sess=1");
    }

    #[test]
    fn the_database_goes_into_the_written_url() {
        let login = Login { db: Some(3), ..Login::default() };
        assert_eq!(login.connection("redis://h:6379/1").url, "redis://h:6379/3");
        assert_eq!(Login::default().connection("redis://h:6379/1").url, "redis://h:6379/1");
    }

    #[test]
    fn what_is_typed_is_read_and_known_by_its_place_only() {
        let known = Known {
            cookie: Some("Cookie: sid=x".to_owned()),
            secret: vec!["new".to_owned(), "old".to_owned()],
            ..Known::default()
        };
        let given = known.read().unwrap();
        assert_eq!(given.cookies.unwrap().as_bytes(), b"sid=x");
        let secrets: Vec<_> = given.secrets.iter().map(Secret::expose).collect();
        assert_eq!(secrets, [b"new", b"old"]);
        assert_eq!(known.secrets(), [SecretRef::Typed(0), SecretRef::Typed(1)]);
        assert_eq!(place(&SecretRef::Typed(1)), "--secret (number 2)");
    }
}
