//! A client at work on a connection without a socket.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, uri::Authority, uri::PathAndQuery};
use tokio::sync::Notify;

use super::reference::Reference;
use crate::{
    config::HeadLimits,
    http2::conversation::{
        answers::{Answer, Answers},
        peer::Peer,
        wire::{Frame, PREFACE, Random, flag, frames, is_whole, kind, setting, settings, window_update},
    },
    upstream::http2::{
        error::Error,
        held::{Held, Received},
        link::Link,
        request::Request,
        task::Task,
    },
};

pub(super) const LIMITS: HeadLimits = HeadLimits { bytes: 128 * 1024, fields: 256 };

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    Ours,
    Reference,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) fields: HeaderMap,
    pub(super) parts: Vec<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
}

const FIELDS: &[(&str, &[u8])] = &[
    ("accept", b"*/*"),
    ("cookie", b"a=1"),
    ("authorization", b"secret"),
    ("x-a", b"b"),
    ("x-a", b"c"),
    ("x-empty", b""),
    ("x-odd", b"\x80\xff\tb"),
    ("x-long", &[b'l'; 300]),
    ("te", b"trailers"),
    ("via", b"1.1 a"),
];

impl Plan {
    /// A few requests.
    pub(super) fn some(seed: u64) -> Vec<Self> {
        let mut random = Random::new(seed ^ 0x9EAF);
        let count = 1 + random.below(5);
        (0..count).map(|_| Self::any(&mut random)).collect()
    }

    fn any(random: &mut Random) -> Self {
        let method = random.pick(&["GET", "GET", "HEAD", "POST", "POST", "PUT", "OPTIONS"]);
        let has_body = ["POST", "PUT"].contains(&method);
        let count = if has_body { random.below(4) } else { 0 };
        let part = |random: &mut Random| {
            let most = random.pick(&[1, 10, 1000, 40_000]);
            Bytes::from(vec![b'x'; random.below(most)])
        };
        Self {
            method: method.parse().unwrap(),
            path: random.pick(&["/", "/a?b", "/echo/of/this", "/?"]),
            fields: some_fields(random),
            parts: (0..count).map(|_| part(random)).collect(),
            trailers: (has_body && random.one_in(3)).then(|| some_fields(random)),
        }
    }

    /// Whether its head is all there is to it.
    pub(super) fn is_whole(&self) -> bool {
        self.parts.is_empty() && self.trailers.is_none()
    }
}

fn some_fields(random: &mut Random) -> HeaderMap {
    let mut fields = HeaderMap::new();
    while !random.one_in(4) {
        let (name, value) = random.pick(FIELDS);
        fields.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
    }
    fields
}

/// What happens next. Nothing does before all that is under way has come to rest.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    /// The upstream sends these, each to be read on its own.
    Send(Vec<Vec<u8>>),
    /// Bodies are read from now on.
    Open,
}

/// How a request came out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum End {
    /// It has not been sent.
    #[default]
    Unsent,
    Open,
    Complete,
    /// The upstream reset it.
    Reset(u32),
    /// The upstream goes away, and leaves it out.
    GoneAway(u32),
    /// The response can't be read.
    Fault,
    /// Nothing more can be read on the connection.
    Broken,
    Lost,
}

pub(super) type Fields = Vec<(String, Vec<u8>)>;

/// What came of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) interim: Vec<(u16, Fields)>,
    pub(super) head: Option<(u16, Fields)>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Fields>,
    pub(super) end: End,
}

pub(super) fn fields(map: &HeaderMap) -> Fields {
    let mut fields: Fields =
        map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    // Lines of the same name stay in order; the order among names is the map's own business.
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    // Ours says a length once.
    fields.dedup_by(|a, b| a == b && a.0 == "content-length");
    fields
}

/// A response whose head is all there is to it, whatever the upstream sends.
pub(super) fn is_empty(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// What became of a conversation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) seen: Vec<Seen>,
    /// As the upstream got them.
    pub(super) requests: BTreeMap<u32, Answer>,
    pub(super) acknowledged: usize,
    pub(super) pongs: Vec<Vec<u8>>,
    /// Last stream and code.
    pub(super) goaways: Vec<(u32, u32)>,
    pub(super) is_closed: bool,
}

impl Outcome {
    /// The code that the client has ended the connection with.
    pub(super) fn failure(&self) -> Option<u32> {
        self.goaways.last().map(|(_, code)| *code).filter(|code| *code != 0)
    }
}

#[derive(Default)]
struct Woke(AtomicBool);

