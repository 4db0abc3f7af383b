use super::*;
use crate::token::fixture::ALGORITHMS;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};

#[test]
fn two_encodings_of_one_key_have_one_kid() {
    let kid = |pem: &str| {
        let pair = Pair::from_pem(pem.as_bytes()).ok().unwrap();
        let algorithm = pair.algorithm(Algorithm::RS256);
        Key::new(pair, algorithm).unwrap().kid().to_string()
    };
    assert_eq!(
        kid(include_str!("../../../tests/keys/test-rsa2048-pkcs1.pem")),
        kid(include_str!("../../../tests/keys/test-rsa2048-pkcs8.pem")),
    );
    assert_eq!(
        kid(include_str!("../../../tests/keys/test-p256-sec1.pem")),
        kid(include_str!("../../../tests/keys/test-p256-pkcs8.pem")),
    );
}

#[test]
fn the_kid_is_the_thumbprint_another_implementation_computes() {
    for algorithm in ALGORITHMS {
        let pair = Pair::from_pem(Pair::generate(algorithm).unwrap().as_bytes()).ok().unwrap();
        let key = Key::new(pair, algorithm).unwrap();
        let jwk: Jwk = serde_json::from_str(key.jwk()).unwrap();
        assert_eq!(*jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), **key.kid());
    }
}

#[test]
fn a_key_signs_its_own_algorithm_only() {
    for made in ALGORITHMS {
        let text = Pair::generate(made).unwrap();
        for wanted in ALGORITHMS {
            let pair = Pair::from_pem(text.as_bytes()).ok().unwrap();
            let both_rsa = [made, wanted].iter().all(|a| matches!(a, Algorithm::PS256 | Algorithm::RS256));
            assert_eq!(Key::new(pair, wanted).is_some(), made == wanted || both_rsa);
        }
    }
}

#[test]
fn the_debug_print_shows_no_more_than_the_kid() {
    let pair = Pair::from_pem(include_bytes!("../../../tests/keys/test-p256-pkcs8.pem")).ok().unwrap();
    let key = Key::new(pair, Algorithm::ES256).unwrap();
    assert_eq!(format!("{key:?}"), format!("Key(ES256 {})", key.kid()));
}
