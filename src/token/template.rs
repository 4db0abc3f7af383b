//! What the token of a route looks like.

use crate::config::{
    Access, Algorithm, Config, Confirmation, Route, RouteId, Secret, SubjectType, TokenOptions, TokenProfile,
};
use crate::format::jws::JwsKey;
use crate::token::key::Key;
use http::HeaderName;
use http::header::AUTHORIZATION;
use std::sync::Arc;
use std::time::Duration;

/// Where a transaction token travels.
static TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// Everything about a token that does not depend on whom it is for, ready to be written.
#[derive(Debug, PartialEq, Eq)]
pub struct Template {
    /// `aud`, at least one.
    pub audience: Vec<String>,
    /// What it is signed with.
    pub algorithm: Algorithm,
    /// The secret that its audience shares, for HS256.
    shared: Option<Arc<Key>>,
    /// Longest life.
    pub ttl: Duration,
    /// `typ` and conformance.
    pub profile: TokenProfile,
    /// The header it travels in.
    pub header: HeaderName,
    /// Largest token, in bytes.
    pub max_bytes: usize,
    /// `iat` is set back by this.
    pub skew: Duration,
    /// Whether its audience knows a user by a `sub` of its own.
    pub is_pairwise: bool,
    /// Whether it says which request it is for.
    pub is_bound: bool,
    /// Whether it names the client's certificate.
    pub confirms: bool,
    /// Attribute names that become claims, in order, each with `,"name":` ready to be written.
    claims: Vec<(String, String)>,
    /// `{"iss":…,"aud":…,"sub":`
    head: String,
    /// What else is the same in every such token, each member with a comma before it.
    fixed: String,
}

impl Template {
    /// The names of the attributes that become claims.
    pub fn claim_names(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|(name, _)| name.as_str())
    }

    /// Attribute names with the text that goes before their value.
    pub(super) fn claims(&self) -> &[(String, String)] {
        &self.claims
    }

    /// The text that goes before the subject.
    pub(super) fn head(&self) -> &str {
        &self.head
    }

    /// The members that are the same in every such token.
    pub(super) fn fixed(&self) -> &str {
        &self.fixed
    }

    /// The secret that its audience shares.
    pub(super) const fn shared(&self) -> Option<&Arc<Key>> {
        self.shared.as_ref()
    }

    /// Whether a token says something of its request, and so is good for that one alone.
    pub fn is_for_one_request(&self) -> bool {
        self.is_bound || self.profile == TokenProfile::Txn
    }

    /// What goes before the token in its header: `Bearer` is Authorization's way (RFC 6750 §2.1); a header of one's own
    /// holds the bare token.
    pub(super) fn prefix(&self) -> &'static str {
        if self.header == AUTHORIZATION { "Bearer " } else { "" }
    }

    fn of(config: &Config, (audiences, token): (&[String], &TokenOptions), profile: TokenProfile) -> Self {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let mut fixed =
            token.scope.iter().fold(String::new(), |all, scope| all + r#","scope":"# + &text(scope));
        let (audience, header) = match profile {
            TokenProfile::AtJwt | TokenProfile::Jwt | TokenProfile::Reference => {
                (audiences.to_vec(), token.header.clone())
            }
            TokenProfile::Txn => {
                fixed = fixed + r#","req_wl":"# + &text(&config.tokens.txn.workload);
                (vec![config.tokens.txn.trust_domain.clone()], TXN_TOKEN.clone())
            }
        };
        let aud = match audience.as_slice() {
            [one] => text(one),
            several => serde_json::Value::from(several.to_vec()).to_string(),
        };
        let claims = token.claims.iter();
        Self {
            shared: shared(config, &audience, token.algorithm),
            audience,
            algorithm: token.algorithm,
            ttl: token.ttl,
            profile,
            header,
            max_bytes: config.tokens.max_bytes,
            skew: config.server.skew,
            is_pairwise: token.subject_type == SubjectType::Pairwise,
            is_bound: token.bound,
            confirms: token.cnf == Confirmation::ClientCertificate,
            claims: claims.map(|name| (name.value.clone(), format!(",{}:", text(&name.value)))).collect(),
            head: format!(r#"{{"iss":{},"aud":{aud},"sub":"#, text(&config.tokens.issuer)),
            fixed,
        }
    }
}

/// One of the templates of a minter. Only [`Templates`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TemplateId(usize);

/// The template of a route, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteTemplates {
    /// The one that the route names first.
    pub first: TemplateId,
    /// The other.
    pub second: Option<TemplateId>,
}

/// What services get for an audience in somebody's name.
#[derive(Debug)]
pub struct Exchanged {
    /// Whose it is.
    audience: String,
    /// The template, which says no scope.
    pub template: TemplateId,
    /// The scope beyond which there is none; `None`: it limits none.
    pub scope: Option<String>,
    /// Whether its audience knows a user by a `sub` of its own.
    pub is_pairwise: bool,
    /// Whether some route leads guests there, or none leads there at all.
    pub takes_guests: bool,
}

/// The distinct templates of a configuration, and which route has which.
#[derive(Debug)]
pub struct Templates {
    distinct: Vec<Arc<Template>>,
    by_route: Vec<Option<RouteTemplates>>,
    /// That of `[pair]`'s access tokens.
    pair: Option<TemplateId>,
    /// Those of exchanged tokens, one for each audience.
    exchanged: Vec<Exchanged>,
    /// What tokens of an audience may be signed with beside the ring.
    secrets: Vec<SharedSecret>,
}

