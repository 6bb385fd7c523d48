//! The promises of the project, each tested from outside: the built program as a child process, raw sockets on both
//! sides of it, its metrics scraped.
//!
//! A test that decides one of the numbered traps that other proxies fall into names it, such as `T12`. Not here:
//!
//! * what needs TLS: HTTP/2 by ALPN in T55;
//! * what only a user of the layer sees, decided beside it in `crates/status-normalize`: T56 (order with other layers),
//!   T57 (readiness, bounds), T59 (panics), T42 within one process.
//!
//! Where the machine lacks a program that a test needs, the test says `ignored, because ...`.
#![allow(clippy::unwrap_used, reason = "a test")]

mod backends;
mod bodies;
mod body_finding;
mod caching;
mod catalogs;
mod command_line;
mod configuration;
mod framing;
mod grpc;
mod header_fields;
mod hop_by_hop;
mod http2;
mod http2_closing;
mod http2_frames;
mod http2_requests;
mod http2_streams;
mod http2_tunnels;
mod http2_upstream_faults;
mod http2_upstream_floods;
mod http2_upstream_retries;
mod http2_upstream_windows;
mod http2_upstreams;
mod http2_windows;
mod languages;
mod local_replies;
mod long_bodies;
mod long_uploads;
mod memory;
mod metrics;
mod negotiation;
mod observe;
mod operations;
mod real_http2;
mod real_parts;
mod reload;
mod reload_files;
mod resources;
mod shutdown;
mod spoofing;
mod statuses;
mod streaming;
mod timeouts;
mod tunnels;
mod unreadable_requests;
mod versions;

#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // Built before the first test's clock starts.
    if !arguments.list {
        support::proxy::program();
    }
    let modules = [
        body_finding::trials(),
        backends::trials(),
        bodies::trials(),
        caching::trials(),
        catalogs::trials(),
        command_line::trials(),
        configuration::trials(),
        framing::trials(),
        grpc::trials(),
        header_fields::trials(),
        hop_by_hop::trials(),
        http2::trials(),
        http2_closing::trials(),
        http2_frames::trials(),
        http2_requests::trials(),
        http2_streams::trials(),
        http2_tunnels::trials(),
        http2_upstream_faults::trials(),
        http2_upstream_floods::trials(),
        http2_upstream_retries::trials(),
        http2_upstream_windows::trials(),
        http2_upstreams::trials(),
        http2_windows::trials(),
        languages::trials(),
        local_replies::trials(),
        long_bodies::trials(),
        long_uploads::trials(),
        memory::trials(),
        metrics::trials(),
        negotiation::trials(),
        observe::trials(),
        operations::trials(),
        real_http2::trials(),
        real_parts::trials(),
        reload::trials(),
        reload_files::trials(),
        resources::trials(),
        shutdown::trials(),
        spoofing::trials(),
        statuses::trials(),
        streaming::trials(),
        timeouts::trials(),
        tunnels::trials(),
        unreadable_requests::trials(),
        versions::trials(),
    ];
    libtest_mimic::run(&arguments, modules.into_iter().flatten().collect()).exit_code()
}
