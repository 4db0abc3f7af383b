use super::*;
use crate::codec::seal::{Hash, MacKey};

mod wycheproof;

const PUBLIC: &str = include_str!("../../../tests/keys/test-p256-public.pem");
const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDOdH2sr+BTta8LFFAcBiRPFpv7
T8bCG433QtP6tPHpkYkmP104xEv170zKYP+cEiwEkVt+Ty/pyX1P1AZNJX/me9/e
Np/RRiawRInH8AtZqkxb7sHWoNWl6COSpqV9753ByRUb4TEaDaO2EiJTW7ch1ZhX
k0QL94S+skN+8f6ClwIDAQAB
-----END PUBLIC KEY-----";
const P521: &str = "-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQA56dg8kmx9sIVOjjzHFjdib1snCsC
GzhFdFIFO/R8XlHBRaSzmwfuAKXnfjq+NkIBPNf8Hn1AvN/2yigi8bfI1tsAmBPk
lU6m00RzZ4KrsDe+Faca9b0FhDkQfPmXanMFGr3VYM2AMnRN3+H7PMQ+q6W2ttYL
p/kLxnc6romHnNZAg9E=
-----END PUBLIC KEY-----";
const SECP256K1: &str = "-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEUxSdUS+cXGznjQGEgaChRWA3HTMSpLpd
MtF4Qrnd/aWfL0PxbgbMp3uiZzBPutp9sKM6SDQfSIc8z2hilGqEaA==
-----END PUBLIC KEY-----";
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAqvvhZ6ENo2Hg6eNG0+trMMZ7iK/LuH+DqdTqQoFt79E=
-----END PUBLIC KEY-----";
const ED448: &str = "-----BEGIN PUBLIC KEY-----
MEMwBQYDK2VxAzoA3L5J5fHDlub1tE48AFJ5yt2MpAdXGKREkQP0tB6B11cfVz0e
Xg+L/TAH6z/jYV+eIHadUd/PwWOA
-----END PUBLIC KEY-----";

fn key(text: &str) -> Result<JwsKey, &'static str> {
    JwsKey::new(&Secret::new(text.into()))
}

