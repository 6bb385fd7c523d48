//! What a route's settings mean, resolved once.

use crate::Builder;

/// A route's settings.
#[derive(Debug)]
pub(crate) struct Policy {
    #[expect(dead_code, reason = "the layer reads them as soon as it judges")]
    settings: Builder,
}

impl Policy {
    pub(crate) fn new(settings: Builder) -> Self {
        Self { settings }
    }
}
