//! Which configuration is served, and what came of the last attempt to replace it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::config::Config;

/// What operators are told. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Served(Arc<Mutex<State>>);

/// What is known at one time.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) config: Arc<Config>,
    /// When it was read, or last found to be the same.
    pub(crate) loaded: SystemTime,
    /// Keys that say something else now, which a restart would heed.
    pub(crate) needs_restart: Vec<&'static str>,
    /// Why what came after it is not served.
    pub(crate) failure: Option<Failure>,
}

/// An attempt that came to nothing.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) at: SystemTime,
    pub(crate) reason: Arc<str>,
}

impl Served {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        let state = State { config, loaded: SystemTime::now(), needs_restart: Vec::new(), failure: None };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.lock().config.clone()
    }

    pub(super) fn succeed(&self, config: Arc<Config>, needs_restart: Vec<&'static str>) {
        let state = State { config, loaded: SystemTime::now(), needs_restart, failure: None };
        // The old one may be large: it is freed when nobody waits any more.
        let _old = std::mem::replace(&mut *self.lock(), state);
    }

    pub(super) fn fail(&self, reason: &str) {
        self.lock().failure = Some(Failure { at: SystemTime::now(), reason: reason.into() });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
