//! The URL of a store.

use percent_encoding::percent_decode_str;

use crate::config::check::http;
use crate::config::check::table::Table;
use crate::config::{At, Secret};

const SCHEMES: &str = "`redis://host:port/database`, `redis+unix:///path`, `redis+sentinel://host,host/service`, \
     `redis+cluster://host,host`, with `rediss` for TLS, or `memory:` for the demo and tests";
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// A URL without mistakes.
pub(crate) enum StoreUrl {
    Memory,
    Redis {
        /// As the client library reads it; see [`crate::config::Backend`].
        url: Secret,
        /// As it was written, with `//` behind it.
        scheme: &'static str,
        tls: bool,
        place: Place,
    },
}

/// Where a URL leads.
pub(crate) enum Place {
    Single,
    /// Sentinels, and the name of their primary.
    Sentinel(Vec<(String, u16)>, String),
    Cluster(Vec<(String, u16)>),
}

/// What is wrong with a URL.
type Wrong = &'static str;

impl StoreUrl {
    /// Reads the URL, or says what is wrong. No message holds any of it but the scheme: the rest may be secret.
    pub(crate) fn read(table: &mut Table<'_, '_>, at: At, url: &Secret) -> Option<Self> {
        let mut wrong = |found: &str, hint: &str| {
            if hint.is_empty() {
                table.refuse(at, "url", found.to_owned(), SCHEMES);
            } else {
                table.refuse_with(at, "url", found.to_owned(), SCHEMES, hint);
            }
            None
        };
        let Ok(text) = std::str::from_utf8(url.expose()) else {
            return wrong("the URL is not UTF-8", "");
        };
        let Some((name, rest)) = text.split_once(':') else {
            return wrong("this is not a URL", "");
        };
        let read = match name {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err("`memory:` has nothing behind it"),
            "redis" => single("redis://", rest),
            "rediss" => single("rediss://", rest),
            "redis+unix" => socket(rest),
            "redis+sentinel" => sentinels("redis+sentinel://", rest),
            "rediss+sentinel" => sentinels("rediss+sentinel://", rest),
            "redis+cluster" => cluster("redis+cluster://", rest),
            "rediss+cluster" => cluster("rediss+cluster://", rest),
            "unix" => return wrong("`unix:` is another scheme", "`redis+unix:///path`"),
            "valkey" | "valkeys" | "tcp" | "tls" => {
                let found = format!("`{name}:` is another scheme");
                return wrong(&found, "Valkey speaks the same protocol: `redis://`");
            }
            // Of an address without a scheme this is the host, and no secret; of anything else nobody knows.
            _ if http::authority(text).is_some() => {
                return wrong("an unknown scheme", &format!("\"redis://{text}\""));
            }
            "http" | "https" => return wrong("an unknown scheme", "Redis speaks no HTTP"),
            _ => Err("an unknown scheme"),
        };
        read.or_else(|found| wrong(found, "").ok_or(())).ok()
    }
}

fn single(scheme: &'static str, rest: &str) -> Result<StoreUrl, Wrong> {
    let (user, hosts, path) = parts(rest)?;
    if hosts.contains(',') {
        return Err("the URL has several hosts, which takes `redis+sentinel://` or `redis+cluster://`");
    }
    if http::authority(hosts).is_none() {
        return Err("the URL has no valid host and port");
    }
    let _ = database(path)?;
    let url = format!("{scheme}{user}{hosts}{}{path}", if path.is_empty() { "" } else { "/" });
    Ok(redis(url, scheme, Place::Single))
}

fn socket(rest: &str) -> Result<StoreUrl, Wrong> {
    let path = rest.strip_prefix("//").ok_or("`//` is missing behind the scheme")?;
    visible(path)?;
    let (path, query) = path.split_once('?').unwrap_or((path, "db=0"));
    if !path.starts_with('/') || path.len() < 2 || path.contains('#') {
        return Err("the socket's path is not an absolute one");
    }
    let database = query.strip_prefix("db=").filter(|db| db.parse::<u16>().is_ok());
    let database = database.ok_or("the URL's query is not `db=` and a number")?;
    Ok(redis(format!("redis+unix://{path}?db={database}"), "redis+unix://", Place::Single))
}

fn sentinels(scheme: &'static str, rest: &str) -> Result<StoreUrl, Wrong> {
    let (user, hosts, path) = parts(rest)?;
    let (service, db) = path.split_once('/').unwrap_or((path, ""));
    if service.is_empty() {
        return Err(
            "the URL's path does not begin with the service, the name that the sentinels know the primary by",
        );
    }
    let service = percent_decode_str(service).decode_utf8();
    let service = service.map_err(|_| "the service in the URL is not UTF-8")?.into_owned();
    let (sentinels, db) = (addresses(hosts, SENTINEL_PORT)?, database(db)?);
    let url = stand_in(scheme, user, db);
    Ok(redis(url, scheme, Place::Sentinel(sentinels, service)))
}

fn cluster(scheme: &'static str, rest: &str) -> Result<StoreUrl, Wrong> {
    let (user, hosts, path) = parts(rest)?;
    if database(path)? != 0 {
        return Err("a Cluster has no database but 0");
    }
    let nodes = addresses(hosts, REDIS_PORT)?;
    Ok(redis(stand_in(scheme, user, 0), scheme, Place::Cluster(nodes)))
}

/// A URL for whatever server is found.
fn stand_in(scheme: &str, user: &str, database: u16) -> String {
    let tls = if scheme.starts_with("rediss") { "s" } else { "" };
    format!("redis{tls}://{user}localhost/{database}")
}

fn redis(url: String, scheme: &'static str, place: Place) -> StoreUrl {
    let tls = scheme.starts_with("rediss");
    StoreUrl::Redis { url: Secret::new(url.into_bytes()), scheme, tls, place }
}

/// User and password with `@`, hosts, and the path without its first slash.
fn parts(rest: &str) -> Result<(&str, &str, &str), Wrong> {
    let rest = rest.strip_prefix("//").ok_or("`//` is missing behind the scheme")?;
    visible(rest)?;
    if rest.contains(['?', '#']) {
        return Err("the URL has a query or fragment, which nothing reads");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let user = authority.rfind('@').map_or(0, |at| at + 1);
    let (user, hosts) = authority.split_at(user);
    Ok((user, hosts, path))
}

fn visible(rest: &str) -> Result<(), Wrong> {
    if http::is_visible(rest) {
        Ok(())
    } else {
        Err("the URL has spaces or characters that need percent-encoding")
    }
}

fn database(path: &str) -> Result<u16, Wrong> {
    if path.is_empty() {
        return Ok(0);
    }
    path.parse().map_err(|_| "the URL's path is not a database number")
}

fn addresses(hosts: &str, port: u16) -> Result<Vec<(String, u16)>, Wrong> {
    let address = |text: &str| {
        let (host, given) = http::authority(text).ok_or("the URL has no valid host and port")?;
        Ok((host, given.unwrap_or(port)))
    };
    hosts.split(',').map(address).collect()
}
