//! Brotli, with a window that leaves nothing behind.

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper, SliceWrapperMut,
    StandardAlloc,
};

use super::Reason;

/// From this size on a buffer is the window of a body far above any limit: it grows with what is announced, up to
/// 16 MiB (RFC 7932, 9.1).
const WINDOW_LEAST: usize = 1024 * 1024;

/// More than glibc's allocator ever serves from an arena: such a block is mapped, its pages are taken when they are
/// first written, and given back when it is freed. Arenas keep what they had, 16 MiB for each thread that decodes.
const MAPPED: usize = 33 * 1024 * 1024;

/// Undoes the coding.
pub(super) fn decode(encoded: &[u8], limit: usize) -> Result<Vec<u8>, Reason> {
    // `new_strict`: no windows beyond the RFC.
    let mut state = BrotliState::new_strict(Buffers, StandardAlloc::default(), StandardAlloc::default());
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
            return Err(Reason::TooLarge);
        }
        body.extend_from_slice(&chunk[..written]);
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if rest == 0 => return Ok(body),
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure | BrotliResult::ResultSuccess => {
                return Err(Reason::Undecodable);
            }
        }
    }
}

/// Serves the decoder's byte buffers.
struct Buffers;

impl Allocator<u8> for Buffers {
    type AllocatedMemory = Buffer;

    fn alloc_cell(&mut self, len: usize) -> Buffer {
        let reserved = if (WINDOW_LEAST..MAPPED).contains(&len) { MAPPED } else { len };
        Buffer { memory: vec![0; reserved], len }
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
