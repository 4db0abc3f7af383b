//! An issuer of JWTs: a key of its own, and an endpoint that serves it as a set.

use crate::support::Upstream;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use cloakroom::clock::Clock;
use cloakroom::codec::seal::{Base64, Hash, MacKey};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Signs with ES256, under the `kid` `one`.
#[derive(Debug)]
pub(crate) struct Issuer {
    key: EcdsaKeyPair,
    answer: Arc<Mutex<String>>,
    endpoint: Upstream,
}

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    Clock::System.now().as_secs()
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let answer = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&answer);
        let endpoint = Upstream::playing(move |wire| {
            if wire.request().is_some() {
                let answer = said.lock().unwrap().clone();
                wire.say(answer);
                wire.hang_up();
            }
        });
        let issuer = Self { key, answer, endpoint };
        issuer.serve(&issuer.answer("one"));
        issuer
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.endpoint.address())
    }

    /// Has the endpoint say this from now on; returns what it said before.
    pub(crate) fn serve(&self, answer: &str) -> String {
        std::mem::replace(&mut *self.answer.lock().unwrap(), answer.to_owned())
    }

    /// Its set with the key under this `kid`, as a whole answer.
    pub(crate) fn answer(&self, kid: &str) -> String {
        let mut jwk = self.jwk();
        jwk["kid"] = json!(kid);
        let body = json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": kid }, jwk] }).to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// How often its set was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.endpoint.requests().len()
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| Base64::UrlNoPad.encode(part));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256" })
    }

    /// Its public key as text that could be taken for a secret.
    pub(crate) fn public_key(&self) -> String {
        self.jwk().to_string()
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "kid": "one", "typ": "at+jwt" }), claims)
    }

    /// A token with this header, whatever it says, signed with ES256.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = signed(header, claims);
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", Base64::UrlNoPad.encode(signature.as_ref()))
    }

    /// A token with this header, signed with a secret.
    pub(crate) fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
        let signed = signed(header, claims);
        let tag = MacKey::new(Hash::Sha256, secret).sign(&[signed.as_bytes()]);
        format!("{signed}.{}", Base64::UrlNoPad.encode(&tag))
    }
}

fn signed(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| Base64::UrlNoPad.encode(part.to_string().as_bytes())).join(".")
}
