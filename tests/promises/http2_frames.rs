//! HTTP/2 in front, held against RFC 9113 and RFC 7541 frame by frame: what a client does wrong, and what looks like it.

use crate::support::{
    backend::{Backend, Step as Do, answer},
    frames::{
        MAX_FRAME, PREFACE, WINDOW, Wire, ask, code, data, flag, frame, get, kind, post, request_block,
        reset, setting, settings, window_update,
    },
    hpack,
    proxy::Proxy,
    trials,
};

trials![
    bodies_and_padding,
    compression_of_fields,
    continuations,
    fields,
    lengths,
    other_frames,
    prefaces_that_are_none,
    pseudo_fields,
    settings_of_the_client,
    states_of_streams,
    targets,
    the_server_says_first_what_holds,
    trailers,
    windows,
];

use Outcome::*;

/// The stream on which a case happens, and the one that is asked for afterwards.
const STREAM: u32 = 5;
const AFTER: u32 = 101;

/// How often a conversation is split that is not sent at once.
const PIECES: usize = 600;

/// What a client does after its preface.
enum Step {
    Send(Vec<u8>),
    /// Waits until the stream of the case is over.
    Over,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// The stream is answered, the connection goes on.
    Answered(u16),
    /// The connection is ended with this code.
    Ended(u32),
    /// The stream is neither answered nor reset, the connection goes on.
    Ignored,
    /// The stream is reset with this code, the connection goes on.
    Reset(u32),
}

/// What may come of it, the word of the RFC first. Behind it stands, in some places, what h2 does: it calls most of what
/// it cannot read a PROTOCOL_ERROR, and ends the connection where a stream would do (which 5.4.1 leaves to it).
type Outcomes = &'static [Outcome];

const FINE: Outcomes = &[Answered(200)];
const IGNORED: Outcomes = &[Ignored];
const VIOLATION: Outcomes = &[Ended(code::PROTOCOL_ERROR)];
const WRONG_SIZE: Outcomes = &[Ended(code::FRAME_SIZE_ERROR), Ended(code::PROTOCOL_ERROR)];
const TOO_LARGE: Outcomes = &[Ended(code::FRAME_SIZE_ERROR)];
const WINDOW_TOO_LARGE: Outcomes = &[Ended(code::FLOW_CONTROL_ERROR), Ended(code::PROTOCOL_ERROR)];
const COMPRESSION: Outcomes = &[Ended(code::COMPRESSION_ERROR), Ended(code::PROTOCOL_ERROR)];
const MALFORMED: Outcomes = &[Reset(code::PROTOCOL_ERROR)];
const MALFORMED_TEXT: Outcomes = &[Reset(code::PROTOCOL_ERROR), Ended(code::PROTOCOL_ERROR)];
const CLOSED: Outcomes =
    &[Reset(code::STREAM_CLOSED), Ended(code::STREAM_CLOSED), Ended(code::PROTOCOL_ERROR)];

type Case = (&'static str, Vec<Step>, Outcomes);

fn case(name: &'static str, sent: impl Into<Vec<u8>>, outcomes: Outcomes) -> Case {
    (name, vec![Step::Send(sent.into())], outcomes)
}

/// Something on the stream after it is over.
fn late(name: &'static str, sent: Vec<u8>, late: Vec<u8>, outcomes: Outcomes) -> Case {
    (name, vec![Step::Send(sent), Step::Over, Step::Send(late)], outcomes)
}

/// Says "fine" to `/`, echoes bodies, and leaves `/held` without an answer.
fn backend() -> Backend {
    Backend::scripted(|request| match (request.target(), request.method()) {
        ("/held", _) => vec![Do::Hold],
        (_, "POST") => vec![Do::Send(answer("200 OK", &[], &request.body))],
        _ => vec![Do::Send(answer("200 OK", &[], "fine"))],
    })
}

/// Each case on a connection of its own, sent at once and then in pieces.
#[track_caller]
fn hold(cases: &[Case]) {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    check(&proxy, cases, &[1, PIECES]);
}

/// The same where all that is not answered is malformed: counted, and nothing that an upstream gets to see.
#[track_caller]
fn hold_malformed(cases: &[Case], pieces: &[usize]) {
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
fn check(proxy: &Proxy, cases: &[Case], pieces: &[usize]) -> Vec<Outcome> {
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

/// RFC 9113, 3.4.
fn the_server_says_first_what_holds() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::connect(proxy.listen);
    wire.send([PREFACE, &settings(&[]), &frame(kind::PING, 0, 0, b"pingpong")].concat());
    wire.until("PING is answered", |wire| !wire.pongs.is_empty());
    assert_eq!(wire.log[0], (kind::SETTINGS, 0));
    assert_eq!((wire.acknowledged, &wire.pongs[0][..]), (1, &b"pingpong"[..]));
    let value = |key| wire.settings.iter().find(|setting| setting.0 == key).map(|setting| setting.1);
    assert_eq!(value(setting::MAX_CONCURRENT_STREAMS), Some(128));
    assert_eq!(value(setting::ENABLE_CONNECT_PROTOCOL), Some(1));
    assert_eq!(value(setting::INITIAL_WINDOW_SIZE).unwrap_or(WINDOW as u32), WINDOW as u32);
    // A server does not push, nor does it talk of it.
    assert_eq!(value(setting::ENABLE_PUSH), None);
    // One SETTINGS, one ACK, whatever else the connection does.
    wire.send(frame(kind::SETTINGS, flag::ACK, 0, []));
    wire.send([settings(&[(setting::ENABLE_PUSH, 0)]), settings(&[])].concat());
    wire.until("settings are acknowledged", |wire| wire.acknowledged == 3);
    wire.assert_goes_on(1, "fine");
    assert_eq!(wire.credit, 1024 * 1024 - WINDOW, "a connection may have 1 MiB under way");
    assert_eq!(wire.log.iter().filter(|entry| **entry == (kind::SETTINGS, 0)).count(), 4);
}

fn prefaces_that_are_none() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    for preface in [
        &b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx",
        b"PRI * HTTP/2.0\r\nHost: a\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
        b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRX * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"pri * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        for size in [preface.len(), 1] {
            let mut client = proxy.client();
            for piece in [preface, &settings(&[]), &get(1, &[])].concat().chunks(size) {
                client.send(piece);
            }
            // It was no HTTP/2: nobody would read a GOAWAY.
            let said = String::from_utf8_lossy(&client.rest()).into_owned();
            assert!(said.starts_with("HTTP/1.1 505 "), "{:?}: {said}", preface.escape_ascii());
        }
    }
    assert_eq!(proxy.get("/").text(), "fine");
    assert_eq!(backend.seen().len(), 1);
}

