use super::*;

const NOW: UnixMillis = UnixMillis::new(1_000_000);

fn session(record: &str) -> Ended {
    Ended::Session { sid: "s".into(), user: "u".into(), record: record.into(), until: 2_000_000 }
}

fn mark(until: u64) -> Ended {
    Ended::User { user: "u".into(), spared: Some("spared".into()), until }
}

fn refuses(endings: &Endings, sid: &str, user: &str, record: &str) -> bool {
    endings.refuses(sid, || user.to_owned(), || Some(record.to_owned()), NOW)
}

#[test]
fn a_tombstone_is_for_one_record_of_one_user_under_one_id() {
    let endings = Endings::default();
    endings.learn(1, &session("r"), NOW);
    assert!(refuses(&endings, "s", "u", "r"));
    for (sid, user, record) in [("t", "u", "r"), ("s", "v", "r"), ("s", "u", "q")] {
        assert!(!refuses(&endings, sid, user, record), "{sid} {user} {record}");
    }
}

#[test]
fn a_mark_refuses_all_sessions_of_a_user_but_one_until_it_is_lifted() {
    let endings = Endings::default();
    endings.learn(5, &mark(2_000_000), NOW);
    assert!(refuses(&endings, "any", "u", ""));
    assert!(!refuses(&endings, "spared", "u", "") && !refuses(&endings, "any", "v", ""));
    endings.learn(6, &Ended::Lifted { user: "u".into(), at: 6 }, NOW);
    assert!(!refuses(&endings, "any", "u", ""));
    // Read once more, as the list is with some overlap; and late, as another gateway's word may be.
    endings.learn(5, &mark(2_000_000), NOW);
    endings.learn(4, &mark(3_000_000), NOW);
    assert!(!refuses(&endings, "any", "u", ""));
}

#[test]
fn what_has_had_its_time_refuses_nobody() {
    let endings = Endings::default();
    endings.learn(1, &mark(NOW.as_millis()), NOW);
    assert_eq!(endings.generation(), 0);
    endings.learn(1, &session("r"), NOW);
    let later = UnixMillis::new(2_000_000);
    assert!(!endings.refuses("s", || "u".into(), || Some("r".into()), later));
    assert!(endings.standing(later).is_empty() && endings.standing(NOW).len() == 1);
}

#[test]
fn memory_is_bounded_and_the_oldest_makes_way() {
    let endings = Endings::default();
    for at in 0..=ENDED_MAX as u64 {
        endings.learn(at, &Ended::Token { jti: at.to_string(), until: 2_000_000 }, NOW);
    }
    assert!((ENDED_MAX / 2..ENDED_MAX).contains(&endings.standing(NOW).len()));
    assert!(!endings.has_token("0", NOW) && endings.has_token(&ENDED_MAX.to_string(), NOW));
}

#[test]
fn the_time_of_an_end_is_set_back_as_little_as_any_gateway_sets_back_its_tokens() {
    let endings = Endings::default();
    assert_eq!(endings.as_iat(20_999), 20);
    endings.set_back_by(Duration::from_secs(5));
    assert_eq!(endings.as_iat(20_999), 15);
    let generation = endings.generation();
    for (at, millis) in [(1, 30_000), (2, 2_000), (3, 2_000)] {
        endings.learn(at, &Ended::Skew { millis }, NOW);
    }
    assert_eq!((endings.as_iat(20_999), endings.generation()), (18, generation), "and nobody looks again");
    endings.learn(3 + SKEW_STANDS, &Ended::Skew { millis: 30_000 }, NOW);
    assert_eq!(endings.as_iat(20_999), 15, "who says nothing for long is gone");
}
