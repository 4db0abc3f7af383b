use super::*;
use crate::config::{Access, Algorithm, RouteId};
use crate::session::VerifiedSession;
use crate::state::{Ended, Endings};
use crate::token::fixture;
use crate::token::key::Key;
use crate::token::mint::Minter;
use crate::token::pair::Pair;
use crate::token::ring::{Phase, Ring};
use std::time::Duration;

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

fn minter(algorithm: Algorithm, audiences: &[&str]) -> Minter {
    let routes = audiences.iter().map(|audience| fixture::route(audience, Access::Required));
    fixture::minter(fixture::ring(&[algorithm]), routes.collect())
}

/// One that hands out nothing that was ended.
fn forgetful() -> (Arc<Endings>, Minter) {
    let endings = Arc::new(Endings::default());
    let minter = minter(Algorithm::ES256, &["orders"]).forgetting(Some(Arc::clone(&endings)));
    (endings, minter)
}

fn token(minter: &Minter, session: &VerifiedSession<Slots>, route: usize, now: UnixMillis) -> InternalToken {
    minter
        .token_for(session, minter.templates_of(RouteId(route)).unwrap().first, &fixture::TRANSACTION, now)
        .unwrap()
}

fn after(millis: u64) -> UnixMillis {
    NOW.plus(Duration::from_millis(millis))
}

#[test]
fn one_signature_serves_every_request_of_the_first_half_of_its_life() {
    let minter = minter(Algorithm::ES256, &["orders"]);
    let session = fixture::session(None);
    let first = token(&minter, &session, 0, NOW);
    for millis in (0..15_000).step_by(100) {
        assert_eq!(token(&minter, &session, 0, after(millis)).jti(), first.jti());
    }
    assert_eq!(fixture::signatures(&minter), 1);
    assert_ne!(token(&minter, &session, 0, after(15_000)).jti(), first.jti());
    assert_eq!(fixture::signatures(&minter), 2);
}

#[test]
fn requests_that_arrive_together_pay_for_one_signature() {
    let minter = minter(Algorithm::ES256, &["orders"]);
    let session = fixture::session(None);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| token(&minter, &session, 0, NOW));
        }
    });
    assert_eq!(fixture::signatures(&minter), 1);
}

#[test]
fn a_token_beyond_the_sessions_new_end_is_not_reused() {
    let minter = minter(Algorithm::ES256, &["orders"]);
    let long: VerifiedSession<Slots> = fixture::session(Some(after(60_000)));
    let first = token(&minter, &long, 0, NOW);
    assert_eq!(first.expires_at(), after(30_000));
    let exact = long.ending_at(Some(after(30_000)));
    assert_eq!(token(&minter, &exact, 0, NOW).jti(), first.jti());
    let shorter = long.ending_at(Some(after(29_999)));
    assert_eq!(token(&minter, &shorter, 0, NOW).expires_at(), after(29_000));
}

#[test]
fn a_new_key_drops_the_token() {
    let session = fixture::session(None);
    let old = token(&minter(Algorithm::ES256, &["orders"]), &session, 0, NOW);
    let new = token(&minter(Algorithm::EdDSA, &["orders"]), &session, 0, NOW);
    assert_ne!(old.kid(), new.kid());
}

#[test]
fn a_kept_token_of_a_retired_key_is_not_good() {
    let minter = minter(Algorithm::ES256, &["orders"]);
    let session = fixture::session::<Slots>(None);
    let token = token(&minter, &session, 0, NOW);
    let slot = Slot { reuse_until: after(15_000), token, cleared: 0 };
    assert!(slot.is_good(&Arc::clone(slot.token.kid()), None, NOW));
    assert!(!slot.is_good(&"another".into(), None, NOW));
}

#[test]
fn a_reload_that_renumbers_templates_hands_out_no_token_of_another_audience() {
    let session = fixture::session(None);
    let before = minter(Algorithm::ES256, &["orders", "billing"]);
    let after_reload = minter(Algorithm::ES256, &["billing", "orders"]);
    let orders = token(&before, &session, 0, NOW);
    let billing = token(&after_reload, &session, 0, NOW);
    assert_eq!(orders.template().audience, ["orders"]);
    assert_eq!(billing.template().audience, ["billing"]);
}

#[test]
fn a_clock_that_was_set_back_gets_a_token_of_its_own() {
    let minter = minter(Algorithm::ES256, &["orders"]);
    let session = fixture::session(None);
    token(&minter, &session, 0, NOW);
    let earlier = NOW.minus(Duration::from_secs(3600));
    assert!(token(&minter, &session, 0, earlier).issued_at() <= earlier);
    // Within the skew, as between two workers that read their clocks a moment apart, nothing is signed.
    let signed = fixture::signatures(&minter);
    token(&minter, &session, 0, earlier.minus(Duration::from_millis(3)));
    assert_eq!(fixture::signatures(&minter), signed);
}

