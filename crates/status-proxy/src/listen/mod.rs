//! Where clients connect: listeners, worker threads, and the life of a client connection.

mod client_conn;

pub(crate) use client_conn::ClientConn;
