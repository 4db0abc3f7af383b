use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn rules() -> Rules {
    Rules { algorithms: vec![Algorithm::ES256], every: 30 * DAY, publish: DAY, keep: DAY / 24 }
}

fn at(days: u32) -> UnixMillis {
    UnixMillis::new(1_800_000_000_000).plus(days * DAY)
}

/// A ledger and the maker of its keys, which are numbered.
struct Kept(Ledger, u32);

impl Kept {
    fn new() -> Self {
        let mut kept = Self(Ledger::default(), 0);
        kept.advance(at(0));
        kept
    }

    fn advance(&mut self, now: UnixMillis) -> Vec<Step> {
        let Self(ledger, made) = self;
        let make = |algorithm| {
            *made += 1;
            Ok::<_, ()>(Entry::new(made.to_string(), algorithm, String::new(), now))
        };
        ledger.advance(&rules(), now, make).unwrap()
    }

    fn phases(&self) -> Vec<(&str, Option<Phase>)> {
        self.0.entries.iter().map(|entry| (entry.kid.as_str(), entry.phase())).collect()
    }
}

#[test]
fn the_first_key_signs_at_once_and_another_stands_by() {
    assert_eq!(Kept::new().phases(), [("1", Some(Phase::Signs)), ("2", Some(Phase::Standby))]);
}

#[test]
fn a_key_signs_for_its_time_and_stays_published_for_its_tokens() {
    let mut kept = Kept::new();
    assert_eq!(kept.advance(at(29)), []);
    let signs = Step::Signs { kid: "2".into(), before: Some("1".into()) };
    assert_eq!(kept.advance(at(30)), [signs, Step::Made("3".into())]);
    assert_eq!(
        kept.phases(),
        [("1", Some(Phase::Leaving)), ("2", Some(Phase::Signs)), ("3", Some(Phase::Standby))]
    );
    let keep = rules().keep;
    assert_eq!(kept.advance(at(30).plus(keep - Duration::from_millis(1))), []);
    assert_eq!(kept.advance(at(30).plus(keep)), [Step::Retired("1".into())]);
    assert_eq!(kept.phases().len(), 2);
}

#[test]
fn a_key_that_services_may_not_know_does_not_sign_however_old_the_other_is() {
    let mut kept = Kept::new();
    // The standby key was lost, and a new one is made when the other is due.
    kept.0.entries.retain(|entry| entry.kid == "1");
    assert_eq!(kept.advance(at(40)), [Step::Made("3".into())]);
    assert_eq!(kept.advance(at(41).minus(Duration::from_millis(1))), []);
    assert_eq!(kept.advance(at(41)).len(), 2);
}

#[test]
fn an_operators_wish_waits_for_the_services_and_an_order_does_not() {
    let mut kept = Kept::new();
    kept.0.entries[1].is_wanted = true;
    assert_eq!(kept.advance(at(0)), []);
    assert_eq!(kept.advance(at(1)).len(), 2);
    let mut ordered = Kept::new();
    assert!(ordered.0.promote(Algorithm::ES256, at(0), &mut Vec::new()));
    assert_eq!(ordered.0.of(Algorithm::ES256, Phase::Signs).unwrap().kid, "2");
}

#[test]
fn an_algorithm_that_no_route_names_any_more_leaves() {
    let mut kept = Kept::new();
    let rules = Rules { algorithms: vec![Algorithm::EdDSA], ..rules() };
    let make = |algorithm| Ok::<_, ()>(Entry::new(format!("{algorithm:?}"), algorithm, String::new(), at(1)));
    kept.0.advance(&rules, at(1), make).unwrap();
    assert_eq!(kept.0.find("1").unwrap().phase(), Some(Phase::Leaving));
    assert!(kept.0.of(Algorithm::EdDSA, Phase::Signs).is_some());
}

#[test]
fn a_file_that_is_not_ours_is_remembered_as_retired() {
    let mut kept = Kept::new();
    kept.0.entries[1].is_ours = false;
    assert!(kept.0.retire("2", at(1), &mut Vec::new()));
    assert!(!kept.0.retire("2", at(1), &mut Vec::new()));
    assert_eq!(kept.0.find("2").unwrap().phase(), None);
}

#[test]
fn what_is_written_is_read_again_and_nothing_else_is() {
    let mut kept = Kept::new();
    kept.advance(at(30));
    kept.0.fingerprint = Some("sealed".into());
    assert_eq!(Ledger::read(kept.0.write().as_bytes()), Some(kept.0));
    for other in ["", "{}", "[]", r#"{"version":2,"keys":[]}"#, r#"{"version":1,"keys":[{"kid":"x"}]}"#] {
        assert_eq!(Ledger::read(other.as_bytes()), None, "{other}");
    }
}
