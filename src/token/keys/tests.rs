use super::*;
use crate::token::fixture::{self, ALGORITHMS, directory, located, write_private};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Members of a JWK that hold a private or secret value (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

fn files(folder: &Path, pems: &[&str]) -> KeySource {
    let paths = pems.iter().enumerate().map(|(index, pem)| {
        let path = folder.join(format!("{index}.pem"));
        write_private(&path, pem);
        located(path)
    });
    KeySource::Files(paths.collect())
}

fn set_age(path: &Path, secs: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(secs)).unwrap();
}

fn kids(ring: &KeyRing) -> Vec<String> {
    ring.now().keys().map(|key| key.kid().to_string()).collect()
}

/// The `kid` of the first key that signs.
fn signer(ring: &KeyRing) -> String {
    let ring = ring.now();
    let (key, _) = ring.phases().find(|(_, phase)| *phase == Phase::Signs).unwrap();
    key.kid().to_string()
}

#[test]
fn the_published_set_holds_no_private_member() {
    for algorithm in ALGORITHMS {
        let ring = fixture::ring(&[algorithm]);
        let set: serde_json::Value = serde_json::from_slice(&ring.now().jwks()).unwrap();
        let key = set["keys"][0].as_object().unwrap();
        assert!(PRIVATE_MEMBERS.iter().all(|member| !key.contains_key(*member)));
        assert_eq!(key["alg"], name(algorithm));
        assert_eq!(key["use"], "sig");
        assert_eq!(key["kid"], signer(&ring));
    }
}

#[test]
fn the_debug_print_of_a_ring_holds_no_key() {
    let ring = fixture::ring(&[Algorithm::ES256, Algorithm::EdDSA]);
    let names: Vec<String> =
        ring.now().keys().map(|key| format!("Key({} {})", name(key.algorithm()), key.kid())).collect();
    assert_eq!(format!("{ring:?}"), format!("[{}]", names.join(", ")));
}

#[test]
fn a_first_file_of_another_kind_is_refused_where_it_is_named() {
    for held in ALGORITHMS {
        for wanted in ALGORITHMS {
            let folder = tempfile::tempdir().unwrap();
            let source = files(folder.path(), &[fixture::pem(held)]);
            let rsa = [held, wanted].iter().all(|a| needed(*a) == needed(Algorithm::RS256));
            match KeyRing::load(&fixture::tokens(source, wanted)) {
                Ok(_) => assert!(held == wanted || rsa),
                Err(errors) => {
                    assert!(held != wanted && !rsa);
                    assert_eq!(errors.len(), 1);
                    assert_eq!(errors[0].at, fixture::AT);
                    assert!(errors[0].found.contains(" holds an "), "{}", errors[0].found);
                    assert!(errors[0].accepted.starts_with(needed(wanted)), "{}", errors[0].accepted);
                }
            }
        }
    }
}

#[test]
fn every_bad_file_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let KeySource::Files(mut paths) = files(folder.path(), &["nothing", "nothing"]) else { panic!() };
    paths.push(located(folder.path().join("missing.pem")));
    let errors = KeyRing::load(&fixture::tokens(KeySource::Files(paths), Algorithm::ES256)).unwrap_err();
    assert_eq!(errors.len(), 3);
}

#[test]
fn an_empty_list_of_files_is_no_key() {
    let errors = KeyRing::load(&fixture::tokens(KeySource::Files(Vec::new()), Algorithm::ES256)).unwrap_err();
    assert_eq!(errors[0].found, "no key");
}

#[test]
fn the_first_file_signs_and_all_are_published_once() {
    let folder = tempfile::tempdir().unwrap();
    let pems = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::EdDSA].map(fixture::pem);
    let ring = KeyRing::load(&fixture::tokens(files(folder.path(), &pems), Algorithm::EdDSA)).unwrap();
    assert_eq!(ring.now().algorithms(), ["EdDSA", "ES256"]);
    assert_eq!(ring.now().keys().count(), 2);
}

