//! HTTP/2 as both sides of a connection speak it (RFC 9113).

pub(crate) mod frame;
pub(crate) mod hpack;
pub(crate) mod outlet;
pub(crate) mod output;
mod reason;

pub(crate) use self::reason::Reason;
