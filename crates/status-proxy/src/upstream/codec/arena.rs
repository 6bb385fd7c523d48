//! Read buffers that all upstream connections of a worker share.
//!
//! What is read is parsed at once, so a connection only has to hold what is incomplete: an idle one holds nothing, and the
//! memory that the next read goes to is still in the processor's cache.
//!
//! Long bodies cost less in larger pieces. A client that takes no more for now holds on to the last one, so a worker has a
//! few large buffers only, and reads smaller pieces while all of these are held.

use std::{
    array,
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

/// What a large piece may be.
const LARGE: usize = 256 * 1024;
/// How many large buffers there are.
const LARGE_BUFFERS: usize = 4;

thread_local! {
    static ARENA: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    static LARGE_ARENAS: RefCell<[BytesMut; LARGE_BUFFERS]> =
        RefCell::new(array::from_fn(|_| BytesMut::with_capacity(LARGE)));
}

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
    if expected == Expected::Long && input.is_empty() {
        let polled = LARGE_ARENAS.with_borrow_mut(|arenas| {
            let arena = arenas.iter_mut().find_map(|arena| arena.try_reclaim(LARGE).then_some(arena))?;
            Some(poll_read_into(arena, io, cx, input))
        });
        if let Some(polled) = polled {
            return polled;
        }
    }
    ARENA.with_borrow_mut(|arena| {
        let (least, chunk) = match expected {
            Expected::Long => (LONG, LONG),
            Expected::Short => (SHORT, CHUNK),
        };
        if arena.capacity() < least {
            arena.reserve(chunk);
        }
        poll_read_into(arena, io, cx, input)
    })
}

fn poll_read_into<IO: AsyncRead + Unpin>(
    arena: &mut BytesMut,
    io: &mut IO,
    cx: &mut Context<'_>,
    input: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let read = ready!(pin!(io.read_buf(arena)).poll(cx))?;
    let bytes = arena.split_to(read);
    if input.is_empty() {
        *input = bytes;
    } else {
        // Costs a copy only when another connection has read in between.
        input.unsplit(bytes);
    }
    Poll::Ready(Ok(read))
}

/// Lets go of the memory behind an empty `input`.
pub(super) fn release(input: &mut BytesMut) {
    debug_assert!(input.is_empty(), "nothing is thrown away");
    *input = BytesMut::new();
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn pieces_are_large_while_few_are_held() {
        let body = vec![b'x'; LARGE];
        let read = || {
            let mut piece = BytesMut::new();
            let mut cx = Context::from_waker(Waker::noop());
            let polled = poll_read(&mut &body[..], &mut cx, &mut piece, Expected::Long);
            assert!(matches!(polled, Poll::Ready(Ok(read)) if read == piece.len()));
            piece
        };
        let mut held: Vec<_> = (0..LARGE_BUFFERS + 2).map(|_| read()).collect();
        let lengths: Vec<_> = held.iter().map(BytesMut::len).collect();
        assert_eq!(lengths, [[LARGE; LARGE_BUFFERS].as_slice(), &[LONG; 2]].concat());
        held.remove(1);
        (0..2).for_each(|_| assert_eq!(read().len(), LARGE));
        held.push(read());
        assert_eq!(read().len(), LONG);
    }

    #[test]
    fn a_piece_that_continues_another_is_not_put_in_a_large_buffer() {
        let mut input = BytesMut::from("5");
        let mut cx = Context::from_waker(Waker::noop());
        let polled = poll_read(&mut &b"\r\nhello"[..], &mut cx, &mut input, Expected::Long);
        assert!(matches!(polled, Poll::Ready(Ok(7))));
        assert_eq!(input, "5\r\nhello");
    }
}