/// RFC 9113, 6.5.
fn settings_of_the_client() {
    use setting::*;
    let with = |name, values: &[(u16, u32)], outcomes| {
        case(name, [settings(values), get(STREAM, &[])].concat(), outcomes)
    };
    let largest = [
        (HEADER_TABLE_SIZE, u32::MAX),
        (ENABLE_PUSH, 1),
        (MAX_CONCURRENT_STREAMS, u32::MAX),
        (INITIAL_WINDOW_SIZE, (1 << 31) - 1),
        (MAX_FRAME_SIZE, (1 << 24) - 1),
        (MAX_HEADER_LIST_SIZE, u32::MAX),
        (ENABLE_CONNECT_PROTOCOL, 1),
    ];
    let smallest = [
        (HEADER_TABLE_SIZE, 0),
        (ENABLE_PUSH, 0),
        (MAX_CONCURRENT_STREAMS, 0),
        (INITIAL_WINDOW_SIZE, 4),
        (MAX_FRAME_SIZE, 1 << 14),
        (MAX_HEADER_LIST_SIZE, 0),
        (ENABLE_CONNECT_PROTOCOL, 0),
    ];
    let within = |bytes: Vec<u8>| [ask(STREAM, "GET", "/held", &[]), bytes].concat();
    hold(&[
        with("none", &[], FINE),
        with("the largest", &largest, FINE),
        with("the smallest", &smallest, FINE),
        with("unknown ones", &[(0, 0), (7, 1), (0x1234, 5), (u16::MAX, u32::MAX)], FINE),
        with("the last one holds", &[(INITIAL_WINDOW_SIZE, 0), (INITIAL_WINDOW_SIZE, 1 << 16)], FINE),
        with("a push that is none", &[(ENABLE_PUSH, 2)], VIOLATION),
        with("a protocol that is none", &[(ENABLE_CONNECT_PROTOCOL, 2)], VIOLATION),
        with("frames too small", &[(MAX_FRAME_SIZE, (1 << 14) - 1)], VIOLATION),
        with("frames too large", &[(MAX_FRAME_SIZE, 1 << 24)], VIOLATION),
        with("a window too large", &[(INITIAL_WINDOW_SIZE, 1 << 31)], WINDOW_TOO_LARGE),
        case("on an idle stream", frame(kind::SETTINGS, 0, STREAM, []), VIOLATION),
        case("on a stream", within(frame(kind::SETTINGS, 0, STREAM, [])), VIOLATION),
        case("half of one", frame(kind::SETTINGS, 0, 0, [0; 3]), WRONG_SIZE),
        case("one and a bit", frame(kind::SETTINGS, 0, 0, [0; 7]), WRONG_SIZE),
        case("ACK with values", frame(kind::SETTINGS, flag::ACK, 0, [0, 4, 0, 0, 0, 1]), WRONG_SIZE),
        case("ACK", [frame(kind::SETTINGS, flag::ACK, 0, []), get(STREAM, &[])].concat(), FINE),
        case("unknown flags", [frame(kind::SETTINGS, 0xfe, 0, []), get(STREAM, &[])].concat(), FINE),
    ]);
}

