//! Compression of fields in HTTP/2 (RFC 7541), apart from what the program uses for it.

pub(crate) use status_test_util::hpack::{Decoder, integer};

/// Name and value.
pub(crate) type Field = (String, String);

/// The fields as literals that enter no table, not compressed.
pub(crate) fn literals<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name.as_ref(), value.as_ref()] {
            integer(&mut block, 0, 7, text.len());
            block.extend(text);
        }
    }
    block
}

/// Fields of which the names and values are to be text.
pub(crate) fn texts(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<Field> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    fields.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}
