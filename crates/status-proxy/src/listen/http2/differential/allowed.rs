//! Both servers side by side, and where they may differ.

use std::mem;

use super::{
    run::{Outcome, Run, Server, Turn, run},
    service::End,
};
use crate::http2::conversation::{
    answers::Answer,
    code,
    wire::{FRAME_HEAD, Frame, describe, flag, is_whole, kind, stream_of},
};

/// RFC 9113, 6.6.
const PUSH_PROMISE: u8 = 5;

/// What a server does about a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reaction {
    /// Nothing, or what it is there for.
    Serves,
    /// The frame's stream is reset.
    Resets(u32),
    /// The connection is ended.
    Fails(u32),
}

impl Reaction {
    fn between(frame: &[u8], before: &Outcome, after: &Outcome) -> Self {
        let reset =
            |outcome: &Outcome| outcome.answers.get(&stream_of(frame)).and_then(|answer| answer.reset);
        match (before.failure(), after.failure(), reset(before), reset(after)) {
            (None, Some(code), ..) => Self::Fails(code),
            // With NO_ERROR it is only that nothing more is wanted.
            (_, _, None, Some(code @ 1..)) => Self::Resets(code),
            _ => Self::Serves,
        }
    }
}

/// A frame that the two did not do the same about.
struct Meeting<'a> {
    frame: &'a [u8],
    ours: Reaction,
    theirs: Reaction,
    /// Made by chance.
    is_mutated: bool,
    /// Its stream came too late to be served.
    is_late: bool,
    /// Its stream is being answered.
    is_answered: bool,
    /// Its stream is no more.
    is_over: bool,
    /// The client has reset its stream.
    is_cancelled: bool,
    /// What reached the reference for it has no path.
    has_no_path: bool,
    /// What reached the service for it is a CONNECT.
    is_connect: bool,
}