/// PING, PRIORITY, RST_STREAM, PUSH_PROMISE, GOAWAY, types that nobody knows.
fn other_frames() {
    let before = |bytes: Vec<u8>| [bytes, get(STREAM, &[])].concat();
    let within = |bytes: Vec<u8>| [ask(STREAM, "GET", "/held", &[]), bytes].concat();
    let cancel = || reset(STREAM, code::CANCEL);
    let promise = [&[0, 0, 0, 2][..], &request_block("GET", "/", &[])].concat();
    hold(&[
        case("unknown", before(frame(0xfa, 0xff, 0, b"what")), FINE),
        case("unknown, empty", before(frame(0xfa, 0, 0, b"")), FINE),
        case("unknown, of an idle stream", before(frame(0xfa, 0, 99, b"what")), FINE),
        case("unknown, within a stream", within(frame(0xfa, 0xff, STREAM, b"what")), IGNORED),
        case("unknown, as large as allowed", before(frame(0xfa, 0, 0, [0; MAX_FRAME])), FINE),
        case("unknown, larger", before(frame(0xfa, 0, 0, [0; MAX_FRAME + 1])), TOO_LARGE),
        case("ALTSVC", before(frame(0xa, 0, 0, b"\0\x01a")), FINE),
        case("PRIORITY_UPDATE", before(frame(0x10, 0, 0, b"\0\0\0\x05u=1")), FINE),
        case("PING, the reserved bit", before(frame(kind::PING, 0, 1 << 31, [0; 8])), FINE),
        case("PING, unknown flags", before(frame(kind::PING, 0xfe, 0, [0; 8])), FINE),
        case("PING, an answer to none", before(frame(kind::PING, flag::ACK, 0, [7; 8])), FINE),
        case("PING of a stream", within(frame(kind::PING, 0, STREAM, [0; 8])), VIOLATION),
        case("PING of 6", frame(kind::PING, 0, 0, [0; 6]), WRONG_SIZE),
        case("PING of 9", frame(kind::PING, 0, 0, [0; 9]), WRONG_SIZE),
        case("PRIORITY before", before(frame(kind::PRIORITY, 0, STREAM, [0, 0, 0, 0, 16])), FINE),
        case("PRIORITY within", within(frame(kind::PRIORITY, 0, STREAM, [0, 0, 0, 1, 255])), IGNORED),
        case("PRIORITY of an even stream", before(frame(kind::PRIORITY, 0, 98, [0; 5])), FINE),
        case("PRIORITY of the connection", frame(kind::PRIORITY, 0, 0, [0; 5]), VIOLATION),
        case(
            "PRIORITY of 4",
            within(frame(kind::PRIORITY, 0, STREAM, [0; 4])),
            &[Reset(code::FRAME_SIZE_ERROR), Ended(code::PROTOCOL_ERROR)],
        ),
        case("RST_STREAM", within(cancel()), IGNORED),
        case("RST_STREAM twice", within([cancel(), cancel()].concat()), IGNORED),
        case("RST_STREAM, an unknown code", within(reset(STREAM, 0xdead_beef)), IGNORED),
        case("RST_STREAM of the connection", reset(0, code::CANCEL), VIOLATION),
        case("RST_STREAM of an idle stream", cancel(), VIOLATION),
        case("RST_STREAM of 3", within(frame(kind::RST_STREAM, 0, STREAM, [0; 3])), WRONG_SIZE),
        case("RST_STREAM of 5", within(frame(kind::RST_STREAM, 0, STREAM, [0; 5])), WRONG_SIZE),
        case(
            "PUSH_PROMISE",
            within(frame(kind::PUSH_PROMISE, flag::END_HEADERS, STREAM, promise)),
            VIOLATION,
        ),
        case("GOAWAY of a stream", within(frame(kind::GOAWAY, 0, STREAM, [0; 8])), VIOLATION),
        case("GOAWAY of 7", frame(kind::GOAWAY, 0, 0, [0; 7]), WRONG_SIZE),
    ]);
}

