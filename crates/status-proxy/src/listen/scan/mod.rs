//! Where a request on an HTTP/1.1 connection ends, and whether that is beyond doubt.

mod chunked;
mod head;

pub(super) use chunked::{ChunkedScan, Malformed};
pub(super) use head::{Framing, Head, HeadScan, Progress};