impl Wake for Woke {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// One request under way.
pub(super) trait Exchange {
    /// Goes on. Ready when nothing more is to come of it.
    fn poll(&mut self, cx: &mut Context<'_>, reads: bool, seen: &mut Seen) -> Poll<()>;
}

/// A client's connection.
pub(super) trait Connection {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Sends a request if the upstream takes another.
    fn begin(&mut self, plan: &Plan, in_use: usize) -> Option<Box<dyn Exchange>>;

    /// Lets go of the connection if it takes no more requests.
    fn look(&mut self, in_use: usize);
}

/// A client at work.
pub(super) struct Run {
    connection: Option<Box<dyn Connection>>,
    plans: Vec<Plan>,
    begun: usize,
    exchanges: Vec<(usize, Box<dyn Exchange>)>,
    reads: bool,
    seen: Vec<Seen>,
    peer: Peer,
    woke: Arc<Woke>,
    has_greeted: bool,
    pub(super) answers: Answers,
}

impl Run {
    pub(super) fn new(client: Client, plans: &[Plan], most: Option<usize>) -> Self {
        let peer = Peer::slow(most);
        let connection: Box<dyn Connection> = match client {
            Client::Ours => Box::new(Ours::new(peer.clone())),
            Client::Reference => Box::new(Reference::new(peer.clone())),
        };
        let mut run = Self {
            connection: Some(connection),
            plans: plans.to_vec(),
            begun: 0,
            exchanges: Vec::new(),
            reads: false,
            seen: vec![Seen::default(); plans.len()],
            peer,
            woke: Arc::default(),
            has_greeted: false,
            answers: Answers::new(),
        };
        run.settle();
        run
    }

    /// Lets everything go on until nothing moves.
    fn settle(&mut self) {
        let waker = Waker::from(self.woke.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..100_000 {
            self.woke.0.store(false, Relaxed);
            if let Some(connection) = &mut self.connection
                && connection.poll(&mut cx).is_ready()
            {
                self.connection = None;
            }
            let seen = &mut self.seen;
            let reads = self.reads;
            self.exchanges.retain_mut(|(number, exchange)| {
                exchange.poll(&mut cx, reads, &mut seen[*number]).is_pending()
            });
            while let Some(connection) = &mut self.connection
                && let Some(plan) = self.plans.get(self.begun)
                && let Some(exchange) = connection.begin(plan, self.exchanges.len())
            {
                seen[self.begun].end = End::Open;
                self.exchanges.push((self.begun, exchange));
                self.begun += 1;
                waker.wake_by_ref();
            }
            if let Some(connection) = &mut self.connection {
                connection.look(self.exchanges.len());
            }
            if !self.woke.0.load(Relaxed) {
                return self.read();
            }
        }
        panic!("it never rests");
    }

    fn read(&mut self) {
        let output = self.peer.take_output();
        let mut output = &output[..];
        if !self.has_greeted && !output.is_empty() {
            output = output.strip_prefix(PREFACE).expect("the preface comes first");
            self.has_greeted = true;
        }
        self.answers.read(output);
    }

    pub(super) fn take(&mut self, turn: &Turn) {
        match turn {
            Turn::Send(pieces) => self.peer.send(pieces.iter().cloned()),
            Turn::Open => {
                self.reads = true;
            }
        }
        self.settle();
    }

    pub(super) fn outcome(&self) -> Outcome {
        let Answers { streams, acknowledged, pongs, goaways, .. } = &self.answers;
        Outcome {
            seen: self.seen.clone(),
            requests: streams.clone(),
            acknowledged: *acknowledged,
            pongs: pongs.clone(),
            goaways: goaways.clone(),
            is_closed: self.connection.is_none() || self.peer.0.lock().unwrap().is_shut,
        }
    }
}

/// What an upstream says at last, so that nothing has to wait for a window.
fn generosity() -> Frame {
    [settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]), window_update(0, 1 << 24)].concat()
}

/// Whether another frame may follow.
pub(super) fn is_complete(sent: &[Frame]) -> bool {
    let ends_head = |frame: &Frame| frame[4] & flag::END_HEADERS != 0;
    let is_of_head = |frame: &&Frame| [kind::HEADERS, kind::CONTINUATION].contains(&frame[3]);
    sent.last().is_some_and(|last| is_whole(last)) && sent.iter().rev().find(is_of_head).is_none_or(ends_head)
}

/// Has a client take part in a conversation.
pub(super) fn run(
    client: Client,
    plans: &[Plan],
    sent: &[Frame],
    turns: &[Turn],
    most: Option<usize>,
) -> Outcome {
    let mut run = Run::new(client, plans, most);
    for frame in sent.iter().chain(&frames(&generosity())) {
        run.answers.expect(frame);
    }
    for turn in turns {
        run.take(turn);
    }
    run.answers.assert_within_windows(sent);
    if is_complete(sent) {
        run.take(&Turn::Send(vec![generosity()]));
    }
    let outcome = run.outcome();
    run.peer.end();
    run.take(&Turn::Open);
    assert!(run.connection.is_none(), "it goes on without an upstream: {outcome:?}");
    assert!(run.exchanges.is_empty(), "it waits for nothing: {outcome:?}");
    outcome
}

/// This program's.
struct Ours {
    link: Option<Arc<Link>>,
    has_had_room: bool,
    task: Pin<Box<dyn Future<Output = ()>>>,
}

impl Ours {
    fn new(peer: Peer) -> Self {
        let link = Link::new(LIMITS, Arc::new(Notify::new()));
        Self { task: Box::pin(Task::new(peer, link.clone()).run()), link: Some(link), has_had_room: false }
    }
}

impl Connection for Ours {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.task.as_mut().poll(cx)
    }

