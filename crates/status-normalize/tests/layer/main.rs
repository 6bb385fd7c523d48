//! What the layer does to a response, seen from outside.

#![expect(clippy::type_complexity, reason = "tables of cases have many columns")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod access_log;
mod endings;
mod grpc;
mod headers;
mod inspecting;
mod metrics;
mod observing;
mod operations;
mod passing;
mod rewriting;
mod routes;
mod statuses;
mod support;
