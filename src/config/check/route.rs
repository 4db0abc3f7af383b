//! `[[routes]]`.

use std::collections::HashSet;

use crate::config::check::headers;
use crate::config::check::http;
use crate::config::check::names::Names;
use crate::config::check::prefix;
use crate::config::check::table::{Checker, Table};
use crate::config::check::{migration, rate, token};
use crate::config::raw::{Accept, OneOrMany, Placed, RawRoute};
use crate::config::suggest::list;
use crate::config::{
    Access, At, AttributeSource, Config, ConfigError, CsrfMode, IssuerId, Located, Outage, Preflight,
    ProfileId, Route, StreamEnd, TokenOptions, TokenProfile, UpstreamId,
};

/// What routes refer to.
pub(crate) struct Named<'n, 'a> {
    pub(crate) profiles: &'n Names<'a>,
    pub(crate) issuers: &'n Names<'a>,
    pub(crate) upstreams: &'n Names<'a>,
}

/// Checks all routes, in the order of the files. Whether two of them are ambiguous is the route table's to say.
pub(crate) fn check(checker: &mut Checker<'_>, config: &Config, named: &Named<'_, '_>) -> Vec<Route> {
    let mut routes = Vec::new();
    // What is wrong with the claims of `[tokens]` is said once, not once a route.
    let mut told = HashSet::new();
    for document in checker.given.documents {
        for raw in &document.raw.routes {
            let at = document.file.at(raw);
            let mut table = Table { checker, file: document.file, name: "routes".to_owned(), at };
            let route = route(&mut table, raw.get(), config, named);
            attributes(&mut table, &route, config, &mut told);
            contradictions(&mut table, raw.get(), &route);
            routes.push(route);
        }
    }
    routes
}

fn route(table: &mut Table<'_, '_>, raw: &RawRoute, config: &Config, named: &Named<'_, '_>) -> Route {
    let file = table.file;
    let access = raw.access.as_ref().map_or(Access::Required, |raw| *raw.get());
    let upstream = named.upstreams.resolve(table, file.at(&raw.upstream), "upstream", raw.upstream.get());
    let given = token::Given {
        profile: raw.profile.as_ref(),
        header: raw.header.as_ref(),
        algorithm: raw.algorithm.as_ref(),
        ttl: raw.ttl.as_ref(),
        claims: raw.claims.as_deref(),
        scope: raw.scope.as_ref(),
        subject_type: raw.subject_type.as_ref(),
        cnf: raw.cnf.as_ref(),
    };
    let limits = raw.limits.as_ref().map(Placed::get);
    let total = limits.and_then(|limits| limits.total.as_ref()).filter(|raw| raw.get().0 != "none");
    Route {
        at: table.at,
        path: path(table, &raw.path),
        hosts: hosts(table, raw),
        methods: methods(table, raw),
        upstream: UpstreamId(upstream.unwrap_or(0)),
        access,
        sessions: sessions(table, raw, access, named.profiles),
        issuers: issuers(table, raw, access, named.issuers),
        audience: audience(table, raw),
        token: TokenOptions {
            bound: raw.bind_request.as_ref().is_some_and(|raw| *raw.get()),
            ..token_options(table, given, config)
        },
        freshness: raw.freshness.as_ref().map(|raw| *raw.get()),
        outage: table.outage(raw.outage.as_ref()),
        require: require(table, raw),
        client_certificate: client_certificate(table, raw, config),
        forward_cookie: raw.forward_cookie.as_ref().map_or(access == Access::Open, |raw| *raw.get()),
        forward_authorization: raw.forward_authorization.as_ref().is_some_and(|raw| *raw.get()),
        other_bearers: raw.other_bearers.as_ref().and_then(|raw| {
            named.upstreams.resolve(table, file.at(raw), "other_bearers", raw.get()).map(UpstreamId)
        }),
        csrf: raw.csrf.as_ref().map_or(CsrfMode::FetchMetadata, |raw| *raw.get()),
        preflight: raw.preflight.as_ref().map_or(Preflight::Forward, |raw| *raw.get()),
        login: raw.login.as_ref().map(|raw| login(table, raw)),
        allow_in_path: raw.allow_in_path.clone().unwrap_or_default(),
        body_limit: table.size_or_none("limits.body", limits.and_then(|limits| limits.body.as_ref())),
        rates: rate::of_route(table, raw.rate.as_ref()),
        shadow: migration::is_shadow(table, raw, access),
        rollout: migration::rollout(table, raw, access, named.upstreams),
        streams: raw.streams.as_ref().map_or(StreamEnd::Close, |raw| *raw.get()),
        total_timeout: total
            .map(|raw| table.duration("limits.total", Some(raw), std::time::Duration::from_secs(60))),
        rewrite: prefix::rewrite(table, raw),
        request_headers: headers::rules(table, "request_headers", raw.request_headers.as_ref()),
        response_headers: headers::rules(table, "response_headers", raw.response_headers.as_ref()),
    }
}