/// RFC 9113, 6.1 and 6.2.
fn bodies_and_padding() {
    let posted = |bytes: Vec<u8>| [post(STREAM, "/", &[]), bytes].concat();
    let padded = |padding: u8, rest: &[u8]| {
        posted(data(STREAM, flag::END_STREAM | flag::PADDED, [&[padding][..], rest].concat()))
    };
    let block = request_block("GET", "/", &[]);
    let head = |flags, parts: &[&[u8]]| frame(kind::HEADERS, flag::WHOLE | flags, STREAM, parts.concat());
    let empty = |count| data(STREAM, 0, "").repeat(count);
    let both = flag::PADDED | flag::PRIORITY;
    let long = get(STREAM, &[("x", &"y".repeat(MAX_FRAME))]);
    hold(&[
        case("whole", posted(data(STREAM, flag::END_STREAM, "body")), FINE),
        case("empty", posted(data(STREAM, flag::END_STREAM, "")), FINE),
        case("unknown flags", posted(data(STREAM, flag::END_STREAM | 0xf6, "body")), FINE),
        case("padded", padded(3, b"body\0\0\0"), FINE),
        case("padded with what is not zero", padded(3, b"bodyabc"), FINE),
        case("padded by 0", padded(0, b"body"), FINE),
        case("nothing but padding", padded(3, &[0; 3]), FINE),
        case("more padding than frame", padded(4, &[0; 3]), VIOLATION),
        case(
            "padded without a length",
            posted(data(STREAM, flag::END_STREAM | flag::PADDED, "")),
            WRONG_SIZE,
        ),
        case("many empty ones", posted([empty(50), data(STREAM, flag::END_STREAM, "body")].concat()), FINE),
        case("nothing but empty ones", posted(empty(5_000)), &[Ended(code::ENHANCE_YOUR_CALM)]),
        case("of the connection", data(0, 0, "body"), VIOLATION),
        case("as large as allowed", posted(data(STREAM, flag::END_STREAM, [b'x'; MAX_FRAME])), FINE),
        case("larger", posted(data(STREAM, flag::END_STREAM, [b'x'; MAX_FRAME + 1])), TOO_LARGE),
        case("a padded head", head(flag::PADDED, &[&[2], &block, &[0; 2]]), FINE),
        case("a head with a priority", head(flag::PRIORITY, &[&[0x80, 0, 0, 3, 16], &block]), FINE),
        case("a padded head with one", head(both, &[&[2, 0x80, 0, 0, 3, 16], &block, &[0; 2]]), FINE),
        case("a head with unknown flags", head(0xd2, &[&block]), FINE),
        case("the reserved bit", get(STREAM | 1 << 31, &[]), FINE),
        case("more padding than head", head(flag::PADDED, &[&[255], &block]), VIOLATION),
        case("a head padded without a length", head(flag::PADDED, &[]), WRONG_SIZE),
        case("a head without room for its priority", head(flag::PRIORITY, &[&[0; 4]]), WRONG_SIZE),
        case("a head of the connection", get(0, &[]), VIOLATION),
        case("a head larger than a frame", long, TOO_LARGE),
    ]);
}

/// RFC 9113, 5.1.
fn states_of_streams() {
    let held = |bytes: Vec<u8>| [ask(STREAM, "GET", "/held", &[]), bytes].concat();
    let cancelled = |bytes| held([reset(STREAM, code::CANCEL), bytes].concat());
    let whole = || get(STREAM, &[]);
    let continuation = || frame(kind::CONTINUATION, flag::END_HEADERS, STREAM, []);
    let priority = || frame(kind::PRIORITY, 0, STREAM, [0; 5]);
    let trailers = || frame(kind::HEADERS, flag::WHOLE, STREAM, hpack::literals(&[("x-sum", "1")]));
    let held_post = |bytes: &[Vec<u8>]| [&[post(STREAM, "/held", &[])], bytes].concat().concat();
    let last = || data(STREAM, flag::END_STREAM, "x");
    hold(&[
        case("idle: DATA", data(STREAM, 0, "x"), VIOLATION),
        case("idle: WINDOW_UPDATE", window_update(STREAM, 1), VIOLATION),
        case("idle: CONTINUATION", continuation(), VIOLATION),
        case("ended: DATA", held(data(STREAM, 0, "x")), CLOSED),
        case("ended: HEADERS", held(whole()), CLOSED),
        case("ended: trailers", held(trailers()), CLOSED),
        case("ended: CONTINUATION", held(continuation()), VIOLATION),
        case("ended: WINDOW_UPDATE", held(window_update(STREAM, 1)), IGNORED),
        case("ended by DATA: DATA", held_post(&[last(), last()]), CLOSED),
        case("ended by trailers: trailers", held_post(&[trailers(), trailers()]), CLOSED),
        case("ended by trailers: DATA", held_post(&[trailers(), last()]), CLOSED),
        case("cancelled: DATA", cancelled(data(STREAM, 0, "x")), CLOSED),
        case("cancelled: HEADERS", cancelled(whole()), CLOSED),
        case("cancelled: WINDOW_UPDATE", cancelled(window_update(STREAM, 1)), IGNORED),
        case("cancelled: PRIORITY", cancelled(priority()), IGNORED),
        late("closed: DATA", whole(), data(STREAM, 0, "x"), CLOSED),
        late("closed: HEADERS", whole(), whole(), CLOSED),
        late("closed: trailers", whole(), trailers(), CLOSED),
        late("closed: CONTINUATION", whole(), continuation(), VIOLATION),
        late("closed: WINDOW_UPDATE", whole(), window_update(STREAM, 1), FINE),
        late("closed: RST_STREAM", whole(), reset(STREAM, code::CANCEL), FINE),
        late("closed: PRIORITY", whole(), priority(), FINE),
        case("an even number", get(4, &[]), VIOLATION),
        late("a lower number, later", whole(), get(3, &[]), VIOLATION),
        case("skipped: HEADERS", [get(STREAM + 2, &[]), whole()].concat(), VIOLATION),
        case("skipped: DATA", [get(STREAM + 2, &[]), data(STREAM, 0, "x")].concat(), CLOSED),
        case("skipped: WINDOW_UPDATE", [get(STREAM + 2, &[]), window_update(STREAM, 1)].concat(), IGNORED),
        case("skipped: RST_STREAM", [get(STREAM + 2, &[]), reset(STREAM, code::CANCEL)].concat(), IGNORED),
    ]);
}

