//! A server at work on a connection without a socket.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::{
    reference,
    service::{Handler, Seen, Site, Task},
};
use crate::{
    batched::Reader,
    config::{HeadLimits, Limits, Timeouts},
    drain::Drain,
    http2::conversation::{
        answers::{Answer, Answers},
        peer::Peer,
        wire::{Frame, PREFACE, flag, frame, frames, is_whole, kind, setting, settings, window_update},
    },
    listen::{
        ClientConn, Settings,
        boundary::{Boundary, Transport, Woken},
        http2,
    },
};

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    request_head: Duration::from_secs(30),
    request_body: Duration::from_secs(60),
    response_head: Duration::from_secs(60),
    idle: Duration::from_secs(75),
    drain: Duration::from_secs(30),
};

const LIMITS: Limits =
    Limits { head: HeadLimits { bytes: 128 * 1024, fields: 256 }, request_body: None, connections: 1000 };

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Server {
    Ours,
    Reference,
}

/// What happens next. Nothing does before all that is under way has come to rest.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    /// The client sends these, each to be read on its own.
    Send(Vec<Vec<u8>>),
    /// The service answers from now on.
    Open,
    Drain,
}

/// What became of a conversation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) requests: Vec<Seen>,
    pub(super) answers: BTreeMap<u32, Answer>,
    pub(super) acknowledged: usize,
    pub(super) pongs: Vec<Vec<u8>>,
    /// Last stream and code.
    pub(super) goaways: Vec<(u32, u32)>,
    pub(super) is_closed: bool,
}

impl Outcome {
    /// The code that the server has ended the connection with.
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

/// A server at work.
pub(super) struct Run {
    connection: Option<Task>,
    site: Site,
    peer: Peer,
    drain: Drain,
    woke: Arc<Woke>,
    pub(super) answers: Answers,
}

impl Run {
    pub(super) fn new(server: Server, most: Option<usize>) -> Self {
        let (site, peer, drain) = (Site::default(), Peer::slow(most), Drain::default());
        let client = Arc::new(ClientConn::new(([192, 0, 2, 1], 1234).into(), "http"));
        peer.send([PREFACE.to_vec()]);
        let connection: Task = match server {
            Server::Ours => Box::pin(ours(peer.clone(), site.clone(), client, drain.clone())),
            Server::Reference => {
                let (peer, site, drain) = (peer.clone(), site.clone(), drain.clone());
                Box::pin(reference::serve(peer, site, client, 4 * LIMITS.head.bytes as u32, drain))
            }
        };
        Self {
            connection: Some(connection),
            site,
            peer,
            drain,
            woke: Arc::default(),
            answers: Answers::new(),
        }
    }

    /// Lets everything go on until nothing moves.
    fn settle(&mut self) {
        let waker = Waker::from(self.woke.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..100_000 {
            self.woke.0.store(false, Relaxed);
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(&mut cx).is_ready()
            {
                self.connection = None;
            }
            let mut tasks = mem::take(&mut *self.site.tasks.lock().unwrap());
            tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
            self.site.tasks.lock().unwrap().append(&mut tasks);
            if !self.woke.0.load(Relaxed) {
                self.answers.read(&self.peer.take_output());
                return;
            }
        }
        panic!("it never rests");
    }

    pub(super) fn take(&mut self, turn: &Turn) {
        match turn {
            Turn::Send(pieces) => self.peer.send(pieces.iter().cloned()),
            Turn::Open => self.site.open(),
            Turn::Drain => self.drain.begin(),
        }
        self.settle();
        for ping in mem::take(&mut self.answers.pings) {
            self.peer.send([frame(kind::PING, flag::ACK, 0, &ping)]);
            self.settle();
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        let Answers { streams, acknowledged, pongs, goaways, .. } = &self.answers;
        Outcome {
            requests: self.site.seen.lock().unwrap().clone(),
            answers: streams.clone(),
            acknowledged: *acknowledged,
            pongs: pongs.clone(),
            goaways: goaways.clone(),
            is_closed: self.connection.is_none() || self.peer.0.lock().unwrap().is_shut,
        }
    }
}

impl Drop for Run {
    /// See [`reference::serve`].
    fn drop(&mut self) {
        mem::forget(self.connection.take());
    }
}

async fn ours(peer: Peer, site: Site, client: Arc<ClientConn>, drain: Drain) {
    let settings = Settings::new(LIMITS, TIMEOUTS, drain);
    let mut boundary = Boundary::new(peer, client.clone(), settings.limits.head, None);
    let woken = std::future::poll_fn(|cx| boundary.poll_request(cx)).await;
    assert_eq!(woken.unwrap(), Woken::Http2);
    http2::drive(boundary, &settings, Handler { site, client }).await;
}

/// What a client says at last, so that nothing has to wait for a window.
fn generosity() -> Frame {
    [settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]), window_update(0, 1 << 24)].concat()
}

/// Whether another frame may follow.
pub(super) fn is_complete(sent: &[Frame]) -> bool {
    let ends_head = |frame: &Frame| frame[4] & flag::END_HEADERS != 0;
    let is_of_head = |frame: &&Frame| [kind::HEADERS, kind::CONTINUATION].contains(&frame[3]);
    sent.last().is_some_and(|last| is_whole(last)) && sent.iter().rev().find(is_of_head).is_none_or(ends_head)
}

/// Has a server take part in a conversation.
pub(super) fn run(server: Server, sent: &[Frame], turns: &[Turn], most: Option<usize>) -> Outcome {
    let mut run = Run::new(server, most);
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
    run.settle();
    assert!(run.connection.is_none(), "it goes on without a client: {outcome:?}");
    outcome
}

impl Transport for Peer {
    fn reader(&self) -> Option<Reader> {
        None
    }

    fn abort_on_close(&self) {}

    fn poll_sent(&self, _: &Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn has_input(&self) -> bool {
        !self.0.lock().unwrap().input.is_empty()
    }
}
