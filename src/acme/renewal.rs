//! When a certificate is ordered.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

use crate::acme::trouble::Trouble;
use crate::acme::{account, exchange, order};
use crate::clock::{Clock, UnixMillis};
use crate::config::Acme;
use crate::disk;
use crate::telemetry::{Metrics, chain};
use crate::tls::{Challenges, validity};

/// How often the folder is looked at; the machine may have slept, or somebody else renewed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A certificate is never due more often: one of seconds is a test's.
const LOOK_MIN: Duration = Duration::from_millis(500);
/// Five failures in an hour are what Let's Encrypt bears for a name; doubled each time, this makes five.
const RETRY: Duration = Duration::from_secs(120);
const RETRY_MAX: Duration = Duration::from_secs(6 * 3600);
/// Orders that are begun anew at once, as their nonces were refused again and again: the client repeats a request three times at most
/// (RFC 8555 §6.5), and nothing but the moment is wrong.
const ORDERS_ANEW: u32 = 8;
const LOCK: &str = "lock";

/// A name for which orders failed.
struct Failed {
    times: u32,
    again: UnixMillis,
}

/// Keeps a certificate for each name: orders it where there is none, and again when a third of its life is left. It returns never.
pub async fn keep(acme: &Acme, challenges: &Challenges, clock: &Clock, metrics: &Metrics) {
    let mut failed: HashMap<&str, Failed> = HashMap::new();
    loop {
        let mut wait = LOOK_AGAIN;
        for name in acme.names.iter().map(|name| name.value.as_str()) {
            let now = clock.now();
            let barred = failed.get(name).map(|failed| now.until(failed.again)).unwrap_or_default();
            let left = now.until(due(acme, name)).max(barred);
            if !left.is_zero() {
                wait = wait.min(left);
                continue;
            }
            match obtain(acme, name, challenges, clock).await {
                Ok(Some(until)) => {
                    failed.remove(name);
                    metrics.count_order(true);
                    tracing::info!(%name, until = %until.rfc3339(), "a certificate was ordered");
                    wait = LOOK_MIN;
                }
                // Who orders now does it for us too.
                Ok(None) => {}
                Err(trouble) => {
                    metrics.count_order(false);
                    let times = failed.get(name).map_or(0, |failed| failed.times);
                    let pause = RETRY.saturating_mul(1 << times.min(16)).min(RETRY_MAX);
                    failed.insert(name, Failed { times: times + 1, again: clock.now().plus(pause) });
                    tracing::error!(%name, error = %chain(&trouble), again_in = ?pause, "there is no new certificate");
                }
            }
        }
        tokio::time::sleep(wait.max(LOOK_MIN)).await;
    }
}

/// When the certificate for `name` is to be ordered: long ago, if there is none.
fn due(acme: &Acme, name: &str) -> UnixMillis {
    let pem = std::fs::read(Acme::file(&acme.storage.value, name)).unwrap_or_default();
    validity(&pem).map_or(UnixMillis::new(0), |(from, until)| until.minus(from.until(until) / 3))
}

/// Orders one, and puts it into the folder; `None` if another process is about it.
async fn obtain(
    acme: &Acme,
    name: &str,
    challenges: &Challenges,
    clock: &Clock,
) -> Result<Option<UnixMillis>, Trouble> {
    let storage = acme.storage.value.as_path();
    prepare(storage).map_err(Trouble::Folder)?;
    let Some(_lock) = disk::lock(&storage.join(LOCK)).map_err(Trouble::Folder)? else { return Ok(None) };
    if !clock.now().until(due(acme, name)).is_zero() {
        return Ok(None);
    }
    let mut pem = attempt(acme, name, challenges).await;
    for _ in 0..ORDERS_ANEW {
        if !pem.as_ref().is_err_and(Trouble::is_stale_nonce) {
            break;
        }
        pem = attempt(acme, name, challenges).await;
    }
    let pem = pem.inspect_err(|trouble| {
        if trouble.is_unknown_account() {
            account::forget(storage);
        }
    })?;
    let (_, until) = validity(&pem).ok_or(Trouble::Unusable)?;
    disk::replace(&Acme::file(storage, name), &pem).map_err(Trouble::Folder)?;
    Ok(Some(until))
}

async fn attempt(acme: &Acme, name: &str, challenges: &Challenges) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let (caller, exchanges) = exchange::exchanges(&acme.directory);
    let ordered = async {
        let account = account::open(acme, caller).await?;
        order::order(&account, name, acme.challenge, challenges).await
    };
    tokio::select! {
        ordered = ordered => ordered,
        // It ends with the caller, hence after the order.
        () = exchanges.run() => Err(Trouble::Unusable),
    }
}

/// Makes the folder, for its owner alone, if it is not there.
fn prepare(storage: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(storage) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
