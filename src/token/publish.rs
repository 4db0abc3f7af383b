//! What services read to verify our tokens: the key set and the discovery document.

use crate::clock::UnixMillis;
use crate::token::keys::KeyRing;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A public document with a strong entity tag.
#[derive(Clone, Debug)]
pub struct Document {
    body: Bytes,
    etag: HeaderValue,
    max_age: Duration,
}

impl Document {
    /// JSON text, tagged by its hash.
    pub(super) fn new(json: String) -> Self {
        use base64::Engine;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, json.as_bytes());
        let short = digest.as_ref().get(..16).unwrap_or_default();
        let tag = format!("\"{}\"", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(short));
        let etag = HeaderValue::try_from(tag).expect("base64url in quotes is a valid header value");
        Self { body: json.into(), etag, max_age: Duration::ZERO }
    }

    /// The same, good for so long.
    fn good_for(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// The text.
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// The strong entity tag.
    pub fn etag(&self) -> HeaderValue {
        self.etag.clone()
    }

    /// 200 with the text, or 304 if the client has it already. For GET and HEAD alike; who answers a HEAD leaves the body out.
    pub fn answer(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let known = self.is_known(headers);
        let mut response = Response::new(Full::new(if known { Bytes::new() } else { self.body() }));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response.headers_mut().insert(ETAG, self.etag());
        let cache = HeaderValue::try_from(format!("public, max-age={}", self.max_age.as_secs()));
        response
            .headers_mut()
            .insert(CACHE_CONTROL, cache.expect("a number behind words is a valid header value"));
        response
    }

    /// If-None-Match (RFC 9110 §13.1.2): a list, or `*`; compared weakly.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .any(|tag| {
                let tag = tag.trim_ascii();
                tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes()
            })
    }
}

/// Both documents, by the paths they are found at. They follow the ring.
#[derive(Clone, Debug)]
pub struct Published {
    keys: Arc<KeyRing>,
    issuer: String,
    jwks_uri: String,
    /// Where services ask about tokens, without a slash at its end; `None` where none may.
    desk: Option<String>,
}

impl Published {
    /// Where the key set is found.
    pub const JWKS_PATH: &'static str = "/.well-known/jwks.json";
    /// Where the discovery document is found.
    pub const DISCOVERY_PATH: &'static str = "/.well-known/openid-configuration";

    /// The documents of these keys. `jwks_uri` is where services fetch the set: the configured one, else made from the
    /// internal listener by [`Published::jwks_uri`].
    pub fn new(keys: Arc<KeyRing>, issuer: &str, jwks_uri: &str) -> Self {
        Self { keys, issuer: issuer.to_owned(), jwks_uri: jwks_uri.to_owned(), desk: None }
    }

    /// Names the endpoints for services in the discovery document too: they are where the key set is.
    pub fn with_desk(self) -> Self {
        let desk = self.jwks_uri.strip_suffix(Self::JWKS_PATH).map(str::to_owned);
        Self { desk, ..self }
    }

    /// `jwks_uri` for a gateway that was told none: on its internal listener.
    pub fn jwks_uri(internal: std::net::SocketAddr) -> String {
        format!("http://{internal}{}", Self::JWKS_PATH)
    }

    /// The document at this path, if it is one of the two.
    pub fn find(&self, path: &str) -> Option<Document> {
        let document = match path {
            Self::JWKS_PATH => self.keys.now().document().clone(),
            Self::DISCOVERY_PATH => self.discovery(),
            _ => return None,
        };
        Some(document.good_for(self.keys.max_age()))
    }

    /// Remembers who fetched the document at this path, if it is the key set. Only for the internal listener: strangers would pass for
    /// services, and push those off the list.
    pub fn note(&self, path: &str, headers: &HeaderMap, client: IpAddr, now: UnixMillis) {
        if path == Self::JWKS_PATH {
            let agent = headers.get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
            self.keys.readers().note(client, agent, now);
        }
    }

    fn discovery(&self) -> Document {
        // No endpoint here hands out codes or id tokens. The three lists are there because RFC 8414 §2 and OpenID
        // Discovery §3 require them, and the libraries that read only `issuer` and `jwks_uri` check that they exist.
        let mut discovery = serde_json::json!({
            "issuer": self.issuer,
            "jwks_uri": self.jwks_uri,
            "response_types_supported": ["none"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": self.keys.now().algorithms(),
        });
        if let (Some(desk), Some(members)) = (&self.desk, discovery.as_object_mut()) {
            for (name, path) in
                [("token", "token"), ("introspection", "introspect"), ("revocation", "revoke")]
            {
                members.insert(format!("{name}_endpoint"), format!("{desk}/{path}").into());
                let methods = serde_json::json!(["client_secret_basic"]);
                members.insert(format!("{name}_endpoint_auth_methods_supported"), methods);
            }
            let grants = serde_json::json!(["urn:ietf:params:oauth:grant-type:token-exchange"]);
            members.insert("grant_types_supported".to_owned(), grants);
        }
        Document::new(discovery.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(document: &Document, tag: &str) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.append(IF_NONE_MATCH, tag.parse().unwrap());
        document.answer(&headers).status()
    }

    #[test]
    fn a_document_is_sent_again_only_to_who_has_another() {
        let document = Document::new("{}".into());
        let own = document.etag().to_str().unwrap().to_owned();
        assert_eq!(asked(&document, "\"other\""), StatusCode::OK);
        assert_eq!(asked(&document, own.trim_matches('"')), StatusCode::OK);
        for tag in [own.clone(), format!("W/{own}"), format!("\"other\" , {own}"), "*".into()] {
            assert_eq!(asked(&document, &tag), StatusCode::NOT_MODIFIED, "{tag}");
        }
    }

    #[test]
    fn another_text_has_another_tag() {
        assert_ne!(Document::new("{}".into()).etag(), Document::new("[]".into()).etag());
    }

    #[test]
    fn the_key_sets_address_is_on_the_internal_listener() {
        assert_eq!(
            Published::jwks_uri("[::1]:9900".parse().unwrap()),
            "http://[::1]:9900/.well-known/jwks.json"
        );
    }
}
