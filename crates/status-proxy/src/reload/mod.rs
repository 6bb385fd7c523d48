//! Another configuration while requests are served.

mod workers;

pub(crate) use workers::Workers;
