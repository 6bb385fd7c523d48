//! A running program, and the folder that its configuration and documents are in.

use std::{fs, path::PathBuf};

use rustix::process::Signal;

use super::{eventually, proxy::Proxy, scratch};

const RELOADS: &str = "status_proxy_config_reloads_total";
const FAILURES: &str = "status_proxy_config_reload_failures_total";

/// The program and its files.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    pub(crate) proxy: Proxy,
}

impl Site {
    /// Runs with `proxy.toml` of a new folder, into which `files` are put first.
    #[track_caller]
    pub(crate) fn start(files: &[(&str, &str)]) -> Self {
        Self::start_with(files, &[])
    }

    /// The same with further flags.
    #[track_caller]
    pub(crate) fn start_with(files: &[(&str, &str)], flags: &[&str]) -> Self {
        let folder = scratch("site");
        for (name, text) in files {
            fs::write(folder.join(name), text).expect("the scratch directory is writable");
        }
        let configuration = folder.join("proxy.toml");
        let configuration = configuration.to_str().expect("the target directory has a plain name");
        let proxy = Proxy::run(&[&["--config", configuration], flags].concat());
        Self { folder, proxy }
    }

    /// Writes a file in place.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("the scratch directory is writable");
    }

    /// Puts another file in place of the old one, as editors do.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let new = self.folder.join(format!(".{name}.new"));
        fs::write(&new, text).expect("the scratch directory is writable");
        fs::rename(new, self.folder.join(name)).expect("the scratch directory is writable");
    }

    /// How many attempts have ended so.
    #[track_caller]
    pub(crate) fn reloads(&self, outcome: &str) -> f64 {
        let scrape = self.proxy.scrape();
        let failures = scrape.sum(FAILURES, &[]);
        if outcome == "failure" { failures } else { scrape.sum(RELOADS, &[]) - failures }
    }

    /// Waits until one more attempt than `before` has ended so.
    #[track_caller]
    pub(crate) fn wait_for_reload(&self, outcome: &str, before: f64) {
        eventually(|| match self.reloads(outcome) {
            now if now > before => Ok(()),
            now => Err(format!("{outcome} is {now}, as it was:\n{}", self.proxy.log())),
        });
    }

    /// Puts another `proxy.toml` in place and has it loaded.
    #[track_caller]
    pub(crate) fn reload(&self, configuration: &str) {
        self.replace("proxy.toml", configuration);
        self.hang_up("success");
    }

    /// Waits until standard error has the words so many times; more is a failure.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, words: &str, times: usize) {
        eventually(|| match self.proxy.log().matches(words).count() {
            now if now == times => Ok(()),
            now if now > times => panic!("{words:?} {now} times in {}", self.proxy.log()),
            now => Err(format!("{words:?} {now} times in {}", self.proxy.log())),
        });
    }

    /// SIGHUP, and what comes of it.
    #[track_caller]
    pub(crate) fn hang_up(&self, outcome: &str) {
        let before = self.reloads(outcome);
        self.proxy.signal(Signal::HUP);
        self.wait_for_reload(outcome, before);
    }
}
