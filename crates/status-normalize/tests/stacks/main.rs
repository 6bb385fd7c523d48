//! The layer where people mount it: axum, tower, a bare hyper server, tonic, and around a client.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod axum_router;
mod hyper_server;
mod tonic_server;
mod tower_stack;
