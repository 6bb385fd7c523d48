//! The tower layer.

mod access;
mod arrival;
mod asked;
mod body;
mod decision;
mod future;
mod guard;
mod inspection;
#[expect(
    clippy::module_inception,
    reason = "layer, service, future and body are the four parts of a tower layer"
)]
mod layer;
mod reading;
mod rewrite;
mod service;

pub(crate) use layer::Shared;

pub use self::{
    body::ResponseBody,
    future::ResponseFuture,
    layer::{StatusNormalize, StatusNormalizeLayer},
    service::StatusNormalizeService,
};

/// Response extension: the answer was made by the proxy itself, not by an upstream.
///
/// Its body is ignored, its status is described in every mode, and it is counted with `source="proxy"`.
#[derive(Clone, Copy, Debug)]
pub struct LocalReply;
