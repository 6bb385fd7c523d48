//! The builder, limits as types, errors.

use std::{sync::Arc, time::Duration};

use status_catalog::Catalog;

use crate::{StatusNormalizeLayer, layer::Shared};

/// What the layer does with what it finds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// Rewrite nonstandard bodies of abnormal responses.
    #[default]
    Enforce,
    /// Change nothing on the wire; count what would have happened.
    Observe,
    /// Count by class; read no body.
    Off,
}

/// What happens to a status that the catalog does not list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Undocumented {
    /// Passed on as it is.
    #[default]
    Pass,
    /// The status stays; its IANA phrase describes it.
    Describe,
    /// Sent to the same hundred's x00 (RFC 9110, section 15).
    Nearest,
}

/// A combination of settings that makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {}

/// Builds a [`StatusNormalizeLayer`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(crate) catalog: Option<Arc<Catalog>>,
    pub(crate) route: Option<Arc<str>>,
    pub(crate) mode: Mode,
    pub(crate) undocumented: Undocumented,
    pub(crate) inspect_timeout: Option<Duration>,
}

impl Builder {
    /// The catalog. Defaults to `sfs`.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// The value of the metric label `route`. Defaults to `default`.
    #[must_use]
    pub fn name(mut self, route: impl Into<Arc<str>>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// The mode. Defaults to [`Mode::Enforce`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// What happens to undocumented statuses. Defaults to [`Undocumented::Pass`].
    #[must_use]
    pub fn undocumented(mut self, policy: Undocumented) -> Self {
        self.undocumented = policy;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// If the settings contradict each other.
    pub fn build(self) -> Result<StatusNormalizeLayer, BuildError> {
        Ok(StatusNormalizeLayer { shared: Arc::new(Shared {}) })
    }
}
