//! `status-proxy`: a sidecar reverse proxy that makes the documentation of status codes true.

#[allow(dead_code, unused_imports, reason = "the parts of the program have not met yet")]
mod listen;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