#[test]
fn a_session_keeps_one_token_for_each_of_few_templates() {
    let names: Vec<String> = (0..=SLOTS_MAX).map(|index| format!("service-{index}")).collect();
    let audiences: Vec<&str> = names.iter().map(String::as_str).collect();
    let minter = minter(Algorithm::EdDSA, &audiences);
    let session = fixture::session(None);
    for round in 0..3 {
        for route in 0..audiences.len() {
            token(&minter, &session, route, after(15_000 * round));
        }
    }
    assert_eq!(session.session().attached.0.lock().unwrap().len(), SLOTS_MAX);
}

#[test]
fn an_error_is_not_kept() {
    let minter = minter(Algorithm::ES256, &["orders"]);
    let session: VerifiedSession<Slots> = fixture::session(Some(NOW));
    let template = minter.templates_of(RouteId(0)).unwrap().first;
    let transaction = &fixture::TRANSACTION;
    assert_eq!(
        minter.token_for(&session, template, transaction, NOW).unwrap_err(),
        TokenError::SessionEnding
    );
    assert!(minter.token_for(&session.ending_at(None), template, transaction, NOW).is_ok());
}

#[test]
fn a_token_whose_key_signs_no_more_is_gone_at_once() {
    let ring = fixture::ring(&[Algorithm::ES256]);
    let minter = fixture::minter(Arc::clone(&ring), vec![fixture::route("orders", Access::Required)]);
    let session = fixture::session(None);
    let old = token(&minter, &session, 0, NOW);
    let made = Pair::generate(Algorithm::ES256).unwrap();
    let next = Arc::new(Key::new(Pair::from_pem(made.as_bytes()).unwrap(), Algorithm::ES256).unwrap());
    let before = Arc::clone(ring.now().signer(Algorithm::ES256).unwrap());
    assert!(ring.replace(Ring::new([(Arc::clone(&next), Phase::Signs), (before, Phase::Leaving)])));
    let new = token(&minter, &session, 0, NOW);
    assert_eq!(new.kid(), next.kid());
    assert_ne!(new.jti(), old.jti());
}

#[test]
fn without_a_key_nothing_is_signed_and_a_kept_token_is_not_used() {
    let ring = fixture::ring(&[Algorithm::ES256]);
    let minter = fixture::minter(Arc::clone(&ring), vec![fixture::route("orders", Access::Required)]);
    let session: VerifiedSession<Slots> = fixture::session(None);
    token(&minter, &session, 0, NOW);
    ring.replace(Ring::new([]));
    let template = minter.templates_of(RouteId(0)).unwrap().first;
    let refused = minter.token_for(&session, template, &fixture::TRANSACTION, NOW);
    assert_eq!(refused.err(), Some(TokenError::NoKey));
}

#[test]
fn a_token_that_was_ended_is_made_anew_and_others_are_looked_up_once_for_each_ending() {
    let (endings, minter) = forgetful();
    let session = fixture::session(None);
    let first = token(&minter, &session, 0, NOW);
    let end = |at: u64, jti: &str| {
        let until = after(60_000).as_millis();
        endings.learn(at, &Ended::Token { jti: jti.to_owned(), until }, NOW);
    };
    end(1, "another");
    assert_eq!(token(&minter, &session, 0, NOW).jti(), first.jti());
    end(2, first.jti().unwrap());
    let second = token(&minter, &session, 0, NOW);
    assert_ne!(second.jti(), first.jti());
    assert_eq!(token(&minter, &session, 0, NOW).jti(), second.jti());
    assert_eq!(fixture::signatures(&minter), 2);
}

#[test]
fn a_token_of_a_session_that_has_the_id_of_one_that_ended_is_later_than_its_end() {
    let (endings, minter) = forgetful();
    let session: VerifiedSession<Slots> = fixture::session(None);
    let before = token(&minter, &session, 0, NOW);
    endings.set_back_by(Duration::from_secs(5));
    let sid = session.session().sid.as_str().to_owned();
    endings.learn(after(10).as_millis(), &Ended::Gone { sid, until: after(60_000).as_millis() }, NOW);
    let (_, last) = endings.last_end(session.session().sid.as_str()).unwrap();
    assert!(before.issued_at().as_secs() <= last);
    assert!(token(&minter, &session, 0, after(20)).issued_at().as_secs() > last);
    let in_flight = fixture::session(None);
    assert!(token(&minter, &in_flight, 0, after(10)).issued_at().as_secs() <= last, "let in before");
}
