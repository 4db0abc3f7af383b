//! When a configuration is read again, and what is said of it.

use crate::app::{Running, StartError};
use crate::config::{ConfigError, Premises, Sources, load, render};
use crate::telemetry::chain;
use std::path::PathBuf;

/// Follows the files that a configuration was made from. It looks at all of them, so it is asked once a second and not more often.
pub struct Reload {
    path: PathBuf,
    taken: Premises,
    /// As they were a look ago, if that was not what was taken: files that change still are half-written.
    changing: Option<Premises>,
}

impl Reload {
    /// Follows the configuration at `path`, which was made from `taken`.
    pub const fn new(path: PathBuf, taken: Premises) -> Self {
        Self { path, taken, changing: None }
    }

    /// Whether files have changed, and come to rest.
    pub fn is_due(&mut self) -> bool {
        let now = self.taken.now();
        if now == self.taken {
            self.changing = None;
            return false;
        }
        let rests = self.changing.as_ref() == Some(&now);
        self.changing = Some(now);
        rests
    }

    /// Reads the configuration and puts it in force. One that has mistakes, or no routes any more, changes nothing; either is said in
    /// one line.
    pub fn run(&mut self, running: &mut Running, why: &str) {
        self.changing = None;
        let (config, sources) = match load(&self.path) {
            Ok(loaded) => loaded,
            Err((errors, sources)) => return self.refuse(running, why, &errors, sources),
        };
        if config.routes.is_empty() && !running.shared().routes().routes().is_empty() {
            running.count_reload(false);
            tracing::error!(
                %why,
                "the configuration was not reloaded; the one before stays: there is no route in it any more, as in a file that is \
                 half-written; a restart takes it"
            );
            self.taken = sources.1;
            return;
        }
        match running.reload(config) {
            Ok(left) => {
                running.count_reload(true);
                tracing::info!(%why, "the configuration was reloaded");
                for key in left {
                    tracing::warn!(%key, "this change takes a restart; the rest of the configuration is in force");
                }
                self.taken = sources.1;
            }
            Err(StartError::Config(errors)) => self.refuse(running, why, &errors, sources),
            Err(error @ (StartError::Bind(_) | StartError::System(_))) => {
                running.count_reload(false);
                tracing::error!(%why, error = %chain(&error), "the configuration could not be reloaded; the one before stays");
            }
        }
    }

    fn refuse(&mut self, running: &Running, why: &str, errors: &[ConfigError], sources: Sources) {
        running.count_reload(false);
        let mistakes = render(errors, &sources, false);
        tracing::error!(%why, %mistakes, "the configuration was not reloaded; the one before stays");
        // A reading that ends early has not seen all; mending may be in any of them.
        self.taken = sources.1.and(&self.taken);
    }
}
