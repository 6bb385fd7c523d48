//! The client's request body on its way up, and what is known of it while the answer is waited for.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::{bypass::Bypass, forward::trailers, listen::ClientBody, local_reply::Cause};

/// How long a body is held back for the upstream's 100 (Continue). RFC 9110, 10.1.1 leaves the time to us: an upstream
/// may not know the expectation. The same as curl's.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// A request body. Read only as fast as the upstream takes it. By default there is none.
#[derive(Debug, Default)]
pub(crate) struct RequestBody {
    /// `None` for a request without a body.
    source: Option<ClientBody>,
    /// `None` for a request without a body.
    watch: Option<Arc<Watch>>,
    /// Bytes that may still come.
    left: u64,
}

/// What has become of a request's body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Option<Arc<Watch>>);

#[derive(Debug)]
struct Watch {
    state: AtomicU8,
    /// While the body is held back: who waits for it, and until when.
    held: Mutex<Option<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    reader: Option<Waker>,
    until: Option<Pin<Box<Sleep>>>,
}

const FLOWING: u8 = 0;
const HELD: u8 = 1;
const ENDED: u8 = 2;
const TOO_LARGE: u8 = 3;
const CUT: u8 = 4;

/// Why a request body cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestBodyError {
    /// It broke off or was malformed.
    #[error("request body broke off")]
    Cut(#[source] io::Error),
    /// It is longer than allowed.
    #[error("request body is longer than allowed")]
    TooLarge,
}

impl RequestBody {
    /// A body of at most `limit` bytes; held back until the upstream asks for it if `expects_continue`.
    pub(crate) fn new(body: ClientBody, limit: Option<u64>, expects_continue: bool) -> (Self, Progress) {
        let source = (!body.is_end_stream()).then_some(body);
        let watch = source.is_some().then(|| {
            let (state, held) =
                if expects_continue { (HELD, Some(Held::default())) } else { (FLOWING, None) };
            Arc::new(Watch { state: AtomicU8::new(state), held: Mutex::new(held) })
        });
        let progress = Progress(watch.clone());
        (Self { source, watch, left: limit.unwrap_or(u64::MAX) }, progress)
    }

    /// Where stand-ins are from now on in place of what is to come, if that pays and can be. Who writes the body to a socket
    /// empties it.
    pub(super) fn bypass(&mut self) -> Option<Arc<Bypass>> {
        self.source.as_mut()?.bypass()
    }
}

impl Progress {
    /// Whether the request has been read to its end.
    pub(crate) fn is_request_sent(&self) -> bool {
        self.0.as_ref().is_none_or(|watch| watch.state.load(Relaxed) == ENDED)
    }

    /// What was wrong with the request's body.
    pub(super) fn fault(&self) -> Option<Cause> {
        match self.0.as_ref()?.state.load(Relaxed) {
            TOO_LARGE => Some(Cause::BodyTooLarge),
            CUT => Some(Cause::BodyCut),
            _ => None,
        }
    }

    /// Whether the body waits for the upstream's 100 (Continue).
    pub(crate) fn is_held(&self) -> bool {
        self.0.as_ref().is_some_and(|watch| watch.state.load(Relaxed) == HELD)
    }

    /// Lets the body go: the upstream asked for it.
    pub(super) fn release(&self) {
        if let Some(watch) = &self.0
            && watch.state.compare_exchange(HELD, FLOWING, Relaxed, Relaxed).is_ok()
            && let Some(held) = watch.held.lock().unwrap_or_else(PoisonError::into_inner).take()
            && let Some(reader) = held.reader
        {
            reader.wake();
        }
    }

    /// Lets the body go when the upstream has been asked long enough.
    pub(super) fn poll_expectation(&self, cx: &mut Context<'_>) {
        if !self.is_held() {
            return;
        }
        let waited = self.0.as_ref().is_some_and(|watch| {
            let mut held = watch.held.lock().unwrap_or_else(PoisonError::into_inner);
            let held = held.get_or_insert_default();
            held.until.get_or_insert_with(|| Box::pin(sleep(CONTINUE_WAIT))).as_mut().poll(cx).is_ready()
        });
        if waited {
            self.release();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = &mut *self;
        let (Some(watch), Some(source)) = (&this.watch, &mut this.source) else {
            return Poll::Ready(None);
        };
        if watch.state.load(Relaxed) == HELD {
            let mut held = watch.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.get_or_insert_default().reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut frame = match ready!(Pin::new(&mut *source).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                watch.state.store(CUT, Relaxed);
                return Poll::Ready(Some(Err(RequestBodyError::Cut(error))));
            }
            None => {
                watch.state.store(ENDED, Relaxed);
                return Poll::Ready(None);
            }
        };
        if let Some(trailers) = frame.trailers_mut() {
            trailers::filter(trailers);
        }
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(left) = this.left.checked_sub(length) else {
            watch.state.store(TOO_LARGE, Relaxed);
            return Poll::Ready(Some(Err(RequestBodyError::TooLarge)));
        };
        this.left = left;
        if frame.is_trailers() || source.is_end_stream() {
            watch.state.store(ENDED, Relaxed);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.source.as_ref().is_none_or(ClientBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.source.as_ref().map_or_else(|| SizeHint::with_exact(0), ClientBody::size_hint)
    }
}
