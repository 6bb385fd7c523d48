//! How far many documents are read, as a line on standard error while they are.

use std::{
    io::{self, Write},
    path::Path,
};

use crate::cli::output;

/// Cells of the bar.
const WIDTH: usize = 30;

pub(super) struct Progress {
    documents: usize,
    is_shown: bool,
    is_coloured: bool,
}

impl Progress {
    /// Nothing is shown where there is no terminal to take it back, or a single document, which is there before it is seen.
    pub(super) fn new(documents: usize, is_coloured: bool) -> Self {
        let is_shown = documents > 1 && output::is_terminal(&io::stderr());
        Self { documents, is_shown, is_coloured }
    }

    /// `done` documents have been read and `file` is the next.
    pub(super) fn show(&self, done: usize, file: &Path) {
        if self.is_shown {
            let line = line(done, self.documents, file, self.is_coloured);
            // The terminal cuts a line that is too long for it, since it is told not to wrap.
            let _ = write!(io::stderr(), "\r\x1b[2K\x1b[?7l{line}\x1b[?7h");
        }
    }

    /// Has the line gone: something else is to be written.
    pub(super) fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

fn line(done: usize, documents: usize, file: &Path, is_coloured: bool) -> String {
    let filled = WIDTH * done / documents;
    let bar = "█".repeat(filled) + &"░".repeat(WIDTH - filled);
    let (colour, plain) = if is_coloured { ("\x1b[32m", "\x1b[0m") } else { ("", "") };
    format!("{colour}{bar}{plain} {done}/{documents} {}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_from_none_to_all() {
        let filled = |done| line(done, 7, Path::new("a.md"), false).matches('█').count();
        assert_eq!([0, 1, 6, 7].map(filled), [0, 4, 25, WIDTH]);
        assert_eq!(line(1, 2, Path::new("a.md"), false), "█".repeat(15) + &"░".repeat(15) + " 1/2 a.md");
    }
}
