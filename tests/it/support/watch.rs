//! Sessions that are asked for without pause: whose answer each got, and how long after its end it was honoured.

use crate::support::{Ask, Client, Gateway, Over};
use base64::Engine;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two questions of one client, so that the machine has time for what is asked.
const PAUSE: Duration = Duration::from_millis(3);

/// One round's sessions.
pub(crate) struct Watch {
    ids: Vec<String>,
    deleted: Vec<Mutex<Option<Instant>>>,
    /// How long after its deletion each was honoured last, in microseconds.
    honoured: Vec<AtomicU64>,
    /// Answers by status: 200, 401, 503.
    pub(crate) answers: [AtomicU64; 3],
    over: AtomicBool,
}

impl Watch {
    pub(crate) fn new(ids: Vec<String>) -> Self {
        let count = ids.len();
        Self {
            ids,
            deleted: (0..count).map(|_| Mutex::new(None)).collect(),
            honoured: (0..count).map(|_| AtomicU64::new(0)).collect(),
            answers: Default::default(),
            over: AtomicBool::new(false),
        }
    }

    pub(crate) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The record of a session: its user is named after it.
    pub(crate) fn record(id: &str) -> String {
        format!(r#"{{"user":{{"id":"user-{id}"}}}}"#)
    }

    /// Asks for all sessions in turn until the round is over. No answer may be another user's, and none that was not deleted may be refused
    /// for good.
    pub(crate) fn hammer(&self, gateway: &Gateway, start: usize) {
        let mut client = Client::connect(gateway.public);
        let mut at = start % self.ids.len();
        while !self.over.load(Ordering::SeqCst) {
            at = (at + 7) % self.ids.len();
            let id = &self.ids[at];
            let deleted = *self.deleted[at].lock().unwrap();
            let came = Instant::now();
            let response = client.ask(&Ask::get("/x").cookie(&format!("sid={id}")));
            let kind = match response.status {
                200 => 0,
                401 => 1,
                503 => 2,
                other => panic!("{other}: {}", response.text()),
            };
            self.answers[kind].fetch_add(1, Ordering::Relaxed);
            if response.status == 200 {
                let token = response.echoed("authorization").expect("a token");
                assert_eq!(subject(&token), format!("user-{id}"), "another user's identity");
            }
            if let (200, Some(deleted)) = (response.status, deleted) {
                let after = u64::try_from((came - deleted).as_micros()).unwrap();
                self.honoured[at].fetch_max(after.max(1), Ordering::SeqCst);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// A session has been deleted just now.
    pub(crate) fn note_deleted(&self, at: usize) {
        *self.deleted[at].lock().unwrap() = Some(Instant::now());
    }

    /// The round is over when this is let go of.
    pub(crate) fn over(&self) -> Over<'_> {
        Over(&self.over)
    }

    /// How long each was honoured after its deletion.
    pub(crate) fn honoured(&self) -> Vec<Duration> {
        self.honoured.iter().map(|micros| Duration::from_micros(micros.load(Ordering::SeqCst))).collect()
    }
}

/// Whom a token names; that it is signed well is other tests' matter.
pub(crate) fn subject(authorization: &str) -> String {
    let payload = authorization.split('.').nth(1).expect("a token");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

/// The value below which a share of them lies.
pub(crate) fn share(durations: &mut [Duration], share: f64) -> Duration {
    durations.sort_unstable();
    let last = durations.len().saturating_sub(1);
    durations.get((last as f64 * share) as usize).copied().unwrap_or_default()
}
