//! HTTP/2 as both sides of a connection speak it (RFC 9113).

#[cfg(test)]
pub(crate) mod conversation;
pub(crate) mod fields;
pub(crate) mod frame;
pub(crate) mod hpack;
pub(crate) mod input;
pub(crate) mod outlet;
pub(crate) mod output;
mod reason;

pub(crate) use self::reason::Reason;