/// RFC 9113, 6.10.
fn continuations() {
    let block = request_block("GET", "/", &[("x-a", "b")]);
    let begin = |part: &[u8]| frame(kind::HEADERS, flag::END_STREAM, STREAM, part);
    let more = |flags, stream, part: &[u8]| frame(kind::CONTINUATION, flags, stream, part);
    let last = |part: &[u8]| more(flag::END_HEADERS, STREAM, part);
    let (one, two) = block.split_at(20);
    let within = |bytes: Vec<u8>| [begin(one), bytes, last(two)].concat();
    let small: Vec<u8> = block.chunks(4).flat_map(|part| more(0, STREAM, part)).collect();
    let endless: Vec<u8> = (0..20_000).flat_map(|_| more(0, STREAM, b"\x10\x01x\x01y")).collect();
    hold(&[
        case("one", within(vec![]), FINE),
        case("an empty one between", within(more(0, STREAM, b"")), FINE),
        case("an empty one at the end", [begin(&block), last(b"")].concat(), FINE),
        case("nothing but them", [begin(b""), small, last(b"")].concat(), FINE),
        case("unknown flags", [begin(one), more(0xff, STREAM, two)].concat(), FINE),
        case("of another stream", within(more(0, STREAM + 2, b"")), VIOLATION),
        case("of the connection", within(more(0, 0, b"")), VIOLATION),
        case("after the end", within(last(two)), VIOLATION),
        case("without a beginning", last(&block), VIOLATION),
        case("larger than a frame", within(more(0, STREAM, &[0; MAX_FRAME + 1])), TOO_LARGE),
        case("without end", [begin(&block), endless].concat(), &[Ended(code::ENHANCE_YOUR_CALM)]),
        case("DATA between", within(data(STREAM, 0, "x")), VIOLATION),
        case("HEADERS between", within(get(STREAM + 2, &[])), VIOLATION),
        case("the same HEADERS between", within(begin(one)), VIOLATION),
        case("PRIORITY between", within(frame(kind::PRIORITY, 0, STREAM, [0; 5])), VIOLATION),
        case("RST_STREAM between", within(reset(STREAM, code::CANCEL)), VIOLATION),
        case("SETTINGS between", within(settings(&[])), VIOLATION),
        case("PING between", within(frame(kind::PING, 0, 0, [0; 8])), VIOLATION),
        case("GOAWAY between", within(frame(kind::GOAWAY, 0, 0, [0; 8])), VIOLATION),
        case("WINDOW_UPDATE between", within(window_update(0, 1)), VIOLATION),
        case("an unknown one between", within(frame(0xfa, 0, 0, b"x")), VIOLATION),
        case("an unknown one of the stream between", within(frame(0xfa, 0, STREAM, b"x")), VIOLATION),
    ]);
}

