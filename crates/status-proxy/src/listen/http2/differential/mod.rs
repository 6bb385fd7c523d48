//! The h2 crate's server and ours are told the same by a client, cut into the same pieces, and must do the same.
//!
//! Both serve the same [`Site`](service::Site) on a connection without a socket, polled by hand until nothing moves any
//! more. What a client gets to see, and what of it reaches the service, must not depend on how its bytes were cut either.

mod allowed;
mod client;
mod reference;
mod run;
mod service;

use self::{
    allowed::{compare, cut_difference, difference},
    client::Client,
    run::{Server, Turn, is_complete, run},
    service::End,
};
use crate::http2::conversation::{
    answers::Answer,
    checks::{Checks, any_pieces, mutated, runtime},
    code,
    wire::{Frame, Random, flag, kind, plain_head, settings},
};

/// Whether the service answers at once, or when all has been said.
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

fn conversation(seed: u64, is_mutated: bool) -> Vec<Frame> {
    mutated(Client::talk(seed), is_mutated.then_some(seed))
}

fn hold_against_reference(is_mutated: bool, pace: Pace) {
    let runtime = runtime();
    let _guard = runtime.enter();
    let mut checks = Checks::new();
    for seed in 0..checks.count {
        let sent = conversation(seed, is_mutated);
        checks.check(&format!("conversation {seed}"), &sent, |sent| {
            compare(sent, is_mutated, &pace.by_frames(sent))
        });
    }
}

#[test]
fn a_server_that_answers_at_once_does_as_the_reference() {
    hold_against_reference(false, Pace::Prompt);
}

#[test]
fn a_server_that_answers_late_does_as_the_reference() {
    hold_against_reference(false, Pace::Late);
}

#[test]
fn mistakes_answered_at_once_are_met_as_by_the_reference() {
    hold_against_reference(true, Pace::Prompt);
}

#[test]
fn mistakes_answered_late_are_met_as_by_the_reference() {
    hold_against_reference(true, Pace::Late);
}

#[test]
fn it_does_not_matter_how_bytes_are_cut() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let mut checks = Checks::new();
    for seed in 0..checks.count {
        let sent = conversation(seed, seed % 2 == 1);
        checks.check(&format!("conversation {seed}, cut"), &sent, |sent| {
            if sent.iter().any(|frame| frame.get(3) == Some(&kind::GOAWAY)) {
                // Where nothing is under way it ends the connection.
                return None;
            }
            let mut random = Random::new(seed ^ 0xC07);
            let by_frames = run(Server::Ours, sent, &Pace::Late.by_frames(sent), None);
            let whole = Pace::Late.turns([vec![sent.concat()]]);
            let pieces = Pace::Late.turns(any_pieces(&mut random, sent));
            let most = [None, Some(1 + random.below(3000))][random.below(2)];
            let whole = cut_difference(sent, by_frames.clone(), run(Server::Ours, sent, &whole, most));
            whole.or_else(|| cut_difference(sent, by_frames, run(Server::Ours, sent, &pieces, None)))
        });
    }
}

#[test]
fn a_client_that_sends_byte_by_byte_is_served_the_same() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let mut checks = Checks::new();
    for seed in 0..checks.count / 4 {
        let sent = conversation(seed, seed % 2 == 1);
        let pace = [Pace::Late, Pace::Prompt][seed as usize / 2 % 2];
        if sent.concat().len() > 5_000 {
            continue;
        }
        checks.check(&format!("conversation {seed}, byte by byte"), &sent, |sent| {
            let by_frames = run(Server::Ours, sent, &pace.by_frames(sent), None);
            difference(by_frames, run(Server::Ours, sent, &pace.by_bytes(sent), Some(7)))
        });
    }
}

/// What h2 takes for a request, or for trailers.
#[test]
fn some_that_the_reference_serves_are_malformed() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let [method, scheme, path] = [(":method", "POST"), (":scheme", "http"), (":path", "/")];
    let post = [method, scheme, path, (":authority", "a")];
    let whole = |fields: &[_]| vec![plain_head(1, flag::END_STREAM, fields)];
    let trailers = |field| vec![plain_head(1, 0, &post), plain_head(1, flag::END_STREAM, &[field])];
    let lengths = [&post[..], &[("content-length", "0"), ("content-length", "1")]].concat();
    for talk in [
        whole(&[method, scheme]),
        whole(&[method, scheme, (":path", "?a"), (":authority", "a")]),
        whole(&lengths),
        whole(&[&post[..], &[("x-a", " b")]].concat()),
        whole(&[&post[..], &[("x-a", "b\t")]].concat()),
        whole(&[&post[..], &[("x-a", " ")]].concat()),
        trailers(("x-a", "b ")),
        trailers((":status", "200")),
        trailers((":path", "/")),
    ] {
        let sent = [vec![settings(&[])], talk].concat();
        let outcome = run(Server::Ours, &sent, &Pace::Late.by_frames(&sent), None);
        assert_eq!(outcome.answers[&1], Answer { reset: Some(code::PROTOCOL_ERROR), ..Answer::default() });
        assert!(outcome.requests.iter().all(|request| request.end == End::Broken), "{sent:?}");
    }
}

#[test]
fn drains_are_like_the_references() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let mut checks = Checks::new();
    for seed in 0..checks.count {
        let sent = conversation(seed, seed % 2 == 1);
        let pace = [Pace::Late, Pace::Prompt][seed as usize / 2 % 2];
        let at = 2 + Random::new(seed ^ 0xD4A1).below(sent.len());
        checks.check(&format!("conversation {seed}, drained"), &sent, |sent| {
            if sent.iter().any(|frame| frame.get(3) == Some(&kind::GOAWAY)) {
                // That it goes away is known already.
                return None;
            }
            let mut turns = pace.by_frames(sent);
            let mut at = at.min(turns.len());
            // Whoever answers PING does not do so within a head.
            let before = usize::from(pace == Pace::Prompt);
            while at < turns.len() && !is_complete(&sent[..(at - before).min(sent.len())]) {
                at += 1;
            }
            if at == turns.len() {
                return None;
            }
            turns.insert(at, Turn::Drain);
            compare(sent, seed % 2 == 1, &turns)
        });
    }
}