fn client_certificate(table: &mut Table<'_, '_>, raw: &RawRoute, config: &Config) -> bool {
    let Some(wanted) = raw.client_certificate.as_ref().filter(|wanted| *wanted.get()) else { return false };
    if config.server.client_certificates.is_empty() {
        let (at, found) = (table.file.at(wanted), "nobody is asked for a certificate, so nobody would pass");
        table.refuse(at, "client_certificate", found, "[[server.client_certificates]] beside it");
    }
    true
}

fn token_options(table: &mut Table<'_, '_>, given: token::Given<'_>, config: &Config) -> TokenOptions {
    token::options(table, given, &config.tokens.defaults)
}

fn path(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Located<String> {
    let text = raw.get();
    if !text.starts_with('/') {
        let found = format!("`{text}` does not begin with `/`");
        let hint = match text.strip_prefix(['^', '~']) {
            Some(_) => "patterns are not regular expressions: `/x/*` is /x and all below",
            None => "a host goes into `host`",
        };
        table.refuse_with(table.file.at(raw), "path", found, "a path, as \"/x\" or \"/x/*\"", hint);
    }
    table.file.located(raw)
}

/// The elements of one or many, each with its place.
fn elements<'r>(table: &Table<'_, '_>, raw: &'r Placed<OneOrMany<String>>) -> Vec<(&'r str, At)> {
    let place =
        |one: &Placed<String>| if one.span().is_empty() { table.file.at(raw) } else { table.file.at(one) };
    raw.get().0.iter().map(|one| (one.get().as_str(), place(one))).collect()
}

fn hosts(table: &mut Table<'_, '_>, raw: &RawRoute) -> Vec<Located<String>> {
    let Some(raw) = &raw.host else { return Vec::new() };
    let elements = elements(table, raw);
    if elements.is_empty() {
        table.refuse(table.file.at(raw), "host", "an empty list", "at least one host; leave it out for any");
    }
    let accepted = "a host, as \"shop.example.com\", or \"*.example.com\"";
    let mut hosts = Vec::new();
    for (text, at) in elements {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let hint = match http::authority(name) {
            Some((host, None)) => {
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                let value = if name.len() < text.len() { format!("*.{host}") } else { host };
                hosts.push(Located { value, at });
                continue;
            }
            Some((_, Some(_))) => "without its port: routes do not tell ports apart",
            None if text == "*" => "leave `host` out for any host",
            None if text.contains('*') => "`*` stands for one whole label, and only at the front",
            None if text.contains("//") => "a host alone, without scheme and path",
            None if !text.is_ascii() => "as it is sent: in punycode, `xn--...`",
            None => "letters, digits, `-` and `.`",
        };
        table.refuse_with(at, "host", format!("`{text}` is not a host pattern"), accepted, hint);
    }
    hosts
}

fn methods(table: &mut Table<'_, '_>, raw: &RawRoute) -> Vec<::http::Method> {
    let Some(raw) = &raw.methods else { return Vec::new() };
    let accepted = "methods in capitals, as \"GET\" or \"POST\"";
    if raw.get().is_empty() {
        table.refuse(
            table.file.at(raw),
            "methods",
            "an empty list",
            "at least one method; leave it out for any",
        );
    }
    let mut methods = Vec::new();
    for raw in raw.get() {
        let (at, text) = (table.file.at(raw), raw.get().as_str());
        let upper = text.to_ascii_uppercase();
        match ::http::Method::from_bytes(text.as_bytes()) {
            Ok(::http::Method::CONNECT | ::http::Method::TRACE) => {
                let found = format!("`{text}` is never forwarded");
                table.refuse(at, "methods", found, "any method but CONNECT and TRACE");
            }
            // A token like any other to HTTP, but no client's method.
            Ok(_) if text == "*" => {
                table.refuse_with(
                    at,
                    "methods",
                    "`*` is not a method",
                    accepted,
                    "leave `methods` out for any",
                );
            }
            Ok(method) if text == upper => methods.push(method),
            Ok(_) => {
                let found = format!("`{text}` is not in capitals, and methods are told apart by them");
                table.refuse_with(at, "methods", found, accepted, format!("did you mean `{upper}`?"));
            }
            Err(_) => table.refuse(at, "methods", format!("`{text}` is not a method"), accepted),
        }
    }
    methods
}

