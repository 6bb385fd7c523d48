//! Conversations that this implementation and the h2 crate are told alike: what they are made of, and what is done with them.

pub(crate) mod answers;
pub(crate) mod checks;
pub(crate) mod hpack;
pub(crate) mod peer;
pub(crate) mod wire;

/// RFC 9113, 7.
pub(crate) mod code {
    pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
    pub(crate) const INTERNAL_ERROR: u32 = 0x2;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 0x3;
    pub(crate) const STREAM_CLOSED: u32 = 0x5;
    pub(crate) const FRAME_SIZE_ERROR: u32 = 0x6;
    pub(crate) const CANCEL: u32 = 0x8;
    pub(crate) const COMPRESSION_ERROR: u32 = 0x9;
}
