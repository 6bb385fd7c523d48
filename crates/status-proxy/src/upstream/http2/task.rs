//! The task that reads what comes on a connection and sends what there is to be sent.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};

use super::{
    error::Error,
    link::{Link, State},
};
use crate::{
    http2::{Reason, input},
    local_reply::{Cause, Failure},
};

/// Bytes read at once. After so many the streams have their turn: what they pass on makes room, and lies in the
/// processor's cache.
const READ_BYTES: usize = 64 * 1024;

/// How long an upstream has to take the last of what is sent to it.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection and its socket.
#[derive(Debug)]
pub(super) struct Task<S> {
    io: S,
    link: Arc<Link>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    pub(super) fn new(io: S, link: Arc<Link>) -> Self {
        Self { io, link }
    }

    /// Reads and writes until the upstream has said how many streams it takes, and that it takes any (RFC 9113, 3.4 and
    /// 5.1.2).
    pub(super) async fn wait_for_room(&mut self) -> Result<(), Failure> {
        poll_fn(|cx| {
            let is_over = self.poll(cx).is_ready();
            let state = self.link.lock();
            match state.error() {
                Some(error) => Poll::Ready(Err(error.into())),
                None if is_over => Poll::Ready(Err(Failure::new(Cause::Disconnected, "closed at once"))),
                None if state.max_streams.is_some_and(|most| most > 0) => Poll::Ready(Ok(())),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Reads and writes to the end.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        let error = self.link.lock().error();
        if let Some(error) = error {
            tracing::debug!(%error, "HTTP/2 connection to upstream ended");
        }
        let _ = timeout(FAREWELL, async {
            poll_fn(|cx| self.link.lock().shared.output.poll_send(&mut self.io, cx)).await?;
            self.io.shutdown().await
        })
        .await;
    }

    /// Ready when there is nothing more to read.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.link.lock();
        state.begin(cx.waker());
        if let Err(error) = poll_input(&mut self.io, state, cx) {
            if let Error::Broken(reason) = error {
                state.shared.output.go_away(0, reason);
            }
            state.fail(error);
            return Poll::Ready(());
        }
        if state.is_over() {
            state.shared.output.go_away(0, Reason::NO_ERROR);
            return Poll::Ready(());
        }
        if !state.shared.output.is_empty()
            && let Poll::Ready(Err(error)) = state.shared.output.poll_send(&mut self.io, cx)
        {
            state.fail(Error::Lost(error.kind()));
            return Poll::Ready(());
        }
        if state.input.is_held() && !state.shared.output.is_full() {
            cx.waker().wake_by_ref();
        }
        state.serve_turns();
        Poll::Pending
    }
}

/// Reads as long as there is something. Never part of its caller, which would take so much of the stack each time.
#[inline(never)]
fn poll_input<S: AsyncRead + Unpin>(
    io: &mut S,
    state: &mut State,
    cx: &mut Context<'_>,
) -> Result<(), Error> {
    if state.input.is_waiting() {
        input::take_in(state, &[]).map_err(Error::Broken)?;
    }
    while !state.input.is_held() {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut space = ReadBuf::uninit(&mut space);
        match Pin::new(&mut *io).poll_read(cx, &mut space) {
            Poll::Ready(Ok(())) if !space.filled().is_empty() => {
                input::take_in(state, space.filled()).map_err(Error::Broken)?;
            }
            Poll::Ready(Ok(())) => return Err(Error::Lost(io::ErrorKind::UnexpectedEof)),
            Poll::Ready(Err(error)) => return Err(Error::Lost(error.kind())),
            Poll::Pending => break,
        }
        if space.remaining() == 0 {
            cx.waker().wake_by_ref();
            break;
        }
    }
    Ok(())
}