fn sessions(
    table: &mut Table<'_, '_>,
    raw: &RawRoute,
    access: Access,
    profiles: &Names<'_>,
) -> Vec<ProfileId> {
    if !accepts(raw, Accept::Session) && access != Access::Open {
        if let Some(sessions) = &raw.sessions {
            let found = "the route does not accept sessions";
            table.refuse(table.file.at(sessions), "sessions", found, "`session` in `accept`, or no such key");
        }
        return Vec::new();
    }
    let Some(raw) = &raw.sessions else {
        return match access {
            Access::Open => (0..profiles.len()).map(ProfileId).collect(),
            Access::Optional | Access::Session | Access::Required => {
                profiles.only(table, "sessions").map(ProfileId).into_iter().collect()
            }
        };
    };
    if raw.get().is_empty() && access == Access::Open {
        return Vec::new();
    }
    profiles_named(table, raw, profiles, "nobody needs one: access = \"open\"")
}

/// Profiles by their names, at least one.
pub(crate) fn profiles_named(
    table: &mut Table<'_, '_>,
    raw: &Placed<Vec<Placed<String>>>,
    profiles: &Names<'_>,
    hint: &str,
) -> Vec<ProfileId> {
    if raw.get().is_empty() {
        let at = table.file.at(raw);
        table.refuse_with(at, "sessions", "an empty list", "at least one profile", hint);
    }
    let mut ids = Vec::new();
    for raw in raw.get() {
        let (at, name) = (table.file.at(raw), raw.get());
        let Some(id) = profiles.resolve(table, at, "sessions", name).map(ProfileId) else { continue };
        if ids.contains(&id) {
            table.refuse(at, "sessions", format!("`{name}` is there twice"), "each profile once");
        } else {
            ids.push(id);
        }
    }
    ids
}

/// Whether the route takes this as proof of who is calling.
fn accepts(raw: &RawRoute, what: Accept) -> bool {
    match &raw.accept {
        None => what == Accept::Session,
        Some(accept) => accept.get().contains(&what),
    }
}

fn issuers(table: &mut Table<'_, '_>, raw: &RawRoute, access: Access, issuers: &Names<'_>) -> Vec<IssuerId> {
    let file = table.file;
    if let Some(accept) = &raw.accept {
        let at = file.at(accept);
        if accept.get().is_empty() && access != Access::Open {
            table.refuse(at, "accept", "an empty list", "`session`, `bearer` or both");
        } else if access == Access::Open && accepts(raw, Accept::Bearer) {
            let found = "an open route asks nobody who they are";
            table.refuse(at, "accept", found, "access = \"optional\" beside it, or stricter");
        }
    }
    if !accepts(raw, Accept::Bearer) {
        if let Some(named) = &raw.issuers {
            let found = "the route does not accept bearers";
            table.refuse(file.at(named), "issuers", found, "accept = [\"session\", \"bearer\"] beside it");
        }
        return Vec::new();
    }
    let Some(named) = &raw.issuers else {
        return issuers.only(table, "issuers").map(IssuerId).into_iter().collect();
    };
    if named.get().is_empty() {
        table.refuse(file.at(named), "issuers", "an empty list", "at least one issuer");
    }
    let mut ids = Vec::new();
    for raw in named.get() {
        let (at, name) = (file.at(raw), raw.get());
        let Some(id) = issuers.resolve(table, at, "issuers", name).map(IssuerId) else { continue };
        if ids.contains(&id) {
            table.refuse(at, "issuers", format!("`{name}` is there twice"), "each issuer once");
        } else {
            ids.push(id);
        }
    }
    ids
}

