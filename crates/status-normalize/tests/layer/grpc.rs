//! gRPC calls.

use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Body;
use http_body_util::BodyExt;
use status_normalize::{LocalReply, StatusNormalizeLayer};
use status_test_util::{ScriptedBody, Step};

use crate::support::*;

const GRPC_RESPONSES: &str = "status_normalize_grpc_responses_total";

fn call() -> Request<()> {
    request(Method::POST, &[("content-type", "application/grpc"), ("te", "trailers")])
}

fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))])
}

#[tokio::test]
async fn an_abnormal_answer_becomes_trailers_only() {
    // T50
    let cases = [
        (400, "13"),
        (401, "16"),
        (403, "7"),
        (404, "12"),
        (500, "2"),
        (502, "14"),
        (503, "14"),
        (504, "14"),
    ];
    for (http_status, grpc_status) in cases {
        for (method, content_type) in [
            (Method::POST, "application/grpc"),
            (Method::POST, "application/grpc+proto"),
            (Method::GET, "Application/GRPC; a=b"),
        ] {
            let (recorded, _installed) = recording();
            let asked = request(method, &[("content-type", content_type)]);
            let response = head(&enforcing(), asked, html(http_status)).await;
            assert!(response.body().is_end_stream(), "{http_status}");
            let answer = read(response).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.lines("content-type"), ["application/grpc"]);
            assert_eq!(answer.field("grpc-status"), Some(grpc_status), "{http_status}");
            assert_eq!(answer.field("content-length"), None);
            assert!(answer.field("grpc-message").unwrap().len() > 10);
            let upstream = http_status.to_string();
            let labels = [
                ("status", "200"),
                ("upstream_status", &*upstream),
                ("class", "abnormal"),
                ("action", "rewrite"),
            ];
            assert_eq!(recorded.sum(RESPONSES, &labels), 1.0, "{http_status}");
            assert_eq!(recorded.sum(GRPC_RESPONSES, &[("grpc_status", grpc_status)]), 1.0, "{http_status}");
        }
    }
}

#[tokio::test]
async fn the_description_is_percent_encoded() {
    let page = "-   Abnormal\n\n    | Returned Value | Description |\n    |---|---|\n    | 503 | 100% überlastet |\n";
    let catalog =
        status_catalog::Importer::new().import_text("page.md", page).unwrap().into_catalog().unwrap();
    let layer = built(settings().catalog(catalog.into()));
    let answer = answer(&layer, call(), html(503)).await;
    assert_eq!(answer.field("grpc-message"), Some("100%25 %C3%BCberlastet"));
}