fn token(header: &str, payload: &str) -> String {
    let signed = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let tag = MacKey::new(Hash::Sha256, b"s").sign(&[signed.as_bytes()]);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn verified(token: &str) -> Result<Vec<u8>, Reject> {
    let algorithms = ALGORITHMS.map(|(_, algorithm)| algorithm);
    verify(token.as_bytes(), &[key("s").unwrap()], &algorithms, &Typ::Usual).map(|token| token.payload)
}

#[test]
fn the_kind_of_a_key_fixes_its_algorithms() {
    assert_eq!(key("s").unwrap().algorithms(), HMAC);
    assert_eq!(key(PUBLIC).unwrap().algorithms(), [Algorithm::ES256]);
    assert_eq!(key(ED25519).unwrap().algorithms(), [Algorithm::EdDSA]);
    assert_eq!(key(&ED25519.replace('\n', "\\n")).unwrap().algorithms(), [Algorithm::EdDSA]);
    let with_blanks = format!("\u{feff}a comment\n{PUBLIC}\n\n");
    assert_eq!(key(&with_blanks).unwrap().algorithms(), [Algorithm::ES256]);
}

#[test]
fn a_key_that_is_too_weak_or_of_another_kind_is_refused_by_name() {
    let refused = |text: &str| key(text).unwrap_err();
    assert_eq!(refused(RSA_1024), "an RSA key of less than 2048 bits");
    assert_eq!(refused(P521), "an elliptic curve key that is neither of P-256 nor of P-384");
    for text in [
        SECP256K1,
        ED448,
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(refused(text), "a PEM that holds no public key of RSA, P-256, P-384 or Ed25519", "{text}");
    }
    for private in [
        include_str!("../../../tests/keys/test-rsa2048-pkcs8.pem"),
        include_str!("../../../tests/keys/test-rsa2048-pkcs1.pem"),
        include_str!("../../../tests/keys/test-p256-sec1.pem"),
        include_str!("../../../tests/keys/test-ed25519-pkcs8.pem"),
    ] {
        assert_eq!(refused(private), "a private key, where the public one is enough");
    }
    let certificate = PUBLIC.replace("PUBLIC KEY", "CERTIFICATE");
    assert_eq!(refused(&certificate), "a certificate, where the public key in it is wanted");
    assert_eq!(refused(&format!("{PUBLIC}\n{ED25519}")), "several PEM blocks in one entry");
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let body: String = PUBLIC.lines().skip_while(|line| !line.starts_with("MF")).take(2).collect();
    let folded = body.as_bytes().chunks(20).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    let der = STANDARD.decode(&body).unwrap();
    let forms: [&[u8]; 6] = [
        &der,
        body.as_bytes(),
        folded.as_bytes(),
        b"ssh-rsa AAAAB3NzaC1yc2E= me@host",
        b" ecdsa-sha2-nistp256 AAAA",
        br#"{"kty":"EC","crv":"P-256"}"#,
    ];
    for form in forms {
        let found = JwsKey::new(&Secret::new(form.into())).unwrap_err();
        assert_eq!(found, "a public key in a form that could be taken for a secret");
    }
    // What only looks a little like one is a secret all the same.
    for secret in ["0", "0\u{6}\u{3}", "{\"a\":1}", "MFkwEwYH", "an ssh-rsa"] {
        assert_eq!(key(secret).unwrap().algorithms(), HMAC, "{secret}");
    }
}

#[test]
fn only_one_spelling_of_a_token_verifies() {
    let good = token(r#"{"alg":"HS256"}"#, "{}");
    assert_eq!(verified(&good), Ok(b"{}".to_vec()));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    // The last character of 32 bytes has two bits to spare.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let beside = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let stray = format!("{signed}.{}{beside}", &signature[..42]);
    let spellings = [
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{signed}.{signature}{signature}"),
        format!("{signed}.{}", &signature[..22]),
        format!("{signed}."),
        signed.to_owned(),
        stray,
        good.replace('.', ".."),
        good.replacen('.', "=.", 1),
    ];
    for spelling in spellings {
        assert!(verified(&spelling).is_err(), "{spelling}");
    }
}

#[test]
fn what_the_header_demands_or_hides_is_refused_by_name() {
    let refused = |header: &str| verified(&token(header, "{}")).unwrap_err().to_string();
    for (header, said) in [
        (r#"{"alg":"none"}"#, "`alg` is `none`"),
        (r#"{"alg":"nONE"}"#, "`alg` is `none`"),
        (r#"{"alg":"HS1"}"#, "`alg` of the token is unknown"),
        (r#"{"alg":null}"#, "`alg` of the token is unknown"),
        ("{}", "`alg` of the token is unknown"),
        (r#"{"alg":"ES256"}"#, "not one for the keys"),
        (r#"{"alg":"HS256","crit":["exp"]}"#, "`crit`"),
        (r#"{"alg":"HS256","b64":false}"#, "`crit`"),
        (r#"{"alg":"HS256","enc":"A256GCM"}"#, "JWE"),
        (r#"{"alg":"HS256","alg":"HS256"}"#, "not a JSON object"),
        (r#"{"alg":"HS256","typ":"logout+jwt"}"#, "another kind"),
        (r#"{"alg":"HS256","typ":1}"#, "`typ` is no text"),
        (r#"["alg"]"#, "not a JSON object"),
        ("", "not a JSON object"),
    ] {
        assert!(refused(header).contains(said), "{header}: {}", refused(header));
    }
    let deep = format!(r#"{{"alg":"HS256","x":{}{}}}"#, "[".repeat(50), "]".repeat(50));
    assert!(refused(&deep).contains("not a JSON object"));
    let long = format!(r#"{{"alg":"HS256","x":"{}"}}"#, "x".repeat(4096));
    assert!(refused(&long).contains("longer than 4 KiB"));
    assert!(verified("a.b.c.d.e").unwrap_err().to_string().contains("JWE"));
}

#[test]
fn a_type_of_the_profiles_own_is_the_only_one_then() {
    let read = |typ: &str, wanted: &str| {
        let header = if typ.is_empty() { String::new() } else { format!(r#","typ":"{typ}""#) };
        let token = token(&format!(r#"{{"alg":"HS256"{header}}}"#), "{}");
        verify(token.as_bytes(), &[key("s").unwrap()], HMAC, &Typ::Exactly(wanted.into())).is_ok()
    };
    assert!(read("session+jwt", "Session+JWT"));
    assert!(read("application/session+jwt", "session+jwt"));
    assert!(!read("JWT", "session+jwt"));
    assert!(!read("", "session+jwt"));
}

#[test]
fn the_key_that_verified_is_named() {
    let keys = ["x", "s"].map(|text| key(text).unwrap());
    let token = token(r#"{"alg":"HS256"}"#, "{}");
    assert_eq!(verify(token.as_bytes(), &keys, HMAC, &Typ::Usual).unwrap().key, 1);
    let keys = ["x", "y"].map(|text| key(text).unwrap());
    let refused = verify(token.as_bytes(), &keys, HMAC, &Typ::Usual).unwrap_err();
    assert_eq!(refused, Reject::BadSignature { secrets: 2 });
    let keys = [key("s").unwrap()];
    assert!(verify(token.as_bytes(), &keys, &[Algorithm::HS512], &Typ::Usual).is_err());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_verify(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        proptest::prop_assert!(verified(&text).is_err());
        let dotted = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), text, text);
        proptest::prop_assert!(verified(&dotted).is_err());
    }
}