/// A secret that an audience shares, for who verifies.
#[derive(Debug)]
pub struct SharedSecret {
    /// Whose it is: no token for another is signed with it.
    pub audience: String,
    /// Its name.
    pub kid: Arc<str>,
    /// The secret.
    pub key: JwsKey,
}

impl Templates {
    /// The templates of all routes; routes whose tokens are alike share one, so they share signatures too.
    pub fn build(config: &Config) -> Self {
        let mut distinct: Vec<Arc<Template>> = Vec::new();
        let mut place = |template: Template| {
            let known = distinct.iter().position(|known| **known == template);
            TemplateId(known.unwrap_or_else(|| {
                distinct.push(Arc::new(template));
                distinct.len() - 1
            }))
        };
        let mut by_route = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let mut templates = route
                .token
                .profiles
                .iter()
                .map(|profile| place(Template::of(config, (&route.audience, &route.token), *profile)));
            by_route.push(match route.access {
                Access::Open => None,
                Access::Optional | Access::Session | Access::Required => {
                    templates.next().map(|first| RouteTemplates { first, second: templates.next() })
                }
            });
        }
        let pair = config.pair.as_ref().map(|pair| {
            let profile = pair.token.profiles.first().copied().unwrap_or(TokenProfile::AtJwt);
            place(Template::of(config, (&pair.audience, &pair.token), profile))
        });
        let mut exchanged: Vec<Exchanged> = Vec::new();
        for audience in config.clients.iter().flat_map(|client| &client.may_call) {
            if !exchanged.iter().any(|known| known.audience == *audience) {
                let (mut token, profile) = exchanged_as(config, audience);
                let scope = token.scope.take();
                let template = Template::of(config, (std::slice::from_ref(audience), &token), profile);
                exchanged.push(Exchanged {
                    audience: audience.clone(),
                    is_pairwise: template.is_pairwise,
                    template: place(template),
                    scope,
                    takes_guests: takes_guests(config, audience),
                });
            }
        }
        Self { distinct, by_route, pair, exchanged, secrets: secrets(config) }
    }

    /// The templates of a route; `None` for an open one.
    pub fn of(&self, route: RouteId) -> Option<RouteTemplates> {
        self.by_route.get(route.0).copied().flatten()
    }

    /// The template of `[pair]`'s access tokens, if there is that table.
    pub const fn of_pair(&self) -> Option<TemplateId> {
        self.pair
    }

    /// What services get for this audience, if any may.
    pub fn for_exchange(&self, audience: &str) -> Option<&Exchanged> {
        self.exchanged.iter().find(|known| known.audience == audience)
    }

    /// What tokens of an audience may be signed with beside the ring.
    pub fn secrets(&self) -> &[SharedSecret] {
        &self.secrets
    }

    /// The template itself.
    pub fn get(&self, id: TemplateId) -> Option<&Arc<Template>> {
        self.distinct.get(id.0)
    }

    /// How long the longest of all tokens may live, by anybody's clock.
    pub fn longest(&self) -> Duration {
        self.distinct.iter().map(|template| template.ttl + template.skew).max().unwrap_or_default()
    }

    /// How many distinct ones there are.
    pub const fn len(&self) -> usize {
        self.distinct.len()
    }

    /// Whether no route has a token.
    pub const fn is_empty(&self) -> bool {
        self.distinct.is_empty()
    }
}

/// The newest secret of the one audience.
fn shared(config: &Config, audience: &[String], algorithm: Algorithm) -> Option<Arc<Key>> {
    let ([audience], Algorithm::HS256) = (audience, algorithm) else { return None };
    let (_, secrets) = config.tokens.secrets.iter().find(|(known, _)| known == audience)?;
    Some(Arc::new(Key::shared(secrets.first()?)))
}

fn secrets(config: &Config) -> Vec<SharedSecret> {
    let all =
        config.tokens.secrets.iter().flat_map(|(audience, all)| all.iter().map(move |one| (audience, one)));
    let secret = |(audience, secret): (&String, &Secret)| {
        let (audience, kid) = (audience.clone(), Arc::clone(Key::shared(secret).kid()));
        Some(SharedSecret { audience, kid, key: JwsKey::new(secret).ok()? })
    };
    all.filter_map(secret).collect()
}

/// What an exchanged token looks like: as those of the first route that leads to its audience alone, else as `[tokens]` says. It is a
/// bearer in any case.
fn exchanged_as(config: &Config, audience: &str) -> (TokenOptions, TokenProfile) {
    let mut routes = config.routes.iter().filter(|route| route.access != Access::Open);
    let route = routes.find(|route| matches!(route.audience.as_slice(), [one] if one == audience));
    let token = route.map_or(&config.tokens.defaults, |route| &route.token);
    let profile = token.profiles.iter().find(|profile| **profile != TokenProfile::Txn);
    (
        TokenOptions { header: AUTHORIZATION, bound: false, ..token.clone() },
        profile.copied().unwrap_or(TokenProfile::AtJwt),
    )
}

/// Whether guests reach this audience by some route of its own, if it has any.
fn takes_guests(config: &Config, audience: &str) -> bool {
    let leads =
        |route: &&Route| route.access != Access::Open && route.audience.iter().any(|one| one == audience);
    let mut routes = config.routes.iter().filter(leads).peekable();
    routes.peek().is_none() || routes.any(|route| route.access != Access::Required)
}

#[cfg(test)]
mod tests;
