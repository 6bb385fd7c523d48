//! Scripted bodies, recorder snapshots and compressed fields for the tests of this workspace.

mod body;
pub mod hpack;
mod recorder;

pub use body::{Broken, Probe, ScriptedBody, Step};
pub use recorder::Recorded;