/// RFC 7541.
fn compression_of_fields() {
    // GET, http, /, and a as the authority.
    const REQUEST: [u8; 6] = [0x82, 0x86, 0x84, 0x01, 1, b'a'];
    /// Enters the table.
    const KEPT: [u8; 5] = [0x40, 1, b'x', 1, b'y'];
    const OF_TABLE: u8 = 0xbe;
    let on = |stream, parts: &[&[u8]]| frame(kind::HEADERS, flag::WHOLE, stream, parts.concat());
    let before = |name, bytes: &[u8], outcomes| case(name, on(STREAM, &[bytes, &REQUEST]), outcomes);
    let behind = |name, bytes: &[u8], outcomes| case(name, on(STREAM, &[&REQUEST, bytes]), outcomes);
    let second = |name, bytes: &[u8], outcomes| {
        case(name, [on(STREAM - 2, &[&REQUEST, &KEPT]), on(STREAM, &[bytes])].concat(), outcomes)
    };
    let mut larger_than_table = [&REQUEST[..], &[0x40, 1, b'z']].concat();
    hpack::integer(&mut larger_than_table, 0, 7, 4_096);
    larger_than_table.extend([b'z'; 4_096]);
    let refused = [get(STREAM - 2, &[("connection", "close")]), on(STREAM, &[&REQUEST, &[OF_TABLE]])];
    hold(&[
        behind("nothing but the table", &[], FINE),
        behind("never to be kept", &[0x10, 1, b'x', 1, b'y'], FINE),
        behind("not kept", &[0x00, 1, b'x', 1, b'y'], FINE),
        behind("a number in more bytes than it takes", &[0x1f, 0x80, 0x80, 0x00, 1, b'y'], FINE),
        behind("kept", &KEPT, FINE),
        behind("kept and used", &[&KEPT[..], &[OF_TABLE, OF_TABLE]].concat(), FINE),
        second("kept and used later", &[&REQUEST[..], &[OF_TABLE]].concat(), FINE),
        second("kept and used as a name", &[&REQUEST[..], &[0x7e, 1, b'z', OF_TABLE]].concat(), FINE),
        second("gone with the table", &[&[0x20], &REQUEST[..], &[OF_TABLE]].concat(), COMPRESSION),
        second("a field larger than the table", &larger_than_table, FINE),
        second(
            "gone with a field larger than the table",
            &[&larger_than_table[..], &[OF_TABLE]].concat(),
            COMPRESSION,
        ),
        behind("index 0", &[0x80], COMPRESSION),
        behind("an index beyond the table", &[OF_TABLE], COMPRESSION),
        behind("a name beyond the table", &[0x7e, 1, b'x'], COMPRESSION),
        second("an index right behind the table", &[&REQUEST[..], &[0xbf]].concat(), COMPRESSION),
        behind("a huge index", &[0xff, 0xff, 0xff, 0xff, 0x0f], COMPRESSION),
        behind("a number that does not fit", &[&[0xff; 11][..], &[0]].concat(), COMPRESSION),
        behind("a number cut off", &[0xff, 0x80], COMPRESSION),
        behind("a name cut off", &[0x10, 5, b'x'], COMPRESSION),
        behind("a value cut off", &[0x10, 1, b'x', 5, b'y'], COMPRESSION),
        behind("a value missing", &[0x10, 1, b'x'], COMPRESSION),
        behind("codes", &[0x10, 1, b'x', 0x81, 0x1f], FINE),
        behind("no codes", &[0x10, 1, b'x', 0x80], FINE),
        behind("codes filled up with a zero", &[0x10, 1, b'x', 0x81, 0x1e], COMPRESSION),
        behind("codes filled up with a byte", &[0x10, 1, b'x', 0x82, 0x1f, 0xff], COMPRESSION),
        behind("the code of the end", &[0x10, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff], COMPRESSION),
        before("no table", &[0x20], FINE),
        before("a table as large as allowed", &[0x3f, 0xe1, 0x1f], FINE),
        before("no table and then one", &[0x20, 0x3f, 0xe1, 0x1f], FINE),
        before("a table larger than allowed", &[0x3f, 0xe2, 0x1f], COMPRESSION),
        behind("a table's size behind a field", &[0x20], COMPRESSION),
        // What the table holds is known whatever became of the request.
        case("beside a stream that is refused", refused.concat(), COMPRESSION),
        case(
            "kept by a stream that is refused",
            [
                on(STREAM - 2, &[&REQUEST, &[0x10, 10], b"connection", &[5], b"close", &KEPT]),
                on(STREAM, &[&REQUEST, &[OF_TABLE]]),
            ]
            .concat(),
            FINE,
        ),
        case(
            "kept by a stream that is cancelled",
            [
                on(STREAM - 2, &[&REQUEST, &KEPT]),
                reset(STREAM - 2, code::CANCEL),
                on(STREAM, &[&REQUEST, &[OF_TABLE]]),
            ]
            .concat(),
            FINE,
        ),
    ]);
}

/// RFC 9113, 8.2.
fn fields() {
    let raw = |name, (field, value): (&[u8], &[u8]), outcomes| {
        let block = [request_block("GET", "/", &[]), hpack::literals(&[(field, value)])].concat();
        case(name, frame(kind::HEADERS, flag::WHOLE, STREAM, block), outcomes)
    };
    let bad = |name, field: &str, value: &str| raw(name, (field.as_bytes(), value.as_bytes()), MALFORMED);
    hold_malformed(
        &[
            raw("te: trailers", (b"te", b"trailers"), FINE),
            raw("an empty value", (b"x-a", b""), FINE),
            raw("a value beyond ASCII", (b"x-a", b"\x80\xff"), FINE),
            raw("a value with a tab", (b"x-a", b"b\tc"), FINE),
            case("cookies apart", get(STREAM, &[("cookie", "a=1"), ("cookie", "b=2")]), FINE),
            bad("connection", "connection", "close"),
            bad("an empty connection", "connection", ""),
            bad("keep-alive", "keep-alive", "timeout=5"),
            bad("proxy-connection", "proxy-connection", "close"),
            bad("transfer-encoding", "transfer-encoding", "chunked"),
            bad("transfer-encoding: identity", "transfer-encoding", "identity"),
            bad("upgrade", "upgrade", "websocket"),
            bad("te: gzip", "te", "gzip"),
            bad("te: trailers, gzip", "te", "trailers, gzip"),
            raw("an upper-case name", (b"X-Upper", b"b"), MALFORMED_TEXT),
            raw("an upper-case letter", (b"x-uppeR", b"b"), MALFORMED_TEXT),
            raw("no name", (b"", b"b"), MALFORMED_TEXT),
            raw("a name with a blank", (b"x a", b"b"), MALFORMED_TEXT),
            raw("a name with a colon", (b"x:a", b"b"), MALFORMED_TEXT),
            raw("a name beyond ASCII", (b"x\xff", b"b"), MALFORMED_TEXT),
            raw("a name with NUL", (b"x\0", b"b"), MALFORMED_TEXT),
            raw("a name with DEL", (b"x\x7f", b"b"), MALFORMED_TEXT),
            raw("a name with a line break", (b"x: y\r\nz", b"b"), MALFORMED_TEXT),
            raw("a value with NUL", (b"x", b"a\0b"), MALFORMED_TEXT),
            raw("a value with CR", (b"x", b"a\rb"), MALFORMED_TEXT),
            raw("a value with LF", (b"x", b"a\nb"), MALFORMED_TEXT),
            raw("a value with a line break", (b"x", b"a\r\nz: b"), MALFORMED_TEXT),
        ],
        &[1, PIECES],
    );
}

