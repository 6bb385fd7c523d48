//! A future whose panic is an answer, not the end of the connection.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

pin_project! {
    /// Ready with `None` when the inner future panicked.
    pub(super) struct CatchPanic<F> {
        #[pin]
        inner: F,
    }
}

/// The inner future must not be polled after a panic, and is not: its owner is done with `None`.
pub(super) fn catch_panic<F: Future>(inner: F) -> CatchPanic<F> {
    CatchPanic { inner }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.project().inner;
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T59
    #[tokio::test]
    async fn a_panic_is_caught_after_a_yield_too() {
        let panics = async {
            tokio::task::yield_now().await;
            assert!(std::env::args().count() == 0, "there is always a program name");
        };
        assert!(catch_panic(panics).await.is_none());
        assert_eq!(catch_panic(async { 1 }).await, Some(1));
    }
}
