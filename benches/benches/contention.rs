//! What two workers cost each other: `cargo bench -p status-benches --bench contention`.
//!
//! Every thread makes calls as fast as it can, through one layer or through one of its own; both count into the same
//! recorder. Counted is the time that a thread was on a core, the median of the rounds, so that what else runs on the
//! machine hardly plays a part.
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::{fs, sync::Barrier, thread};

use status_benches::{Case, caller};
use status_normalize::{StatusNormalize, StatusNormalizeLayer};

const CALLS: u64 = 300_000;
const ROUNDS: usize = 15;

fn main() {
    println!("| case | threads | layer | ns per call |\n|---|---:|---|---:|");
    for case in [Case::Documented200, Case::Html502] {
        for (threads, shared, of) in [(1, true, "one"), (2, true, "one"), (2, false, "each its own")] {
            let one = layer();
            let layers: Vec<_> = (0..threads).map(|_| if shared { one.clone() } else { layer() }).collect();
            let mut rounds: Vec<u64> = (0..ROUNDS).map(|_| round(&layers, case)).collect();
            rounds.sort_unstable();
            println!("| `{}` | {threads} | {of} | {} |", case.name(), rounds[ROUNDS / 2] / CALLS);
        }
    }
}

fn layer() -> StatusNormalizeLayer {
    StatusNormalize::builder().build().expect("the defaults agree")
}

/// The nanoseconds that the busiest thread was on a core.
fn round(layers: &[StatusNormalizeLayer], case: Case) -> u64 {
    let start = Barrier::new(layers.len());
    thread::scope(|scope| {
        let threads: Vec<_> = layers
            .iter()
            .map(|layer| {
                scope.spawn(|| {
                    let mut call = caller(layer, case);
                    (0..1_000).for_each(|_| call());
                    start.wait();
                    let before = on_core();
                    (0..CALLS).for_each(|_| call());
                    on_core() - before
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).max().expect("a thread")
    })
}

/// How long this thread was on a core so far.
fn on_core() -> u64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux that counts");
    told.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).expect("its first number")
}
