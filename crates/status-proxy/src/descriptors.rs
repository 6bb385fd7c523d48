//! How the descriptors that the process may have open are shared out.
//!
//! Were clients to take all of them, none would be left to reach an upstream for them, nor to tell operators how it goes.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is open besides connections of clients and to upstreams: operators' connections above all.
const RESERVE: usize = 72;

/// The same for each worker: what its runtime needs, and a connection that is accepted and waits for its place.
const WORKER_RESERVE: usize = 8;

/// How many there are of connections, of clients and to upstreams, and of ends of pipes.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// How many there may be.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Takes note of how many files may be open. Returns how many of them clients may take: most wait for their next request,
/// and those that do not need one to an upstream each.
pub(crate) fn share_out(files: usize, workers: usize) -> usize {
    let (most, clients) = shares(files, workers);
    MOST.store(most, Relaxed);
    clients
}

fn shares(files: usize, workers: usize) -> (usize, usize) {
    let reserve = (RESERVE + WORKER_RESERVE * workers).min(files / 2);
    let most = files - reserve;
    (most, most - most / 4)
}

/// Whether less than a tenth is left.
pub(crate) fn are_scarce() -> bool {
    let most = MOST.load(Relaxed);
    TAKEN.load(Relaxed) > most - most / 10
}

/// Whether no more than half are taken: enough for what can be done without.
pub(crate) fn are_plenty() -> bool {
    TAKEN.load(Relaxed) <= MOST.load(Relaxed) / 2
}

/// What a connection takes as long as it lives.
#[derive(Debug)]
pub(crate) struct Descriptor(());

impl Descriptor {
    /// One, if there are any left.
    pub(crate) fn take() -> Option<Self> {
        let descriptor = Self(());
        (TAKEN.fetch_add(1, Relaxed) < MOST.load(Relaxed)).then_some(descriptor)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_for_everybody() {
        for (files, workers, expected) in [
            (0, 1, (0, 0)),
            (48, 1, (24, 18)),
            (1024, 1, (944, 708)),
            (20_000, 2, (19_912, 14_934)),
            (1 << 20, 64, ((1 << 20) - 584, 785_994)),
        ] {
            assert_eq!(shares(files, workers), expected, "{files} files, {workers} workers");
        }
    }
}
