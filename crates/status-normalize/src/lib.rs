//! A tower layer that makes the documentation of status codes true.

mod by_status;
mod config;
mod grpc;
mod headers;
mod layer;
mod metrics;
mod policy;
mod rendered;
mod representation;
mod route;
mod verdict;

pub use config::{BuildError, Builder, InspectLimit, Mode, OutOfRange, Rollout, StatusRule, Undocumented};
pub use layer::{
    LocalReply, ResponseBody, ResponseFuture, StatusNormalize, StatusNormalizeLayer, StatusNormalizeService,
};
pub use representation::{Template, TemplateError};
pub use route::{RouteError, RoutePattern, RouteTable};
pub use verdict::{Accepted, BodyFinding, Reason, Shape, UnknownShape};
