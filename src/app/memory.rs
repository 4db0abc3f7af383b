//! The watch on the memory budget.
//!
//! It goes by what the process holds, as the kernel tells it, and not by sums of what each client might make it hold: those are a hundred
//! times what they do. What comes in between two looks has to fit above the last mark.

use crate::config::MemoryLimit;
use crate::listen::{Level, Pressure, spawn_worker};
use crate::telemetry::Metrics;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// How often: seldom enough to cost nothing while there is room, and often enough not to be overrun once half of it is used.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(5));
const MIB: u64 = 1024 * 1024;

/// Starts it, if there is a kernel to be asked; it ends with the drain.
pub(super) fn watch(
    pressure: &Pressure,
    metrics: &Arc<Metrics>,
    mut drain: watch::Receiver<bool>,
) -> io::Result<Option<JoinHandle<io::Result<()>>>> {
    if resident().is_none() {
        tracing::warn!(
            "this system does not tell how much memory is in use: `server.limits.memory` is not kept"
        );
        return Ok(None);
    }
    let (pressure, metrics) = (pressure.clone(), Arc::clone(metrics));
    let thread = spawn_worker("memory", move || async move {
        tokio::select! {
            () = look(&pressure, &metrics) => {}
            _ = drain.wait_for(|drain| *drain) => {}
        }
        // What is left to be done has to be done with what there is.
        pressure.set(Level::Calm);
        Ok(())
    });
    thread.map(Some)
}

async fn look(pressure: &Pressure, metrics: &Metrics) {
    let (seldom, often) = LOOKS;
    loop {
        let budget = pressure.budget();
        let used = resident().unwrap_or_default();
        let before = pressure.level();
        let now = budget.map_or(Level::Calm, |budget| before.next(used, budget));
        if now != before {
            tell(now, used, budget.unwrap_or_default());
            pressure.set(now);
        }
        metrics.memory.set(used, budget, now as u8);
        let much = budget.is_some_and(|budget| used > budget / 2);
        tokio::time::sleep(if much { often } else { seldom }).await;
    }
}

fn tell(now: Level, used: u64, budget: u64) {
    let (used_mib, budget_mib, level) = (used / MIB, budget / MIB, now.word());
    match now {
        Level::Calm => tracing::info!(level, used_mib, budget_mib, "there is memory again"),
        Level::Tight | Level::Short | Level::Full => {
            tracing::warn!(level, used_mib, budget_mib, "memory is short: see `server.limits.memory`");
        }
    }
}

/// The budget in bytes; without a word on it, three quarters of what there is.
pub(super) fn budget(limit: MemoryLimit) -> Option<u64> {
    match limit {
        MemoryLimit::Bytes(bytes) => Some(bytes),
        MemoryLimit::OfMachine => machine().map(|bytes| bytes / 4 * 3),
        MemoryLimit::None => None,
    }
}

/// What the machine has, or the container may use of it.
fn machine() -> Option<u64> {
    let read = |file: String| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // A container sees its own group as the root; a service of systemd has a path. The older kind has one line for each resource.
    let unified = own.lines().filter_map(|line| line.strip_prefix("0::"));
    let groups = unified.chain([""]).map(|path| format!("/sys/fs/cgroup{path}/memory.max"));
    let older = "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned();
    let all = kib_of("/proc/meminfo", "MemTotal:");
    groups.chain([older]).filter_map(read).chain(all).min()
}

fn resident() -> Option<u64> {
    kib_of("/proc/self/status", "VmRSS:")
}

/// A line `name   123 kB`, in bytes.
fn kib_of(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}
