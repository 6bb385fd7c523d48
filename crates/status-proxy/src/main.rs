//! `status-proxy`: a sidecar reverse proxy that makes the documentation of status codes true.

mod admin;
mod batched;
mod bypass;
mod cli;
mod config;
mod demo;
mod descriptors;
mod drain;
mod field_line;
mod field_name;
mod forward;
mod host;
mod http2;
mod listen;
mod local_reply;
mod logs;
mod loopback;
mod metrics;
mod random;
mod recorder;
mod reload;
mod serve;
mod sources;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