#[tokio::test]
async fn outcomes_are_read_from_trailers_and_headers() {
    // T51, T52
    let trailers = |code| ScriptedBody::new([Step::Data("x".into()), Step::Trailers(status(code))]);
    let cases: Vec<(&str, &[(&str, &str)], ScriptedBody, &str)> = vec![
        ("trailers", &[], trailers("5"), "5"),
        ("success", &[], trailers("0"), "0"),
        ("headers", &[("grpc-status", "5")], empty(), "5"),
        ("missing", &[], ScriptedBody::of(["x"]), "missing"),
        ("missing, told end", &[], ScriptedBody::of(["x"]).telling_end(), "missing"),
        ("out of range", &[], trailers("100"), "other"),
        ("not a number", &[], trailers("abc"), "other"),
        ("padded", &[], trailers("05"), "other"),
    ];
    for (case, fields, body, expected) in cases {
        let (recorded, _installed) = recording();
        let fields = [&[("content-type", "application/grpc")], fields].concat();
        let answer = answer(&enforcing(), call(), backend_says(200, &fields, body)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(recorded.sum(GRPC_RESPONSES, &[("grpc_status", expected)]), 1.0, "{case}");
        assert_eq!(recorded.sum(GRPC_RESPONSES, &[]), 1.0, "{case}");
        assert_eq!(recorded.sum(RESPONSES, &[("action", "pass")]), 1.0, "{case}");
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_is_not_said_to_lack_an_outcome() {
    let web = b"\x80\0\0\0\x0fgrpc-status:5\r\n";
    let cases: [(&str, &str, &[(&str, &str)], ScriptedBody, Option<&str>); 5] = [
        ("message", "application/grpc", &[], ScriptedBody::of(["x", "y"]), None),
        ("headers", "application/grpc", &[("grpc-status", "5")], ScriptedBody::of(["x", "y"]), Some("5")),
        ("web", "application/grpc-web", &[], ScriptedBody::of(["\0\0\0\0\x02ok", "y"]), None),
        ("web trailers", "application/grpc-web", &[], ScriptedBody::of([&web[..], b"y"]), Some("5")),
        (
            "failed",
            "application/grpc",
            &[],
            ScriptedBody::new([Step::Data("x".into()), Step::Fail]),
            Some("missing"),
        ),
    ];
    for (case, media_type, fields, body, expected) in cases {
        let (recorded, _installed) = recording();
        let asked = request(Method::POST, &[("content-type", media_type)]);
        let said = backend_says(200, &[&[("content-type", media_type)], fields].concat(), body);
        let mut response = head(&enforcing(), asked, said).await;
        response.frame().await;
        if case == "failed" {
            assert!(response.frame().await.is_some_and(|frame| frame.is_err()));
        }
        drop(response);
        assert_eq!(recorded.sum(RESPONSES, &[]), 1.0, "{case}");
        assert_eq!(recorded.sum(BODY_ERRORS, &[]), 1.0, "{case}");
        let wanted = f64::from(u8::from(expected.is_some()));
        assert_eq!(recorded.sum(GRPC_RESPONSES, &[]), wanted, "{case}");
        let label = ("grpc_status", expected.unwrap_or("missing"));
        assert_eq!(recorded.sum(GRPC_RESPONSES, &[label]), wanted, "{case}");
    }
}

#[tokio::test]
async fn a_grpc_reply_is_never_given_another_body() {
    let (recorded, _installed) = recording();
    let said = backend_says(503, &[("content-type", "application/grpc"), ("grpc-status", "14")], text("x"));
    let answer = answer(&enforcing(), call(), said).await;
    assert_eq!((answer.status, answer.text()), (503, "x"));
    assert_eq!(recorded.sum(SKIPPED, &[("reason", "grpc")]), 1.0);
}

#[tokio::test]
async fn what_only_looks_like_grpc_is_not() {
    // T53, T54
    let (recorded, _installed) = recording();
    let rewritten = async |asked: &[(&str, &str)], said: &[(&str, &str)]| {
        let answer =
            answer(&enforcing(), request(Method::POST, asked), backend_says(503, said, text("x"))).await;
        answer.status == 503 && answer.field("content-type") == Some("application/problem+json")
    };
    assert!(rewritten(&[("content-type", "application/grpcfoo")], &[]).await);
    assert!(
        rewritten(&[("content-type", "application/json")], &[("content-type", "application/grpc")]).await
    );
    for web in ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"] {
        assert!(!rewritten(&[("content-type", web)], &[("content-type", web)]).await, "{web}");
        assert!(rewritten(&[("content-type", web)], &[("content-type", "text/html")]).await, "{web}");
    }
    // The three gRPC-Web answers had no trailers in their bodies.
    assert_eq!(recorded.sum(GRPC_RESPONSES, &[]), 3.0);
    assert_eq!(recorded.sum(GRPC_RESPONSES, &[("grpc_status", "missing")]), 3.0);
}

#[tokio::test]
async fn the_outcome_of_a_grpc_web_call_is_in_its_body() {
    // T53
    let (recorded, _installed) = recording();
    let fields = [("content-type", "application/grpc-web+proto")];
    let body = b"\0\0\0\0\x02ok\x80\0\0\0\x0fgrpc-status:5\r\n";
    for size in [1, 6, 100] {
        let said = backend_says(200, &fields, ScriptedBody::of(body.chunks(size).map(<[u8]>::to_vec)));
        let answer = answer(&enforcing(), request(Method::POST, &fields), said).await;
        assert_eq!(*answer.body, *body);
    }
    assert_eq!(recorded.sum(GRPC_RESPONSES, &[("grpc_status", "5")]), 3.0);
    let said = backend_says(200, &[("content-type", "application/grpc-web"), ("grpc-status", "16")], empty());
    answer(&enforcing(), request(Method::POST, &fields), said).await;
    assert_eq!(recorded.sum(GRPC_RESPONSES, &[("grpc_status", "16")]), 1.0);
}

#[tokio::test]
async fn the_proxy_s_own_answer_becomes_trailers_only() {
    let (recorded, _installed) = recording();
    let mut said = backend_says(502, &[], empty());
    said.extensions_mut().insert(LocalReply);
    let layer: StatusNormalizeLayer = enforcing();
    let answer = answer(&layer, call(), said).await;
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("14")));
    let labels = [("source", "proxy"), ("status", "200"), ("upstream_status", "none"), ("class", "abnormal")];
    assert_eq!(recorded.sum(RESPONSES, &labels), 1.0);
}
