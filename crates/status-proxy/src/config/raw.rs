//! What the file says: every key where it is declared, all optional, each with its place.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderName, Method};
use status_normalize::{Mode, Rollout, Shape, StatusRule, Undocumented};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    LogFormat, Protocol, Trust,
    report::Report,
    section::{Section, section},
    value::{BasePath, Count, List, Size, Value},
};

section! {
    /// The top level of the file.
    RawConfig ("the top level") {
        /// Where clients connect. Port 0 picks a free one, which standard error tells. Changes at a restart only.
        listen: SocketAddr = "\"0.0.0.0:8080\"",
        /// How many threads serve requests, each with its own listening socket and its own connections to the upstreams. Without it: as many as the process may use CPUs. Changes at a restart only.
        workers: Count<1, 1024> = "",
        /// The operators' listener.
        admin: RawAdmin = "",
        /// What a client may send.
        limits: RawLimits = "",
        /// How long each phase may take.
        timeouts: RawTimeouts = "",
        /// What is added to a forwarded request.
        forwarding: RawForwarding = "",
        /// What is written to standard error.
        log: RawLog = "",
        /// The routes. The most specific one takes a request: an exact host before any host, then the most specific path, then a named method. What no route takes goes by the keys of the top level, as route `default`.
        route: List<RawRoute> = "",
        ..policy: RawPolicy
    }
}

section! {
    /// A route: which requests, and whatever is to differ from the top level for them.
    RawRoute ("[[route]]") {
        /// The value of the metric label `route`. Needed, and each name only once.
        name: String = "",
        /// The host, without port. Without it: any.
        host: String = "",
        /// The methods. Without them: any. `GET` includes `HEAD` unless another route names `HEAD`.
        methods: List<Method> = "",
        /// The path, such as `/pets/{id}` or `/files/{*rest}`. Without it: any.
        path: String = "",
        ..policy: RawPolicy
    }
}

section! {
    /// Keys of the top level and of a route, which starts with those of the top level.
    RawPolicy ("a route") {
        /// Where requests go: a URL such as `"http://127.0.0.1:3000/prefix"`, or a table, see below. A top level without one answers 404 to what no route takes.
        upstream: RawUpstream = "",
        /// What the answers are held against: the name of a built-in catalog (`status-proxy catalog list`), or a document's file name, relative to the configuration file. Several pages in a list are one catalog in several languages. An OpenAPI description makes each of its operations a route of its own.
        catalog: RawCatalog = "\"sfs\"",
        /// What stands before the paths of an OpenAPI description, instead of what its servers say: `""` behind a gateway that strips their base path.
        base_path: BasePath = "",
        /// `enforce` rewrites error bodies that are not in a documented form; `observe` only counts what it would have done; `off` counts by class and reads no body.
        mode: Mode = "\"enforce\"",
        /// The share of responses that `enforce` rewrites; the rest is observed.
        rollout: Rollout = "\"100%\"",
        /// What happens to a status that the catalog lacks: `pass` it, `describe` it with its IANA phrase, send it to the `nearest` documented x00, or to what the first fitting rule says.
        undocumented: Undocumented = "\"pass\"",
        /// Statuses, documented or not, that reach the client as another one; the first fitting rule decides.
        status_map: List<StatusRule> = "[]",
        /// The shapes in which an error body counts as standard. `wrapped` is one of the pairs inside a single member.
        envelopes: List<Shape> = "[\"problem\", \"error_code\", \"code_message\", \"err_code\", \"errorcode\", \"wrapped\", \"kubernetes_status\", \"xml_error\"]",
        /// Whether a standard error body must carry the documented description, word for word.
        strict: bool = "false",
        /// Whether the message of a rewritten 4xx body reaches the client, bounded, as an extension member. That of a 5xx never does.
        keep_detail: bool = "false",
        /// The machine code in bodies for which the backend gave none; `{status}` stands for the status code.
        code: String = "\"HTTP.{status}\"",
        /// A response field by which a backend opts out, whatever its value. Clients never see it, and theirs means nothing.
        opt_out_header: HeaderName = "",
        /// Whether `Cache-Control: no-transform` protects a body.
        no_transform: bool = "true",
        /// Whether a 405 without `Allow` counts as a broken promise.
        count_missing_allow: bool = "true",
        /// How much of an error body is looked at, encoded and decoded alike; what is larger is rewritten.
        inspect_limit: Size<1, 16777216> = "\"64KiB\"",
        /// How long an error body is waited for; what takes longer is rewritten.
        inspect_timeout: Duration = "\"2s\"",
        /// Fields that a rewrite leaves in place although they described the old body.
        keep_headers: List<HeaderName> = "[]",
        /// Fields that a rewrite removes beside those that described the old body.
        drop_headers: List<HeaderName> = "[]",
    }
}

section! {
    /// Where requests go, written as a table.
    RawUpstreamTable ("[upstream]") {
        /// `http://HOST:PORT`, with a path to put before each request's own if need be. Needed.
        url: String = "",
        /// `auto` sends gRPC over HTTP/2 with prior knowledge and anything else over HTTP/1.1; the others fix it.
        protocol: Protocol = "\"auto\"",
        /// Whether `Host` stays what the client sent. Otherwise it is the upstream's own.
        keep_host: bool = "true",
        /// How many requests each worker has under way at once; beyond, the answer is 503.
        max_requests: Count<1, 1000000> = "10000",
    }
}

