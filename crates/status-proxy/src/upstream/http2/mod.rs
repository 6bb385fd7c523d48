//! HTTP/2 towards upstreams, with prior knowledge, by the h2 crate: connections that a worker's requests share.

mod body;
mod connection;
mod exchange;
mod received;
mod request;
mod upload;

pub(super) use self::{
    body::Http2Body,
    connection::Http2Connection,
    exchange::{Call, Exchange, Unanswered},
    request::is_grpc,
};
