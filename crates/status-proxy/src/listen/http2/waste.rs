//! What is too much of what a client has us do for nothing.

use tokio::time::Instant;

use crate::http2::Reason;

/// Counts what a client has us do for nothing: requests that it cancels, streams that it breaks, frames without content.
///
/// Each costs it less than us, the requests by far. Whoever has his requests answered may cancel as many. A response that has
/// begun was not for nothing, and how else should a client end one that has no end?
#[derive(Debug)]
pub(super) struct Waste {
    count: u32,
    since: Instant,
}

impl Waste {
    /// More than this within [`Self::SECONDS`] is an attack.
    const MOST: u32 = 1_000;

    const SECONDS: u64 = 10;

    pub(super) fn new() -> Self {
        Self { count: 0, since: Instant::now() }
    }

    /// # Errors
    ///
    /// If it is too much.
    pub(super) fn add(&mut self) -> Result<(), Reason> {
        self.count += 1;
        if self.count > Self::MOST {
            let now = Instant::now();
            if now.duration_since(self.since).as_secs() < Self::SECONDS {
                return Err(Reason::ENHANCE_YOUR_CALM);
            }
            (self.count, self.since) = (0, now);
        }
        Ok(())
    }

    /// A request has been answered.
    pub(super) fn make_up(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn too_much_is_what_comes_at_once_and_is_not_made_up_for() {
        let mut waste = Waste::new();
        for _ in 0..10 * Waste::MOST {
            assert_eq!(waste.add(), Ok(()));
            waste.make_up();
        }
        for _ in 0..10 * Waste::MOST {
            assert_eq!(waste.add(), Ok(()));
            advance(Duration::from_secs(Waste::SECONDS) / Waste::MOST).await;
        }
        advance(Duration::from_secs(Waste::SECONDS)).await;
        let mut added = 0;
        while waste.add().is_ok() {
            added += 1;
        }
        assert!((Waste::MOST..2 * Waste::MOST).contains(&added), "{added}");
    }
}
