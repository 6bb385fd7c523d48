//! Content codings, as a backend applies them.

use std::io::Write;

use flate2::{Compression, write};

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = write::GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory takes everything")
}

/// The zlib format, which is what `deflate` means in HTTP.
pub(crate) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory takes everything")
}

pub(crate) fn brotli(data: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    brotli::BrotliCompress(&mut &data[..], &mut encoded, &parameters).expect("memory takes everything");
    encoded
}

pub(crate) fn zstd(data: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(zstd_safe::compress_bound(data.len()));
    zstd_safe::compress(&mut encoded, data, 3).expect("the buffer is large enough");
    encoded
}

/// `size` zeros under gzip, without ever holding them.
pub(crate) fn gzip_bomb(size: u64) -> Vec<u8> {
    let mut encoder = write::GzEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), size), &mut encoder)
        .expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// `size` zeros under br.
pub(crate) fn brotli_bomb(size: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 2, ..Default::default() };
    let mut zeros = std::io::Read::take(std::io::repeat(0), size);
    brotli::BrotliCompress(&mut zeros, &mut encoded, &parameters).expect("memory takes everything");
    encoded
}

/// `size` zeros in one frame under zstd.
pub(crate) fn zstd_bomb(size: u64) -> Vec<u8> {
    use zstd_safe::{CCtx, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective};
    let mut context = CCtx::create();
    let zeros = vec![0; 1 << 20];
    let (mut encoded, mut piece, mut left) = (Vec::new(), vec![0; 1 << 17], size);
    loop {
        let taken = left.min(zeros.len() as u64);
        left -= taken;
        let mut input = InBuffer::around(&zeros[..usize::try_from(taken).expect("at most a MiB")]);
        let end = if left == 0 { ZSTD_EndDirective::ZSTD_e_end } else { ZSTD_EndDirective::ZSTD_e_continue };
        loop {
            let mut output = OutBuffer::around(&mut piece[..]);
            let pending =
                context.compress_stream2(&mut output, &mut input, end).expect("zeros can be compressed");
            encoded.extend_from_slice(output.as_slice());
            if input.pos() == input.src.len() && (left > 0 || pending == 0) {
                break;
            }
        }
        if left == 0 {
            return encoded;
        }
    }
}
