use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SerialNumber, date_time_ymd,
};

use crate::clock::UnixMillis;
use crate::config::{At, Certificate, ClientCertificates, ConfigError, Located, Secret};
use crate::tls::{Challenges, Ordered, Server};

/// A pair of PEM texts.
fn pair(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let params = params.as_mut().unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    change(params);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn entry((chain, key): (String, String)) -> Certificate {
    let place = |start| At { file: 0, start, end: start };
    Certificate {
        chain: Located { value: chain.into_bytes(), at: place(1) },
        key: Located { value: Secret::new(key.into_bytes()), at: place(2) },
        renews: false,
    }
}

fn mistakes(entries: &[Certificate]) -> Vec<ConfigError> {
    Server::build(entries, &[], None, None, UnixMillis::from_secs(0)).err().unwrap_or_default()
}

fn warnings(entry: Certificate, now: &str) -> Vec<String> {
    let now = match now {
        "2025" => UnixMillis::from_secs(1_750_000_000),
        "2026" => UnixMillis::from_secs(1_780_000_000),
        "soon" => UnixMillis::from_secs(1_798_000_000),
        _ => UnixMillis::from_secs(1_900_000_000),
    };
    Server::build(&[entry], &[], None, None, now).unwrap().unwrap().warnings(now).collect()
}

#[test]
fn a_key_of_another_certificate_is_a_mistake_at_the_key() {
    let (chain, _) = pair(&["a.test"], |_| {});
    let (_, key) = pair(&["a.test"], |_| {});
    let found = mistakes(&[entry((chain, key))]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].at.start, found[0].key.as_str()), (2, "server.certificates.key"));
    assert!(found[0].found.contains("another certificate"), "{found:?}");
}

#[test]
fn what_is_a_certificate_in_name_only_is_a_mistake_at_the_certificate() {
    let (_, key) = pair(&["a.test"], |_| {});
    let chain = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned();
    let found = mistakes(&[entry((chain, key))]);
    assert_eq!((found[0].at.start, found[0].found.as_str()), (1, "its first certificate cannot be read"));
}

#[test]
fn a_key_that_is_too_weak_is_a_mistake() {
    let (chain, _) = pair(&["a.test"], |_| {});
    let key = std::fs::read_to_string(Path::new("tests/keys/test-rsa1024-pkcs8.pem")).unwrap();
    assert!(mistakes(&[entry((chain, key))])[0].found.contains("not known"));
}

#[test]
fn a_later_certificate_without_a_name_would_never_be_chosen() {
    let nameless = || entry(pair(&[], |_| {}));
    assert!(mistakes(&[nameless()]).is_empty());
    let found = mistakes(&[entry(pair(&["a.test"], |_| {})), nameless()]);
    assert!(found[0].found.contains("never be chosen"), "{found:?}");
}

#[test]
fn what_clients_will_refuse_is_warned_of() {
    let named = || entry(pair(&["a.test"], |_| {}));
    assert!(warnings(named(), "2026").is_empty());
    let told = |when| warnings(named(), when).join("");
    assert_eq!(
        told("2025"),
        "the certificate for `a.test` is not valid before 2026-01-01, so clients will refuse it"
    );
    assert_eq!(told("soon"), "the certificate for `a.test` expires on 2027-01-01");
    assert_eq!(
        told("later"),
        "the certificate for `a.test` expired on 2027-01-01, so clients will refuse it"
    );
    let nameless = warnings(entry(pair(&[], |_| {})), "2026").join("");
    assert!(nameless.contains("no DNS name"), "{nameless}");
}

#[test]
fn every_kind_of_key_is_read() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    assert!(mistakes(&[entry((params.self_signed(&key).unwrap().pem(), key.serialize_pem()))]).is_empty());
    for file in ["test-rsa2048-pkcs1", "test-rsa2048-pkcs8", "test-p256-sec1", "test-p384-pkcs8"] {
        let pem = std::fs::read_to_string(format!("tests/keys/{file}.pem")).unwrap();
        let found = mistakes(&[entry((pair(&["a.test"], |_| {}).0, pem))]);
        assert!(found[0].found.contains("another certificate"), "{file}: {found:?}");
    }
}

#[test]
fn without_certificates_there_is_no_tls() {
    assert!(Server::build(&[], &[], None, None, UnixMillis::from_secs(0)).unwrap().is_none());
}

#[test]
fn a_name_that_is_ordered_for_and_has_no_certificate_yet_is_warned_of() {
    let (challenges, at) = (Challenges::default(), At { file: 0, start: 0, end: 0 });
    let names = ["a.test", "b.test"].map(|name| Located { value: name.to_owned(), at });
    let ordered = Ordered { names: &names, challenges: &challenges };
    let server = Server::build(
        &[entry(pair(&["a.test"], |_| {}))],
        &[],
        None,
        Some(ordered),
        UnixMillis::from_secs(0),
    );
    let told: Vec<_> = server.unwrap().unwrap().warnings(UnixMillis::from_secs(1_780_000_000)).collect();
    assert_eq!(told, ["there is no certificate for `b.test` yet; it is ordered by a gateway that runs"]);
}

#[test]
fn one_that_renews_itself_is_not_warned_of_before_its_end() {
    let mut own = entry(pair(&["a.test"], |_| {}));
    own.renews = true;
    assert!(warnings(own, "soon").is_empty());
}

/// An authority's list that has to be replaced at the beginning of `year`.
fn listed(year: i32) -> ClientCertificates {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(year, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let crl = list.signed_by(&Issuer::new(params, key)).unwrap().pem().unwrap();
    let place = |start| At { file: 0, start, end: start };
    ClientCertificates {
        at: place(5),
        hosts: Vec::new(),
        required: true,
        ca: Located { value: ca.into_bytes(), at: place(3) },
        crl: Some(Located { value: crl.into_bytes(), at: place(4) }),
        forward: false,
    }
}

#[test]
fn a_revocation_list_that_is_out_of_date_is_a_mistake_and_one_that_soon_is_a_warning() {
    let build = |year, now| {
        let shown = [entry(pair(&["a.test"], |_| {}))];
        Server::build(&shown, &[listed(year)], None, None, UnixMillis::from_secs(now))
    };
    // 2027-01-01 00:00:00.
    let end = 1_798_761_600;
    let found = build(2027, end).unwrap_err();
    assert_eq!((found.len(), found[0].at.start), (1, 4));
    assert_eq!(found[0].found, "one of its lists was to be replaced by 2027-01-01T00:00:00.000Z");
    let soon = build(2027, end - 1).unwrap().unwrap();
    let warned: Vec<_> = soon.warnings(UnixMillis::from_secs(end - 1)).collect();
    assert!(warned.iter().any(|line| line.contains("no client certificate is good")), "{warned:?}");
    let fresh = build(2030, end).unwrap().unwrap();
    assert!(!fresh.warnings(UnixMillis::from_secs(end)).any(|line| line.contains("`crl`")));
}
