//! Another configuration while requests are served: on SIGHUP, and when a file has changed.
//!
//! A thread of its own reads and looks at files, which may take its time on a network. Everything is read and checked
//! before anything changes; then each worker gets a gateway of its own and takes it over between two requests. A
//! configuration that makes no sense is told once and changes nothing.

mod changes;
mod look;
mod served;
mod source;
mod workers;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use self::changes::{Changes, told};
pub(crate) use self::{
    served::{Served, State},
    source::Source,
    workers::Workers,
};
use crate::{config::Config, drain::Drain, logs::Logs, metrics};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looking takes at most this part of the time, however many files there are.
const SHARE: u32 = 100;

/// Reads the configuration again when it is told to, or when a file has changed.
#[derive(Debug)]
pub(crate) struct Reloader {
    pub(crate) source: Source,
    pub(crate) served: Served,
    pub(crate) workers: Workers,
    pub(crate) logs: Logs,
    pub(crate) drain: Drain,
}

impl Reloader {
    /// Starts the thread. Each message asks for a reload.
    ///
    /// # Errors
    ///
    /// If the system has no thread left.
    pub(crate) fn start(self, asked: Receiver<()>) -> io::Result<()> {
        thread::Builder::new().name("reload".to_owned()).spawn(move || self.run(&asked)).map(drop)
    }

    fn run(mut self, asked: &Receiver<()>) {
        let (mut pause, mut is_owed) = (INTERVAL, false);
        loop {
            let is_asked = match asked.recv_timeout(pause) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // What was asked for before anything was read is asked for once.
            while asked.try_recv().is_ok() {}
            if self.drain.has_begun() {
                if is_asked {
                    tracing::info!("not reloaded: draining");
                }
                continue;
            }
            let start = Instant::now();
            let is_due = self.source.is_due();
            pause = INTERVAL.max(start.elapsed() * SHARE);
            if is_asked || is_due {
                is_owed |= is_asked;
                // After a bug in reading what somebody wrote the next version of it is read all the same.
                let done = catch_unwind(AssertUnwindSafe(|| self.reload(is_owed)));
                is_owed &= !done.unwrap_or_else(|_| {
                    self.fail("reading it failed, which is a bug");
                    true
                });
            }
        }
    }

    /// Whether that is done; otherwise it is due again when the files rest.
    fn reload(&mut self, is_asked: bool) -> bool {
        if !self.source.has_files() {
            tracing::info!("nothing to reload: there is no configuration file, and no catalog's");
            return true;
        }
        match self.source.load_again() {
            None => {
                tracing::debug!("files changed while they were read");
                return false;
            }
            Some(Ok(config)) => match newly_unread(&self.served.config(), &config) {
                Some(reason) => self.fail(&reason),
                None => self.apply(config, is_asked),
            },
            Some(Err(error)) => self.fail(&error.told()),
        }
        true
    }

    fn fail(&self, reason: &str) {
        tracing::error!("not reloaded, the old configuration stays: {reason}");
        self.served.fail(reason);
        metrics::reload_failed();
    }

    fn apply(&self, mut config: Config, is_asked: bool) {
        let State { config: old, failure, needs_restart: known, .. } = self.served.state();
        let needs_restart = config.keep_until_restart(&old);
        let changes = Changes::between(&old, &config);
        if changes.is_empty() {
            if !is_asked && failure.is_none() && needs_restart == known {
                return;
            }
            self.served.succeed(old, needs_restart.clone());
        } else {
            // Ends when every worker has changed over.
            self.workers.serve_by(&config).into_iter().for_each(drop);
            if old.log != config.log {
                self.logs.change(config.log);
            }
            config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
            self.served.succeed(Arc::new(config), needs_restart.clone());
        }
        metrics::reloaded(SystemTime::now());
        tell(&changes);
        if !needs_restart.is_empty() {
            let keys = needs_restart.join(", ");
            tracing::warn!(keys, "changed, but only a restart makes it so");
        }
    }
}

/// Why a description would promise less than before: files that it refers to cannot be read any more. At the start that
/// is a warning; while requests are served it is a mistake to be put right.
fn newly_unread(old: &Config, new: &Config) -> Option<String> {
    let was_read = |file| old.files.contains(file) && !old.unread.iter().any(|(unread, _)| unread == file);
    let lost: Vec<&str> =
        new.unread.iter().filter(|(file, _)| was_read(file)).map(|(_, why)| why.as_str()).collect();
    (!lost.is_empty()).then(|| lost.join("\n"))
}

fn tell(changes: &Changes) {
    let Changes {
        routes_added,
        routes_removed,
        routes_changed,
        catalogs_added,
        catalogs_removed,
        catalogs_changed,
        settings,
    } = changes;
    if changes.is_empty() {
        tracing::info!("reloaded, nothing has changed");
        return;
    }
    tracing::info!(
        routes_added = told(routes_added),
        routes_removed = told(routes_removed),
        routes_changed = told(routes_changed),
        catalogs_added = told(catalogs_added),
        catalogs_removed = told(catalogs_removed),
        catalogs_changed = told(catalogs_changed),
        settings = told(settings),
        "reloaded"
    );
}
