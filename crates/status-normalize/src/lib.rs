//! A tower layer that makes the documentation of status codes true.

mod config;
mod layer;
mod policy;
mod route;

pub use config::{BuildError, Builder, InspectLimit, Mode, OutOfRange, Rollout, StatusRule, Undocumented};
pub use layer::{
    LocalReply, ResponseBody, ResponseFuture, StatusNormalize, StatusNormalizeLayer, StatusNormalizeService,
};
pub use route::{RouteError, RoutePattern, RouteTable};
