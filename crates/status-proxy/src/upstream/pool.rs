//! What one worker keeps per upstream: idle connections and how many requests are in flight.
//!
//! All of it is thread-local: a worker is one thread with a runtime of its own, so nothing is locked and nothing is
//! shared between workers.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::{ConnectionLimits, Limits, http1::Http1Connection, http2::Http2Connection};
use crate::{
    config::UpstreamConfig,
    descriptors,
    local_reply::{Cause, Failure},
};

/// More idle connections than this are not kept per worker and upstream. With fewer than there are requests in flight, as 32
/// clients with 32 streams each have, one request in ten opened a connection.
const MAX_IDLE: usize = 1024;
/// How long no further HTTP/2 connection is opened after one could not be.
const OPENING_PAUSE: Duration = Duration::from_millis(100);
/// How often idle connections are looked at: for those that expired and those that the upstream has closed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

thread_local! {
    static POOLS: RefCell<Pools> = const { RefCell::new(Pools { slots: Vec::new(), sweeping: false }) };
}

#[derive(Debug)]
struct Pools {
    /// By [`PoolId`].
    slots: Vec<Slot>,
    sweeping: bool,
}

#[derive(Debug, Default)]
struct Slot {
    /// No route leads there any more: what is in use is not kept.
    is_retired: bool,
    in_flight: usize,
    /// The longest idle first.
    idle: Vec<Idle>,
    /// Requests go to the first that has room.
    http2: Vec<Http2Connection>,
    /// Requests that find no room wait for it in the order in which they came: whoever has the turn takes what is free next.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Told when an HTTP/2 stream has ended, when the upstream takes more of them, and when a connection has been opened or
    /// could not be.
    changed: Arc<Notify>,
    is_opening: bool,
    /// Why the last HTTP/2 connection could not be opened, for whoever has the turn.
    failure: Option<Failure>,
}

impl Slot {
    fn open_http2(&mut self) -> &[Http2Connection] {
        self.http2.retain(Http2Connection::is_open);
        &self.http2
    }
}

#[derive(Debug)]
struct Idle {
    connection: Box<Http1Connection>,
    until: Instant,
}

/// Names an upstream in every worker's pools. The same host and port, with connections made by the same limits, have the
/// same id for the life of the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct PoolId(usize);

impl PoolId {
    pub(super) fn of(config: &UpstreamConfig, limits: ConnectionLimits) -> Self {
        type Key = (String, u16, ConnectionLimits);
        static IDS: Mutex<Option<HashMap<Key, usize>>> = Mutex::new(None);
        let mut ids = IDS.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = ids.get_or_insert_default();
        let next = ids.len();
        Self(*ids.entry((config.host.to_string(), config.port, limits)).or_insert(next))
    }

    /// The connection that was used last and is not known to be closed.
    pub(super) fn take_http1(self, now: Instant) -> Option<Box<Http1Connection>> {
        loop {
            let idle = self.with(|slot| slot.idle.pop())?;
            if idle.until > now && idle.connection.is_open() {
                return Some(idle.connection);
            }
        }
    }

    /// Keeps a connection that is ready for another request.
    pub(super) fn give_back_http1(self, connection: Box<Http1Connection>, idle: Duration) {
        let until = Instant::now() + idle;
        self.keep(|slot| {
            if !slot.is_retired && slot.idle.len() < MAX_IDLE {
                slot.idle.push(Idle { connection, until });
            }
        });
    }

    /// An HTTP/2 connection on which the upstream takes another request now.
    pub(super) fn http2(self) -> Option<Http2Connection> {
        self.with(|slot| slot.open_http2().iter().find(|connection| connection.has_room()).cloned())
    }

    /// Waits for one in turn, while another is opened.
    pub(super) async fn wait_for_http2(
        self,
        config: &Arc<UpstreamConfig>,
        limits: &Limits,
    ) -> Result<Http2Connection, Failure> {
        let waiting = timeout(limits.connect, self.http2_in_turn(config, limits)).await;
        waiting.unwrap_or_else(|_| Err(Failure::new(Cause::ConnectTimeout, "no connection takes a stream")))
    }

    async fn http2_in_turn(
        self,
        config: &Arc<UpstreamConfig>,
        limits: &Limits,
    ) -> Result<Http2Connection, Failure> {
        let (turn, changed) = self.with(|slot| (slot.turn.clone(), slot.changed.clone()));
        let _turn = turn.lock().await;
        // It was for those who had the turn then.
        self.with(|slot| slot.failure = None);
        loop {
            if let Some(connection) = self.http2() {
                return Ok(connection);
            }
            if let Some(failure) = self.with(|slot| slot.failure.take()) {
                return Err(failure);
            }
            if !self.with(|slot| std::mem::replace(&mut slot.is_opening, true)) {
                // As a task: it goes on for the others when this one leaves.
                tokio::spawn(self.open_another(config.clone(), *limits, changed.clone()));
            }
            changed.notified().await;
        }
    }