impl Meeting<'_> {
    /// Where the reference is not what we want to be like. Behind such a frame nothing is compared: what the two do then may
    /// well be another thing.
    fn may_differ(&self) -> bool {
        use Reaction::{Fails, Resets, Serves};
        use code::{
            COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, INTERNAL_ERROR, PROTOCOL_ERROR,
            STREAM_CLOSED,
        };
        let has = |flag| self.frame[4] & flag != 0;
        let kind = self.frame[3];
        let is_of_head = [kind::HEADERS, kind::CONTINUATION].contains(&kind);
        let is_in_parts = kind == kind::CONTINUATION || kind == kind::HEADERS && !has(flag::END_HEADERS);
        match (self.theirs, self.ours) {
            // What does not depend on the rest of a frame ours deals with before that comes.
            (Serves, Fails(_) | Resets(_)) if !is_whole(self.frame) => true,
            // RFC 9113, 6.8: what comes on a stream that is too late is passed over. h2 reads it nevertheless where it is
            // malformed, and passes over what was never opened as well.
            (_, Serves) | (Serves, Fails(_)) if self.is_late => true,
            // 8.1.1: a malformed request is an error of its stream. What h2 can't make a name or a value of ends the connection.
            (Fails(PROTOCOL_ERROR), Resets(PROTOCOL_ERROR)) if is_of_head => true,
            (Fails(PROTOCOL_ERROR), Serves) if is_of_head && self.is_over => true,
            // Nor can it make a protocol of what is beyond ASCII, and nobody speaks one of that name here.
            (Fails(PROTOCOL_ERROR), Serves) if self.is_connect => true,
            // A head that is malformed is one all the same, and goes on (6.10). h2 resets the stream when it has found that
            // out, and then takes CONTINUATION for an error; or forgets it by the time of the next frame.
            (Resets(PROTOCOL_ERROR) | Fails(PROTOCOL_ERROR), Serves) if is_in_parts => true,
            (Serves | Resets(_), Resets(PROTOCOL_ERROR)) if kind == kind::CONTINUATION => true,
            // 6.6: a client does not push, whatever else the frame says.
            (_, Fails(PROTOCOL_ERROR)) if kind == PUSH_PROMISE => true,
            // 5.1.1: whether there may be such a stream is asked first.
            (Resets(PROTOCOL_ERROR), Fails(PROTOCOL_ERROR)) => is_of_head,
            // 8.3.1: that a request without authority has a path, and (8.1) trailers no pseudo-fields, is nothing to h2. See
            // `some_that_the_reference_serves_are_malformed`.
            (Serves, Resets(PROTOCOL_ERROR)) if self.has_no_path => true,
            (Serves | Resets(INTERNAL_ERROR), Resets(PROTOCOL_ERROR))
                if kind == kind::HEADERS && self.is_mutated =>
            {
                true
            }
            // What is left of a response lies in h2, which does not care any more whether the request is right.
            (Serves, Resets(PROTOCOL_ERROR)) => self.is_answered,
            // 4.2, 4.3, 6.5.2 and 6.9.1: there is a code for it.
            (Fails(PROTOCOL_ERROR) | Resets(PROTOCOL_ERROR), Fails(COMPRESSION_ERROR)) => is_of_head,
            (Fails(PROTOCOL_ERROR), Fails(FRAME_SIZE_ERROR | FLOW_CONTROL_ERROR)) => true,
            // 5.3.2: a stream that depends on itself is one whose priority is not followed, like any.
            (Resets(PROTOCOL_ERROR), Serves) => kind == kind::PRIORITY || is_of_head && has(flag::PRIORITY),
            // 6.3 and 6.9: errors of the stream, if there is one.
            (Fails(PROTOCOL_ERROR), Resets(FRAME_SIZE_ERROR)) => kind == kind::PRIORITY,
            (Fails(PROTOCOL_ERROR), Resets(PROTOCOL_ERROR) | Serves) if kind == kind::WINDOW_UPDATE => {
                self.frame[FRAME_HEAD..] == [0; 4]
            }
            // 6.5.3 does not forbid to acknowledge what nobody asked for.
            (Fails(PROTOCOL_ERROR), Serves) => kind == kind::SETTINGS && has(flag::ACK),
            // 5.1: any will do, and (5.1.1) where it is not known what has become of a stream. Of some streams that are reset h2 does not know that they are closed.
            (
                Fails(STREAM_CLOSED | PROTOCOL_ERROR) | Resets(STREAM_CLOSED | PROTOCOL_ERROR) | Serves,
                Fails(STREAM_CLOSED) | Resets(STREAM_CLOSED),
            ) => true,
            (Serves, Fails(PROTOCOL_ERROR)) => is_of_head && self.is_cancelled,
            _ => false,
        }
    }
}

/// What the two servers do not have in common, beyond what they need not.
pub(super) fn compare(sent: &[Frame], is_mutated: bool, turns: &[Turn]) -> Option<String> {
    if !sent[0].starts_with(&[0, 0]) || sent[0].get(3..5) != Some(&[kind::SETTINGS, 0]) {
        // RFC 9113, 3.4: SETTINGS come first. h2 does not ask.
        return None;
    }
    let [ours, theirs] = [Server::Ours, Server::Reference].map(|server| run(server, sent, turns, None));
    let is_waiting = !theirs.is_closed;
    let found = difference(ours, theirs)?;
    let is_told = sent.iter().any(|frame| frame.get(3) == Some(&kind::GOAWAY));
    let is_going = is_told || turns.iter().any(|turn| matches!(turn, Turn::Drain));
    if is_waiting && is_going && sent.iter().any(|frame| frame.get(3) == Some(&kind::RST_STREAM)) {
        // Of some streams that are reset h2 loses count, and waits for them.
        return None;
    }
    match first_difference(sent, is_mutated, turns) {
        Some(None) => None,
        Some(Some(where_to_look)) => Some(found + &where_to_look),
        None => Some(found),
    }
}

