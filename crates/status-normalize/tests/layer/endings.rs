//! Each exchange is counted once, however it ends.

use std::{
    convert::Infallible,
    future::{pending, ready},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use status_test_util::{Recorded, ScriptedBody, Step};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::*;

const DURATION: &str = "status_normalize_response_duration_seconds";

#[track_caller]
fn assert_ended(recorded: &Recorded, responses: f64, errors: &[&str], case: &str) {
    assert_eq!(recorded.sum(RESPONSES, &[]), responses, "{case}: responses");
    assert_eq!(recorded.sum(IN_FLIGHT, &[]), 0.0, "{case}: in flight");
    assert_eq!(recorded.sum(BODY_ERRORS, &[]), errors.len() as f64, "{case}: errors");
    for kind in errors {
        assert_eq!(recorded.sum(BODY_ERRORS, &[("kind", kind)]), 1.0, "{case}: {kind}");
    }
}

#[tokio::test]
async fn a_response_is_counted_before_its_last_byte_is_handed_on() {
    let cases: [(&str, fn() -> Response<ScriptedBody>, usize); 6] = [
        ("announced length", || backend_says(200, &[], ScriptedBody::of(["ab", "c"]).sized()), 2),
        (
            "announced in the head",
            || backend_says(200, &[("content-length", "3")], ScriptedBody::of(["ab", "c"])),
            2,
        ),
        ("told end", || backend_says(200, &[], ScriptedBody::of(["ab", "c"]).telling_end()), 2),
        ("no length", || backend_says(200, &[], ScriptedBody::of(["ab", "c"])), 3),
        ("rewritten", || html(502), 1),
        ("standard", || backend_says(404, &[("content-type", "text/json")], text(STANDARD)), 1),
    ];
    for (case, response, polls) in cases {
        let (recorded, _installed) = recording();
        let mut response = head(&enforcing(), get(), response()).await;
        for poll in 0..polls {
            assert_eq!(recorded.sum(RESPONSES, &[]), 0.0, "{case} before poll {poll}");
            assert_eq!(recorded.sum(IN_FLIGHT, &[]), 1.0, "{case} before poll {poll}");
            response.frame().await;
        }
        // The peer may not poll again.
        assert_ended(recorded, 1.0, &[], case);
        drop(response);
        assert_ended(recorded, 1.0, &[], case);
    }
}

#[tokio::test]
async fn an_end_that_comes_between_two_polls_is_counted() {
    /// One frame, and an end of which more is known than when the frame was handed on.
    struct Ending {
        data: Option<Bytes>,
        is_known: Arc<AtomicBool>,
    }

    impl Body for Ending {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
        }

        fn is_end_stream(&self) -> bool {
            self.data.is_none() && self.is_known.load(Relaxed)
        }
    }

    let (recorded, _installed) = recording();
    let is_known = Arc::new(AtomicBool::new(false));
    let body = Ending { data: Some("ab".into()), is_known: is_known.clone() };
    let mut backend = Some(Response::new(body));
    let backend = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(backend.take().unwrap())));
    let mut response = enforcing().layer(backend).oneshot(get()).await.unwrap();
    assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
    is_known.store(true, Relaxed);
    // As a server does that sent the frame when there was room for it.
    if !response.body().is_end_stream() {
        assert!(response.frame().await.is_none());
    }
    assert!(response.body().is_end_stream());
    drop(response);
    assert_ended(recorded, 1.0, &[], "known late");
}

#[tokio::test]
async fn a_response_that_ends_with_its_head_is_counted_with_it() {
    let cases = [
        ("HEAD", Method::HEAD, backend_says(200, &[("content-length", "9")], empty())),
        ("HEAD, rewritten", Method::HEAD, backend_says(502, &[], empty())),
        ("204", Method::DELETE, backend_says(204, &[], empty())),
        ("304 that claims a body", Method::GET, backend_says(304, &[], ScriptedBody::of(["x"]))),
        ("empty", Method::GET, backend_says(200, &[], empty())),
        ("length 0", Method::GET, backend_says(200, &[("content-length", "0")], ScriptedBody::new([]))),
        ("101", Method::GET, backend_says(101, &[], ScriptedBody::new([Step::Stall]))),
        ("tunnel", Method::CONNECT, backend_says(200, &[], ScriptedBody::new([Step::Stall]))),
    ];
    for (case, method, response) in cases {
        let (recorded, _installed) = recording();
        let response = head(&enforcing(), request(method, &[]), response).await;
        assert_ended(recorded, 1.0, &[], case);
        drop(response);
        assert_ended(recorded, 1.0, &[], case);
    }
}

