//! Conversations that are held against each other.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::runtime::Runtime;

use super::wire::{FRAME_HEAD, Frame, MAX_FRAME, Random, describe, frames, mutate, whole_len};

/// How many conversations there are of each kind. More of them: `DIFFERENTIAL_TIMES=100`.
const CONVERSATIONS: u64 = 600;

/// Checks conversations. Tells of the first few that go wrong, without what is of no matter to that.
pub(crate) struct Checks {
    wrong: Vec<String>,
    pub(crate) count: u64,
}

impl Checks {
    pub(crate) fn new() -> Self {
        let times = env::var("DIFFERENTIAL_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
        Self { wrong: Vec::new(), count: times * CONVERSATIONS }
    }

    pub(crate) fn check(&mut self, name: &str, sent: &[Frame], differ: impl Fn(&[Frame]) -> Option<String>) {
        let differ = |sent: &[Frame]| {
            let found = catch_unwind(AssertUnwindSafe(|| differ(sent)));
            found.unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                Some(
                    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
                        .unwrap_or_default(),
                )
            })
        };
        let Some(mut found) = differ(sent) else { return };
        let mut sent = sent.to_vec();
        let mut at = sent.len();
        // The first one is SETTINGS, without which nothing is right.
        while at > 1 {
            at -= 1;
            let without = [&sent[..at], &sent[at + 1..]].concat();
            if let Some(still) = differ(&without) {
                (sent, found) = (without, still);
            }
        }
        let talk: Vec<String> = sent.iter().map(|frame| format!("    {}\n", describe(frame))).collect();
        self.wrong.push(format!("{name}\n{}{found}", talk.concat()));
        assert!(self.wrong.len() < 12, "{}", self.wrong.join("\n"));
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

/// A runtime whose time stands still.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// A conversation, with mistakes that depend on the seed if there is one, cut into its frames.
pub(crate) fn mutated(mut sent: Vec<Frame>, seed: Option<u64>) -> Vec<Frame> {
    if let Some(seed) = seed {
        mutate(&mut Random::new(seed ^ 0x5EED_0F57), &mut sent);
    }
    let mut sent = frames(&sent.concat());
    // What is cut off says nothing new, but for a frame that is too large.
    let last = sent.pop().expect("there is one");
    let whole = whole_len(&last);
    if whole <= FRAME_HEAD + MAX_FRAME {
        sent.push([&last[..], &vec![0; whole - last.len()]].concat());
    } else if last.len() >= FRAME_HEAD || sent.is_empty() {
        sent.push(last);
    }
    sent
}

/// Cuts the same bytes anywhere. Some pieces come together, some when the others have been dealt with.
pub(crate) fn any_pieces(random: &mut Random, sent: &[Frame]) -> Vec<Vec<Vec<u8>>> {
    let bytes = sent.concat();
    let mut cuts: Vec<usize> = (0..random.below(8)).map(|_| random.below(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut turns = vec![Vec::new()];
    for cut in cuts.windows(2) {
        if random.one_in(2) {
            turns.push(Vec::new());
        }
        turns.last_mut().expect("there is one").push(bytes[cut[0]..cut[1]].to_vec());
    }
    turns
}
