//! Where clients connect: listeners, worker threads, and the life of a client connection.

mod boundary;
mod client_body;
mod client_conn;
mod closing;
mod connection;
mod http2;
mod scan;
#[cfg(test)]
pub(crate) mod tests;
mod tracked;
mod upgrade;
mod upload;
mod worker;

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::Duration,
};

use http::{HeaderMap, header};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::{
    sync::{
        Semaphore,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    time::timeout,
};

use crate::{
    config::DEFAULT_CONNECTIONS,
    descriptors,
    drain::{Drain, Signals},
    loopback::send_unpaced,
};

pub(crate) use client_body::ClientBody;
pub(crate) use client_conn::ClientConn;
pub(crate) use connection::{Handler, Settings};
pub(crate) use http2::MAX_TARGET;
pub(crate) use upgrade::ClientUpgrade;
pub(crate) use worker::Serving;

/// Connections that wait to be accepted, as far as the system allows.
const BACKLOG: i32 = 4096;

/// Silence after which the system asks whether a client is still there. Without it one that vanished, its network
/// with it, would keep its connection for as long as a response or a tunnel is silent, which is without limit.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The listening sockets, one for each worker, all on one address.
#[derive(Debug)]
pub(crate) struct Listeners {
    workers: Vec<(TcpListener, UnboundedReceiver<Serving>)>,
    address: SocketAddr,
    /// How many clients there may be for the limit on open files.
    places: usize,
}

impl Listeners {
    /// Binds `address` once for each worker, and raises the limit on open files as far as it goes. Each worker serves by
    /// what is sent to it.
    ///
    /// # Errors
    ///
    /// If the address can't be bound.
    pub(crate) fn bind(
        address: SocketAddr,
        workers: NonZeroUsize,
    ) -> io::Result<(Self, Vec<UnboundedSender<Serving>>)> {
        // A lower limit means fewer connections, not failure.
        let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
        let places = descriptors::share_out(usize::try_from(files).unwrap_or(usize::MAX), workers.get());
        // Sockets that share a port don't mind those of another process: ask as one that does.
        socket(address)?.bind(&address.into())?;
        let first = listener(address)?;
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        for _ in 1..workers.get() {
            sockets.push(listener(address)?);
        }
        let (senders, receivers): (Vec<_>, Vec<_>) =
            sockets.iter().map(|_| mpsc::unbounded_channel()).unzip();
        Ok((Self { workers: sockets.into_iter().zip(receivers).collect(), address, places }, senders))
    }

    /// What has been bound, with the port that the system chose for port 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the workers. `handler` makes the service of each client connection, of which there are `connections` at
    /// most.
    ///
    /// # Errors
    ///
    /// If the system has no thread left.
    pub(crate) fn start<F, H>(self, connections: usize, drain: &Drain, handler: F) -> io::Result<Listening>
    where
        F: Fn(Arc<ClientConn>) -> H + Clone + Send + 'static,
        H: Handler,
    {
        let places = connections.min(self.places);
        if places < connections && connections == DEFAULT_CONNECTIONS {
            tracing::info!("the limit on open files allows {places} client connections at once");
        } else if places < connections {
            tracing::warn!(
                "`[limits] connections` is {connections}, but the limit on open files allows {places}"
            );
        }
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let (working, ended) = mpsc::channel::<Infallible>(1);
        for (index, (socket, servings)) in self.workers.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (places, drain) = (places.clone(), drain.clone());
            let (handler, working) = (handler.clone(), working.clone());
            thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                let _working = working;
                runtime.block_on(async {
                    match tokio::net::TcpListener::from_std(socket) {
                        Ok(socket) => worker::work(socket, servings, places, drain, handler).await,
                        Err(error) => tracing::error!(%error, "worker can't listen"),
                    }
                });
            })?;
        }
        Ok(Listening { drain: drain.clone(), ended })
    }
}

/// Workers that serve.
#[derive(Debug)]
pub(crate) struct Listening {
    drain: Drain,
    /// Ends with the last of them.
    ended: mpsc::Receiver<Infallible>,
}

impl Listening {
    /// Waits until a signal ends it and the drain is over, which may take as long as `drain_time` then says.
    ///
    /// # Errors
    ///
    /// If the workers have ended unasked.
    pub(crate) async fn run(self, mut signals: Signals, drain_time: impl Fn() -> Duration) -> io::Result<()> {
        let Self { drain, mut ended } = self;
        tokio::select! {
            // In this order: workers that have drained have ended, but not unasked.
            biased;
            () = signals.next() => {}
            () = drain.begun() => {}
            _ = ended.recv() => return Err(io::Error::other("the workers have ended")),
        }
        drain.begin();
        tracing::info!("draining");
        tokio::select! {
            result = timeout(drain_time(), ended.recv()) => {
                if result.is_err() {
                    tracing::warn!("connections were cut off: they did not end in time");
                }
            }
            () = signals.next() => tracing::warn!("connections were cut off: a second signal came"),
        }
        Ok(())
    }
}

/// Whether the body comes only when the client is told to go on: with the one expectation that there is, and none beside it, as
/// hyper has it.
pub(crate) fn expects_continue(fields: &HeaderMap) -> bool {
    fields.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// A socket that listens. Accepted sockets inherit its options, which saves calls for each of them.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    send_unpaced(&socket, address.ip());
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 4).with_retries(4);
    socket.set_tcp_keepalive(&keep_alive)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}
