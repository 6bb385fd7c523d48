//! What the configuration means: no `Option` that has to be interpreted, durations as `Duration`, sizes as bytes.

use std::{
    fmt,
    fs::File,
    io::Read as _,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use status_catalog::Catalog;
use status_normalize::{Builder, Mode, Operations, Rollout, RoutePattern, StatusNormalizeLayer};

mod catalogs;
mod policy;
mod raw;
mod report;
mod resolve;
mod routes;
mod section;
mod series;
mod upstream_url;
mod value;

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod tests;

pub(crate) use catalogs::{Named, language_of, named};
pub(crate) use report::ConfigError;
pub(crate) use series::Series;
pub(crate) use upstream_url::UpstreamUrl;
pub(crate) use value::address;

use self::{raw::RawConfig, report::Report};

/// 16 MiB. The configuration of ten thousand routes has two; what is larger was named by mistake.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// More operations that cannot be routes have one reason.
const LEFT_OUT_SHOWN: usize = 20;

/// Everything that `run` needs.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where clients connect. Port 0 picks a free one.
    pub(crate) listen: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
    /// One runtime and one listening socket each.
    pub(crate) workers: NonZeroUsize,
    /// Takes the requests that match no route; its catalog describes what is answered before a request is read.
    pub(crate) default: Arc<RouteConfig>,
    /// The other routes, in file order.
    pub(crate) routes: Vec<Arc<RouteConfig>>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) forwarding: Forwarding,
    pub(crate) log: Log,
    /// The documents that the catalogs were read from, and those that they refer to.
    pub(crate) files: Vec<PathBuf>,
    /// Those of them that could not be read, and why: what refers to them is left out.
    pub(crate) unread: Vec<(PathBuf, String)>,
}

/// What the command line says, which goes before the file.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) workers: Option<NonZeroUsize>,
    /// Of the top level, as are the next two.
    pub(crate) upstream: Option<UpstreamUrl>,
    /// Several are one catalog in several languages; none is no override.
    pub(crate) catalogs: Vec<String>,
    pub(crate) mode: Option<Mode>,
    pub(crate) log_level: Option<tracing::Level>,
    pub(crate) log_format: Option<LogFormat>,
    /// Turns the access log on; the file may do so too.
    pub(crate) access_log: bool,
}

impl Config {
    /// Reads the file, if there is one, and what goes before it.
    pub(crate) fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let Some(file) = file else {
            return Self::parse("", Path::new(""), overrides);
        };
        Self::parse(&read(file)?, file, overrides)
    }

    /// Reads a file's text. Catalog files are looked for beside `file`.
    pub(crate) fn parse(text: &str, file: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut report = Report::new(file.display().to_string(), text);
        let raw = RawConfig::parse(text, &mut report);
        let base = file.parent().unwrap_or(Path::new(""));
        let config = resolve::resolve(&raw, base, overrides, &mut report);
        if let Some(config) = &config {
            series::check_labels(config, &mut report);
        }
        match config {
            Some(config) if report.is_empty() => Ok(config),
            _ => Err(ConfigError::Invalid(report)),
        }
    }

    /// What is no error, but hardly meant.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.unread.iter().map(|(_, why)| why.clone()).collect();
        for route in self.all_routes() {
            let left_out = route.operations.as_ref().map_or(&[][..], |operations| operations.left_out());
            let shown = left_out.iter().take(LEFT_OUT_SHOWN);
            warnings.extend(shown.map(|why| format!("route {}: no route for {why}", route.name)));
            if let Some(more) = left_out.len().checked_sub(LEFT_OUT_SHOWN).filter(|more| *more > 0) {
                warnings.push(format!("route {}: no route for {more} more operations", route.name));
            }
        }
        warnings.extend(self.series().warning());
        warnings
    }

    /// How many series of metrics there can be.
    pub(crate) fn series(&self) -> Series {
        Series::of(self)
    }

    /// The default route, then the others in file order.
    pub(crate) fn all_routes(&self) -> impl Iterator<Item = &Arc<RouteConfig>> {
        std::iter::once(&self.default).chain(&self.routes)
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { file: file.into(), source };
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(ConfigError::TooLarge { file: file.into(), limit: FILE_LIMIT });
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&valid[line_start..]).chars().count() + 1;
        ConfigError::Encoding { file: PathBuf::from(file), line, column }
    })
}

