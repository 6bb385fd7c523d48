//! Brotli, with one window for the process.

use std::mem;

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper, SliceWrapperMut,
    StandardAlloc,
};

use super::Reason;

/// From this size on a buffer of the decoder is its window: 16 MiB and some slack at most (RFC 7932, 9.1).
const WINDOW_LEAST: usize = 1024 * 1024;

/// More than glibc's allocator ever serves from an arena: such a block is mapped, its pages are taken when they are
/// first written, and all of them are given back when it is freed. The arenas of two threads would keep 16 MiB each.
const MAPPED: usize = 33 * 1024 * 1024;

/// The window that is kept from call to call: ordinary bodies write only its first pages.
#[derive(Debug)]
pub(super) struct Window(Vec<u8>);

impl Window {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }
}

/// Undoes the coding.
pub(super) fn decode(encoded: &[u8], limit: usize, window: &mut Window) -> Result<Vec<u8>, Reason> {
    let buffers = Buffers { window: mem::take(&mut window.0) };
    // `new_strict`: no windows beyond the RFC.
    let mut state = BrotliState::new_strict(buffers, StandardAlloc::default(), StandardAlloc::default());
    let mut body = Vec::new();
    let mut chunk = [0; 4096];
    let (mut rest, mut offset, mut total) = (encoded.len(), 0, 0);
    loop {
        let (mut room, mut written) = (chunk.len(), 0);
        let result = BrotliDecompressStream(
            &mut rest,
            &mut offset,
            encoded,
            &mut room,
            &mut written,
            &mut chunk,
            &mut total,
            &mut state,
        );
        if body.len() + written > limit {
            // A bomb may have written to every page of the window: rather a new one next time.
            return Err(Reason::TooLarge);
        }
        body.extend_from_slice(&chunk[..written]);
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if rest == 0 => break,
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure | BrotliResult::ResultSuccess => {
                return Err(Reason::Undecodable);
            }
        }
    }
    let Buffer { memory, .. } = mem::take(&mut state.ringbuffer);
    window.0 = if memory.len() == MAPPED { memory } else { mem::take(&mut state.alloc_u8.window) };
    Ok(body)
}

/// Serves the decoder's byte buffers; the window from the one at hand.
struct Buffers {
    window: Vec<u8>,
}

impl Allocator<u8> for Buffers {
    type AllocatedMemory = Buffer;

    fn alloc_cell(&mut self, len: usize) -> Buffer {
        let memory = match mem::take(&mut self.window) {
            window if !(WINDOW_LEAST..=MAPPED).contains(&len) => {
                self.window = window;
                vec![0; len]
            }
            window if window.is_empty() => vec![0; MAPPED],
            window => window,
        };
        Buffer { memory, len }
    }

    fn free_cell(&mut self, _: Buffer) {}
}

/// The first `len` bytes of a block.
#[derive(Default)]
struct Buffer {
    memory: Vec<u8>,
    len: usize,
}

impl SliceWrapper<u8> for Buffer {
    fn slice(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl SliceWrapperMut<u8> for Buffer {
    fn slice_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len]
    }
}