    async fn open_another(self, config: Arc<UpstreamConfig>, limits: Limits, changed: Arc<Notify>) {
        let open = || Http2Connection::open(&config, &limits, changed.clone());
        let opened = timeout(limits.connect, async {
            match open().await {
                // It may have been about to end, and nothing was sent on it.
                Err(Failure { cause: Cause::Disconnected, .. }) => open().await,
                opened => opened,
            }
        });
        let opened = opened.await.unwrap_or_else(|elapsed| Err(Failure::new(Cause::ConnectTimeout, elapsed)));
        if opened.is_err() && self.with(|slot| !slot.open_http2().is_empty()) {
            // The upstream may take no further connection: those that wait, wait for room on one that is there.
            tokio::time::sleep(OPENING_PAUSE).await;
        }
        self.keep(|slot| {
            slot.is_opening = false;
            match opened {
                Ok(connection) => slot.http2.push(connection),
                Err(_) if !slot.open_http2().is_empty() => {}
                Err(failure) => slot.failure = Some(failure),
            }
        });
        changed.notify_one();
    }

    /// Counts a request in, unless `limit` are in flight.
    pub(super) fn admit(self, limit: usize) -> Result<Permit, Cause> {
        self.with(|slot| {
            if slot.in_flight >= limit {
                return Err(Cause::Overloaded);
            }
            slot.in_flight += 1;
            Ok(Permit(self))
        })
    }

    fn with<T>(self, action: impl FnOnce(&mut Slot) -> T) -> T {
        POOLS.with_borrow_mut(|pools| action(pools.slot(self)))
    }

    /// Has a connection kept, and looked at from then on. The call may come from the thread's last breath.
    fn keep(self, action: impl FnOnce(&mut Slot)) {
        let start = POOLS.try_with(|pools| {
            let pools = &mut *pools.borrow_mut();
            action(pools.slot(self));
            !std::mem::replace(&mut pools.sweeping, true)
        });
        if start == Ok(true) {
            tokio::spawn(sweep());
        }
    }
}

impl Pools {
    fn slot(&mut self, PoolId(id): PoolId) -> &mut Slot {
        if self.slots.len() <= id {
            self.slots.resize_with(id + 1, Slot::default);
        }
        &mut self.slots[id]
    }
}

/// Retires all other pools of this thread: what is idle in them is closed.
pub(super) fn keep_only(kept: impl IntoIterator<Item = PoolId>) {
    let kept: HashSet<usize> = kept.into_iter().map(|PoolId(id)| id).collect();
    // Connections are dropped after the borrow ends: their destructors may come back here.
    let closed = POOLS.with_borrow_mut(|pools| {
        let close = |(id, slot): (usize, &mut Slot)| {
            slot.is_retired = !kept.contains(&id);
            slot.is_retired.then(|| (std::mem::take(&mut slot.idle), std::mem::take(&mut slot.http2)))
        };
        pools.slots.iter_mut().enumerate().filter_map(close).collect::<Vec<_>>()
    });
    drop(closed);
}

/// One request in flight. Dropped on the worker that made it.
#[derive(Debug)]
pub(crate) struct Permit(PoolId);

impl Drop for Permit {
    fn drop(&mut self) {
        // The thread may be at its end.
        let _ = POOLS.try_with(|pools| {
            let pools = &mut *pools.borrow_mut();
            let slot = pools.slot(self.0);
            slot.in_flight = slot.in_flight.saturating_sub(1);
        });
    }
}

/// Closes this thread's idle connections, so that others can be opened.
pub(super) fn close_idle() {
    // Connections are dropped after the borrow ends: their destructors may come back here.
    let closed = POOLS.with_borrow_mut(|pools| {
        pools.slots.iter_mut().map(|slot| std::mem::take(&mut slot.idle)).collect::<Vec<_>>()
    });
    drop(closed);
}

/// Closes what is idle for too long or closed by its upstream, until nothing is left. Where there may be few further
/// connections, another worker may need those that are idle here: they are closed, too.
async fn sweep() {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        if descriptors::are_scarce() {
            close_idle();
        }
        let now = Instant::now();
        // Connections are dropped after the borrow ends: their destructors may come back here.
        let mut closed = Vec::new();
        let mut closed_http2 = Vec::new();
        let done = POOLS.with_borrow_mut(|pools| {
            let mut kept = 0;
            for slot in &mut pools.slots {
                closed
                    .extend(slot.idle.extract_if(.., |idle| idle.until <= now || !idle.connection.is_open()));
                // One may have been opened after its pool was retired, for a request that waited for it.
                let is_over = |connection: &mut Http2Connection| {
                    connection.is_expired(now) || slot.is_retired && connection.is_idle()
                };
                closed_http2.extend(slot.http2.extract_if(.., is_over));
                kept += slot.idle.len() + slot.http2.len();
            }
            pools.sweeping = kept > 0;
            kept == 0
        });
        if done {
            return;
        }
    }
}
