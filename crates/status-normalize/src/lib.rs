//! A tower layer that makes the documentation of status codes true.
//!
//! A service's documentation promises a small set of status codes, each with one sentence of meaning. Its backends
//! answer something else: a framework's HTML page, a stack trace, an empty 502. [`StatusNormalize`] classifies every
//! response against a [`Catalog`](status_catalog::Catalog) that was read from the documentation itself, rewrites error
//! bodies that are in no documented form into the documented description, and counts what it saw.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use status_normalize::StatusNormalize;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let backend = service_fn(|_: Request<()>| async {
//!     let mut response = Response::new(Full::<Bytes>::from("<h1>Oops</h1> at db-7.internal"));
//!     *response.status_mut() = StatusCode::BAD_GATEWAY;
//!     Ok::<_, Infallible>(response)
//! });
//! let service = ServiceBuilder::new().layer(StatusNormalize).service(backend);
//!
//! let response = service.oneshot(Request::new(())).await.unwrap();
//! assert_eq!(response.status(), 502);
//! assert_eq!(response.headers()["content-type"], "application/problem+json");
//! let body = response.into_body().collect().await.unwrap().to_bytes();
//! let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
//! assert_eq!(problem["title"], "Bad Gateway");
//! assert!(problem["detail"].as_str().unwrap().contains("an invalid response from an upstream server"));
//! # }
//! ```
//!
//! [`StatusNormalize::builder`] gives the configured form: another catalog, routes, modes, limits.
//!
//! # What is never touched
//!
//! 1xx and 101, answers to CONNECT, 204, 205, 304, 206, whatever the catalog lists as normal (event streams, downloads,
//! gRPC), and responses with `Cache-Control: no-transform`. Bytes, trailers, size hint and end-of-stream flag come out
//! as they went in: nothing is buffered, copied or allocated, no task is spawned. An undocumented status passes unless
//! the route says otherwise ([`Undocumented`]).
//!
//! # What is rewritten
//!
//! An abnormal response whose body is in none of the [`Accepted`] shapes, by a look at no more than
//! [`InspectLimit`] bytes for no longer than the inspect timeout. The status stays, the body becomes the documented
//! description in the media type and language that the client prefers, fields that described the old body go, all
//! others stay. A machine code and a request id of the old body are kept; nothing else of it reaches the client. A gRPC
//! call gets a Trailers-Only reply.
//!
//! # Errors, time, cancellation
//!
//! The inner service's error type stays as it is, [`Infallible`](std::convert::Infallible) included; an error of a body
//! that is replaced goes no further. Everything may be dropped at any time, and is counted then. A timer is started only
//! when a body has to be waited for before it can be judged or replaced, and needs a tokio runtime with its time driver
//! enabled.
//!
//! # Metrics
//!
//! Through the [`metrics`](https://docs.rs/metrics) facade, with descriptions and units: [`names`] has all of them. No
//! label holds anything that a request or response says. The recorder may be installed before or after the layer is
//! built. That of `metrics-exporter-prometheus` has to be told the bounds of the histogram, or makes a summary of it:
//!
//! ```
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//! use status_normalize::{DURATION_BUCKETS, names};
//!
//! let duration = Matcher::Full(names::RESPONSE_DURATION.into());
//! let recorder = PrometheusBuilder::new().set_buckets_for_metric(duration, &DURATION_BUCKETS)?.install_recorder()?;
//! # Ok::<(), metrics_exporter_prometheus::BuildError>(())
//! ```
//!
//! With `tracing` enabled for the target `status_normalize::access` at `INFO`, each
//! finished response is an event.
//!
//! # In axum
//!
//! `Router::layer(StatusNormalize)` works. axum adds `Allow` to its 405 outside of `Router::layer`, where a layer can't
//! see it, so that each such answer counts as a broken promise of the kind `missing_header`. Either put the layer
//! around the router, or turn that count off with [`Builder::count_missing_allow`]:
//!
//! ```
//! use axum::{Router, routing::get};
//! use status_normalize::StatusNormalize;
//! use tower::Layer;
//!
//! let router = Router::new().route("/", get(|| async { "Hello" }));
//! let app: Router = Router::new().fallback_service(StatusNormalize.layer(router));
//! ```
//!
//! # Compared with its neighbours
//!
//! `tower_http::catch_panic` and handlers that return problem details make *one* service's errors uniform where it is
//! written. This layer starts from the documentation, holds any service to it, and leaves alone what already conforms.

mod by_status;
mod config;
mod grpc;
mod headers;
mod layer;
mod limits;
mod metrics;
mod policy;
mod rendered;
mod representation;
mod route;
mod verdict;

pub use config::{BuildError, Builder, Mode, Undocumented};
pub use layer::{
    LocalReply, ResponseBody, ResponseFuture, StatusNormalize, StatusNormalizeLayer, StatusNormalizeService,
};
pub use limits::{InspectLimit, OutOfRange, Rollout, StatusRule};
pub use metrics::DURATION_BUCKETS;
pub use representation::{Template, TemplateError, reason_phrase};
pub use route::{Operations, RouteError, RoutePattern, RouteTable};
/// What the builder takes catalogs from.
pub use status_catalog;
pub use verdict::{Accepted, BodyFinding, Reason, Shape, UnknownShape};

/// The names of the metrics.
pub mod names {
    pub use crate::metrics::{
        BODY_ERRORS, BROKEN_PROMISES, GRPC_RESPONSES, IN_FLIGHT, INSPECTED_BYTES, NONSTANDARD,
        RESPONSE_DURATION, RESPONSES, SKIPPED,
    };
}
