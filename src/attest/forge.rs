//! Makes the tokens.

use crate::attest::kinds::{Edit, Guess, Kind, Shape, Sign};
use crate::attest::stranger::{CERTIFICATE, Stranger};
use crate::clock::UnixMillis;
use crate::codec::seal::{Hash, MacKey};
use crate::token::Key;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// What the tokens are about.
#[derive(Clone, Debug)]
pub struct Target {
    /// The `iss` that the service expects.
    pub issuer: String,
    /// The `aud` that is the service's own.
    pub audience: String,
    /// The `typ` that it expects.
    pub typ: &'static str,
    /// More claims, as JSON, for services that ask for some.
    pub claims: Vec<(String, String)>,
}

/// Signs as the gateway does, and as nobody should.
pub(super) struct Forge<'k> {
    pub(super) key: &'k Key,
    pub(super) stranger: &'k Stranger,
    pub(super) target: &'k Target,
    pub(super) now: UnixMillis,
}

/// Members of a JSON object, as text, in their order; a name may come twice.
type Members = Vec<(String, String)>;

impl Forge<'_> {
    /// The token of a kind.
    pub(super) fn token(&self, kind: &Kind) -> Option<String> {
        let header = self.part(self.header(kind), kind.header);
        let claims = self.part(self.claims(), kind.claims);
        let signed = format!("{header}.{claims}");
        let signature = self.signature(kind.sign, &signed)?;
        Some(match kind.shape {
            Shape::Bearer | Shape::Field(_) | Shape::Query => match kind.sign {
                Sign::Gone => signed,
                _ => format!("{signed}.{signature}"),
            },
            Shape::ClaimsSwapped => {
                let other = self.part(self.claims(), &[Edit::Put("sub", "\"somebody-else\"")]);
                format!("{header}.{other}.{signature}")
            }
            Shape::HeaderSwapped => {
                let other = self.part(self.header(kind), &[Edit::Put("x-swapped", "true")]);
                format!("{other}.{claims}.{signature}")
            }
            Shape::Parts(1) => claims,
            Shape::Parts(parts) => {
                let more = vec![signature.as_str(); parts.saturating_sub(2)];
                format!("{signed}.{}", more.join("."))
            }
            Shape::Json => URL_SAFE_NO_PAD.encode(format!(
                "{{\"protected\":\"{header}\",\"payload\":\"{claims}\",\"signature\":\"{signature}\"}}"
            )),
        })
    }

    fn header(&self, kind: &Kind) -> Members {
        let (alg, kid) = match kind.sign {
            Sign::Stranger => ("ES256", self.key.kid().to_string()),
            _ => (self.key.alg(), self.key.kid().to_string()),
        };
        let text = |text: &str| serde_json::Value::from(text).to_string();
        vec![("alg".into(), text(alg)), ("typ".into(), text(self.target.typ)), ("kid".into(), text(&kid))]
    }

    fn claims(&self) -> Members {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let now = self.now.as_secs();
        let mut claims: Members = vec![
            ("iss".into(), text(&self.target.issuer)),
            ("aud".into(), text(&self.target.audience)),
            ("sub".into(), text("attest")),
            ("exp".into(), (now + 300).to_string()),
            ("iat".into(), now.saturating_sub(5).to_string()),
            ("jti".into(), text("attest")),
            ("client_id".into(), text("attest")),
            ("sid".into(), text("attest")),
        ];
        for (name, value) in &self.target.claims {
            put(&mut claims, name, value.clone());
        }
        claims
    }

    /// A part as it is sent.
    fn part(&self, mut members: Members, edits: &[Edit]) -> String {
        for edit in edits {
            match edit {
                Edit::Drop(name) => members.retain(|(known, _)| known != name),
                Edit::Twice(name, value) => members.push(((*name).to_owned(), self.filled(value))),
                Edit::Put(name, value) => put(&mut members, name, self.filled(value)),
            }
        }
        let text =
            |(name, value): &(String, String)| format!("{}:{value}", serde_json::Value::from(name.as_str()));
        let members: Vec<String> = members.iter().map(text).collect();
        URL_SAFE_NO_PAD.encode(format!("{{{}}}", members.join(",")))
    }

    /// A value of the table with what only the moment knows put in.
    fn filled(&self, value: &str) -> String {
        let front =
            |text: &str| text.chars().take(text.chars().count().saturating_sub(1)).collect::<String>();
        let Target { issuer, audience, typ, .. } = self.target;
        let other = if self.key.alg() == "RS256" { "ES256" } else { "RS256" };
        let plain = [
            ("{iss}", issuer.clone()),
            ("{iss-front}", front(issuer)),
            ("{aud}", audience.clone()),
            ("{aud-front}", front(audience)),
            ("{elsewhere}", "another-service".to_owned()),
            ("{alg}", self.key.alg().to_owned()),
            ("{alg-lower}", self.key.alg().to_ascii_lowercase()),
            ("{alg-other}", other.to_owned()),
            ("{typ-other}", if *typ == "JWT" { "id+jwt" } else { "JWT" }.to_owned()),
            ("{stranger-kid}", self.stranger.kid().to_owned()),
            ("{jwk}", self.stranger.jwk()),
            ("{url}", self.stranger.url().to_owned()),
            ("{x5c}", CERTIFICATE.to_owned()),
            ("{deep}", format!("{}{}", "[".repeat(2_500), "]".repeat(2_500))),
            ("{pad}", "x".repeat(24 * 1024)),
        ];
        let text = plain.iter().fold(value.to_owned(), |text, (name, with)| text.replace(name, with));
        self.with_times(&text)
    }

    /// `{now+300}` and `{now-300}` as numbers.
    fn with_times(&self, text: &str) -> String {
        let Some((before, rest)) = text.split_once("{now") else { return text.to_owned() };
        let Some((offset, after)) = rest.split_once('}') else { return text.to_owned() };
        let now = i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX);
        let moment = now.saturating_add(offset.parse::<i64>().unwrap_or_default());
        format!("{before}{moment}{}", self.with_times(after))
    }

    fn signature(&self, sign: Sign, signed: &str) -> Option<String> {
        let right = |text: &str| self.key.signature(text.as_bytes());
        let length = right(signed)?.len();
        let bytes = match sign {
            Sign::Right => right(signed)?,
            Sign::Nothing | Sign::Gone => Vec::new(),
            Sign::Zeros => vec![0; length],
            Sign::ZerosDer => vec![0x30, 6, 2, 1, 0, 2, 1, 0],
            Sign::Ones => vec![0xff; length],
            Sign::Flipped => {
                let mut bytes = right(signed)?;
                if let Some(byte) = bytes.get_mut(length / 2) {
                    *byte ^= 1;
                }
                bytes
            }
            Sign::Half => right(signed)?.get(..length / 2)?.to_vec(),
            Sign::Longer => [right(signed)?, vec![0; 8]].concat(),
            Sign::Others => right(&format!("{signed}x"))?,
            Sign::Stranger => self.stranger.sign(signed.as_bytes())?,
            Sign::Hmac(bits, guess) => {
                let hash = match bits {
                    384 => Hash::Sha384,
                    512 => Hash::Sha512,
                    _ => Hash::Sha256,
                };
                MacKey::new(hash, &self.guess(guess)).sign(&[signed.as_bytes()])
            }
        };
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn guess(&self, guess: Guess) -> Vec<u8> {
        let der = self.key.public_der();
        let pem = || {
            let text = STANDARD.encode(&der);
            let lines: Vec<&str> =
                (0..text.len()).step_by(64).filter_map(|at| text.get(at..text.len().min(at + 64))).collect();
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
        };
        match guess {
            Guess::Pem => pem().into_bytes(),
            Guess::PemCut => pem().trim_end().as_bytes().to_vec(),
            Guess::Der => der,
            Guess::Jwk => self.key.public_jwk().as_bytes().to_vec(),
            Guess::Empty => Vec::new(),
            Guess::Word => b"secret".to_vec(),
        }
    }
}

/// This value for this name, whether or not it had one.
fn put(members: &mut Members, name: &str, value: String) {
    match members.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.to_owned(), value)),
    }
}
