//! In a tower stack, and what the compiler promises.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use status_normalize::{
    Builder, ResponseBody, ResponseFuture, RouteTable, StatusNormalize, StatusNormalizeLayer,
    StatusNormalizeService,
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

fn failing<B>(_: Request<B>) -> std::future::Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let mut response = Response::new(Full::from("oops"));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    std::future::ready(Ok(response))
}

async fn is_described<B: Body<Data = Bytes>>(response: Response<B>) -> bool
where
    B::Error: std::fmt::Debug,
{
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).contains("invalid response from an upstream server")
}

#[tokio::test]
async fn works_in_a_service_builder() {
    // T57
    let service = ServiceBuilder::new()
        .concurrency_limit(2)
        .layer(StatusNormalize)
        .map_request(|request: Request<Empty<Bytes>>| request)
        .service(service_fn(failing));
    let clone = service.clone();
    assert!(is_described(service.oneshot(Request::new(Empty::new())).await.unwrap()).await);
    assert!(is_described(clone.oneshot(Request::new(Empty::new())).await.unwrap()).await);
}

#[tokio::test]
async fn works_inside_and_outside_of_other_layers() {
    // T56
    use tower_http::{
        catch_panic::CatchPanicLayer, compression::CompressionLayer, cors::CorsLayer,
        decompression::DecompressionLayer, timeout::TimeoutLayer,
    };
    let asked = || {
        let request = Request::builder().header("accept-encoding", "gzip").header("origin", "http://a");
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    let timeout =
        || TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, std::time::Duration::from_secs(1));
    let outside = ServiceBuilder::new()
        .layer(StatusNormalize)
        .layer(DecompressionLayer::new())
        .layer(CompressionLayer::new())
        .layer(CorsLayer::permissive())
        .layer(timeout())
        .layer(CatchPanicLayer::new())
        .service(service_fn(failing));
    let response = outside.oneshot(asked()).await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert!(response.headers().contains_key("content-length"));
    assert!(is_described(response).await);
    let inside = ServiceBuilder::new()
        .layer(DecompressionLayer::new())
        .layer(CompressionLayer::new())
        .layer(CorsLayer::permissive())
        .layer(timeout())
        .layer(CatchPanicLayer::new())
        .layer(StatusNormalize)
        .service(service_fn(failing));
    let response = inside.oneshot(asked()).await.unwrap();
    assert!(!response.headers().contains_key("content-encoding"));
    assert!(is_described(response).await);
}

#[tokio::test]
async fn a_caught_panic_gives_a_documented_answer() {
    // T59
    let panicking = service_fn(|_: Request<Empty<Bytes>>| async {
        if true {
            panic!("at db-7.internal");
        }
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = ServiceBuilder::new()
        .layer(StatusNormalize)
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .service(panicking);
    let response = service.oneshot(Request::new(Empty::new())).await.unwrap();
    assert_eq!(response.status(), 500);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("because of a service error") && !body.contains("db-7"), "{body}");
}

#[tokio::test]
async fn infallible_stays_infallible() {
    let service = StatusNormalize.layer(service_fn(failing));
    let answered: Result<_, Infallible> = service.oneshot(Request::new(Empty::<Bytes>::new())).await;
    let Ok(response) = answered;
    assert!(is_described(response).await);
}

#[test]
fn types_are_send_sync_and_cloned_as_those_inside() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    fn is_clone<T: Clone>() {}
    fn is_default<T: Default>() {}
    type Inner = UnsyncBoxBody<Bytes, Infallible>;
    is_send::<StatusNormalizeService<()>>();
    is_sync::<StatusNormalizeService<()>>();
    is_clone::<StatusNormalizeService<()>>();
    is_send::<StatusNormalizeLayer>();
    is_sync::<StatusNormalizeLayer>();
    is_clone::<StatusNormalizeLayer>();
    is_send::<Builder>();
    is_clone::<RouteTable<u8>>();
    is_send::<ResponseBody<Inner>>();
    is_send::<ResponseFuture<std::future::Ready<()>, Inner>>();
    is_sync::<ResponseBody<Full<Bytes>>>();
    is_default::<ResponseBody<Inner>>();
}

#[tokio::test]
async fn any_request_body_and_any_data_will_do() {
    struct Anything;
    let chained = service_fn(|_: Request<Anything>| async {
        let data = bytes::Buf::chain(&b"ab"[..], &b"cd"[..]);
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(data)))
    });
    let response = StatusNormalize.layer(chained).oneshot(Request::new(Anything)).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "abcd");
}
