use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use http::HeaderValue;

use super::*;

const LIMIT: usize = 64 * 1024;
const BODY: &[u8] =
    br#"{"error_code":"VPN.0001","error_msg":"The server could not find the requested page."}"#;

fn named(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(CONTENT_ENCODING, HeaderValue::from_str(line).unwrap());
    }
    headers
}

fn decoded(lines: &[&str], encoded: &[u8]) -> Result<Vec<u8>, Reason> {
    decode(&named(lines), encoded, LIMIT).map(Cow::into_owned)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(body: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn brotli(body: &[u8], lgwin: i32) -> Vec<u8> {
    let params = ::brotli::enc::BrotliEncoderParams { quality: 5, lgwin, ..Default::default() };
    let mut encoded = Vec::new();
    ::brotli::BrotliCompress(&mut &*body, &mut encoded, &params).unwrap();
    encoded
}

fn zstd(body: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(zstd_safe::compress_bound(body.len()));
    zstd_safe::compress(&mut encoded, body, 3).unwrap();
    encoded
}

/// A frame without the content's size and with a window of 1 << `log`, holding raw blocks.
fn zstd_stream(body: &[u8], log: u8) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3];
    let size = u32::try_from(body.len()).unwrap();
    frame.extend_from_slice(&(size << 3 | 1).to_le_bytes()[..3]);
    frame.extend_from_slice(body);
    frame
}

#[test]
fn each_coding_is_undone() {
    // T14
    let cases: &[(&[&str], Vec<u8>)] = &[
        (&[], BODY.to_vec()),
        (&["identity"], BODY.to_vec()),
        (&["", " , identity ,"], BODY.to_vec()),
        (&["gzip"], gzip(BODY)),
        (&["X-GZip"], gzip(BODY)),
        (&["gzip"], [gzip(&BODY[..9]), gzip(&BODY[9..])].concat()),
        (&["deflate"], zlib(BODY)),
        (&["deflate"], raw_deflate(BODY, 6)),
        (&["deflate"], raw_deflate(BODY, 0)),
        (&["br"], brotli(BODY, 22)),
        (&["BR"], brotli(BODY, 24)),
        (&["zstd"], zstd(BODY)),
        (&["zstd"], zstd_stream(BODY, 23)),
        (
            &["zstd"],
            [zstd(&BODY[..9]), vec![0x5f, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7], zstd(&BODY[9..])].concat(),
        ),
        (&["gzip, br"], brotli(&gzip(BODY), 22)),
        (&["br", "gzip"], gzip(&brotli(BODY, 22))),
        (&["zstd,identity", "deflate , gzip"], gzip(&zlib(&zstd(BODY)))),
        (&["gzip"], Vec::new()),
    ];
    for (lines, encoded) in cases {
        let expected = if encoded.is_empty() { &[] } else { BODY };
        assert_eq!(decoded(lines, encoded).as_deref(), Ok(expected), "{lines:?}");
    }
    assert!(matches!(decode(&named(&["identity"]), BODY, LIMIT), Ok(Cow::Borrowed(_))));
}

#[test]
fn a_bare_deflate_stream_may_look_like_the_zlib_format() {
    // A stored block whose unused bits make 0x78; the lengths continue the disguise.
    let stored = [0x78, 0x01, 0x00, 0xfe, 0xff, b'x', 0x03, 0x00];
    assert_eq!(decoded(&["deflate"], &stored).as_deref(), Ok(&b"x"[..]));
}

