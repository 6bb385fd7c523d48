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
        let (page, line) = place(status);
        match self.pages[page].get().and_then(|page| page[line].get()) {
            Some(value) => value,
            None => self.make(status, make),
        }
    }

    #[cold]
    #[inline(never)]
    fn make(&self, status: StatusCode, make: impl FnOnce() -> T) -> &T {
        let (page, line) = place(status);
        let page = self.pages[page].get_or_init(|| Box::new(array::from_fn(|_| OnceLock::new())));
        page[line].get_or_init(|| Box::new(make()))
    }
}

/// The page and the line on it; `StatusCode` holds 100-999 only.
#[inline]
fn place(status: StatusCode) -> (usize, usize) {
    let place = usize::from(status.as_u16()) - 100;
    (place / 100, place % 100)
}

impl<T> fmt::Debug for ByStatus<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByStatus").finish_non_exhaustive()
    }
}