/// RFC 9113, 8.1.1.
fn lengths() {
    let body = |name, length: &str, frames: &[Vec<u8>], outcomes| {
        let head = post(STREAM, "/", &[("content-length", length)]);
        case(name, [&[head], frames].concat().concat(), outcomes)
    };
    let part = |bytes| data(STREAM, 0, bytes);
    let last = |bytes| data(STREAM, flag::END_STREAM, bytes);
    let none = |name, fields: &[(&str, &str)], outcomes| case(name, get(STREAM, fields), outcomes);
    hold_malformed(
        &[
            none("none", &[("content-length", "0")], FINE),
            none("none of 5", &[("content-length", "5")], MALFORMED),
            none("not a number", &[("content-length", "x")], MALFORMED),
            none("a sign", &[("content-length", "+0")], MALFORMED),
            none("a list", &[("content-length", "0, 0")], MALFORMED),
            none("two", &[("content-length", "0"), ("content-length", "1")], MALFORMED),
            body("as announced", "4", &[last("body")], FINE),
            body("in parts", "4", &[part("bo"), part(""), last("dy")], FINE),
            body("ended apart", "4", &[part("body"), last("")], FINE),
            body("longer", "4", &[last("body!")], MALFORMED),
            body("shorter", "4", &[last("bod")], MALFORMED),
            body("shorter in parts", "4", &[part("bo"), last("d")], MALFORMED),
            body("nothing", "4", &[last("")], MALFORMED),
            body("huge", "18446744073709551616", &[last("body")], MALFORMED),
        ],
        &[1, PIECES],
    );
    // In pieces they are answered before the excess comes.
    hold_malformed(
        &[
            body("longer in parts", "4", &[part("body"), last("!")], MALFORMED),
            body("something instead of nothing", "0", &[last("x")], MALFORMED),
        ],
        &[1],
    );
}

/// RFC 9113, 8.3 and 8.5.
fn pseudo_fields() {
    let head = |name, fields: &[(&str, &str)], outcomes| {
        case(name, frame(kind::HEADERS, flag::WHOLE, STREAM, hpack::literals(fields)), outcomes)
    };
    let bad = |name, fields: &[(&str, &str)]| head(name, fields, MALFORMED);
    let [method, scheme, path, authority] =
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let connect = (":method", "CONNECT");
    hold_malformed(
        &[
            head("in another order", &[authority, path, scheme, method], FINE),
            head("a host instead of the authority", &[method, scheme, path, ("host", "a")], FINE),
            head("the same host", &[method, scheme, path, authority, ("host", "a")], FINE),
            head("https", &[method, (":scheme", "https"), path, authority], FINE),
            bad("no fields", &[]),
            bad("none", &[("x-a", "b")]),
            bad("no method", &[scheme, path, authority]),
            bad("no scheme", &[method, path, authority]),
            bad("no path", &[method, scheme, authority]),
            bad("an empty path", &[method, scheme, (":path", ""), authority]),
            bad("a path without slash", &[method, scheme, (":path", "x"), authority]),
            bad("a path with a blank", &[method, scheme, (":path", "/a b"), authority]),
            bad("a scheme that is none", &[method, (":scheme", "a b"), path, authority]),
            bad("an authority that is none", &[method, scheme, path, (":authority", "a b")]),
            bad("two methods", &[method, method, scheme, path, authority]),
            bad("two schemes", &[method, scheme, scheme, path, authority]),
            bad("two paths", &[method, scheme, path, path, authority]),
            bad("two authorities", &[method, scheme, path, authority, authority]),
            bad("behind a field", &[method, scheme, authority, ("x-a", "b"), path]),
            bad("of a response", &[method, scheme, path, authority, (":status", "200")]),
            bad("a protocol without CONNECT", &[method, scheme, path, authority, (":protocol", "websocket")]),
            bad("CONNECT with scheme and path", &[connect, scheme, path, authority]),
            head("unknown", &[method, scheme, path, authority, (":unknown", "x")], MALFORMED_TEXT),
            head("no name", &[method, scheme, path, authority, (":", "x")], MALFORMED_TEXT),
            head("an empty method", &[(":method", ""), scheme, path, authority], MALFORMED_TEXT),
            head("a method with a blank", &[(":method", "G T"), scheme, path, authority], MALFORMED_TEXT),
        ],
        &[1, PIECES],
    );
}

