//! What the benches measure: one call of a tower service that answers at once, bare and inside of a layer, from the
//! request to the last frame of the response.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    sync::Once,
    task::{Context, Poll, Waker},
};

use axum_problem::ProblemLayer;
use axum_prometheus::PrometheusMetricLayer;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::Full;
use status_normalize::{StatusNormalize, StatusNormalizeLayer};
use tower::{ServiceBuilder, service_fn};
use tower_layer::Layer;
use tower_service::Service;

pub mod routes;

static RECORDER: Once = Once::new();

/// The program's own: what a layer costs depends on what counts.
#[path = "../../crates/status-proxy/src/recorder.rs"]
#[allow(dead_code, reason = "only its counting is measured")]
mod recorder;

/// What the inner service answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Case {
    /// The same to a browser, which sends twelve fields.
    Browser200,
    /// 200, which the document lists as normal, and 200 bytes of JSON.
    Documented200,
    /// 502 and 1 KiB of HTML.
    Html502,
    /// 404 and a problem document, which is a documented form already.
    Problem404,
    /// 418, which the document does not list, and 1 KiB of HTML.
    Undocumented418,
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Documented200, Self::Browser200, Self::Undocumented418, Self::Problem404, Self::Html502];

    /// The name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser200 => "documented_200_to_browser",
            Self::Documented200 => "documented_200_passthrough",
            Self::Html502 => "html_502_to_problem_json",
            Self::Problem404 => "problem_404_passthrough",
            Self::Undocumented418 => "undocumented_418_passthrough",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Browser200 | Self::Documented200 => StatusCode::OK,
            Self::Html502 => StatusCode::BAD_GATEWAY,
            Self::Problem404 => StatusCode::NOT_FOUND,
            Self::Undocumented418 => StatusCode::IM_A_TEAPOT,
        }
    }

    const fn content(self) -> (&'static str, &'static [u8]) {
        match self {
            Self::Browser200 | Self::Documented200 => ("application/json", &[b' '; 200]),
            Self::Html502 | Self::Undocumented418 => ("text/html", &[b'x'; 1024]),
            Self::Problem404 => (
                "application/problem+json",
                br#"{"type":"about:blank","title":"Not Found","status":404,"detail":"There is no such pet."}"#,
            ),
        }
    }

    fn request(self) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_static("/pets/17");
        if self == Self::Browser200 {
            let fields =
                BROWSER.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            request.headers_mut().extend(fields);
        }
        request
    }

    fn response<B: From<Bytes>>(self) -> Response<B> {
        let (media_type, body) = self.content();
        let mut response = Response::new(B::from(Bytes::from_static(body)));
        *response.status_mut() = self.status();
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        fields.insert(HeaderName::from_static("x-request-id"), HeaderValue::from_static("0b1c7d2e"));
        response
    }
}

/// What a browser sends with a click.
const BROWSER: [(&str, &str); 12] = [
    ("host", "pets.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "de,en-US;q=0.7,en;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("connection", "keep-alive"),
    ("cookie", "session=0b1c7d2e"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "none"),
    ("priority", "u=0, i"),
];

/// What stands around the inner service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Contestant {
    /// `axum_problem::ProblemLayer`, which rewrites and counts nothing. Its bodies are those of axum 0.7.
    AxumProblem,
    /// `axum_prometheus::PrometheusMetricLayer`, which counts and rewrites nothing.
    AxumPrometheus,
    /// Nothing.
    Bare,
    /// Nothing, with the bodies of axum 0.7: what is subtracted from [`AxumProblem`](Self::AxumProblem).
    BareAxum,
    /// `status_normalize::StatusNormalize`, which does both.
    StatusNormalize,
}

impl Contestant {
    /// All that are compared, without those that are subtracted.
    pub const LAYERS: [Self; 3] = [Self::StatusNormalize, Self::AxumProblem, Self::AxumPrometheus];

    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Bare, Self::BareAxum, Self::StatusNormalize, Self::AxumProblem, Self::AxumPrometheus];

    /// The name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AxumProblem => "axum-problem",
            Self::AxumPrometheus => "axum-prometheus",
            Self::Bare => "bare",
            Self::BareAxum => "bare-axum",
            Self::StatusNormalize => "status-normalize",
        }
    }

    /// The one without the layer.
    pub const fn bare(self) -> Self {
        match self {
            Self::AxumProblem | Self::BareAxum => Self::BareAxum,
            Self::AxumPrometheus | Self::Bare | Self::StatusNormalize => Self::Bare,
        }
    }

    /// Makes the service, and returns what makes one call. All count into the same recorder, the program's.
    ///
    /// # Panics
    ///
    /// If something else has installed a recorder.
    pub fn caller(self, case: Case) -> Box<dyn FnMut()> {
        record();
        // The layer takes the time, which has to be found in a runtime as everywhere.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        macro_rules! calls {
            ($service:expr) => {{
                let mut service = $service;
                Box::new(move || {
                    let _entered = runtime.enter();
                    call(&mut service, case.request());
                })
            }};
        }
        match self {
            Self::Bare => calls!(service_fn(move |_| answer::<Full<Bytes>>(case))),
            Self::BareAxum => calls!(service_fn(move |_| answer::<axum07::body::Body>(case))),
            Self::StatusNormalize => {
                let builder = ServiceBuilder::new().layer(StatusNormalize);
                calls!(builder.service(service_fn(move |_| answer::<Full<Bytes>>(case))))
            }
            Self::AxumProblem => {
                let builder = ServiceBuilder::new().layer(ProblemLayer);
                calls!(builder.service(service_fn(move |_| answer::<axum07::body::Body>(case))))
            }
            Self::AxumPrometheus => {
                let builder = ServiceBuilder::new().layer(PrometheusMetricLayer::new());
                calls!(builder.service(service_fn(move |_| answer::<Full<Bytes>>(case))))
            }
        }
    }
}

/// What makes one call of a service inside of this layer.
///
/// # Panics
///
/// If something else has installed a recorder.
pub fn caller(layer: &StatusNormalizeLayer, case: Case) -> impl FnMut() {
    record();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut service = layer.layer(service_fn(move |_| answer::<Full<Bytes>>(case)));
    move || {
        let _entered = runtime.enter();
        call(&mut service, case.request());
    }
}

fn record() {
    RECORDER.call_once(|| recorder::PrometheusRecorder::new().install().expect("nobody else installs one"));
}

fn answer<B: From<Bytes>>(case: Case) -> Ready<Result<Response<B>, Infallible>> {
    ready(Ok(case.response()))
}

/// One call, polled by hand: everything is ready at once, so that no executor is measured.
fn call<S, B>(service: &mut S, request: Request<()>)
where
    S: Service<Request<()>, Response = Response<B>>,
    B: Body,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut context) else {
        panic!("the service answers at once");
    };
    let mut body = pin!(response.into_body());
    while !body.is_end_stream() {
        match body.as_mut().poll_frame(&mut context) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(None) => break,
            Poll::Ready(Some(Err(_))) | Poll::Pending => panic!("the body is there"),
        }
    }
}