fn audience(table: &mut Table<'_, '_>, raw: &RawRoute) -> Vec<String> {
    let Some(audience) = &raw.audience else { return vec![raw.upstream.get().clone()] };
    audiences(table, audience, "at least one audience; leave it out for the upstream's name")
}

/// One audience or several.
pub(crate) fn audiences(
    table: &mut Table<'_, '_>,
    audience: &Placed<OneOrMany<String>>,
    accepted: &str,
) -> Vec<String> {
    let elements = elements(table, audience);
    if elements.is_empty() {
        table.refuse(table.file.at(audience), "audience", "an empty list", accepted);
    }
    for (text, at) in &elements {
        if text.is_empty() || !http::is_visible(text) {
            table.refuse(
                *at,
                "audience",
                format!("`{text}` is not an audience"),
                "a name or URL without spaces",
            );
        }
    }
    elements.into_iter().map(|(text, _)| text.to_owned()).collect()
}

fn require(table: &mut Table<'_, '_>, raw: &RawRoute) -> Vec<(Located<String>, Vec<serde_json::Value>)> {
    let mut named: Vec<_> = raw.require.iter().collect();
    named.sort_by_key(|(name, _)| name.span().start);
    let mut conditions = Vec::new();
    for (name, values) in named {
        let key = format!("require.{}", name.get());
        let at = table.file.at(values);
        let nested = |value: &serde_json::Value| value.is_array() || value.is_object();
        if values.get().is_empty() {
            table.refuse(
                at,
                &key,
                "an empty list, which nobody could meet",
                "at least one value that will do",
            );
        } else if values.get().iter().any(nested) {
            table.refuse(at, &key, "a list or table among the values", "strings, numbers and booleans");
        }
        conditions.push((table.file.located(name), values.get().clone()));
    }
    conditions
}

fn login(table: &mut Table<'_, '_>, raw: &Placed<String>) -> Located<String> {
    let (at, text) = (table.file.at(raw), raw.get());
    let accepted = "a path, as \"/login?next={path}\", or an absolute http:// or https:// URL";
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rooted = text.starts_with('/') && !text.starts_with("//");
    let absolute = host
        .and_then(|rest| rest.split(['/', '?', '#']).next())
        .is_some_and(|h| http::authority(h).is_some());
    if !(rooted || absolute) || !http::is_visible(text) || text.contains('\\') {
        table.refuse(at, "login", format!("`{text}` is not a place to send a browser to"), accepted);
    } else if text.replace("{path}", "").contains(['{', '}']) {
        table.refuse(
            at,
            "login",
            format!("`{text}` has a placeholder that is unknown"),
            "`{path}` and no other",
        );
    }
    table.file.located(raw)
}

/// What may have to have the attributes that a route names: a table of its own with names in it.
struct Holder<'c> {
    kind: &'static str,
    word: &'static str,
    name: &'c str,
    at: At,
    attributes: &'c [(String, AttributeSource)],
}

/// Notes claims and conditions that a profile or issuer of the route has no attribute for.
fn attributes(table: &mut Table<'_, '_>, route: &Route, config: &Config, told: &mut HashSet<(At, At)>) {
    if route.access == Access::Open {
        return;
    }
    let profiles = route.sessions.iter().filter_map(|id| config.profiles.get(id.0));
    let profiles = profiles.map(|profile| Holder {
        kind: "sessions",
        word: "profile",
        name: &profile.name,
        at: profile.at,
        attributes: &profile.attributes,
    });
    let issuers = route.issuers.iter().filter_map(|id| config.issuers.get(id.0));
    let issuers = issuers.map(|issuer| Holder {
        kind: "issuers",
        word: "issuer",
        name: &issuer.name,
        at: issuer.at,
        attributes: &issuer.attributes,
    });
    let holders: Vec<Holder<'_>> = profiles.chain(issuers).collect();
    let claims = route.token.claims.iter().map(|claim| ("claims", claim));
    let conditions = route.require.iter().map(|(name, _)| ("require", name));
    for (key, name) in claims.chain(conditions) {
        for Holder { kind, word, name: holder, at, attributes } in &holders {
            let known = attributes.iter().any(|(attribute, _)| *attribute == name.value);
            let taken_out = table.checker.lost(&format!("{kind}.*.attributes"), &name.value);
            let unsure = attributes.is_empty() && table.checker.damaged(*at);
            if known || taken_out || unsure || !told.insert((name.at, *at)) {
                continue;
            }
            let found = format!("{word} `{holder}` has no attribute `{}`", name.value);
            let accepted = list(attributes.iter().map(|(attribute, _)| attribute.as_str()));
            let place = if *kind == "sessions" { "path.in.session" } else { "path.in.claims" };
            let hint = format!("add it: [{kind}.{holder}] attributes = {{ {} = \"{place}\" }}", name.value);
            table.refuse_with(name.at, key, found, accepted, hint);
        }
    }
}

