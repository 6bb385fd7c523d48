//! HTTP/2 in front, held against RFC 9113 and RFC 7541 frame by frame: what a client does wrong, and what looks like it.

use crate::support::{
    conversations::{
        CLOSED, COMPRESSION, FINE, IGNORED, MALFORMED,
        Outcome::{Answered, Ended, Reset},
        STREAM, VIOLATION, WINDOW_TOO_LARGE, WRONG_SIZE, backend, case, hold, late,
    },
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
    other_frames,
    prefaces_that_are_none,
    settings_of_the_client,
    states_of_streams,
    the_server_says_first_what_holds,
    windows,
];

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
    assert_eq!(value(setting::INITIAL_WINDOW_SIZE), Some(128 * 1024));
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
        case("unknown, larger", before(frame(0xfa, 0, 0, [0; MAX_FRAME + 1])), WRONG_SIZE),
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
            &[Reset(code::FRAME_SIZE_ERROR)],
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
        case("larger", posted(data(STREAM, flag::END_STREAM, [b'x'; MAX_FRAME + 1])), WRONG_SIZE),
        case("a padded head", head(flag::PADDED, &[&[2], &block, &[0; 2]]), FINE),
        case("a head with a priority", head(flag::PRIORITY, &[&[0x80, 0, 0, 3, 16], &block]), FINE),
        case("a padded head with one", head(both, &[&[2, 0x80, 0, 0, 3, 16], &block, &[0; 2]]), FINE),
        case("a head with unknown flags", head(0xd2, &[&block]), FINE),
        case("the reserved bit", get(STREAM | 1 << 31, &[]), FINE),
        case("more padding than head", head(flag::PADDED, &[&[255], &block]), VIOLATION),
        case("a head padded without a length", head(flag::PADDED, &[]), WRONG_SIZE),
        case("a head without room for its priority", head(flag::PRIORITY, &[&[0; 4]]), WRONG_SIZE),
        case("a head of the connection", get(0, &[]), VIOLATION),
        case("a head larger than a frame", long, WRONG_SIZE),
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
        case("cancelled: HEADERS", cancelled(whole()), VIOLATION),
        case("cancelled: WINDOW_UPDATE", cancelled(window_update(STREAM, 1)), IGNORED),
        case("cancelled: PRIORITY", cancelled(priority()), IGNORED),
        late("closed: DATA", whole(), data(STREAM, 0, "x"), CLOSED),
        late("closed: HEADERS", whole(), whole(), VIOLATION),
        late("closed: trailers", whole(), trailers(), VIOLATION),
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
    // Of 10 KB each.
    let long = |fields: usize| {
        let value = "y".repeat(10_000);
        let block = request_block("GET", "/", &vec![("x-a", &value[..]); fields]);
        let parts: Vec<u8> = block[1..].chunks(MAX_FRAME).flat_map(|part| more(0, STREAM, part)).collect();
        [begin(&block[..1]), parts, last(b"")].concat()
    };
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
        case("larger than a frame", within(more(0, STREAM, &[0; MAX_FRAME + 1])), WRONG_SIZE),
        case("longer than allowed", long(14), &[Answered(431)]),
        case("almost four times as long", long(51), &[Answered(431)]),
        case("more than four times as long", long(53), &[Ended(code::ENHANCE_YOUR_CALM)]),
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

/// RFC 9113, 6.9.
fn windows() {
    const MOST: u32 = (1 << 31) - 1;
    let held = |bytes: Vec<u8>| [ask(STREAM, "GET", "/held", &[]), bytes].concat();
    let to_the_most = MOST - WINDOW as u32;
    let more = settings(&[(setting::INITIAL_WINDOW_SIZE, WINDOW as u32 + 1)]);
    hold(&[
        case("0 of the connection", window_update(0, 0), VIOLATION),
        case("0 of a stream", held(window_update(STREAM, 0)), MALFORMED),
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
