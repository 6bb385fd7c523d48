//! A tower layer that makes the documentation of status codes true.

mod config;
mod layer;
mod route;

pub use config::{BuildError, Builder, Mode, Undocumented};
pub use layer::{LocalReply, ResponseBody, ResponseFuture, StatusNormalize, StatusNormalizeLayer, StatusNormalizeService};
pub use route::{RoutePattern, RouteTable};