section! {
    /// The operators' listener.
    RawAdmin ("[admin]") {
        /// Where metrics, health and the page are. Nothing of it is reachable where clients connect. Changes at a restart only.
        listen: SocketAddr = "\"127.0.0.1:9900\"",
    }
}

section! {
    /// What a client may send, and an upstream.
    RawLimits ("[limits]") {
        /// The head of a request or response: 431 to the client, 502 for the upstream.
        head_size: Size<8192, 16777216> = "\"128KiB\"",
        /// The fields of a head; of an HTTP/1.1 upstream's 1024 at most.
        head_fields: Count<8, 16384> = "256",
        /// The body of a request: 413 beyond. Without it: no limit.
        request_body: Size<1, 1125899906842624> = "",
        /// Client connections at once; beyond, new ones wait. No more than about three quarters of the files that the process may have open: the others are for connections to upstreams. Changes at a restart only.
        connections: Count<1, 10000000> = "65536",
    }
}

section! {
    /// How long each phase may take.
    RawTimeouts ("[timeouts]") {
        /// Connecting to an upstream, until it takes a request: 504 beyond.
        connect: Duration = "\"5s\"",
        /// From the first byte of a request's head to its last: 408 beyond. Over HTTP/2 the connection ends, whatever frame but DATA it is that is not whole by then.
        request_head: Duration = "\"30s\"",
        /// How long a client may stop in the middle of a request's body while the upstream would take more of it and has not begun to answer: 408 beyond. Not in gRPC, whose streams may be silent.
        request_body: Duration = "\"60s\"",
        /// From the end of the request to the head of the upstream's answer, and how long the upstream takes nothing of a body: 504 beyond.
        response_head: Duration = "\"60s\"",
        /// How long a connection waits for its next request, on both sides. Never silence within a response or a tunnel.
        idle: Duration = "\"75s\"",
        /// How long a drain waits for what is under way. Requests that a client has sent behind the one under way on an HTTP/1.1 connection are not begun.
        drain: Duration = "\"30s\"",
    }
}

section! {
    /// What is added to a forwarded request.
    RawForwarding ("[forwarding]") {
        /// The name in `Via`. nginx as upstream compresses what it answers to requests with that field only by `gzip_proxied any`.
        via: String = "\"status-proxy\"",
        /// Whose `X-Forwarded-*` and `Forwarded` fields are appended to: every peer's, those of loopback and private addresses, or nobody's. From others they are replaced.
        trust: Trust = "\"all\"",
        /// Whether `Forwarded` (RFC 7239) is written beside `X-Forwarded-*`.
        forwarded: bool = "false",
        /// Whether a request without `X-Request-Id` gets one.
        request_id: bool = "false",
    }
}

section! {
    /// What is written to standard error.
    RawLog ("[log]") {
        /// The least important level that is written. The environment variable `STATUS_PROXY_LOG` refines it, such as `info,status_proxy::upstream=debug`. A release build has no lines below `debug`.
        level: tracing::Level = "\"info\"",
        /// `text` for people, `json` for programs: one object per line. Changes at a restart only.
        format: LogFormat = "\"text\"",
        /// Whether each finished request is written, at level `info`.
        access: bool = "false",
    }
}

/// One name, or a list of them.
#[derive(Debug)]
pub(super) struct RawCatalog(pub(super) List<String>);

impl Value for RawCatalog {
    #[cfg(test)]
    fn kind() -> String {
        "string or list".into()
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        let list = serde_json::json!({ "type": "array", "items": String::schema(), "minItems": 1 });
        serde_json::json!({ "oneOf": [String::schema(), list] })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        if !value.get_ref().is_array() {
            let name = String::read(value, report)?;
            return Some(Self(vec![Spanned::new(value.span(), name)]));
        }
        let names = List::read(value, report)?;
        if names.is_empty() {
            report.error(value.span(), "an empty list means nothing here");
            return None;
        }
        Some(Self(names))
    }
}

/// A URL, or a table with more to say.
#[derive(Debug)]
pub(super) struct RawUpstream(pub(super) RawUpstreamTable);

impl Value for RawUpstream {
    #[cfg(test)]
    fn kind() -> String {
        "URL or table".into()
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        serde_json::json!({ "oneOf": [String::schema(), RawUpstreamTable::schema()] })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        if value.get_ref().is_table() {
            return RawUpstreamTable::read(value, report).map(Self);
        }
        let url = String::read(value, report)?;
        let url = Some(Spanned::new(value.span(), url));
        Some(Self(RawUpstreamTable { url, ..RawUpstreamTable::default() }))
    }
}

impl RawConfig {
    /// Reads a file's text, reporting everything that is wrong with it.
    pub(super) fn parse(text: &str, report: &mut Report) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            report.syntax_error(error.span().unwrap_or_default(), error.message());
        }
        Self::read_table(table.get_ref(), report)
    }
}