/// What is well-formed and answered here.
fn targets() {
    let head = |name, fields: &[(&str, &str)], status| {
        case(name, frame(kind::HEADERS, flag::WHOLE, STREAM, hpack::literals(fields)), status)
    };
    let [method, scheme, path, authority] =
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let connect = (":method", "CONNECT");
    let protocol = (":protocol", "connect-udp");
    let [bad_request, not_implemented]: [Outcomes; 2] = [&[Answered(400)], &[Answered(501)]];
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let cases = [
        head("no host", &[method, scheme, path], bad_request),
        head("an empty host", &[method, scheme, path, ("host", "")], bad_request),
        head("two hosts", &[method, scheme, path, ("host", "a"), ("host", "b")], bad_request),
        head("the same host twice", &[method, scheme, path, ("host", "a"), ("host", "a")], bad_request),
        head("no path but *", &[method, scheme, (":path", "*"), authority], bad_request),
        head("CONNECT", &[connect, (":authority", "a:80")], not_implemented),
        head("an unknown protocol", &[connect, protocol, scheme, path, authority], not_implemented),
    ];
    check(&proxy, &cases, &[1, PIECES]);
    assert!(backend.seen().iter().all(|request| request.start == "GET / HTTP/1.1"));
    assert_eq!(backend.seen().len(), 2 * cases.len() + 1, "each time the one behind it, and the last");
    // What a server of one authority is told is one authority.
    for host in ["a", "b"] {
        let mut wire = Wire::open(proxy.listen, &[]);
        wire.send(get(1, &[("host", host)]));
        wire.over(1).assert_is(200, "fine");
        assert_eq!(backend.seen().last().unwrap().all("host"), ["a"]);
    }
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(ask(1, "OPTIONS", "*", &[]));
    wire.over(1).assert_is(200, "fine");
    assert_eq!(backend.seen().last().unwrap().start, "OPTIONS * HTTP/1.1");
}

/// RFC 9113, 8.1.
fn trailers() {
    let on = |flags, fields: &[(&str, &str)]| frame(kind::HEADERS, flags, STREAM, hpack::literals(fields));
    let posted = |bytes: Vec<u8>| [post(STREAM, "/", &[]), data(STREAM, 0, "body"), bytes].concat();
    let sum = ("x-sum", "1");
    let more = frame(kind::CONTINUATION, flag::END_HEADERS, STREAM, hpack::literals(&[("x-more", "2")]));
    let short =
        [post(STREAM, "/", &[("content-length", "5")]), data(STREAM, 0, "body"), on(flag::WHOLE, &[sum])];
    hold_malformed(
        &[
            case("behind a body", posted(on(flag::WHOLE, &[sum])), FINE),
            case("behind none", [post(STREAM, "/", &[]), on(flag::WHOLE, &[sum])].concat(), FINE),
            case("in two frames", posted([on(flag::END_STREAM, &[sum]), more].concat()), FINE),
            case("empty", posted(on(flag::WHOLE, &[])), FINE),
            case("that do not end the stream", posted(on(flag::END_HEADERS, &[sum])), MALFORMED),
            case("of the connection", posted(on(flag::WHOLE, &[sum, ("connection", "close")])), MALFORMED),
            case("in upper case", posted(on(flag::WHOLE, &[("X-Sum", "1")])), MALFORMED_TEXT),
            case("behind a body too short", short.concat(), MALFORMED),
        ],
        &[1, PIECES],
    );
}

/// RFC 9113, 6.9.
fn windows() {
    const MOST: u32 = (1 << 31) - 1;
    let held = |bytes: Vec<u8>| [ask(STREAM, "GET", "/held", &[]), bytes].concat();
    let to_the_most = MOST - WINDOW as u32;
    let more = settings(&[(setting::INITIAL_WINDOW_SIZE, WINDOW as u32 + 1)]);
    hold(&[
        case("0 of the connection", window_update(0, 0), VIOLATION),
        case("0 of a stream", held(window_update(STREAM, 0)), MALFORMED_TEXT),
        case("of 3 bytes", frame(kind::WINDOW_UPDATE, 0, 0, [0; 3]), WRONG_SIZE),
        case("of 5 bytes", held(frame(kind::WINDOW_UPDATE, 0, STREAM, [1; 5])), WRONG_SIZE),
        case("the reserved bit", [window_update(0, 1 << 31 | 1), get(STREAM, &[])].concat(), FINE),
        case("the most of the connection", [window_update(0, to_the_most), get(STREAM, &[])].concat(), FINE),
        case("the most of a stream", held(window_update(STREAM, to_the_most)), IGNORED),
        case(
            "more than that of the connection",
            window_update(0, to_the_most + 1),
            &[Ended(code::FLOW_CONTROL_ERROR)],
        ),
        case(
            "more than that of a stream",
            held(window_update(STREAM, to_the_most + 1)),
            &[Reset(code::FLOW_CONTROL_ERROR)],
        ),
        case(
            "more than that by settings",
            held([window_update(STREAM, to_the_most), more].concat()),
            &[Ended(code::FLOW_CONTROL_ERROR)],
        ),
    ]);
}