/// Where the two did not do the same for the first time: nothing is said of it if they need not.
fn first_difference(sent: &[Frame], is_mutated: bool, turns: &[Turn]) -> Option<Option<String>> {
    let mut both = [Server::Ours, Server::Reference].map(|server| Run::new(server, None));
    for run in &mut both {
        sent.iter().for_each(|frame| run.answers.expect(frame));
    }
    let mut before = both.each_ref().map(Run::outcome);
    for turn in turns {
        both.iter_mut().for_each(|run| run.take(turn));
        let after = both.each_ref().map(Run::outcome);
        if let Turn::Send(pieces) = turn
            && let frame = &pieces[0]
            && frame.len() >= FRAME_HEAD
        {
            let [ours, theirs] = [0, 1].map(|at| Reaction::between(frame, &before[at], &after[at]));
            let is_late = before[0].goaways.last().is_some_and(|(last, _)| stream_of(frame) > *last);
            let answer = before[1].answers.get(&stream_of(frame));
            let is_answered = answer.is_some_and(|answer| answer.head.is_some());
            let answer = before[0].answers.get(&stream_of(frame));
            let is_over = answer.is_some_and(|answer| answer.is_ended || answer.reset.is_some());
            let is_reset =
                |before: &Frame| before[3] == kind::RST_STREAM && stream_of(before) == stream_of(frame);
            let is_cancelled = sent.iter().take_while(|before| *before != frame).any(is_reset);
            let has_no_path = after[1].requests.last().is_some_and(|request| request.line.contains("  "));
            let is_request = after[0].requests.len() > before[0].requests.len();
            let is_connect = is_request
                && after[0].requests.last().is_some_and(|request| request.line.starts_with("CONNECT "));
            let meeting = Meeting {
                frame,
                ours,
                theirs,
                is_mutated,
                is_late,
                is_answered,
                is_over,
                is_cancelled,
                has_no_path,
                is_connect,
            };
            match (ours, theirs) {
                // Of a head that h2 has found to be malformed it may not have taken note of what goes into the table.
                (Reaction::Resets(_), Reaction::Resets(_)) if frame[3] == kind::CONTINUATION => {
                    return Some(None);
                }
                // Sooner or later: see `difference`.
                (Reaction::Serves, Reaction::Resets(code::INTERNAL_ERROR)) => {}
                _ if ours == theirs => {}
                _ if meeting.may_differ() => return Some(None),
                _ => return Some(Some(format!("  {ours:?}, not {theirs:?}, at {}\n", describe(frame)))),
            }
        }
        before = after;
    }
    None
}

/// Leaves out what may differ, and why:
///
/// - Of a request that the client gave up, or whose connection failed, nothing but the head is certain to be read, nor is
///   it certain whether its reader hears of that or is dropped.
/// - Whether somebody has seen that there is nothing to be read.
/// - Of a response that broke off, how much was sent before.
/// - How far a body has been read that is echoed: the response tells.
/// - Whether what is last read of a connection that has ended is acknowledged.
/// - A response that is whole may be followed by RST_STREAM with NO_ERROR (RFC 9113, 8.1). It says nothing to a client that has sent
///   all of its request, and whether it has is a matter of when.
fn leave_out(outcome: &mut Outcome) {
    if outcome.is_closed {
        outcome.acknowledged = 0;
        outcome.pongs.clear();
    }
    for request in &mut outcome.requests {
        let is_given_up = request.is_cancelled && request.end == End::Open;
        let is_echoed = request.line.contains("/duplex");
        if request.end == End::Broken || is_given_up || is_echoed {
            (request.end, request.is_cancelled, request.trailers) = (End::Broken, true, None);
            request.body.clear();
        }
        request.trailers.take_if(|trailers| trailers.is_empty());
        if request.end == End::Complete && request.body.is_empty() && request.trailers.is_none() {
            request.end = End::Unread;
        }
    }
    for answer in outcome.answers.values_mut() {
        match answer.reset {
            Some(0) if answer.is_ended => answer.reset = None,
            Some(_) => answer.body.clear(),
            None => {}
        }
    }
}

