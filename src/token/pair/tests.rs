use super::*;

fn held(pem: &str) -> String {
    match Pair::from_pem(pem.as_bytes()) {
        Ok(pair) => pair.kind(),
        Err(words) => words,
    }
}

#[test]
fn a_file_without_a_usable_key_is_described() {
    let cases = [
        ("", "no private key in PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA", "a broken private key"),
        (
            include_str!("../../../tests/keys/test-p256-encrypted.pem"),
            "a private key under a passphrase, which nobody can type at start",
        ),
        (include_str!("../../../tests/keys/test-p256-public.pem"), "a public key only"),
        (include_str!("../../../tests/keys/test-rsa1024-pkcs8.pem"), "an RSA key of fewer than 2048 bits"),
        (
            include_str!("../../../tests/keys/test-p521-sec1.pem"),
            "an EC key on a curve other than P-256 and P-384, or a broken one",
        ),
    ];
    for (pem, words) in cases {
        assert_eq!(held(pem), words);
    }
}

#[test]
fn openssls_three_encodings_are_read() {
    let cases = [
        (include_str!("../../../tests/keys/test-ed25519-pkcs8.pem"), "an Ed25519 key"),
        (include_str!("../../../tests/keys/test-p256-pkcs8.pem"), "an EC key on P-256"),
        (include_str!("../../../tests/keys/test-p256-sec1.pem"), "an EC key on P-256"),
        (include_str!("../../../tests/keys/test-p384-pkcs8.pem"), "an EC key on P-384"),
        (include_str!("../../../tests/keys/test-p384-sec1.pem"), "an EC key on P-384"),
        (include_str!("../../../tests/keys/test-rsa2048-pkcs1.pem"), "an RSA key of 2048 bits"),
        (include_str!("../../../tests/keys/test-rsa2048-pkcs8.pem"), "an RSA key of 2048 bits"),
    ];
    for (pem, words) in cases {
        assert_eq!(held(pem), words);
    }
}

#[test]
fn a_generated_ed25519_key_is_the_48_bytes_that_openssl_reads() {
    let text = Pair::generate(Algorithm::EdDSA).unwrap();
    let PrivateKeyDer::Pkcs8(der) = PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap() else {
        panic!("not PKCS#8");
    };
    assert_eq!(der.secret_pkcs8_der().len(), 48);
}