    fn begin(&mut self, plan: &Plan, _: usize) -> Option<Box<dyn Exchange>> {
        let link = self.link.as_ref().filter(|link| link.is_open() && link.has_room())?;
        let request = Request {
            method: plan.method.clone(),
            authority: Authority::from_static("a"),
            path: PathAndQuery::from_static(plan.path),
            fields: plan.fields.clone(),
        };
        let held = link.open(&request, plan.is_whole()).ok()?;
        Some(Box::new(OurExchange {
            held: Some(held),
            method: plan.method.clone(),
            parts: plan.parts.clone(),
            trailers: plan.trailers.clone(),
            is_sending: !plan.is_whole(),
        }))
    }

    fn look(&mut self, _: usize) {
        // Nobody asks for it before.
        self.has_had_room |= self.link.as_ref().is_some_and(|link| link.has_room());
        if let Some(link) = self.link.take_if(|link| self.has_had_room && !link.is_open()) {
            link.leave();
        }
    }
}

struct OurExchange {
    held: Option<Held>,
    method: Method,
    parts: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    is_sending: bool,
}

impl OurExchange {
    fn poll_upload(&mut self, cx: &Context<'_>) {
        let Some(held) = &self.held else { return };
        let stream = held.stream();
        while self.is_sending {
            if self.parts.is_empty() {
                self.is_sending = false;
                match self.trailers.take() {
                    Some(trailers) => stream.send_trailers(&trailers),
                    None => drop(stream.send(Bytes::new(), true)),
                }
            } else if self.parts[0].is_empty() {
                self.parts.remove(0);
            } else {
                match stream.poll_room(cx) {
                    Poll::Ready(Some(room)) => {
                        let part = &mut self.parts[0];
                        stream.send(part.split_to(room.min(part.len())), false);
                    }
                    Poll::Ready(None) => self.is_sending = false,
                    Poll::Pending => return,
                }
            }
        }
    }
}

fn end_of(error: Error) -> End {
    match error {
        Error::GoneAway(reason) => End::GoneAway(reason.into()),
        Error::Reset(reason) => End::Reset(reason.into()),
        Error::Fault(_) | Error::TooLarge => End::Fault,
        Error::Broken(_) => End::Broken,
        Error::Lost(_) => End::Lost,
        Error::GivenUp => unreachable!("nobody gives it up"),
    }
}

impl Exchange for OurExchange {
    fn poll(&mut self, cx: &mut Context<'_>, reads: bool, seen: &mut Seen) -> Poll<()> {
        self.poll_upload(cx);
        let Some(held) = &self.held else { return Poll::Ready(()) };
        while seen.head.is_none() {
            match held.poll_head(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    seen.end = end_of(error);
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(Received::Interim(head))) => {
                    seen.interim.push((head.status.as_u16(), fields(&head.fields)));
                }
                Poll::Ready(Ok(Received::Head(head))) => {
                    seen.head = Some((head.status.as_u16(), fields(&head.fields)));
                    if is_empty(&self.method, head.status) || held.is_end_stream() {
                        seen.end = End::Complete;
                        return Poll::Ready(());
                    }
                }
            }
        }
        if !reads {
            return Poll::Pending;
        }
        loop {
            match held.poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    seen.end = End::Complete;
                    return Poll::Ready(());
                }
                Poll::Ready(Some(Err(error))) => {
                    seen.end = end_of(error);
                    return Poll::Ready(());
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => seen.body.extend(data),
                    Err(frame) => {
                        seen.trailers = frame.into_trailers().ok().map(|trailers| fields(&trailers))
                    }
                },
            }
            if held.is_end_stream() {
                seen.end = End::Complete;
                return Poll::Ready(());
            }
        }
    }
}
