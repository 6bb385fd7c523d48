//! An axum application whose errors are the documented ones, with its counts at `/metrics`.
//!
//! ```text
//! cargo run -p example-axum
//! curl -i http://127.0.0.1:3000/shares/1                            # 404 with an empty body: described
//! curl -i http://127.0.0.1:3000/broken -H 'accept: text/html'       # a stack trace: gone
//! curl -i http://127.0.0.1:3000/quota                               # a documented body: as it is
//! curl -i -X POST http://127.0.0.1:3000/quota                       # axum's own 405: described, with its `Allow`
//! curl -s http://127.0.0.1:3000/metrics
//! ```

use axum::{Json, Router, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use status_normalize::{
    DURATION_BUCKETS, Mode, RoutePattern, StatusNormalize, names, status_catalog::Catalog,
};
use tower::Layer;

async fn broken() -> impl IntoResponse {
    (StatusCode::INTERNAL_SERVER_ERROR, "thread 'main' panicked at src/db.rs:42: db-7.internal refused")
}

async fn quota() -> impl IntoResponse {
    let body = [("error_code", "SFS.0017"), ("error_msg", "The quota of your project is used up.")];
    (StatusCode::CONFLICT, Json(std::collections::BTreeMap::from(body)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Without bounds it would be a summary, of which no other can be made.
    let duration = Matcher::Full(names::RESPONSE_DURATION.to_owned());
    let recorder =
        PrometheusBuilder::new().set_buckets_for_metric(duration, &DURATION_BUCKETS)?.install_recorder()?;

    let router = Router::new()
        .route("/shares/{id}", get(|| async { StatusCode::NOT_FOUND }))
        .route("/broken", get(broken))
        .route("/quota", get(quota))
        .route("/metrics", get(async move || recorder.render()));

    // `.layer(StatusNormalize)` would do. This is the configured form, and around the router instead of in it: there
    // the layer sees the `Allow` that axum adds to a 405.
    let metrics = RoutePattern { path: Some("/metrics".into()), ..RoutePattern::default() };
    let layer = StatusNormalize::builder()
        .catalog(Catalog::builtin("sfs").ok_or("no such catalog")?)
        .name("shares")
        .route(metrics, |route| route.name("metrics").mode(Mode::Off))
        .build()?;
    let app = Router::new().fallback_service(layer.layer(router));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
