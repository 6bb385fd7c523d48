//! Calls whose panic is an answer, not the end of the connection.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// `None` when `call` panicked. What it has left behind must not be used after that, and is not.
pub(super) fn catch_panic<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T59
    #[test]
    fn a_panic_is_caught() {
        let panics = || assert!(std::env::args().count() == 0, "there is always a program name");
        assert!(catch_panic(panics).is_none());
        assert_eq!(catch_panic(|| 1), Some(1));
    }
}
