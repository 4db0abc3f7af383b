//! The processes that serve, one after the other.

use crate::support::{Gateway, Transcript, eventually};
use std::path::PathBuf;
use std::process::Command;

/// What a gateway says when a new process has taken over.
const TAKEN: &str = "a new process has taken over";
/// What it says when none has.
pub(crate) const REMAINS: &str = "no new process has taken over";
const RELOADED: &str = "the configuration was reloaded";

/// A gateway whose binary changes. None of its processes outlives the test.
pub(crate) struct Line {
    err: Transcript,
    processes: Vec<u32>,
}

impl Line {
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self::from(gateway.process.id(), gateway.process.err.clone())
    }

    /// That of a process, and of what it and all after it print.
    pub(crate) fn from(process: u32, err: Transcript) -> Self {
        Self { err, processes: vec![process] }
    }

    /// Who serves.
    pub(crate) fn newest(&self) -> u32 {
        *self.processes.last().unwrap()
    }

    /// The file that it runs from.
    pub(crate) fn file(&self) -> PathBuf {
        std::fs::read_link(format!("/proc/{}/exe", self.newest())).unwrap()
    }

    /// How often they have said that.
    pub(crate) fn said(&self, what: &str) -> usize {
        self.err.text().matches(what).count()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.newest());
    }

    /// Has a new process take over, and waits until it has.
    pub(crate) fn swap(&mut self) {
        let before = self.said(TAKEN);
        let refused = self.said(REMAINS);
        self.signal("USR2");
        let told = eventually("a new process", || {
            let text = self.err.text();
            assert_eq!(text.matches(REMAINS).count(), refused, "{text}");
            text.lines().filter(|line| line.contains(TAKEN)).nth(before).map(ToOwned::to_owned)
        });
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        self.processes.push(told["process"].as_u64().unwrap().try_into().unwrap());
    }

    pub(crate) fn reload(&self) {
        let before = self.said(RELOADED);
        self.signal("HUP");
        eventually("a reload", || (self.said(RELOADED) > before).then_some(()));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        for process in &self.processes {
            // A number may be another's by now.
            let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains("gateway.toml") {
                signal("KILL", *process);
            }
        }
    }
}

/// Sends a signal by name, as `TERM` or `STOP`, to who may be gone.
pub(crate) fn signal(name: &str, process: u32) {
    let _ = Command::new("sh").args(["-c", &format!("kill -{name} {process} 2>/dev/null")]).status();
}
