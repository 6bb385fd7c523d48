//! One event per finished response.

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response, StatusCode};
use status_test_util::ScriptedBody;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// What is logged while a client asks and reads, or only asks.
async fn logged(request: Request<()>, response: Response<ScriptedBody>, is_read: bool) -> String {
    let lines = Lines::default();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(lines.clone()).finish();
    let _subscribed = tracing::subscriber::set_default(subscriber);
    let response = head(&enforcing(), request, response).await;
    assert_eq!(lines.0.lock().unwrap().len(), 0, "not before it is finished");
    if is_read {
        read(response).await;
    } else {
        drop(response);
    }
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_answer_to_what_could_not_be_read_is_one_event() {
    let lines = Lines::default();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(lines.clone()).finish();
    let reply = tracing::subscriber::with_default(subscriber, || {
        enforcing().unread_request_reply(StatusCode::BAD_REQUEST)
    });
    let line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    let bytes = format!("bytes={}", reply.body().len());
    for field in ["method=\"-\"", "path=\"-\"", "status=\"400\"", "source=\"proxy\"", &bytes] {
        assert!(line.contains(field), "{field}: {line}");
    }
}

#[tokio::test]
async fn a_finished_response_is_one_event() {
    let mut asked = request(Method::POST, &[("x-request-id", "7f3a")]);
    *asked.uri_mut() = "/shares/1?secret=1".parse().unwrap();
    let line = logged(asked, html(502), true).await;
    assert_eq!(line.lines().count(), 1, "{line}");
    for field in [
        "status_normalize::access",
        "method=\"POST\"",
        "path=\"/shares/1\"",
        "catalog=\"sfs\"",
        "route=\"default\"",
        "class=\"abnormal\"",
        "status=\"502\"",
        "upstream_status=\"502\"",
        "source=\"upstream\"",
        "action=\"rewrite\"",
        "reason=\"media_type\"",
        "request_id=\"7f3a\"",
        "bytes=1",
        "duration=",
    ] {
        assert!(line.contains(field), "{field} in {line}");
    }
    assert!(!line.contains("secret"), "{line}");
}

#[tokio::test]
async fn the_backend_s_request_id_goes_before_the_client_s() {
    let asked = request(Method::GET, &[("x-request-id", "7f3a")]);
    let said = backend_says(200, &[("x-request-id", "0b1c")], ScriptedBody::of(["ab", "c"]));
    let line = logged(asked, said, true).await;
    assert!(line.contains("request_id=\"0b1c\"") && line.contains("bytes=3"), "{line}");
    assert!(!line.contains("reason="), "{line}");
}

#[tokio::test]
async fn a_dropped_response_is_an_event_too() {
    let line = logged(get(), html(200), false).await;
    assert!(line.contains("bytes=0") && line.contains("action=\"pass\""), "{line}");
}
