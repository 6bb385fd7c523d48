//! Something for each status code, made at its first use.

use std::{array, fmt, sync::OnceLock};

use http::StatusCode;

type Page<T> = [OnceLock<Box<T>>; 100];

/// A value per status code. A hundred codes that nobody used take one word, and a lookup is two loads.
pub(crate) struct ByStatus<T> {
    pages: [OnceLock<Box<Page<T>>>; 9],
}

impl<T> ByStatus<T> {
    pub(crate) fn new() -> Self {
        Self { pages: [const { OnceLock::new() }; 9] }
    }

    /// The value of a status.
    #[inline]
    pub(crate) fn get_or_make(&self, status: StatusCode, make: impl FnOnce() -> T) -> &T {
        let (page, line) = (status.as_u16() / 100 - 1, status.as_u16() % 100);
        // `StatusCode` holds 100-999 only.
        self.pages[usize::from(page)].get_or_init(|| Box::new(array::from_fn(|_| OnceLock::new())))
            [usize::from(line)]
        .get_or_init(|| Box::new(make()))
    }
}

impl<T> fmt::Debug for ByStatus<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByStatus").finish_non_exhaustive()
    }
}
