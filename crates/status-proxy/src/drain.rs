//! Ending without losing a request: who is told, who is waited for, and for how long. The signals.

use std::{
    future::poll_fn,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc::Sender,
    },
    task::Poll,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, futures::Notified},
};

/// Says that the program is about to end. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain(Arc<Begun>);

#[derive(Debug, Default)]
struct Begun {
    has_begun: AtomicBool,
    notify: Notify,
}

impl Drain {
    /// Begins: readiness turns false, listeners close, connections end with the response that they are at.
    pub(crate) fn begin(&self) {
        self.0.has_begun.store(true, SeqCst);
        self.0.notify.notify_waiters();
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.has_begun.load(SeqCst)
    }

    /// Completes when it begins. To be asked before [`has_begun`](Self::has_begun): what begins in between is noticed.
    pub(crate) fn notified(&self) -> Notified<'_> {
        self.0.notify.notified()
    }

    /// Waits until it has begun.
    pub(crate) async fn begun(&self) {
        let notified = self.notified();
        if !self.has_begun() {
            notified.await;
        }
    }
}

/// The signals that end the program.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from the system, which would end the program at once. Within a runtime only.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next SIGTERM or SIGINT.
    pub(crate) async fn next(&mut self) {
        poll_fn(|cx| {
            if self.terminate.poll_recv(cx).is_ready() || self.interrupt.poll_recv(cx).is_ready() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Sends on each SIGHUP, which would end the program otherwise. Within a runtime only.
///
/// # Errors
///
/// If the system refuses.
pub(crate) fn on_hangup(tell: Sender<()>) -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move { while hangups.recv().await.is_some() && tell.send(()).is_ok() {} });
    Ok(())
}

/// Counts what is still open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    open: AtomicUsize,
    is_none: Notify,
}

/// Open as long as it lives.
#[derive(Debug)]
pub(crate) struct OpenGuard(Arc<Count>);

impl Open {
    /// One more.
    pub(crate) fn guard(&self) -> OpenGuard {
        self.0.open.fetch_add(1, SeqCst);
        OpenGuard(self.0.clone())
    }

    /// Waits until nothing is open.
    pub(crate) async fn none(&self) {
        loop {
            let notified = self.0.is_none.notified();
            if self.0.open.load(SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, SeqCst) == 1 {
            self.0.is_none.notify_waiters();
        }
    }
}
