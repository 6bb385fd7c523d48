//! What is never touched.

use http::{Extensions, HeaderMap, HeaderValue, Method};
use http_body::Body;
use http_body_util::BodyExt;
use status_normalize::{Mode, StatusNormalize};
use status_test_util::{ScriptedBody, Step};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::*;

#[tokio::test]
async fn statuses_and_bodies_that_are_never_touched() {
    // T21, T24, T25, T26, T30, T31
    let cases: &[(&str, Method, u16, &[(&str, &str)], &'static str)] = &[
        ("a documented 200, whatever its body", Method::GET, 200, &[("content-type", "text/html")], HTML),
        ("a normal code on the wrong method", Method::DELETE, 200, &[("content-type", "text/html")], HTML),
        ("101", Method::GET, 101, &[("upgrade", "websocket")], ""),
        ("an opened tunnel", Method::CONNECT, 200, &[], ""),
        ("204", Method::DELETE, 204, &[], ""),
        ("205", Method::POST, 205, &[], ""),
        ("206", Method::GET, 206, &[("content-range", "bytes 0-3/9")], "abcd"),
        ("304", Method::GET, 304, &[("etag", "\"1\""), ("cache-control", "max-age=9")], ""),
        ("an event stream", Method::GET, 200, &[("content-type", "text/event-stream")], "data: 1\n\n"),
        ("an undocumented 416", Method::GET, 416, &[("content-range", "bytes */9")], "no"),
        ("an undocumented 429", Method::GET, 429, &[("content-type", "text/html")], HTML),
        ("an undocumented 302", Method::GET, 302, &[("location", "/b")], HTML),
        ("600", Method::GET, 600, &[("content-type", "text/html")], HTML),
        ("999", Method::GET, 999, &[("content-type", "text/html")], HTML),
        ("no-transform", Method::GET, 502, &[("cache-control", "no-transform"), ("etag", "\"1\"")], HTML),
    ];
    for (case, method, status, fields, body) in cases {
        let answer =
            answer(&enforcing(), request(method.clone(), &[]), backend_says(*status, fields, text(body)))
                .await;
        assert_eq!(answer.status, *status, "{case}");
        assert_eq!(answer.text(), *body, "{case}");
        assert_eq!(answer.headers, backend_says(*status, fields, empty()).headers().clone(), "{case}");
    }
}

#[tokio::test]
async fn no_transform_is_found_in_any_line_and_case() {
    // T27
    let lines: [&[(&str, &str)]; 3] = [
        &[("cache-control", "No-Transform")],
        &[("cache-control", "max-age=1, private , no-transform, s-maxage=2")],
        &[("cache-control", "max-age=1"), ("cache-control", "no-transform")],
    ];
    for fields in lines {
        let (recorded, _installed) = recording();
        let answer = answer(&enforcing(), get(), backend_says(502, fields, text(HTML))).await;
        assert_eq!(answer.text(), HTML, "{fields:?}");
        assert_eq!(recorded.sum(SKIPPED, &[("reason", "no_transform")]), 1.0, "{fields:?}");
        assert_eq!(recorded.sum(RESPONSES, &[("action", "skip")]), 1.0, "{fields:?}");
    }
    let not_it = [("cache-control", "no-transformation")];
    let answer = answer(&enforcing(), get(), backend_says(502, &not_it, text(HTML))).await;
    answer.assert_described(BAD_GATEWAY);
}

#[tokio::test]
async fn no_transform_can_be_overruled() {
    let layer = built(settings().honour_no_transform(false));
    let said = backend_says(502, &[("cache-control", "no-transform")], text(HTML));
    answer(&layer, get(), said).await.assert_described(BAD_GATEWAY);
}

#[tokio::test]
async fn a_passed_body_comes_out_byte_for_byte_for_any_split_into_frames() {
    // T28
    let whole: Vec<u8> = (0..=255).cycle().take(600).collect();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    for size in [1, 2, 3, 7, 64, 255, 599, 600] {
        for pending in [false, true] {
            let frames = whole.chunks(size).flat_map(|chunk| {
                pending.then_some(Step::Pending).into_iter().chain([Step::Data(chunk.to_vec().into())])
            });
            let steps: Vec<_> = frames.chain([Step::Trailers(trailers.clone())]).collect();
            for (mode, status) in [(Mode::Enforce, 200), (Mode::Observe, 502), (Mode::Off, 502)] {
                let said =
                    backend_says(status, &[("content-type", "text/json")], ScriptedBody::new(steps.clone()));
                let answer = answer(&built(settings().mode(mode)), get(), said).await;
                assert_eq!(*answer.body, *whole, "{mode:?} in frames of {size}");
                assert_eq!(answer.trailers.as_ref(), Some(&trailers), "{mode:?} in frames of {size}");
            }
        }
    }
}

#[tokio::test]
async fn only_a_passed_body_that_nobody_looks_at_may_be_moved_unread() {
    let json = "application/json";
    for (mode, status, media_type, is_unread) in [
        (Mode::Enforce, 200, "text/html", true),
        (Mode::Enforce, 200, "application/grpc-web+proto", false),
        (Mode::Enforce, 502, "text/html", false),
        (Mode::Enforce, 404, json, false),
        (Mode::Observe, 200, json, true),
        (Mode::Observe, 404, json, false),
        (Mode::Off, 404, json, true),
    ] {
        let said = backend_says(status, &[("content-type", media_type)], text(STANDARD));
        let mut request = get();
        request.headers_mut().insert("content-type", HeaderValue::from_static(media_type));
        let mut response = head(&built(settings().mode(mode)), request, said).await;
        let unread = response.body_mut().unread_mut().is_some();
        assert_eq!(unread, is_unread, "{mode:?} {status} {media_type}");
    }
}

#[tokio::test]
async fn a_standard_body_comes_out_byte_for_byte_for_any_split_into_frames() {
    // T38
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    for size in 1..=STANDARD.len() {
        let frames = STANDARD.as_bytes().chunks(size).map(|chunk| Step::Data(chunk.to_vec().into()));
        let body = ScriptedBody::new(frames.chain([Step::Trailers(trailers.clone())]));
        let said = backend_says(404, &[("content-type", "application/json"), ("etag", "\"1\"")], body);
        let answer = answer(&enforcing(), get(), said).await;
        assert_eq!(answer.text(), STANDARD, "frames of {size}");
        assert_eq!(answer.field("etag"), Some("\"1\""));
        assert_eq!(answer.trailers.as_ref(), Some(&trailers), "frames of {size}");
    }
}

#[tokio::test]
async fn size_hint_and_end_of_stream_are_those_of_the_passed_body() {
    // T57
    let sized =
        head(&enforcing(), get(), backend_says(200, &[], ScriptedBody::of(["abc", "de"]).sized())).await;
    assert_eq!(sized.body().size_hint().exact(), Some(5));
    assert!(!sized.body().is_end_stream());
    let unsized_ = head(&enforcing(), get(), backend_says(200, &[], ScriptedBody::of(["abc"]))).await;
    assert_eq!(unsized_.body().size_hint().exact(), None);
    let ended = head(&enforcing(), get(), backend_says(200, &[], empty())).await;
    assert!(ended.body().is_end_stream());
}

#[tokio::test]
async fn the_framing_of_a_standard_body_stays_as_it_was() {
    let fields = [("content-type", "application/json")];
    let sized = head(&enforcing(), get(), backend_says(404, &fields, text(STANDARD))).await;
    assert_eq!(sized.body().size_hint().exact(), Some(STANDARD.len() as u64));
    let chunked = head(&enforcing(), get(), backend_says(404, &fields, ScriptedBody::of([STANDARD]))).await;
    assert_eq!(chunked.body().size_hint().exact(), None);
    assert_eq!(chunked.collect().await.unwrap().to_bytes(), STANDARD);
}

#[tokio::test]
async fn bytes_beyond_ascii_in_fields_pass() {
    // T11
    for status in [200, 404, 502] {
        let mut said = html(status);
        let value = HeaderValue::from_bytes(b"caf\xe9 \x80\xff").unwrap();
        said.headers_mut().insert("x-name", value.clone());
        let answer = answer(&enforcing(), get(), said).await;
        assert_eq!(answer.headers["x-name"], value);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Phrase(&'static str);

#[tokio::test]
async fn extensions_survive_a_pass_and_not_a_rewrite() {
    // T36: one may hold the backend's reason phrase, another the upgrade of a 101.
    let extensions_of = async |layer, status| -> Extensions {
        let mut said = html(status);
        said.extensions_mut().insert(Phrase("db-7 is down"));
        head(&layer, get(), said).await.extensions().clone()
    };
    for status in [101, 200, 429] {
        assert_eq!(extensions_of(enforcing(), status).await.get(), Some(&Phrase("db-7 is down")), "{status}");
    }
    assert_eq!(extensions_of(enforcing(), 502).await.get::<Phrase>(), None);
    let keeping = built(settings().keep_extension::<Phrase>());
    assert!(extensions_of(keeping, 502).await.get::<Phrase>().is_some());
}

#[tokio::test]
async fn an_error_of_the_service_stays_as_it_is() {
    let failing =
        service_fn(|_: http::Request<()>| async { Err::<http::Response<ScriptedBody>, _>("broken") });
    assert_eq!(StatusNormalize.layer(failing).oneshot(get()).await.unwrap_err(), "broken");
}

#[test]
fn a_passed_answer_needs_no_clock() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let passed = runtime.block_on(answer(&enforcing(), get(), backend_says(200, &[], text("fine"))));
    assert_eq!(passed.text(), "fine");
    // Nor does anything that is here already.
    let described = runtime.block_on(answer(&enforcing(), get(), html(502)));
    described.assert_described(BAD_GATEWAY);
}
