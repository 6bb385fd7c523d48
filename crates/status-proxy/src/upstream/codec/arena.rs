//! One read buffer for all upstream connections of a worker.
//!
//! What is read is parsed at once, so a connection only has to hold what is incomplete: an idle one holds nothing, and the
//! memory that the next read goes to is still in the processor's cache.

use std::{
    cell::RefCell,
    future::Future,
    io,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a read of what is long needs, and gets for itself.
const LONG: usize = 64 * 1024;
/// What a read needs at least, when a head or a short body is expected.
const SHORT: usize = 4 * 1024;
/// What is allocated for several short reads. It stays as long as the last body that was in it.
const CHUNK: usize = 16 * 1024;

thread_local!(static ARENA: RefCell<BytesMut> = RefCell::new(BytesMut::new()));

/// How much is expected from a read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    /// More than fits a short read: worth a chunk of its own.
    Long,
    /// A head or a short body.
    Short,
}

/// Appends what one read gives to `input`; zero bytes are the end of the stream.
pub(super) fn poll_read<IO: AsyncRead + Unpin>(
    io: &mut IO,
    cx: &mut Context<'_>,
    input: &mut BytesMut,
    expected: Expected,
) -> Poll<io::Result<usize>> {
    ARENA.with_borrow_mut(|arena| {
        let (least, chunk) = match expected {
            Expected::Long => (LONG, LONG),
            Expected::Short => (SHORT, CHUNK),
        };
        if arena.capacity() < least {
            arena.reserve(chunk);
        }
        let read = ready!(pin!(io.read_buf(arena)).poll(cx))?;
        let bytes = arena.split_to(read);
        if input.is_empty() {
            *input = bytes;
        } else {
            // Costs a copy only when another connection has read in between.
            input.unsplit(bytes);
        }
        Poll::Ready(Ok(read))
    })
}

/// Lets go of the memory behind an empty `input`.
pub(super) fn release(input: &mut BytesMut) {
    debug_assert!(input.is_empty(), "nothing is thrown away");
    *input = BytesMut::new();
}
