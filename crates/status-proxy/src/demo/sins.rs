//! What the backend does wrong, and a few things that it does right.

use std::{io::Write as _, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderName, header};

use super::body::DemoBody;

/// A path and what it answers.
pub(super) struct Sin {
    /// Without the leading slash.
    pub(super) path: &'static str,
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) answer: Answer,
}

pub(super) enum Answer {
    /// The connection is closed instead.
    Disconnect,
    Response(&'static [(HeaderName, &'static str)], fn() -> DemoBody),
    /// Nothing ever comes.
    Silence,
}

use Answer::{Disconnect, Response, Silence};

const HTML: (HeaderName, &str) = (header::CONTENT_TYPE, "text/html; charset=utf-8");
const JSON: (HeaderName, &str) = (header::CONTENT_TYPE, "application/json");
const TEXT: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain");

/// The table.
pub(super) const SINS: &[Sin] = &[
    Sin {
        path: "html-404",
        status: 404,
        about: "a framework's HTML page",
        answer: Response(&[HTML], || {
            whole("<html><body><h1>Not Found</h1><hr>framework/0.9</body></html>\n")
        }),
    },
    Sin {
        path: "stack-trace",
        status: 500,
        about: "a stack trace with a host name and a query in it",
        answer: Response(&[TEXT], || {
            whole(
                "java.sql.SQLException: connection to db-7.internal:5432 refused\n\
                 \tat com.example.Orders.load(Orders.java:42)\n\tSELECT * FROM orders WHERE id = 7\n",
            )
        }),
    },
    Sin { path: "empty-502", status: 502, about: "nothing at all", answer: Response(&[], || whole("")) },
    Sin {
        path: "teapot",
        status: 418,
        about: "a status that no page mentions",
        answer: Response(&[TEXT], || whole("short and stout\n")),
    },
    Sin {
        path: "throttled",
        status: 429,
        about: "another one that the catalogs lack, and clients meet",
        answer: Response(&[JSON, (header::RETRY_AFTER, "5")], || whole("{\"oops\":\"slow down\"}\n")),
    },
    Sin {
        path: "gzip-500",
        status: 500,
        about: "an HTML page, compressed",
        answer: Response(&[HTML, (header::CONTENT_ENCODING, "gzip")], || {
            DemoBody::Whole(gzip("<html><body><h1>Internal Server Error</h1></body></html>\n"))
        }),
    },
    Sin {
        path: "busy",
        status: 503,
        about: "text, with a Retry-After to keep",
        answer: Response(&[TEXT, (header::RETRY_AFTER, "120")], || whole("try again later\n")),
    },
    Sin {
        path: "wrong-shape",
        status: 400,
        about: "JSON in a shape of its own, with a machine code to keep",
        answer: Response(&[JSON], || {
            whole("{\"error_code\":\"SFS.0005\",\"request_id\":\"3f2a9c\",\"oops\":\"name too long\"}\n")
        }),
    },
    Sin {
        path: "liar",
        status: 404,
        about: "JSON that speaks of another status",
        answer: Response(&[JSON], || whole("{\"code\":500,\"message\":\"internal\"}\n")),
    },
    Sin {
        path: "html-as-json",
        status: 500,
        about: "HTML that says it is JSON",
        answer: Response(&[JSON], || whole("<html><body><h1>Oops</h1></body></html>\n")),
    },
    Sin {
        path: "unauthorized",
        status: 401,
        about: "HTML, with two challenges to keep",
        answer: Response(
            &[
                HTML,
                (header::WWW_AUTHENTICATE, "Bearer realm=\"demo\""),
                (header::WWW_AUTHENTICATE, "Basic realm=\"demo\""),
            ],
            || whole("<h1>Who are you?</h1>\n"),
        ),
    },
    Sin {
        path: "unauthorized-bare",
        status: 401,
        about: "HTML, without the challenge that belongs to it",
        answer: Response(&[HTML], || whole("<h1>Who are you?</h1>\n")),
    },
    Sin {
        path: "not-allowed",
        status: 405,
        about: "HTML, with an Allow to keep",
        answer: Response(&[HTML, (header::ALLOW, "PUT, DELETE")], || whole("<h1>No.</h1>\n")),
    },
    Sin {
        path: "slow-500",
        status: 500,
        about: "a body that drips and never ends (give it two seconds)",
        answer: Response(&[JSON], || DemoBody::endless(Duration::from_millis(500), " ")),
    },
    Sin {
        path: "huge-500",
        status: 500,
        about: "a megabyte of apology",
        answer: Response(&[JSON], || {
            DemoBody::Whole(format!("{{\"sorry\":\"{}\"}}\n", "very ".repeat(200_000)).into())
        }),
    },
    Sin {
        path: "cut-504",
        status: 504,
        about: "a body that breaks off",
        answer: Response(&[JSON, (header::CONTENT_LENGTH, "500")], || {
            DemoBody::cut("{\"error_code\":\"SFS.0009\",\"error_")
        }),
    },
    Sin { path: "hang-up", status: 0, about: "closes the connection instead", answer: Disconnect },
    Sin { path: "silence", status: 0, about: "no answer, ever (give it three seconds)", answer: Silence },
    Sin {
        path: "no-transform",
        status: 500,
        about: "HTML that nobody may change, and nobody does",
        answer: Response(&[HTML, (header::CACHE_CONTROL, "no-transform")], || whole("<h1>As it is</h1>\n")),
    },
    Sin {
        path: "wrong-method",
        status: 204,
        about: "a success that is documented for DELETE",
        answer: Response(&[], || whole("")),
    },
    Sin {
        path: "standard-404",
        status: 404,
        about: "an error as documented: passed byte for byte",
        answer: Response(&[JSON], || {
            whole("{\"error_code\":\"SFS.0404\",\"error_msg\":\"no such share\"}\n")
        }),
    },
    Sin {
        path: "problem-409",
        status: 409,
        about: "an RFC 9457 problem: passed byte for byte",
        answer: Response(&[(header::CONTENT_TYPE, "application/problem+json")], || {
            whole("{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,\"detail\":\"in use\"}\n")
        }),
    },
    Sin {
        path: "json",
        status: 200,
        about: "a success: none of our business",
        answer: Response(&[JSON], || whole("{\"shares\":[]}\n")),
    },
    Sin {
        path: "html",
        status: 200,
        about: "a success as a page",
        answer: Response(&[HTML], || whole("<h1>It works</h1>\n")),
    },
    Sin {
        path: "events",
        status: 200,
        about: "a stream of events, never held up",
        answer: Response(&[(header::CONTENT_TYPE, "text/event-stream")], || {
            DemoBody::endless(Duration::from_secs(1), "data: tick\n\n")
        }),
    },
    Sin {
        path: "moved",
        status: 302,
        about: "a redirect",
        answer: Response(&[(header::LOCATION, "/html")], || whole("")),
    },
];

fn whole(text: &'static str) -> DemoBody {
    DemoBody::Whole(Bytes::from_static(text.as_bytes()))
}

fn gzip(text: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything").into()
}
