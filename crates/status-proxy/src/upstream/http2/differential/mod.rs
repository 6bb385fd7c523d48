//! The h2 crate's client and ours are told the same by an upstream, cut into the same pieces, and must do the same.
//!
//! Both send the same requests on a connection without a socket, polled by hand until nothing moves any more. What comes of
//! the requests, and what the upstream gets to see, must not depend on how its bytes were cut either.

mod allowed;
mod reference;
mod run;
mod upstream;

use self::{
    allowed::{compare, cut_difference, difference},
    run::{Client, Plan, Turn, run},
    upstream::Upstream,
};
use crate::http2::conversation::{
    checks::{Checks, any_pieces, mutated, runtime},
    wire::{FRAME_HEAD, Frame, Random, kind, setting},
};

/// Whether bodies are read at once, or when all has been said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pace {
    Prompt,
    Late,
}

impl Pace {
    fn turns(self, pieces: impl IntoIterator<Item = Vec<Vec<u8>>>) -> Vec<Turn> {
        let mut turns: Vec<Turn> = pieces.into_iter().map(Turn::Send).collect();
        turns.insert(if self == Self::Prompt { 0 } else { turns.len() }, Turn::Open);
        turns
    }

    /// Frame by frame.
    fn by_frames(self, sent: &[Frame]) -> Vec<Turn> {
        self.turns(sent.iter().map(|frame| vec![frame.clone()]))
    }

    fn by_bytes(self, sent: &[Frame]) -> Vec<Turn> {
        self.turns(sent.concat().chunks(1).map(|byte| vec![byte.to_vec()]))
    }
}

fn conversation(seed: u64, is_mutated: bool) -> (Vec<Plan>, Vec<Frame>) {
    let plans = Plan::some(seed);
    let sent = mutated(Upstream::talk(seed, &plans), is_mutated.then_some(seed));
    (plans, sent)
}

fn hold_against_reference(is_mutated: bool, pace: Pace) {
    let runtime = runtime();
    let _guard = runtime.enter();
    let mut checks = Checks::new();
    for seed in 0..checks.count {
        let (plans, sent) = conversation(seed, is_mutated);
        checks.check(&format!("conversation {seed}"), &sent, |sent| {
            compare(&plans, sent, &pace.by_frames(sent))
        });
    }
}

#[test]
fn a_client_that_reads_at_once_does_as_the_reference() {
    hold_against_reference(false, Pace::Prompt);
}

#[test]
fn a_client_that_reads_late_does_as_the_reference() {
    hold_against_reference(false, Pace::Late);
}

#[test]
fn mistakes_are_met_as_by_the_reference() {
    hold_against_reference(true, Pace::Prompt);
}

#[test]
fn mistakes_of_which_nothing_is_read_are_met_as_by_the_reference() {
    hold_against_reference(true, Pace::Late);
}

/// Whether a frame says anything of this setting.
fn sets(frame: &Frame, key: u16) -> bool {
    let is_settings = frame.len() > FRAME_HEAD && frame[3] == kind::SETTINGS;
    is_settings && frame[FRAME_HEAD..].chunks(6).any(|value| value.starts_with(&key.to_be_bytes()))
}

#[test]
fn it_does_not_matter_how_bytes_are_cut() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let mut checks = Checks::new();
    for seed in 0..checks.count {
        let (plans, sent) = conversation(seed, seed % 2 == 1);
        checks.check(&format!("conversation {seed}, cut"), &sent, |sent| {
            let is_told = |frame: &Frame| frame.get(3) == Some(&kind::GOAWAY);
            if sent.iter().any(|frame| sets(frame, setting::MAX_CONCURRENT_STREAMS) || is_told(frame)) {
                // Who is served, and when nothing is left to be done, may be a matter of who comes first.
                return None;
            }
            let mut random = Random::new(seed ^ 0xC07);
            let run = |turns: &[Turn], most| run(Client::Ours, &plans, sent, turns, most);
            // The requests are sent when the first SETTINGS have come.
            let (first, rest) = sent.split_first().expect("there is one");
            let greeted =
                |rest: Vec<Vec<Vec<u8>>>| Pace::Late.turns([vec![vec![first.clone()]], rest].concat());
            let by_frames = run(&Pace::Late.by_frames(sent), None);
            let whole = greeted(vec![vec![rest.concat()]]);
            let pieces = greeted(any_pieces(&mut random, rest));
            let most = [None, Some(1 + random.below(3000))][random.below(2)];
            let found = cut_difference(by_frames.clone(), run(&whole, most));
            found.or_else(|| cut_difference(by_frames, run(&pieces, None)))
        });
    }
}

#[test]
fn an_upstream_that_sends_byte_by_byte_is_understood_the_same() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let mut checks = Checks::new();
    for seed in 0..checks.count / 4 {
        let (plans, sent) = conversation(seed, seed % 2 == 1);
        let pace = [Pace::Late, Pace::Prompt][seed as usize / 2 % 2];
        if sent.concat().len() > 5_000 {
            continue;
        }
        checks.check(&format!("conversation {seed}, byte by byte"), &sent, |sent| {
            let run = |turns: &[Turn], most| run(Client::Ours, &plans, sent, turns, most);
            difference(run(&pace.by_frames(sent), None), run(&pace.by_bytes(sent), Some(7)))
        });
    }
}