#[test]
fn a_second_start_uses_the_same_keys() {
    for algorithm in ALGORITHMS {
        let folder = tempfile::tempdir().unwrap();
        let tokens = directory(folder.path().join("new/keys"), algorithm);
        let first = KeyRing::load(&tokens).unwrap();
        let second = KeyRing::load(&tokens).unwrap();
        assert_eq!(first.now().algorithms(), [name(algorithm)]);
        assert_eq!(kids(&first), kids(&second));
        assert_eq!(
            first.fingerprints().fingerprint("p", b"id"),
            second.fingerprints().fingerprint("p", b"id")
        );
        assert_eq!(first.now().etag(), second.now().etag());
    }
}

#[test]
fn gateways_that_start_at_once_end_with_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let rings: Vec<KeyRing> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| KeyRing::load(&directory(path.clone(), Algorithm::ES256)).unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ring in &rings {
        assert_eq!(kids(ring), kids(&rings[0]));
        assert_eq!(
            ring.fingerprints().fingerprint("p", b"id"),
            rings[0].fingerprints().fingerprint("p", b"id")
        );
    }
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2);
}

#[test]
fn what_is_made_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let ring = KeyRing::load(&directory(path.clone(), Algorithm::ES256)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("es256.pem")), 0o600);
    assert_eq!(mode(&path.join("fingerprint.key")), 0o600);
    assert_eq!(ring.warnings(), []);
}

#[test]
fn files_that_others_may_open_are_warned_of_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let tokens = directory(path.clone(), Algorithm::ES256);
    KeyRing::load(&tokens).unwrap();
    let wide = |name: &str, mode| {
        std::fs::set_permissions(path.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    wide("es256.pem", 0o640);
    wide("fingerprint.key", 0o604);
    wide("", 0o777);
    assert_eq!(
        KeyRing::load(&tokens).unwrap().warnings(),
        [
            KeyWarning::DirectoryWritable { path: path.clone(), mode: 0o777 },
            KeyWarning::FileAccessible { path: path.join("es256.pem"), mode: 0o640 },
            KeyWarning::FileAccessible { path: path.join("fingerprint.key"), mode: 0o604 },
        ]
    );
}

#[test]
fn the_newest_key_of_the_algorithm_signs() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = directory(folder.path().into(), Algorithm::ES256);
    let made = KeyRing::load(&tokens).unwrap();
    let own = folder.path().join("own.pem");
    write_private(&own, fixture::pem(Algorithm::ES256));
    write_private(&folder.path().join("ed.pem"), fixture::pem(Algorithm::EdDSA));
    set_age(&folder.path().join("es256.pem"), 1000);
    set_age(&own, 999);
    assert_eq!(signer(&KeyRing::load(&tokens).unwrap()), signer(&made));
    set_age(&own, 1001);
    let ring = KeyRing::load(&tokens).unwrap();
    assert_ne!(signer(&ring), signer(&made));
    assert_eq!(ring.now().keys().count(), 3);
}

#[test]
fn a_change_of_algorithm_makes_a_key_and_keeps_publishing_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let load = |algorithm| KeyRing::load(&directory(folder.path().into(), algorithm)).unwrap();
    load(Algorithm::RS256);
    // RSA serves both, yet a key keeps the one algorithm it was made for.
    assert_eq!(load(Algorithm::PS256).now().algorithms(), ["PS256", "RS256"]);
    assert_eq!(load(Algorithm::RS256).now().algorithms(), ["RS256", "PS256"]);
    assert_eq!(load(Algorithm::EdDSA).now().algorithms().len(), 3);
}

#[test]
fn hidden_and_foreign_files_in_the_directory_are_not_keys() {
    let folder = tempfile::tempdir().unwrap();
    for foreign in [".0123.tmp", ".hidden.pem", "README", "key.pem.bak"] {
        write_private(&folder.path().join(foreign), "nothing");
    }
    let ring = KeyRing::load(&directory(folder.path().into(), Algorithm::ES256)).unwrap();
    assert_eq!(ring.now().keys().count(), 1);
}

#[test]
fn a_broken_key_in_the_directory_is_a_mistake_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("es256.pem");
    for text in ["nothing", fixture::pem(Algorithm::EdDSA)] {
        write_private(&path, text);
        let errors = KeyRing::load(&directory(folder.path().into(), Algorithm::ES256)).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].found.contains("es256.pem` holds"), "{}", errors[0].found);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_a_mistake_with_a_hint() {
    let errors = KeyRing::load(&directory("/proc/self/none".into(), Algorithm::ES256)).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].hint.is_some());
}