/// A route: which requests, what happens to their answers, where they go.
#[derive(Debug)]
pub(crate) struct RouteConfig {
    /// The value of the metric label `route`.
    pub(crate) name: Arc<str>,
    pub(crate) pattern: RoutePattern,
    /// With operations, what is none of them is held against it.
    pub(crate) catalog: Arc<Catalog>,
    /// Of an OpenAPI description, each a route within this one.
    pub(crate) operations: Option<Arc<Operations>>,
    pub(crate) mode: Mode,
    pub(crate) rollout: Rollout,
    /// What the layer was built from: catalog, mode and rollout are in there too.
    pub(crate) settings: Builder,
    pub(crate) layer: StatusNormalizeLayer,
    /// `None` only for a default route that has no upstream: it answers 404.
    pub(crate) upstream: Option<Arc<UpstreamConfig>>,
}

/// Where requests go.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct UpstreamConfig {
    /// A host name or IP literal (without brackets), resolved at each new connection.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// Prepended to the request's path; empty or `/prefix` without a trailing slash.
    pub(crate) path_prefix: Arc<str>,
    pub(crate) protocol: Protocol,
    /// Whether `Host` is passed on as the client sent it (the default) or set to the upstream's authority.
    pub(crate) keep_host: bool,
    /// Requests in flight per worker before 503 is answered.
    pub(crate) max_requests: usize,
}

impl RouteConfig {
    /// Which requests the route is for, in words.
    pub(crate) fn requests(&self) -> String {
        let RoutePattern { host, methods, path } = &self.pattern;
        if host.is_none() && methods.is_empty() && path.is_none() {
            return "any".to_owned();
        }
        let methods = methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
        let place = format!("{}{}", host.as_deref().unwrap_or("*"), path.as_deref().unwrap_or("/*"));
        if methods.is_empty() { place } else { format!("{methods} {place}") }
    }
}

impl fmt::Display for UpstreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, path_prefix, .. } = self;
        if host.contains(':') {
            write!(f, "http://[{host}]:{port}{path_prefix}")
        } else {
            write!(f, "http://{host}:{port}{path_prefix}")
        }
    }
}

/// The protocol towards an upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Protocol {
    /// gRPC over HTTP/2 with prior knowledge, anything else over HTTP/1.1.
    #[default]
    Auto,
    Http1,
    /// Prior knowledge, cleartext.
    Http2,
}

/// About as many client connections as the file limit of a usual machine allows for.
pub(crate) const DEFAULT_CONNECTIONS: usize = 65_536;

/// What the head of a request or response may be at most, and the trailers behind a body.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct HeadLimits {
    /// Bytes: of HTTP/1.1 all, of HTTP/2 those of names and values. Defaults to 128 KiB.
    pub(crate) bytes: usize,
    /// Defaults to 256.
    pub(crate) fields: usize,
}

/// Limits on what a client may send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// Those of clients and of upstreams.
    pub(crate) head: HeadLimits,
    /// Bytes of a request body, if limited: 413 beyond. Defaults to no limit.
    pub(crate) request_body: Option<u64>,
    /// Client connections per process; beyond, accepting waits. Defaults to [`DEFAULT_CONNECTIONS`].
    pub(crate) connections: usize,
}

/// How long each phase may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Timeouts {
    /// 5 s.
    pub(crate) connect: Duration,
    /// From the first byte of a request head to its last: 30 s, then 408.
    pub(crate) request_head: Duration,
    /// Between two parts of a request's body, before the response head: 60 s, then 408.
    pub(crate) request_body: Duration,
    /// From the request's end to the response head, and between two parts of its body that the upstream takes: 60 s, then
    /// 504.
    pub(crate) response_head: Duration,
    /// Keep-alive time between requests, on both sides: 75 s. Never silence within a response or a tunnel.
    pub(crate) idle: Duration,
    /// How long a drain waits for what is in flight: 30 s.
    pub(crate) drain: Duration,
}

/// What is added to a forwarded request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Forwarding {
    /// The name in `Via`. Defaults to `status-proxy`.
    pub(crate) via: Arc<str>,
    /// Peers whose `X-Forwarded-*` and `Forwarded` fields are appended to; from others they are replaced.
    pub(crate) trust: Trust,
    /// Whether `Forwarded` (RFC 7239) is written as well. Defaults to no.
    pub(crate) forwarded: bool,
    /// Whether a missing `X-Request-Id` is generated. Defaults to no.
    pub(crate) request_id: bool,
}

/// Whose forwarded fields are believed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Trust {
    /// Every peer's: the sidecar stands behind something that already vouches for them.
    #[default]
    All,
    /// Nobody's.
    None,
    /// Loopback and private addresses (RFC 1918, RFC 4193).
    Private,
}

/// What is written to standard error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Log {
    pub(crate) level: tracing::Level,
    pub(crate) format: LogFormat,
    /// Whether each finished request is written.
    pub(crate) access: bool,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}
