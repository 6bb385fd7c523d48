//! hyper's client and ours read the same bytes, cut into the same pieces, and must say the same: of every 1xx, the head, the
//! body, the trailers, how it ended, and of another response on the same connection where one may follow.

use std::{
    collections::VecDeque,
    future::Future,
    io, iter,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, request::Parts};
use http_body::Body;
use hyper_util::rt::TokioIo;
use status_normalize::reason_phrase;
use status_test_util::{ScriptedBody, Step};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, RequestHead};
use crate::config::HeadLimits;

const LIMITS: HeadLimits = HeadLimits { bytes: 16 * 1024, fields: 100 };

/// What a peer has to say, piece by piece once it has heard anything.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    closes: bool,
    asked: bool,
    /// How many bytes more it takes of what it is told.
    takes: usize,
}

/// The peer, of which the test keeps a copy to say more later.
#[derive(Clone)]
struct Peer(Arc<Mutex<Script>>);

impl Peer {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().expect("nobody panics")
    }

    /// Whether another exchange may follow the one that came to this; the peer then has an answer to it.
    fn goes_on(&self, outcome: &Outcome) -> bool {
        let goes_on = outcome.ending == Ending::Complete { reusable: true };
        if goes_on {
            let mut script = self.script();
            script.asked = false;
            script
                .pieces
                .push_back(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX-B: 1\r\n\r\nnext".to_vec());
        }
        goes_on
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.script();
        if !script.asked {
            return Poll::Pending;
        }
        let Some(mut piece) = script.pieces.pop_front() else {
            return if script.closes { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let taken = piece.len().min(buffer.remaining());
        buffer.put_slice(&piece[..taken]);
        if taken < piece.len() {
            script.pieces.push_front(piece.split_off(taken));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut script = self.script();
        script.asked = true;
        let taken = bytes.len().min(script.takes);
        script.takes -= taken;
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    Complete { reusable: bool },
    Failed,
    Tunnel,
    Waiting,
}

type Fields = Vec<(String, Vec<u8>)>;

#[derive(Debug, Eq, PartialEq)]
struct Outcome {
    informational: Vec<(u16, Fields)>,
    head: Option<(u16, Option<Vec<u8>>, Fields)>,
    body: Vec<u8>,
    trailers: Option<Fields>,
    ending: Ending,
    /// Of the exchange after this one.
    next: Option<Box<Self>>,
}

const NOTHING: Outcome = Outcome {
    informational: vec![],
    head: None,
    body: vec![],
    trailers: None,
    ending: Ending::Waiting,
    next: None,
};

fn fields(headers: &HeaderMap) -> Fields {
    let mut fields: Fields =
        headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    // Lines of the same name stay in order; the order among names is the map's own business.
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

/// What a request has for a body.
#[derive(Clone, Copy, Debug)]
enum Upload {
    Nothing,
    Known,
    Chunked,
    /// Its end does not come while the response is read.
    Unfinished,
}

/// A request, of which the peer takes so many bytes.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    method: &'a Method,
    upload: Upload,
    takes: usize,
}

impl Asked<'_> {
    fn request(self) -> Request<ScriptedBody> {
        let target = if self.method == Method::CONNECT { "example:80" } else { "/" };
        let request = Request::builder().method(self.method).uri(target).header("host", "example");
        let body = ScriptedBody::of(["7 b", "ytes"]);
        let (request, body) = match self.upload {
            Upload::Nothing => (request, ScriptedBody::new([]).sized().telling_end()),
            Upload::Known => (request.header("content-length", 7), body.sized()),
            Upload::Chunked => (request, body),
            Upload::Unfinished => (request, body.then_always(Step::Stall)),
        };
        request.body(body).expect("it is valid")
    }
}

/// Collects a body until it ends, fails, or nothing moves any more. `drive` lets the connection work.
fn collect<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    outcome: &mut Outcome,
    mut drive: impl FnMut(),
) -> Ending {
    let mut cx = Context::from_waker(Waker::noop());
    let mut idle = 0;
    while idle < 3 {
        drive();
        match Pin::new(&mut *body).poll_frame(&mut cx) {
            Poll::Pending => idle += 1,
            Poll::Ready(None) => return Ending::Complete { reusable: false },
            Poll::Ready(Some(Err(_))) => return Ending::Failed,
            Poll::Ready(Some(Ok(frame))) => {
                idle = 0;
                match frame.into_data() {
                    Ok(data) => outcome.body.extend_from_slice(&data),
                    Err(frame) => {
                        outcome.trailers = frame.into_trailers().ok().map(|trailers| fields(&trailers))
                    }
                }
            }
        }
    }
    Ending::Waiting
}

type Ours = Connection<Peer, ScriptedBody>;

fn ours(peer: &Peer, asked: Asked<'_>) -> Outcome {
    let mut connection = Connection::new(peer.clone(), LIMITS);
    let mut outcome = our_exchange(&mut connection, asked);
    if peer.goes_on(&outcome) {
        outcome.next = Some(Box::new(our_exchange(&mut connection, NEXT)));
    }
    outcome
}

fn our_exchange(connection: &mut Ours, asked: Asked<'_>) -> Outcome {
    let mut outcome = NOTHING;
    let mut cx = Context::from_waker(Waker::noop());
    let (Parts { method, uri, headers, .. }, body) = asked.request().into_parts();
    connection.begin(&mut RequestHead { method, uri, headers }, body, iter::empty());
    let head = connection.poll_head(&mut cx, |status, informational| {
        outcome.informational.push((status.as_u16(), fields(informational)));
    });
    let head = match head {
        Poll::Pending => return outcome,
        Poll::Ready(Err(_)) => {
            outcome.ending = Ending::Failed;
            return outcome;
        }
        Poll::Ready(Ok(head)) => head,
    };
    let standard = || reason_phrase(head.status).map(|phrase| phrase.as_bytes().to_vec());
    let reason = head.reason.map(|reason| reason.to_vec()).or_else(standard);
    outcome.head = Some((head.status.as_u16(), reason, fields(&connection.take_fields())));
    outcome.ending = match head.framing {
        super::Framing::Tunnel => Ending::Tunnel,
        _ => match collect(connection, &mut outcome, || {}) {
            Ending::Complete { .. } => {
                let script = connection.io().script();
                let is_silent = script.pieces.is_empty() && !script.closes;
                Ending::Complete { reusable: connection.is_reusable() && is_silent }
            }
            ending => ending,
        },
    };
    outcome
}

fn hypers(peer: &Peer, asked: Asked<'_>) -> Outcome {
    let mut cx = Context::from_waker(Waker::noop());
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_headers(LIMITS.fields).max_header_size(LIMITS.bytes);
    let Poll::Ready(Ok((mut sender, connection))) =
        pin!(builder.handshake(TokioIo::new(peer.clone()))).poll(&mut cx)
    else {
        panic!("a handshake needs no bytes")
    };
    let mut connection = Box::pin(connection);
    let mut over = false;
    let mut drive = move || {
        let mut cx = Context::from_waker(Waker::noop());
        over = over || connection.as_mut().poll(&mut cx).is_ready();
    };
    let mut outcome = hypers_exchange(&mut sender, &mut drive, asked);
    if peer.goes_on(&outcome) {
        outcome.next = Some(Box::new(hypers_exchange(&mut sender, &mut drive, NEXT)));
    }
    outcome
}

fn hypers_exchange(
    sender: &mut hyper::client::conn::http1::SendRequest<ScriptedBody>,
    mut drive: impl FnMut(),
    asked: Asked<'_>,
) -> Outcome {
    let mut outcome = NOTHING;
    let mut cx = Context::from_waker(Waker::noop());
    let mut request = asked.request();
    let seen = Arc::new(Mutex::new(vec![]));
    let seen_by_callback = seen.clone();
    hyper::ext::on_informational(&mut request, move |response| {
        let informational = (response.status().as_u16(), fields(response.headers()));
        seen_by_callback.lock().expect("nobody panics").push(informational);
    });
    let response = {
        let mut sending = pin!(sender.send_request(request));
        let mut response = Poll::Pending;
        for _ in 0..3 {
            drive();
            response = sending.as_mut().poll(&mut cx);
            if response.is_ready() {
                break;
            }
        }
        response
    };
    outcome.informational.clone_from(&seen.lock().expect("nobody panics"));
    let response = match response {
        Poll::Pending => return outcome,
        Poll::Ready(Err(_)) => {
            outcome.ending = Ending::Failed;
            return outcome;
        }
        Poll::Ready(Ok(response)) => response,
    };
    let (parts, mut body) = response.into_parts();
    let reason = match parts.extensions.get::<hyper::ext::ReasonPhrase>() {
        Some(reason) => Some(reason.as_bytes().to_vec()),
        None => parts.status.canonical_reason().map(|phrase| phrase.as_bytes().to_vec()),
    };
    outcome.head = Some((parts.status.as_u16(), reason, fields(&parts.headers)));
    let is_connected = asked.method == Method::CONNECT && parts.status.is_success() && parts.status != 204;
    if parts.status.as_u16() == 101 || is_connected {
        outcome.ending = Ending::Tunnel;
        return outcome;
    }
    let ending = collect(&mut body, &mut outcome, &mut drive);
    outcome.ending = match ending {
        Ending::Complete { .. } => {
            drop(body);
            drive();
            drive();
            // To hyper a request is written that waits in its buffer; the connection is not free as long as it does.
            Ending::Complete { reusable: sender.is_ready() && asked.takes == usize::MAX }
        }
        ending => ending,
    };
    outcome
}

fn compare(bytes: &[u8], cuts: &[usize], closes: bool, asked: Asked<'_>) {
    let peer = || {
        let mut pieces = VecDeque::new();
        let mut from = 0;
        for &cut in cuts {
            pieces.push_back(bytes[from..cut].to_vec());
            from = cut;
        }
        pieces.push_back(bytes[from..].to_vec());
        pieces.retain(|piece: &Vec<u8>| !piece.is_empty());
        Peer(Arc::new(Mutex::new(Script { pieces, closes, asked: false, takes: asked.takes })))
    };
    let (ours, mut hypers) = (ours(&peer(), asked), hypers(&peer(), asked));
    // What can't become a head or a trailer section any more may be refused before its last byte; hyper looks only then.
    if ours.ending == Ending::Failed && hypers.ending == Ending::Waiting {
        hypers.ending = Ending::Failed;
    }
    // Ours refuses codings that it can't undo; hyper leaves them to whoever reads the body.
    let codings = |outcome: &Outcome| {
        let (_, _, fields) = outcome.head.as_ref()?;
        let is_coding = |field: &&(String, Vec<u8>)| field.0 == "transfer-encoding";
        let codings: Vec<_> =
            fields.iter().filter(is_coding).map(|(_, value)| value.to_ascii_lowercase()).collect();
        Some(codings)
    };
    if ours.ending == Ending::Failed
        && codings(&hypers).is_some_and(|codings| !codings.is_empty() && codings != [b"chunked".to_vec()])
    {
        return;
    }
    // Ours refuses a trailer line that ends in a lone LF; hyper may take what follows it for nothing.
    if ours.ending == Ending::Failed && ours.head.is_some() && has_lone_lf_in_trailers(bytes) {
        return;
    }
    assert_eq!(
        ours,
        hypers,
        "left ours, right hyper's; {asked:?} {cuts:?} closes={closes}\n{:?}",
        String::from_utf8_lossy(bytes)
    );
}

fn has_lone_lf_in_trailers(bytes: &[u8]) -> bool {
    let last_chunk = memchr::memmem::find(bytes, b"0\r\n").map_or(bytes, |at| &bytes[at..]);
    last_chunk.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

const STREAMS: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello",
    "HTTP/1.1 404 Nicht da\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 900\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=\"v\"\r\n world\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3 \r\nabc\r\n0\r\nX-T: 1\r\nX-T: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nuntil the end",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nother bytes",
    "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n folded\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nName : value\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 600 Beyond\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 1000 Too long\r\n\r\n",
    "HTTP/1.1 099 Too small\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    "ICY 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nBad Name: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: 1\nB: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: \u{e9}\u{e8}\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
    "",
    "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
];

const NEXT: Asked<'_> = Asked { method: &Method::GET, upload: Upload::Nothing, takes: usize::MAX };

/// Of the last two the peer answers once it has a part of the head, and a part of the body.
const ASKED: [Asked<'_>; 8] = [
    NEXT,
    Asked { method: &Method::HEAD, ..NEXT },
    Asked { method: &Method::CONNECT, ..NEXT },
    Asked { method: &Method::POST, upload: Upload::Known, ..NEXT },
    Asked { method: &Method::POST, upload: Upload::Chunked, ..NEXT },
    Asked { method: &Method::PUT, upload: Upload::Unfinished, ..NEXT },
    Asked { method: &Method::POST, upload: Upload::Known, takes: 9 },
    Asked { method: &Method::POST, upload: Upload::Chunked, takes: 66 },
];

#[test]
fn known_streams_split_at_every_byte() {
    for stream in STREAMS {
        let bytes = stream.as_bytes();
        for asked in ASKED {
            for closes in [false, true] {
                compare(bytes, &[], closes, asked);
                for cut in 1..bytes.len().max(1) {
                    compare(bytes, &[cut], closes, asked);
                }
                let every: Vec<usize> = (1..bytes.len()).collect();
                compare(bytes, &every, closes, asked);
            }
        }
    }
}

/// xorshift64*: the same streams on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

const TOKENS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "0",
    "1",
    "5",
    "f",
    "F",
    "\0",
    "\u{7f}",
    "\u{e9}",
    "0\r\n\r\n",
    "chunked",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
    "Connection: close\r\n",
    "HTTP/1.1 ",
    "HTTP/1.0 ",
    "100",
    "204",
];

#[test]
fn mutated_streams() {
    let mut random = Random(0x5EED_0F57_A705_u64);
    for number in 0..50_000 {
        let mut bytes = STREAMS[random.below(STREAMS.len())].as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() + 1);
            match random.below(4) {
                0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => {
                    let other = STREAMS[random.below(STREAMS.len())].as_bytes();
                    let from = random.below(other.len() + 1);
                    let to = from + random.below(other.len() - from + 1);
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                _ => drop(bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
            }
        }
        let mut cuts: Vec<usize> =
            (0..random.below(4)).map(|_| random.below(bytes.len() + 1)).filter(|cut| *cut > 0).collect();
        cuts.sort_unstable();
        let (closes, asked) = (random.below(2) == 0, ASKED[random.below(ASKED.len())]);
        compare(&bytes, &cuts, closes, asked);
        // Two thousand of them split at every byte, one at a time and all at once.
        if number % 25 == 0 {
            (1..bytes.len()).for_each(|cut| compare(&bytes, &[cut], closes, asked));
            let every: Vec<usize> = (1..bytes.len()).collect();
            compare(&bytes, &every, closes, asked);
        }
    }
}
