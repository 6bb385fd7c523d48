//! A reverse proxy by Pingora, as its own examples make one. Reasons for the settings:
//! - `work_stealing` off: a runtime without it "is as efficient as the single-threaded runtime" (documentation of
//!   `pingora-runtime`), where stealing has some overhead.
//! - An allocator other than the system's, with which `ok` costs a fifth more. Pingora's example of a server takes jemalloc; mimalloc
//!   is cheaper still: 6 % for `ok`, 10 % for bodies of 10 MiB.
//! - A pool of idle upstream connections as large as the other contestants have.
//! - No modules: the default one is compression, which nobody else has.
//! - `h2c`: HTTP/2 in front without TLS, told by its preface, once for each connection.
//! - No logger is installed and no metrics are kept, both of which Pingora leaves to its user.
//! - The body of an error is replaced in the filters for that, with its new length known in advance, so that it needs no chunks;
//!   the old body is read to its end and dropped, and the upstream connection is kept.
//! - Graceful shutdown waits for nothing: the comparison ends a contestant by SIGTERM.
//!
//! `pingora-peer LISTEN UPSTREAM WORKERS pass|rewrite`

use std::{error::Error, net::SocketAddr, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use mimalloc::MiMalloc;
use pingora::{
    Result,
    apps::HttpServerOptions,
    http::ResponseHeader,
    modules::http::HttpModules,
    proxy::{ProxyHttp, ProxyServiceBuilder, Session},
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const NOT_FOUND: &str =
    r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"The requested page was not found."}"#;
const FAILED: &str = r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"The request is not completed because of a service error."}"#;

struct Proxy {
    upstream: SocketAddr,
    rewrite: bool,
}

#[async_trait]
impl ProxyHttp for Proxy {
    /// What the body of the response is replaced by.
    type CTX = Option<&'static str>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }

    async fn response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        replaced: &mut Self::CTX,
    ) -> Result<()> {
        *replaced = match response.status.as_u16() {
            404 if self.rewrite => Some(NOT_FOUND),
            500 if self.rewrite => Some(FAILED),
            _ => None,
        };
        if let Some(body) = replaced {
            response.insert_header(CONTENT_TYPE, "application/problem+json")?;
            response.insert_header(CONTENT_LENGTH, body.len())?;
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        replaced: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        if let Some(replacement) = replaced {
            *body = end.then(|| Bytes::from_static(replacement.as_bytes()));
        }
        Ok(None)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, listen, upstream, workers, mode] = &arguments[..] else {
        return Err("usage: pingora-peer LISTEN UPSTREAM WORKERS pass|rewrite".into());
    };
    let settings = ServerConf {
        threads: workers.parse()?,
        work_stealing: false,
        upstream_keepalive_pool_size: 1024,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, settings);
    server.bootstrap();
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    let proxy = Proxy { upstream: upstream.parse()?, rewrite: mode == "rewrite" };
    let mut service = ProxyServiceBuilder::new(&server.configuration, proxy).server_options(options).build();
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever()
}
