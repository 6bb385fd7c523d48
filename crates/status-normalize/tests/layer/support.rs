//! A backend that says what it is told, the layer around it, and a client that reads everything.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use metrics::LocalRecorderGuard;
use status_catalog::Catalog;
use status_normalize::{Builder, ResponseBody, StatusNormalize, StatusNormalizeLayer};
use status_test_util::{Recorded, ScriptedBody};
use tower::{Layer, ServiceExt, service_fn};

pub(crate) const RESPONSES: &str = "status_normalize_responses_total";
pub(crate) const NONSTANDARD: &str = "status_normalize_nonstandard_total";
pub(crate) const BROKEN_PROMISES: &str = "status_normalize_broken_promises_total";
pub(crate) const SKIPPED: &str = "status_normalize_skipped_total";
pub(crate) const BODY_ERRORS: &str = "status_normalize_body_errors_total";
pub(crate) const IN_FLIGHT: &str = "status_normalize_in_flight";

pub(crate) const HTML: &str = "<html><h1>Oops</h1>at db-7.internal, line 42</html>";
pub(crate) const STANDARD: &str = r#"{"error_code":"SFS.0001","error_msg":"The share is gone."}"#;

/// The description of 502 in the default catalog.
pub(crate) const BAD_GATEWAY: &str =
    "The request is not completed because the server receives an invalid response from an upstream server.";

pub(crate) fn settings() -> Builder {
    StatusNormalize::builder()
}

pub(crate) fn built(settings: Builder) -> StatusNormalizeLayer {
    settings.build().unwrap()
}

pub(crate) fn enforcing() -> StatusNormalizeLayer {
    built(settings())
}

pub(crate) fn catalog(name: &str) -> Arc<Catalog> {
    Catalog::builtin(name).unwrap()
}

/// A recorder for the current thread, which outlives the test.
pub(crate) fn recording() -> (&'static Recorded, LocalRecorderGuard<'static>) {
    let recorded: &'static Recorded = Box::leak(Box::new(Recorded::new()));
    (recorded, recorded.install())
}

pub(crate) fn get() -> Request<()> {
    request(Method::GET, &[])
}

pub(crate) fn request(method: Method, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    fill(request.headers_mut(), fields);
    request
}

pub(crate) fn backend_says(
    status: u16,
    fields: &[(&str, &str)],
    body: ScriptedBody,
) -> Response<ScriptedBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    fill(response.headers_mut(), fields);
    response
}

/// A body of one frame whose length is announced, as most are.
pub(crate) fn text(body: &'static str) -> ScriptedBody {
    if body.is_empty() { empty() } else { ScriptedBody::of([body]).sized().telling_end() }
}

pub(crate) fn empty() -> ScriptedBody {
    ScriptedBody::new([]).sized().telling_end()
}

pub(crate) fn html(status: u16) -> Response<ScriptedBody> {
    backend_says(status, &[("content-type", "text/html")], text(HTML))
}

fn fill(headers: &mut HeaderMap, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
}

/// What a client gets.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Fields and body are a whole description in the default media type.
    #[track_caller]
    pub(crate) fn assert_described(&self, description: &str) {
        assert_eq!(self.lines("content-type"), ["application/problem+json"]);
        assert_eq!(self.lines("content-length"), [self.body.len().to_string()]);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["detail"], description);
    }
}

/// The response, its body not read.
pub(crate) async fn head(
    layer: &StatusNormalizeLayer,
    request: Request<()>,
    response: Response<ScriptedBody>,
) -> Response<ResponseBody<ScriptedBody>> {
    let mut response = Some(response);
    let backend = service_fn(move |_: Request<()>| {
        let response = response.take().expect("asked once");
        async move { Ok::<_, Infallible>(response) }
    });
    layer.layer(backend).oneshot(request).await.unwrap()
}

/// The response, its body read to the end as a client does: no further than the length that was announced.
pub(crate) async fn answer(
    layer: &StatusNormalizeLayer,
    request: Request<()>,
    response: Response<ScriptedBody>,
) -> Answer {
    read(head(layer, request, response).await).await
}

pub(crate) async fn read<B: Body<Data = Bytes> + Unpin>(response: Response<B>) -> Answer
where
    B::Error: std::fmt::Debug,
{
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: collected.to_bytes(), trailers }
}
