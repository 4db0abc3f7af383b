//! Wycheproof's signatures against the way that every bearer's takes: a key from a JWK set or a PEM, and `is_signed_by`.
//!
//! A JWS takes of them what RFC 7518 and 8037 name: ECDSA as `r || s` over P-256 with SHA-256 and P-384 with SHA-384, Ed25519, RSA from
//! 2048 bits, PSS with a salt as long as its hash. There, what is valid is accepted by that name and what is invalid is not. All others
//! (DER, other curves, hashes, salts and lengths of keys) are accepted by no algorithm that their key allows.

use super::*;
use crate::format::jwk::JwkSet;
use ::wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};
use serde_json::Value;
use std::collections::BTreeMap;

/// By what a JWS would name it, or why it would not.
fn algorithm_of(schema: &str, group: &Value) -> Result<Algorithm, &'static str> {
    let text = |name: &str| group[name].as_str().unwrap_or_default();
    let sha = text("sha");
    match text("type") {
        "EddsaVerify" if group["publicKey"]["curve"] == "edwards25519" => Ok(Algorithm::EdDSA),
        "EcdsaP1363Verify" => match (group["publicKey"]["curve"].as_str().unwrap(), sha) {
            ("secp256r1", "SHA-256") => Ok(Algorithm::ES256),
            ("secp384r1", "SHA-384") => Ok(Algorithm::ES384),
            _ => Err("another curve or hash"),
        },
        "EcdsaVerify" | "EcdsaBitcoinVerify" => Err("DER"),
        _ if group["keySize"].as_u64().unwrap_or(0) < 2048 => Err("a short key, or another curve"),
        "RsassaPkcs1Verify" => match sha {
            "SHA-256" => Ok(Algorithm::RS256),
            "SHA-384" => Ok(Algorithm::RS384),
            "SHA-512" => Ok(Algorithm::RS512),
            _ => Err("another hash"),
        },
        "RsassaPssVerify" | "RsassaPssWithParametersVerify" => {
            match (sha, text("mgfSha"), group["sLen"].as_u64().unwrap()) {
                _ if schema.contains("with_parameters") => Err("a key that brings parameters"),
                ("SHA-256", "SHA-256", 32) => Ok(Algorithm::PS256),
                ("SHA-384", "SHA-384", 48) => Ok(Algorithm::PS384),
                ("SHA-512", "SHA-512", 64) => Ok(Algorithm::PS512),
                _ => Err("another hash or salt"),
            }
        }
        other => panic!("{other}"),
    }
}

/// The key as a member of a set where there is one, and as PEM.
fn keys(group: &Value) -> Vec<JwsKey> {
    let jwk = [&group["publicKeyJwk"], &group["keyJwk"]].into_iter().find(|jwk| jwk.is_object());
    let set = jwk.map(|jwk| JwkSet::read(serde_json::json!({ "keys": [jwk] }).to_string().as_bytes()));
    let of_set = set.and_then(Result::ok).map(|set| set.keys.into_iter().map(|(_, key)| key));
    let pem = group["publicKeyPem"].as_str().and_then(|pem| key(pem).ok());
    of_set.into_iter().flatten().chain(pem).collect()
}

fn hex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap().as_bytes();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    accepted: usize,
    refused: usize,
    /// Against what Wycheproof says.
    wrong: Vec<String>,
}

/// All cases of a set, counted by what a JWS would call them.
fn judge(json: &str, counts: &mut BTreeMap<String, Counts>) {
    let set: Value = serde_json::from_str(json).unwrap();
    let schema = set["schema"].as_str().unwrap();
    for group in set["testGroups"].as_array().unwrap() {
        let named = algorithm_of(schema, group);
        let counts =
            counts.entry(named.map_or_else(str::to_owned, |named| format!("{named:?}"))).or_default();
        let keys = keys(group);
        for case in group["tests"].as_array().unwrap() {
            let (message, signature) = (hex(&case["msg"]), URL_SAFE_NO_PAD.encode(hex(&case["sig"])));
            let accepted = |key: &JwsKey, algorithm| {
                let token = Unverified {
                    algorithm,
                    kid: None,
                    brings_key: false,
                    typ: None,
                    signed: &message,
                    payload: b"",
                    signature: &signature,
                };
                token.is_signed_by(key)
            };
            // A valid signature must do for every form of its key; an invalid one for none, and by no algorithm.
            let all =
                keys.iter().all(|key| named.is_ok_and(|named| accepted(key, named))) && !keys.is_empty();
            // An RSA key takes several: a signature of another scheme or hash is a good one by that name, which has sets of its own.
            // So has one with the salt that the name wants, in a set that wants another.
            let other = case["comment"] == "s_len changed to 32"
                || case["flags"].as_array().is_some_and(|all| {
                    all.iter()
                        .any(|one| one == "WrongPrimitive" || one == "WrongHash" || one == "DistinctHash")
                });
            let counts_as = |one: &Algorithm| named.map_or(!other, |named| named == *one);
            let any = keys.iter().any(|key| {
                let mut all = key.algorithms().iter().filter(|one| counts_as(one));
                all.any(|one| accepted(key, *one))
            });
            let right = match (case["result"].as_str().unwrap(), named) {
                ("valid", Ok(_)) => all,
                ("acceptable", Ok(_)) => true,
                _ => !any,
            };
            *(if any { &mut counts.accepted } else { &mut counts.refused }) += 1;
            if !right {
                counts.wrong.push(format!("{schema} {} {}", case["tcId"], case["comment"]));
            }
        }
    }
}

#[test]
fn what_wycheproof_calls_invalid_is_accepted_by_no_algorithm_and_what_it_calls_valid_by_its_own() {
    let mut counts = BTreeMap::new();
    ecdsa::TestName::all().iter().for_each(|set| judge(set.json_data(), &mut counts));
    eddsa::TestName::all().iter().for_each(|set| judge(set.json_data(), &mut counts));
    rsa_pkcs1_verify::TestName::all().iter().for_each(|set| judge(set.json_data(), &mut counts));
    rsa_pss_verify::TestName::all().iter().for_each(|set| judge(set.json_data(), &mut counts));
    for (name, counts) in &counts {
        println!("{name}: {} accepted, {} refused", counts.accepted, counts.refused);
        assert_eq!(counts.wrong, Vec::<String>::new(), "{name}");
    }
    let accepted = |name: &str| counts.get(name).map_or(0, |counts| counts.accepted);
    for algorithm in ALGORITHMS
        .map(|(_, algorithm)| format!("{algorithm:?}"))
        .iter()
        .filter(|name| !name.starts_with("HS"))
    {
        assert!(accepted(algorithm) > 5, "{algorithm}: {}", accepted(algorithm));
    }
}
