//! When the client or the upstream has to have gone on.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Who has to go on with an exchange, as long as there is no head of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// With the body that the upstream would take more of.
    Client,
    Upstream,
}

/// Whose turn it is, and until when.
#[derive(Debug)]
pub(super) struct Turn {
    side: Side,
    until: Option<Instant>,
}

impl Turn {
    /// It begins as that of the upstream.
    pub(super) fn new(until: Option<Instant>) -> Self {
        Self { side: Side::Upstream, until }
    }

    /// Until when `side`, whose turn it is now, has to go on, if it may not take its time. That begins anew when either of
    /// them has done something.
    pub(super) fn until(&mut self, side: Side, has_moved: bool, limit: Option<Duration>) -> Option<Instant> {
        if has_moved || self.side != side {
            *self = Self { side, until: None };
        }
        if self.until.is_none() {
            self.until = limit.map(|limit| Instant::now() + limit);
        }
        self.until
    }
}

/// A timer that is armed again only when it fires too early.
///
/// Every request has a deadline and next to none reaches it, so a connection keeps one timer across its requests:
/// the fast path reads the clock once and never touches the timer wheel.
#[derive(Debug, Default)]
pub(super) struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    pub(super) fn poll(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
        Poll::Pending
    }
}