#[test]
fn what_can_not_be_decoded_is_undecodable() {
    // T14
    let cut = |encoded: Vec<u8>| encoded[..encoded.len() - 1].to_vec();
    let more = |encoded: Vec<u8>| [encoded, b"!".to_vec()].concat();
    let cases: &[(&[&str], Vec<u8>)] = &[
        (&["aws-chunked"], BODY.to_vec()),
        (&["compress"], BODY.to_vec()),
        (&["gzip;q=1"], gzip(BODY)),
        (&["gzip", "sdch"], gzip(BODY)),
        (&["gzip, gzip, gzip, gzip, gzip"], gzip(BODY)),
        (&["gzip"], BODY.to_vec()),
        (&["deflate"], BODY.to_vec()),
        (&["br"], BODY.to_vec()),
        (&["zstd"], BODY.to_vec()),
        (&["gzip"], cut(gzip(BODY))),
        (&["deflate"], cut(zlib(BODY))),
        (&["deflate"], cut(raw_deflate(BODY, 6))),
        (&["br"], cut(brotli(BODY, 22))),
        (&["zstd"], cut(zstd(BODY))),
        (&["gzip"], more(gzip(BODY))),
        (&["deflate"], more(zlib(BODY))),
        (&["deflate"], more(raw_deflate(BODY, 6))),
        (&["br"], more(brotli(BODY, 22))),
        (&["zstd"], more(zstd(BODY))),
        (&["br, gzip"], brotli(&gzip(BODY), 22)),
        // A window above 8 MiB, whatever it holds.
        (&["zstd"], zstd_stream(BODY, 24)),
        (&["zstd"], zstd_stream(BODY, 31)),
        (&["zstd"], [zstd(BODY), zstd_stream(BODY, 27)].concat()),
        // The formats before 0.8.
        (&["zstd"], vec![0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0]),
    ];
    for (lines, encoded) in cases {
        assert_eq!(decoded(lines, encoded), Err(Reason::Undecodable), "{lines:?} {encoded:?}");
    }
}

#[test]
fn the_limit_is_exact_for_each_coding() {
    // T15
    let noise: Vec<u8> =
        (0..LIMIT as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x3f).collect();
    for fill in [&noise[..], &[b' '; LIMIT]] {
        let over = [fill, b" "].concat();
        for (name, encode) in [
            ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
            ("deflate", zlib),
            ("deflate", |body| raw_deflate(body, 6)),
            ("br", |body| brotli(body, 24)),
            ("zstd", zstd),
        ] {
            assert_eq!(decoded(&[name], &encode(fill)).as_deref(), Ok(fill), "{name}");
            assert_eq!(decoded(&[name], &encode(&over)), Err(Reason::TooLarge), "{name}");
        }
    }
    assert_eq!(decode(&named(&[]), &[b' '; 11], 10), Err(Reason::TooLarge));
    assert_eq!(decode(&named(&["gzip"]), &gzip(b"")[..], 1), Err(Reason::TooLarge));
}

#[test]
fn a_bomb_is_too_large_at_any_stage() {
    // T15
    let body = vec![b' '; 48 * 1024 * 1024];
    let bombs =
        [("gzip", gzip(&body)), ("deflate", zlib(&body)), ("br", brotli(&body, 24)), ("zstd", zstd(&body))];
    for (name, bomb) in bombs {
        assert_eq!(decode(&named(&[name]), &bomb, LIMIT), Err(Reason::TooLarge), "{name}");
        let stacked = gzip(&bomb);
        assert_eq!(decode(&named(&[name, "gzip"]), &stacked, LIMIT), Err(Reason::TooLarge), "{name}");
    }
}

#[test]
fn no_corrupt_byte_panics() {
    let body = BODY.repeat(9);
    for (name, encoded) in [
        ("gzip", gzip(&body)),
        ("deflate", zlib(&body)),
        ("deflate", raw_deflate(&body, 6)),
        ("br", brotli(&body, 22)),
        ("zstd", zstd(&body)),
    ] {
        for position in 0..encoded.len() {
            for bits in [1, 0x80, 0xff] {
                let mut corrupt = encoded.clone();
                corrupt[position] ^= bits;
                if let Ok(decoded) = decoded(&[name], &corrupt) {
                    assert!(decoded.len() <= LIMIT);
                }
            }
            assert!(
                position == 0 || decoded(&[name], &encoded[..position]).is_err(),
                "{name} cut at {position}"
            );
        }
    }
}
