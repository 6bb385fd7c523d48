//! Both clients side by side, and where they may differ.

use super::run::{Client, End, Outcome, Plan, Run, Turn, run};
use crate::http2::conversation::{
    answers::Answer,
    code,
    wire::{FRAME_HEAD, Frame, describe, flag, is_whole, kind, stream_of},
};

/// What a client does about a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reaction {
    /// Nothing, or what it is there for.
    Takes,
    /// The frame's stream is reset.
    Resets(u32),
    /// The connection is ended.
    Fails(u32),
}

impl Reaction {
    fn between(frame: &[u8], before: &Outcome, after: &Outcome) -> Self {
        let reset =
            |outcome: &Outcome| outcome.requests.get(&stream_of(frame)).and_then(|request| request.reset);
        match (before.failure(), after.failure(), reset(before), reset(after)) {
            (None, Some(code), ..) => Self::Fails(code),
            (_, _, None, Some(code)) => Self::Resets(code),
            _ => Self::Takes,
        }
    }
}

/// A frame that the two did not do the same about.
struct Meeting<'a> {
    frame: &'a [u8],
    ours: Reaction,
    theirs: Reaction,
    /// Its stream is no more, or its upstream's side of it.
    is_over: bool,
    /// The head of the response has come on its stream, and not the end.
    is_answered: bool,
    /// An interim response has.
    is_hinted: bool,
    /// Nobody has opened its stream.
    is_idle: bool,
}

impl Meeting<'_> {
    /// Where the reference is not what we want to be like. Behind such a frame nothing is compared: what the two do then may
    /// well be another thing.
    fn may_differ(&self) -> bool {
        use Reaction::{Fails, Resets, Takes};
        use code::{
            CANCEL, COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED,
        };
        let has = |flag| self.frame[4] & flag != 0;
        let kind = self.frame[3];
        let is_of_head = [kind::HEADERS, kind::CONTINUATION].contains(&kind);
        let is_in_parts = kind == kind::CONTINUATION || kind == kind::HEADERS && !has(flag::END_HEADERS);
        match (self.theirs, self.ours) {
            // What does not depend on the rest of a frame ours deals with before that comes.
            (Takes, Fails(_) | Resets(_)) if !is_whole(self.frame) => true,
            // RFC 9113, 4.2, 4.3, 6.5.2 and 6.9.1: there is a code for it.
            (Fails(PROTOCOL_ERROR), Fails(COMPRESSION_ERROR | FRAME_SIZE_ERROR | FLOW_CONTROL_ERROR)) => true,
            // RFC 7541, 4.2: the size of a table stands first. To h2 each part of a head begins one.
            (Takes | Resets(_), Fails(COMPRESSION_ERROR)) if kind == kind::CONTINUATION => true,
            // 6.6: nobody may push who was told not to.
            (_, Fails(PROTOCOL_ERROR)) if kind == kind::PUSH_PROMISE => true,
            // 5.1.1: whether there may be such a stream is asked first.
            (Resets(PROTOCOL_ERROR), Fails(PROTOCOL_ERROR)) => is_of_head && self.is_idle,
            // 5.1: what comes on a stream that is no more is passed over. h2 knows of some for a while only, resets others
            // again, and ends the connection for the rest.
            (Resets(_) | Fails(_), Takes) if self.is_over => true,
            // 5.1: an error of the stream. h2 ends the connection.
            (Fails(PROTOCOL_ERROR), Resets(STREAM_CLOSED)) => self.is_over,
            // 8.1.1: a malformed response is an error of its stream: what h2 can't make a name or a value of, DATA without a
            // head, heads behind the head, and more.
            (Fails(PROTOCOL_ERROR), Resets(PROTOCOL_ERROR)) if is_of_head || kind == kind::DATA => true,
            // A head that is malformed is one all the same, and goes on (6.10). h2 resets the stream when it has found that
            // out, and then takes CONTINUATION for an error; or forgets it by the time of the next frame.
            (Resets(PROTOCOL_ERROR) | Fails(PROTOCOL_ERROR), Takes) if is_in_parts => true,
            (Takes | Resets(_), Resets(PROTOCOL_ERROR)) if kind == kind::CONTINUATION => true,
            // Who has ended the stream with it is told, too.
            (Takes, Resets(PROTOCOL_ERROR)) if is_of_head && has(flag::END_STREAM) => true,
            // 8.3.2: a response has a status, and nothing of a request; (8.1) its trailers have neither.
            (Takes | Resets(CANCEL), Resets(PROTOCOL_ERROR)) => is_of_head,
            // The length that an interim response gives is nobody's. h2 takes it for that of the response.
            (Resets(PROTOCOL_ERROR), Takes) if kind == kind::DATA => self.is_hinted && self.is_answered,
            // Nor does another interim response end one.
            (Resets(PROTOCOL_ERROR), Takes) if kind == kind::HEADERS && self.is_hinted => !self.is_answered,
            // 5.3.2: a stream that depends on itself is one whose priority is not followed, like any.
            (Resets(PROTOCOL_ERROR), Takes) => kind == kind::PRIORITY || is_of_head && has(flag::PRIORITY),
            // 6.3 and 6.9: errors of the stream, if there is one.
            (Fails(PROTOCOL_ERROR), Resets(FRAME_SIZE_ERROR)) => kind == kind::PRIORITY,
            (Fails(PROTOCOL_ERROR), Resets(PROTOCOL_ERROR) | Takes) if kind == kind::WINDOW_UPDATE => {
                self.frame[FRAME_HEAD..] == [0; 4]
            }
            // 6.5.3 does not forbid to acknowledge what nobody asked for.
            (Fails(PROTOCOL_ERROR), Takes) => kind == kind::SETTINGS && has(flag::ACK),
            _ => false,
        }
    }
}

