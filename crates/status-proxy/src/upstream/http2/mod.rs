//! HTTP/2 towards upstreams, with prior knowledge: connections that a worker's requests share.

mod body;
mod connection;
#[cfg(test)]
mod differential;
mod error;
mod exchange;
mod head;
mod held;
mod link;
mod receive;
mod request;
mod stream;
mod task;
mod upload;

pub(crate) use self::error::Error;
pub(super) use self::{
    body::Http2Body,
    connection::Http2Connection,
    exchange::{Call, Exchange, Unanswered},
    request::is_grpc,
};

/// What an upstream may send on one stream before it is read: enough for a fast network, little for a thousand slow readers.
const STREAM_WINDOW: u32 = 128 * 1024;

/// What it may send on all streams together: as much as on each of them. With less, some that nobody reads would hold up all
/// others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