#[tokio::test]
async fn a_body_that_fails_midway_is_counted_with_its_response() {
    // T63
    let (recorded, _installed) = recording();
    let body = ScriptedBody::new([Step::Data("a".into()), Step::Fail]);
    assert!(head(&enforcing(), get(), backend_says(200, &[], body)).await.collect().await.is_err());
    assert_ended(recorded, 1.0, &["upstream"], "fails");
    assert_eq!(recorded.sum(RESPONSES, &[("class", "normal"), ("action", "pass")]), 1.0);
}

#[tokio::test]
async fn a_body_that_the_client_drops_is_counted_with_its_response() {
    // T58
    for read in [false, true] {
        let (recorded, _installed) = recording();
        let body = ScriptedBody::of(["a", "b"]);
        let probe = body.probe();
        let mut response = head(&enforcing(), get(), backend_says(200, &[], body)).await;
        if read {
            response.frame().await;
        }
        drop(response);
        assert!(probe.is_dropped());
        assert_ended(recorded, 1.0, &["client_cancelled"], "dropped");
    }
    let (recorded, _installed) = recording();
    drop(head(&enforcing(), get(), html(502)).await);
    assert_ended(recorded, 1.0, &["client_cancelled"], "dropped before the description");
}

#[test]
fn a_request_dropped_before_a_head_counts_as_cancelled_only() {
    let (recorded, _installed) = recording();
    let never = service_fn(|_: Request<()>| pending::<Result<Response<ScriptedBody>, Infallible>>());
    let mut waiting = Box::pin(enforcing().layer(never).oneshot(get()));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(recorded.sum(IN_FLIGHT, &[]), 1.0);
    drop(waiting);
    assert_ended(recorded, 0.0, &["client_cancelled"], "before the head");
    assert_eq!(recorded.samples(DURATION, &[]), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_a_body_is_inspected_frees_the_backend() {
    // T58
    let (recorded, _installed) = recording();
    let body = ScriptedBody::new([Step::Stall]);
    let probe = body.probe();
    let said = backend_says(500, &[("content-type", "application/json")], body);
    let layer = enforcing();
    {
        let mut waiting = pin!(head(&layer, get(), said));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
    }
    assert!(probe.is_dropped());
    assert_ended(recorded, 0.0, &["client_cancelled"], "inspecting");
    assert_eq!(recorded.samples(DURATION, &[]), 0);
}

#[tokio::test]
async fn a_service_that_fails_is_counted_as_an_upstream_error() {
    let (recorded, _installed) = recording();
    let failing = service_fn(|_: Request<()>| async { Err::<Response<ScriptedBody>, _>("broken") });
    assert!(enforcing().layer(failing).oneshot(get()).await.is_err());
    assert_ended(recorded, 0.0, &["upstream"], "service error");
}

#[tokio::test(start_paused = true)]
async fn the_duration_is_that_from_request_to_head() {
    // T63
    let (recorded, _installed) = recording();
    let slow = service_fn(|_: Request<()>| async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        Ok::<_, Infallible>(backend_says(200, &[], ScriptedBody::of(["a"])))
    });
    let response = enforcing().layer(slow).oneshot(get()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    read(response).await;
    assert_eq!(recorded.samples(DURATION, &[("class", "normal")]), 1);
    let seconds = recorded.sum(DURATION, &[]);
    assert!((0.299..0.4).contains(&seconds), "{seconds} s");
}

#[tokio::test]
async fn readiness_is_the_inner_service_s() {
    // T57
    use tower::Service;
    struct Busy;
    impl Service<Request<()>> for Busy {
        type Response = Response<ScriptedBody>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Err("overloaded"))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            unreachable!("not before it is ready")
        }
    }
    let mut service = enforcing().layer(Busy);
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert_eq!(ready, Poll::Ready(Err("overloaded")));
}

#[tokio::test]
async fn the_default_body_is_empty() {
    let body = status_normalize::ResponseBody::<ScriptedBody>::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}
