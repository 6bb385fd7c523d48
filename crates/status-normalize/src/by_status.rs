//! Something for each status code, made at its first use.

use std::{array, fmt, sync::OnceLock};

use http::StatusCode;

/// A power of two, so that a lookup needs no division, and few: an API uses the first codes of two or three hundreds.
const LINES: usize = 16;
const PAGES: usize = 1024 / LINES;

type Page<T> = [OnceLock<Box<T>>; LINES];

/// A value per status code. A page of codes that nobody used takes two words, and a lookup is two loads.
pub(crate) struct ByStatus<T> {
    pages: [OnceLock<Box<Page<T>>>; PAGES],
}

impl<T> ByStatus<T> {
    pub(crate) fn new() -> Self {
        Self { pages: [const { OnceLock::new() }; PAGES] }
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
    let code = usize::from(status.as_u16());
    (code / LINES % PAGES, code % LINES)
}

impl<T> fmt::Debug for ByStatus<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByStatus").finish_non_exhaustive()
    }
}
