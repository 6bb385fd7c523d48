//! Scripted bodies and recorder snapshots for the tests of this workspace.

mod body;
mod recorder;

pub use body::{Broken, Probe, ScriptedBody, Step};
pub use recorder::Recorded;