/// What the two do not have in common, beyond what they need not.
pub(super) fn difference(mut ours: Outcome, mut theirs: Outcome) -> Option<String> {
    leave_out(&mut ours);
    leave_out(&mut theirs);
    // Neither counts all requests that are malformed. They are not the same ones.
    let is_refused = |answer: &Answer| answer.head.is_none() && answer.reset.is_some();
    for ((last, _), (other, _)) in ours.goaways.iter_mut().zip(&theirs.goaways) {
        let between = 1 + *other.min(last)..=*other.max(last);
        if last != other
            && ours.answers.get(between.end()).is_some_and(is_refused)
            && ours.answers.range(between).all(|(_, answer)| is_refused(answer))
        {
            *last = *other;
        }
    }
    let has_failed = ours.failure().is_some() && ours.failure() == theirs.failure();
    let sum = |outcome: &Outcome| outcome.answers.values().map(|answer| answer.body.len()).sum::<usize>();
    let is_shared = has_failed || sum(&ours) == sum(&theirs);
    for (stream, answer) in &mut ours.answers {
        let Some(other) = theirs.answers.get_mut(stream) else { continue };
        // What has no room in the window is sent before a response is broken off. h2 drops it.
        if other.reset == Some(code::INTERNAL_ERROR) && !answer.is_ended && answer.reset.is_none() {
            other.reset = None;
            answer.body.clear();
        }
        // Which of them has the connection's window when there is not enough.
        if is_shared
            && !(answer.is_ended && other.is_ended)
            && answer.reset.is_none()
            && other.reset.is_none()
        {
            answer.clone_from(other);
        }
    }
    unlike(&ours, &theirs)
}

fn unlike(one: &Outcome, two: &Outcome) -> Option<String> {
    if one == two {
        return None;
    }
    let mut text = String::new();
    let mut tell = |what: &str, one: String, two: String| {
        if one != two {
            text += &format!("  {what}\n    {one}\n    {two}\n");
        }
    };
    for at in 0..one.requests.len().max(two.requests.len()) {
        tell("request", format!("{:?}", one.requests.get(at)), format!("{:?}", two.requests.get(at)));
    }
    for at in one.answers.keys().chain(two.answers.keys()) {
        tell(
            &format!("answer {at}"),
            format!("{:?}", one.answers.get(at)),
            format!("{:?}", two.answers.get(at)),
        );
    }
    let rest = |outcome: &Outcome| {
        let Outcome { acknowledged, pongs, goaways, is_closed, .. } = outcome;
        format!("acknowledged {acknowledged} pongs {} goaways {goaways:?} closed {is_closed}", pongs.len())
    };
    tell("connection", rest(one), rest(two));
    if text.is_empty() {
        text = "  the bytes of a body, or the payload of a pong".into();
    }
    Some(text)
}

/// What does not depend on how the client's bytes were cut. This does:
///
/// - If the connection fails, how far the requests before that had come by then.
/// - What a stream had come to that is reset, whether its request reached the service, and that it is reset if the client does
///   so too.
/// - Whether a client still waits for 100 (Continue).
/// - Whether a request without a body is seen to have none in front: its end may come with it, or later.
pub(super) fn cut_difference(sent: &[Frame], mut one: Outcome, mut two: Outcome) -> Option<String> {
    let has_failed = one.failure().is_some() && one.failure() == two.failure();
    for outcome in [&mut one, &mut two] {
        outcome.requests.retain(|request| !request.is_cancelled);
        for request in &mut outcome.requests {
            if request.body.is_empty() {
                (request.is_empty, request.length) = (false, None);
            }
        }
        for frame in sent.iter().filter(|frame| frame.len() >= FRAME_HEAD && frame[3] == kind::RST_STREAM) {
            outcome.answers.remove(&stream_of(frame));
        }
        for answer in outcome.answers.values_mut() {
            answer.interim.retain(|fields| !fields.contains(&(b":status".to_vec(), b"100".to_vec())));
            if !answer.is_ended && answer.reset.is_some() {
                *answer = Answer { reset: answer.reset, ..Answer::default() };
            }
        }
        outcome.answers.retain(|_, answer| *answer != Answer::default());
        if has_failed {
            *outcome = Outcome {
                goaways: mem::take(&mut outcome.goaways),
                is_closed: outcome.is_closed,
                ..Outcome::default()
            };
        }
    }
    difference(one, two)
}