/// What the two clients do not have in common, beyond what they need not.
pub(super) fn compare(plans: &[Plan], sent: &[Frame], turns: &[Turn]) -> Option<String> {
    if !sent[0].starts_with(&[0, 0]) || sent[0].get(3..5) != Some(&[kind::SETTINGS, 0]) {
        // RFC 9113, 3.4: SETTINGS come first. h2 does not ask.
        return None;
    }
    let [ours, theirs] =
        [Client::Ours, Client::Reference].map(|client| run(client, plans, sent, turns, None));
    let found = difference(ours, theirs)?;
    match first_difference(plans, sent, turns) {
        Some(None) => None,
        Some(Some(where_to_look)) => Some(found + &where_to_look),
        None => Some(found),
    }
}

/// Where the two did not do the same for the first time: nothing is said of it if they need not.
fn first_difference(plans: &[Plan], sent: &[Frame], turns: &[Turn]) -> Option<Option<String>> {
    let mut both = [Client::Ours, Client::Reference].map(|client| Run::new(client, plans, None));
    for run in &mut both {
        sent.iter().for_each(|frame| run.answers.expect(frame));
    }
    let mut before = both.each_ref().map(Run::outcome);
    let mut number = 0;
    for turn in turns {
        both.iter_mut().for_each(|run| run.take(turn));
        let after = both.each_ref().map(Run::outcome);
        if let Turn::Send(pieces) = turn
            && let frame = &pieces[0]
            && frame.len() >= FRAME_HEAD
        {
            let [ours, theirs] = [0, 1].map(|at| Reaction::between(frame, &before[at], &after[at]));
            let at = (stream_of(frame) as usize).wrapping_sub(1) / 2;
            let seen = before[0].seen.get(at);
            let request = before[0].requests.get(&stream_of(frame));
            let is_ended = seen.is_some_and(|seen| ![End::Open, End::Unsent].contains(&seen.end));
            let is_last = |before: &&Frame| {
                let ends =
                    [kind::DATA, kind::HEADERS].contains(&before[3]) && before[4] & flag::END_STREAM != 0;
                stream_of(before) == stream_of(frame) && (ends || before[3] == kind::RST_STREAM)
                    || before[3] == kind::GOAWAY
                        && before.len() > FRAME_HEAD
                        && before[FRAME_HEAD..] < frame[5..]
            };
            let mut earlier = sent[..number].iter();
            let is_over = is_ended
                || request.is_some_and(|request| request.reset.is_some())
                || earlier.any(|before| is_last(&before));
            let is_idle = request.is_none();
            let is_answered = seen.is_some_and(|seen| seen.head.is_some());
            let is_hinted = seen.is_some_and(|seen| !seen.interim.is_empty());
            let meeting = Meeting { frame, ours, theirs, is_over, is_answered, is_hinted, is_idle };
            if ours != theirs {
                if meeting.may_differ() {
                    return Some(None);
                }
                return Some(Some(format!("  {ours:?}, not {theirs:?}, at {}\n", describe(frame))));
            }
        }
        number += usize::from(matches!(turn, Turn::Send(_)));
        before = after;
    }
    None
}

fn leave_out(outcome: &mut Outcome) {
    if outcome.is_closed {
        outcome.acknowledged = 0;
        outcome.pongs.clear();
    }
}

/// What the two do not have in common, beyond what they need not.
pub(super) fn difference(mut ours: Outcome, mut theirs: Outcome) -> Option<String> {
    leave_out(&mut ours);
    leave_out(&mut theirs);
    for (one, other) in ours.seen.iter().zip(&mut theirs.seen) {
        // A response that is whole stays so, however the connection ends. h2 cuts it if the request has not been sent to its
        // end.
        if one.end == End::Complete
            && matches!(other.end, End::Broken | End::GoneAway(_))
            && one.body == other.body
        {
            other.clone_from(one);
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
    for at in 0..one.seen.len().max(two.seen.len()) {
        tell(&format!("response {at}"), format!("{:?}", one.seen.get(at)), format!("{:?}", two.seen.get(at)));
    }
    for at in one.requests.keys().chain(two.requests.keys()) {
        let shown = |outcome: &Outcome| format!("{:?}", outcome.requests.get(at));
        tell(&format!("request {at}"), shown(one), shown(two));
    }
    let rest = |outcome: &Outcome| {
        let Outcome { acknowledged, pongs, goaways, is_closed, .. } = outcome;
        format!("acknowledged {acknowledged} pongs {} goaways {goaways:?} closed {is_closed}", pongs.len())
    };
    tell("connection", rest(one), rest(two));
    Some(text)
}

/// What does not depend on how the upstream's bytes were cut. This does:
///
/// - How far a request has been sent when its response is complete or broken off, and whether the upstream is told that the
///   rest will not come.
pub(super) fn cut_difference(mut one: Outcome, mut two: Outcome) -> Option<String> {
    for outcome in [&mut one, &mut two] {
        let seen = outcome.seen.clone();
        for (stream, request) in &mut outcome.requests {
            let end = seen.get(*stream as usize / 2).map_or(End::Unsent, |seen| seen.end);
            if ![End::Open, End::Unsent].contains(&end) {
                *request = Answer { head: request.head.take(), ..Answer::default() };
            }
        }
    }
    difference(one, two)
}
