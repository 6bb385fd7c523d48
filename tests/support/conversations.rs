//! Conversations over HTTP/2 and what may come of them: tables for what a client does wrong, and what looks like it.

use super::{
    backend::{Backend, Step as Do, answer},
    frames::{PREFACE, Wire, code, get, settings},
    proxy::Proxy,
};
use Outcome::{Answered, Ended, Ignored, Reset};

/// The stream on which a case happens, and the one that is asked for afterwards.
pub(crate) const STREAM: u32 = 5;
const AFTER: u32 = 101;

/// How often a conversation is split that is not sent at once.
pub(crate) const PIECES: usize = 600;

/// What a client does after its preface.
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Waits until the stream of the case is over.
    Over,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The stream is answered, the connection goes on.
    Answered(u16),
    /// The connection is ended with this code.
    Ended(u32),
    /// The stream is neither answered nor reset, the connection goes on.
    Ignored,
    /// The stream is reset with this code, the connection goes on.
    Reset(u32),
}

/// What may come of it: where the RFC leaves a choice, and the pieces that a conversation comes in decide.
pub(crate) type Outcomes = &'static [Outcome];

pub(crate) const FINE: Outcomes = &[Answered(200)];
pub(crate) const IGNORED: Outcomes = &[Ignored];
pub(crate) const VIOLATION: Outcomes = &[Ended(code::PROTOCOL_ERROR)];
pub(crate) const WRONG_SIZE: Outcomes = &[Ended(code::FRAME_SIZE_ERROR)];
pub(crate) const WINDOW_TOO_LARGE: Outcomes = &[Ended(code::FLOW_CONTROL_ERROR)];
pub(crate) const COMPRESSION: Outcomes = &[Ended(code::COMPRESSION_ERROR)];
pub(crate) const MALFORMED: Outcomes = &[Reset(code::PROTOCOL_ERROR)];
pub(crate) const CLOSED: Outcomes = &[Reset(code::STREAM_CLOSED)];

pub(crate) type Case = (&'static str, Vec<Step>, Outcomes);

pub(crate) fn case(name: &'static str, sent: impl Into<Vec<u8>>, outcomes: Outcomes) -> Case {
    (name, vec![Step::Send(sent.into())], outcomes)
}

/// Something on the stream after it is over.
pub(crate) fn late(name: &'static str, sent: Vec<u8>, late: Vec<u8>, outcomes: Outcomes) -> Case {
    (name, vec![Step::Send(sent), Step::Over, Step::Send(late)], outcomes)
}

/// Says "fine" to `/`, echoes bodies, and leaves `/held` without an answer.
pub(crate) fn backend() -> Backend {
    Backend::scripted(|request| match (request.target(), request.method()) {
        ("/held", _) => vec![Do::Hold],
        (_, "POST") => vec![Do::Send(answer("200 OK", &[], &request.body))],
        _ => vec![Do::Send(answer("200 OK", &[], "fine"))],
    })
}

/// Each case on a connection of its own, sent at once and then in pieces.
#[track_caller]
pub(crate) fn hold(cases: &[Case]) {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    check(&proxy, cases, &[1, PIECES]);
}

/// The same where all that is not answered is malformed: counted, and nothing that an upstream gets to see.
#[track_caller]
pub(crate) fn hold_malformed(cases: &[Case], pieces: &[usize]) {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let outcomes = check(&proxy, cases, pieces);
    let is_answered = |outcome: &&Outcome| matches!(outcome, Answered(_));
    let malformed = outcomes.len() - outcomes.iter().filter(is_answered).count();
    proxy.wait_for("status_proxy_malformed_streams_total", &[], malformed as f64);
    let seen = backend.seen();
    // One for each case that is answered, the one behind each connection that goes on, and the last.
    let ended = outcomes.iter().filter(|outcome| matches!(outcome, Ended(_))).count();
    assert_eq!(seen.len(), outcomes.len() - malformed + outcomes.len() - ended + 1);
}

#[track_caller]
pub(crate) fn check(proxy: &Proxy, cases: &[Case], pieces: &[usize]) -> Vec<Outcome> {
    let (mut outcomes, mut wrong) = (Vec::new(), String::new());
    for (name, steps, expected) in cases {
        for &pieces in pieces {
            let outcome = run(proxy, name, steps, pieces, expected == &IGNORED);
            if !expected.contains(&outcome) {
                wrong += &format!("\n{name}, in {pieces}: {outcome:?} instead of {expected:?}");
            }
            outcomes.push(outcome);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(proxy.get("/").text(), "fine");
    outcomes
}

/// Sends in so many pieces.
#[track_caller]
fn run(proxy: &Proxy, name: &str, steps: &[Step], pieces: usize, is_quiet: bool) -> Outcome {
    let mut wire = Wire::connect(proxy.listen);
    let send = |wire: &mut Wire, bytes: &[u8]| wire.send_pieces(bytes, bytes.len().div_ceil(pieces));
    let begin = [PREFACE, &settings(&[])].concat();
    match steps {
        [Step::Send(bytes), ..] => send(&mut wire, &[&begin[..], bytes].concat()),
        _ => send(&mut wire, &begin),
    }
    for step in &steps[1..] {
        match step {
            Step::Send(bytes) => send(&mut wire, bytes),
            Step::Over => _ = wire.over(STREAM),
        }
    }
    wire.send(get(AFTER, &[]));
    wire.until(name, |wire| wire.is_closed || wire.is_over(AFTER) && (is_quiet || wire.is_over(STREAM)));
    if wire.is_closed {
        return Ended(wire.closed().unwrap_or_else(|| panic!("{name}: closed without a word")));
    }
    wire.streams[&AFTER].assert_is(200, "fine");
    wire.round_trip();
    let stream = wire.stream(STREAM);
    match (stream.reset, stream.status()) {
        // RFC 9113, 8.1: it could answer without the rest.
        (Some(code::NO_ERROR), status) if stream.is_ended => Answered(status),
        (Some(code), _) => Reset(code),
        (None, 0) => Ignored,
        (None, status) => Answered(status),
    }
}
