use super::*;
use crate::clock::UnixMillis;
use crate::codec::seal::{Base64, Hash, MacKey};
use crate::config::{FormatOptions, Framework, Located};
use crate::format::build;
use crate::format::fixture::{at, profile, secret};
use std::time::Duration;

const NOW: u64 = 1_800_000_000;

fn options() -> FormatOptions {
    FormatOptions { secrets: secret("s"), ..FormatOptions::default() }
}

fn token(claims: &str) -> String {
    let signed =
        [r#"{"alg":"HS256"}"#, claims].map(|part| Base64::UrlNoPad.encode(part.as_bytes())).join(".");
    let tag = MacKey::new(Hash::Sha256, b"s").sign(&[signed.as_bytes()]);
    format!("{signed}.{}", Base64::UrlNoPad.encode(&tag))
}

/// What a profile with these options makes of these claims at [`NOW`].
fn read(options: FormatOptions, claims: &str) -> Result<Arc<Carried>, Reject> {
    let mut profile = profile(Framework::Jwt, options);
    profile.skew = Duration::from_secs(5);
    let jwt = Jwt::new(&profile).unwrap();
    match jwt.present(&Cookies::from_line(format!("token={}", token(claims)))) {
        Presented::Carried(carried) => carried.judge(UnixMillis::from_secs(NOW)).map(|()| carried),
        Presented::Rejected(reject) => Err(reject),
        Presented::Absent | Presented::Session(_) => panic!("no carried session"),
    }
}

fn ends(claims: &str) -> Result<Option<u64>, Reject> {
    read(options(), claims).map(|carried| carried.decoded.ends_at.map(UnixMillis::as_millis))
}

fn mistakes(options: FormatOptions) -> Vec<String> {
    let errors = build(&profile(Framework::Jwt, options)).err().expect("a mistake");
    errors.into_iter().map(|error| format!("{}: {}", error.key, error.found)).collect()
}

#[test]
fn a_session_ends_at_its_exp_to_the_millisecond() {
    assert_eq!(ends(r#"{"exp":1800000001}"#), Ok(Some(1_800_000_001_000)));
    assert_eq!(ends(r#"{"exp":1800000000.5}"#), Ok(Some(1_800_000_000_500)));
    for past in ["1800000000", "1", "0", "-1", "-1e300"] {
        assert_eq!(ends(&format!(r#"{{"exp":{past}}}"#)), Err(Reject::Expired), "{past}");
    }
}

#[test]
fn what_is_no_time_is_never_taken_for_no_end() {
    for exp in [
        "\"1800000001\"",
        "null",
        "true",
        "[1800000001]",
        "{}",
        "1e999",
        "1800000001000",
        "99999999999999999999",
    ] {
        let refused = ends(&format!(r#"{{"exp":{exp}}}"#));
        assert_eq!(refused, Err(Reject::MalformedCookie("`exp` is no time in seconds")), "{exp}");
    }
    assert!(matches!(ends("{}"), Err(Reject::ClaimRefused(_))));
    let endless = FormatOptions { missing_exp: Some(at("never-expires".into())), ..options() };
    assert!(read(endless, "{}").unwrap().decoded.ends_at.is_none());
    let endless = FormatOptions { missing_exp: Some(at("never-expires".into())), ..options() };
    assert_eq!(read(endless, r#"{"exp":1}"#).unwrap_err(), Reject::Expired);
}

#[test]
fn a_session_that_begins_later_than_the_clocks_may_differ_has_not_begun() {
    for claim in ["nbf", "iat"] {
        let at = |seconds: u64| ends(&format!(r#"{{"exp":1900000000,"{claim}":{seconds}}}"#));
        assert!(at(NOW + 5).is_ok(), "{claim}");
        assert_eq!(at(NOW + 6), Err(Reject::NotYetValid), "{claim}");
    }
    assert_eq!(ends(r#"{"exp":1900000000,"iat":1,"nbf":1800000099}"#), Err(Reject::NotYetValid));
    assert!(matches!(ends(r#"{"exp":1900000000,"nbf":"1"}"#), Err(Reject::MalformedCookie(_))));
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let read = |issuer: Option<&str>, audience: &[&str], claims: &str| {
        let options = FormatOptions {
            issuer: issuer.map(|issuer| at(issuer.into())),
            audience: audience.iter().map(|one| at((*one).into())).collect(),
            ..options()
        };
        read(options, &claims.replace('{', r#"{"exp":1900000000,"#)).is_ok()
    };
    assert!(read(Some("i"), &["a", "b"], r#"{"iss":"i","aud":"b"}"#));
    assert!(read(None, &["a"], r#"{"iss":"anybody","aud":["x","a"]}"#));
    assert!(read(None, &[], r#"{"iss":"anybody"}"#));
    for claims in [r#"{"iss":"I"}"#, r#"{"iss":["i"]}"#, r#"{"sub":"1"}"#] {
        assert!(!read(Some("i"), &[], claims), "{claims}");
    }
    for claims in
        [r#"{"aud":"A"}"#, r#"{"aud":[]}"#, r#"{"aud":null}"#, r#"{"aud":[["a"]]}"#, r#"{"sub":"1"}"#]
    {
        assert!(!read(None, &["a"], claims), "{claims}");
    }
    assert!(!read(None, &[], r#"{"aud":"a"}"#));
}

#[test]
fn claims_that_readers_could_differ_on_are_refused() {
    let deep = format!(r#"{{"exp":1900000000,"a":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    for claims in [r#"{"exp":1900000000,"sub":"1","sub":"2"}"#, "[]", "1", "", "{", &deep] {
        assert!(matches!(ends(claims), Err(Reject::MalformedCookie(_))), "{claims}");
    }
}

#[test]
fn the_fingerprint_does_not_hang_on_how_a_signature_is_written() {
    // Of one ECDSA signature anybody can make a second one; the session must stay the same.
    let carried = read(options(), r#"{"exp":1900000000}"#).unwrap();
    let token = token(r#"{"exp":1900000000}"#);
    assert_eq!(carried.id.expose(), token.rsplit_once('.').unwrap().0.as_bytes());
    assert_eq!(carried.secret, 0);
}

#[test]
fn a_profile_says_which_keys_and_algorithms_go_together() {
    assert_eq!(mistakes(FormatOptions::default()).len(), 1);
    let word = |text: &str| vec![Located { value: text.to_owned(), ..at(String::new()) }];
    let unknown = FormatOptions { algorithms: word("none"), ..options() };
    assert!(mistakes(unknown)[0].starts_with("sessions.shop.algorithms: `none`"));
    let unfit = FormatOptions { algorithms: word("RS256"), ..options() };
    assert!(mistakes(unfit)[0].contains("allows none of these"));
    let public = "ssh-rsa AAAA";
    let exposed = mistakes(FormatOptions { secrets: secret(public), ..options() });
    assert!(exposed[0].contains("a public key") && !exposed[0].contains(public));
    let keyed = FormatOptions { key: Some(at("sess:{id}".into())), ..options() };
    assert_eq!(mistakes(keyed), ["sessions.shop.key: `key` means nothing for framework `jwt`"]);
    let narrow = FormatOptions { algorithms: word("HS512"), ..options() };
    assert!(read(narrow, r#"{"exp":1900000000}"#).is_err());
}

#[test]
fn two_different_tokens_are_refused_and_none_is_absent() {
    let jwt = Jwt::new(&profile(Framework::Jwt, options())).unwrap();
    let present = |line: &str| jwt.present(&Cookies::from_line(line.to_owned()));
    let [one, other] = [r#"{"exp":1900000000}"#, r#"{"exp":1900000001}"#].map(token);
    assert!(matches!(
        present(&format!("token={one}; token={other}")),
        Presented::Rejected(Reject::DuplicateCookie)
    ));
    assert!(matches!(present(&format!("token={one}; token={one}")), Presented::Carried(_)));
    assert!(matches!(present("session=1"), Presented::Absent));
    assert!(matches!(present("token="), Presented::Rejected(_)));
    assert!(matches!(present(&format!("token=\"{one}\"")), Presented::Rejected(_)));
    assert!(matches!(present(&format!("token={}", "x".repeat(9000))), Presented::Rejected(_)));
}

#[test]
fn a_token_that_verified_before_is_judged_by_time_again_and_shields_no_other() {
    let jwt = Jwt::new(&profile(Framework::Jwt, options())).unwrap();
    let present = |token: &str| match jwt.present(&Cookies::from_line(format!("token={token}"))) {
        Presented::Carried(carried) => Ok(carried),
        Presented::Rejected(reject) => Err(reject),
        Presented::Absent | Presented::Session(_) => panic!("no carried session"),
    };
    let token = token(r#"{"exp":1800000001}"#);
    let (first, second) = (present(&token).unwrap(), present(&token).unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    assert!(second.judge(UnixMillis::from_secs(NOW)).is_ok());
    assert_eq!(second.judge(UnixMillis::from_secs(NOW + 1)), Err(Reject::Expired));
    let (signed, _) = token.rsplit_once('.').unwrap();
    for forged in [format!("{signed}."), format!("{signed}.AAAA"), format!("{token}A"), signed.to_owned()] {
        assert!(present(&forged).is_err(), "{forged}");
    }
}
