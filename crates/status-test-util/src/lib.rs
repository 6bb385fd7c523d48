//! Scripted bodies and recorder snapshots for the tests of this workspace.
