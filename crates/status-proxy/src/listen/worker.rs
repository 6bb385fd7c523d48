//! A worker: one thread, one runtime, one listening socket, and the connections that it accepted.

use std::{
    io, mem,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use status_normalize::StatusNormalizeLayer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc::UnboundedReceiver},
    time::sleep,
};

use super::{
    boundary::Boundary,
    client_conn::ClientConn,
    connection::{Handler, Settings, serve},
};
use crate::{
    batched::BatchedStream,
    descriptors::Descriptor,
    drain::{Drain, Open},
    metrics::OpenConnection,
};

/// How long accepting rests when the process is out of descriptors or memory. Doubles while it stays so.
const BACK_OFF: Duration = Duration::from_millis(50);

/// The longest rest.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// How many connections that hyper drives are a crowd.
const CROWD: usize = 128;

/// What a worker serves by, from the moment that it is given it.
pub(crate) struct Serving {
    pub(crate) settings: Settings,
    /// Describes the answers to what could not be read.
    pub(crate) layer: StatusNormalizeLayer,
    /// Run on the worker's thread, between requests: has the handler answer those to come by the new configuration.
    pub(crate) take_over: Box<dyn FnOnce() + Send>,
}

/// A worker's connections, seen together.
#[derive(Debug)]
pub(super) struct Worker {
    /// Locked by one thread only; futures are `Send` all the same.
    current: Mutex<Current>,
    /// How many of its connections hyper drives.
    driven: AtomicUsize,
}

/// What a reload replaces.
#[derive(Debug)]
struct Current {
    settings: Arc<Settings>,
    layer: StatusNormalizeLayer,
}

impl Worker {
    /// `layer` describes the answers to what could not be read.
    pub(super) fn new(settings: Settings, layer: StatusNormalizeLayer) -> Self {
        let current = Mutex::new(Current { settings: Arc::new(settings), layer });
        Self { current, driven: AtomicUsize::new(0) }
    }

    /// What the connections are accepted by from now on, and what describes the answers on all of them.
    fn replace(&self, settings: Settings, layer: StatusNormalizeLayer) {
        let current = Current { settings: Arc::new(settings), layer };
        let _old = mem::replace(&mut *self.current.lock().unwrap_or_else(PoisonError::into_inner), current);
    }

    /// For a connection that is accepted now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).settings.clone()
    }

    pub(super) fn layer(&self) -> StatusNormalizeLayer {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).layer.clone()
    }

    /// Whether hyper drives many of its connections.
    pub(super) fn is_crowded(&self) -> bool {
        self.driven.load(Relaxed) > CROWD
    }
}

/// Counts as driven as long as it lives.
pub(super) struct Driven<'a>(&'a Worker);

impl<'a> Driven<'a> {
    pub(super) fn new(worker: &'a Worker) -> Self {
        worker.driven.fetch_add(1, Relaxed);
        Self(worker)
    }
}

impl Drop for Driven<'_> {
    fn drop(&mut self) {
        self.0.driven.fetch_sub(1, Relaxed);
    }
}

/// Accepts connections until a drain begins, then waits until the last one has ended. Starts with the first serving.
pub(super) async fn work<F, H>(
    listener: TcpListener,
    mut servings: UnboundedReceiver<Serving>,
    places: Arc<Semaphore>,
    drain: Drain,
    handler: F,
) where
    F: Fn(Arc<ClientConn>) -> H + Clone + Send + 'static,
    H: Handler,
{
    let Some(Serving { settings, layer, take_over }) = servings.recv().await else { return };
    take_over();
    let worker = Arc::new(Worker::new(settings, layer));
    let reloaded = worker.clone();
    tokio::spawn(async move {
        while let Some(Serving { settings, layer, take_over }) = servings.recv().await {
            reloaded.replace(settings, layer);
            take_over();
        }
    });
    let open = Open::default();
    let start = |stream: TcpStream, peer: SocketAddr, (place, descriptor): Place| {
        // On a socket for both families an IPv4 client comes under its IPv6 name.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let client = Arc::new(ClientConn::new(peer, "http"));
        let settings = worker.settings();
        let boundary = Boundary::new(
            BatchedStream::new(stream),
            client,
            settings.limits.head,
            Some((open.guard(), place, OpenConnection::of_client(descriptor))),
        );
        tokio::spawn(serve(boundary, settings, worker.clone(), handler.clone()));
    };
    let mut back_off = BACK_OFF;
    let mut drained = pin!(drain.begun());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut drained => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                back_off = BACK_OFF;
                let place = tokio::select! {
                    biased;
                    place = place(places.clone()) => place,
                    () = &mut drained => break,
                };
                start(stream, peer, place);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "can't accept connections");
                sleep(back_off).await;
                back_off = (back_off * 2).min(LONGEST_BACK_OFF);
            }
        }
    }
    // What the system has accepted already would be reset with the listener: it is served instead.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, peer)) = listener.accept() {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            let place = places.clone().try_acquire_owned();
            if let (Ok(stream), Ok(place), Some(descriptor)) = (stream, place, Descriptor::take()) {
                start(stream, peer, (place, descriptor));
            }
        }
    }
    open.none().await;
}

/// Room for a client.
type Place = (OwnedSemaphorePermit, Descriptor);

/// Waits until there may be one more connection.
async fn place(places: Arc<Semaphore>) -> Place {
    let place = places.acquire_owned().await.expect("the semaphore is never closed");
    loop {
        if let Some(descriptor) = Descriptor::take() {
            return (place, descriptor);
        }
        sleep(BACK_OFF).await;
    }
}

/// Whether accepting can go on at once: only the connection that was to be accepted has failed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut
    )
}