/// Notes keys that contradict each other.
fn contradictions(table: &mut Table<'_, '_>, raw: &RawRoute, route: &Route) {
    let file = table.file;
    if let Some(outage) = &raw.outage
        && route.outage == Some(Outage::Anonymous)
        && route.access != Access::Optional
    {
        let found = "`anonymous` is only for routes that let anonymous callers pass";
        let accepted = "`deny`, or access = \"optional\" beside it";
        table.refuse(file.at(outage), "outage", found, accepted);
    }
    if let Some(forward) = &raw.forward_authorization
        && *forward.get()
        && route.access != Access::Open
        && route.token.header == ::http::header::AUTHORIZATION
        && route.token.profiles != [TokenProfile::Txn]
    {
        let found = "this route's token goes into Authorization itself";
        let hint = "give the token another header, as header = \"x-internal-token\"";
        table.refuse_with(file.at(forward), "forward_authorization", found, "false", hint);
    }
    if let Some(other) = raw.other_bearers.as_ref().filter(|_| route.issuers.is_empty()) {
        let found = "the route does not accept bearers";
        table.refuse(file.at(other), "other_bearers", found, "accept = [\"session\", \"bearer\"] beside it");
    }
    if route.access != Access::Open {
        token_contradictions(table, raw, route);
    }
    if route.access == Access::Open
        && let Some((name, _)) = route.require.first()
    {
        let found = "an open route asks nobody anything, so this condition would not hold";
        table.refuse(name.at, "require", found, "access = \"session\" or \"required\" beside it");
    }
}

/// Notes upstreams that would get both our tokens and anybody's bearers in one header, and could not tell which is which.
pub(crate) fn other_bearers(checker: &mut Checker<'_>, routes: &[Route]) {
    let ours = |route: &&Route| {
        route.access != Access::Open
            && route.token.header == ::http::header::AUTHORIZATION
            && route.token.profiles != [TokenProfile::Txn]
    };
    for route in routes.iter().filter(|route| !route.issuers.is_empty()) {
        let Some(other) = route.other_bearers else { continue };
        if let Some(clash) = routes.iter().filter(ours).find(|known| known.upstream == other) {
            let found = format!(
                "it gets our tokens in Authorization by `{}`, and anybody's bearers by this route",
                clash.path.value
            );
            let hint = "give our token another header there, as header = \"x-internal-token\", or name another upstream";
            let accepted = "an upstream that gets no token in Authorization";
            checker.push(ConfigError::new(route.at, "routes.other_bearers", found, accepted).hint(hint));
        }
    }
}

/// Notes what a route says of its token and what cannot be.
fn token_contradictions(table: &mut Table<'_, '_>, raw: &RawRoute, route: &Route) {
    let file = table.file;
    let token = &route.token;
    if token.profiles.contains(&TokenProfile::Txn) && token.scope.is_none() {
        let at = raw.profile.as_ref().map_or(table.at, |raw| file.at(raw));
        let found = "a transaction token says what its request is for, and this route has no `scope`";
        let hint = "as narrow as it can be: scope = \"orders.read\"";
        table.refuse_with(at, "profile", found, "`scope` beside it, or in [tokens]", hint);
    }
    if let Some(header) = &raw.header
        && token.profiles == [TokenProfile::Txn]
    {
        let found = "a transaction token always travels in Txn-Token";
        table.refuse(file.at(header), "header", found, "no `header`, or profile = [\"at+jwt\", \"txn\"]");
    }
    if token.scope.is_some()
        && let Some(claim) = token.claims.iter().find(|claim| claim.value == "scope")
    {
        let found = "the attribute `scope` and the route's own `scope` would be one claim";
        table.refuse(claim.at, "claims", found, "one of them");
    }
}
