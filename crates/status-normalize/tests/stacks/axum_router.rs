//! In an axum router.

use axum::{Router, http::StatusCode, routing::get};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use status_normalize::StatusNormalize;
use status_test_util::Recorded;
use tower::{Layer, Service, ServiceExt};

fn app() -> Router {
    Router::new()
        .route("/fine", get(|| async { "fine" }))
        .route("/broken", get(|| async { (StatusCode::BAD_GATEWAY, "oops") }))
}

async fn ask<S, B>(app: S, method: Method, path: &str) -> (u16, String)
where
    S: Service<Request<axum::body::Body>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: axum::body::HttpBody,
    B::Error: std::fmt::Debug,
{
    let mut request = Request::new(axum::body::Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    let response = app.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn works_as_a_layer_of_a_router() {
    let app = app().layer(StatusNormalize);
    assert_eq!(ask(app.clone(), Method::GET, "/fine").await, (200, "fine".into()));
    for (method, path, status) in
        [(Method::GET, "/broken", 502), (Method::GET, "/nowhere", 404), (Method::POST, "/fine", 405)]
    {
        let (answered, body) = ask(app.clone(), method, path).await;
        assert_eq!(answered, status);
        assert!(body.contains(&format!("\"status\":{status}")), "{body}");
    }
}

#[tokio::test]
async fn around_a_router_the_layer_sees_the_allow_field() {
    for (around, missing) in [(false, 1.0), (true, 0.0)] {
        let recorded = Recorded::new();
        let _installed = recorded.install();
        let layer = StatusNormalize::builder().build().unwrap();
        if around {
            ask(layer.layer(app()), Method::POST, "/fine").await;
        } else {
            ask(app().layer(layer), Method::POST, "/fine").await;
        }
        let count = recorded.sum("status_normalize_broken_promises_total", &[("kind", "missing_header")]);
        assert_eq!(count, missing, "axum adds `Allow` outside of `Router::layer`");
    }
}
