use super::*;
use crate::telemetry::Metrics;

fn remote(metrics: &Metrics) -> Keys {
    let address = crate::config::WebAddress {
        at: crate::config::At { file: 0, start: 0, end: 0 },
        text: "http://127.0.0.1:1/".into(),
        tls: false,
        host: "127.0.0.1".into(),
        port: 1,
        target: "/".into(),
        ca: None,
    };
    let web = Web::new(&address, "jwks").unwrap();
    Keys::fetched(IssuerId(0), "test", web, metrics.issuer("test"))
}

#[tokio::test(start_paused = true)]
async fn made_up_kids_buy_a_few_fetches_and_then_one_every_half_minute() {
    let keys = remote(&Metrics::new());
    let remote = keys.remote.as_ref().unwrap();
    let bought = |attempts: std::ops::Range<u64>| attempts.filter(|attempt| remote.buy(*attempt)).count();
    assert_eq!(bought(0..100), 4);
    tokio::time::advance(COIN_EVERY).await;
    assert_eq!(bought(100..200), 1);
    tokio::time::advance(COIN_EVERY * 100).await;
    assert_eq!(bought(200..300), 4);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_waits_for_one_fetch_pays_once() {
    let keys = remote(&Metrics::new());
    let remote = keys.remote.as_ref().unwrap();
    assert!((0..1000).all(|_| remote.buy(7)));
    assert_eq!(remote.budget.lock().unwrap().coins, COINS_MAX - 1);
}

#[tokio::test(start_paused = true)]
async fn keys_that_never_come_are_unavailable_in_bounded_time() {
    let keys = remote(&Metrics::new());
    let before = Instant::now();
    assert!(keys.current().await.is_err());
    assert!(before.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_same_set_again_is_no_new_one() {
    let keys = remote(&Metrics::new());
    let set = |hash: u8| Loaded { keys: Vec::new(), hash: vec![hash] };
    keys.replace(set(1));
    keys.replace(set(1));
    assert_eq!(keys.generation(), 1);
    keys.replace(set(2));
    assert_eq!(keys.generation(), 2);
}
