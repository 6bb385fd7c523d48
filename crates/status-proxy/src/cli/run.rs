//! `run`: the proxy itself.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::{ArgGroup, Args, builder::PossibleValuesParser, builder::TypedValueParser as _};
use status_normalize::Mode;

use super::Failure;
use crate::{
    config::{LogFormat, Overrides, UpstreamUrl, address},
    reload::Source,
    serve,
    sources::with_sources,
};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("where requests go").args(["upstream", "config"]).required(true).multiple(true))]
#[command(after_help = "Examples:
  status-proxy run --upstream http://127.0.0.1:3000
  status-proxy run --upstream http://127.0.0.1:3000 --catalog dns --mode observe
  status-proxy run --config proxy.toml --access-log

The bound addresses are written to standard error, one per line: `listening on ADDRESS` and `admin on ADDRESS`.
SIGTERM and SIGINT drain and exit 0; a second one ends at once. SIGHUP reads the configuration and the documents
that it names again, as does a change of these files; what makes no sense is told and changes nothing. Errors in arguments or configuration exit 2,
failures such as a port that is taken exit 1.")]
pub(super) struct Arguments {
    /// Where requests go: http://HOST:PORT, with a path to put before each request's own if need be
    #[arg(long, value_name = "URL")]
    upstream: Option<UpstreamUrl>,

    /// The configuration file; the other flags go before its top level
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where clients connect; port 0 picks a free one [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    listen: Option<SocketAddr>,

    /// Where metrics, health and the page are [default: 127.0.0.1:9900]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    admin: Option<SocketAddr>,

    /// What the answers are held against: a built-in catalog or a document's file name [default: sfs]
    #[arg(long = "catalog", value_name = "NAME|FILE")]
    catalogs: Vec<String>,

    /// `enforce` rewrites what is not as documented, `observe` only counts it, `off` reads no body [default: enforce]
    #[arg(long, value_name = "MODE", hide_possible_values = true, value_parser = modes())]
    mode: Option<Mode>,

    /// Threads that serve requests [default: the CPUs that may be used]
    #[arg(long, value_name = "N", value_parser = workers)]
    workers: Option<NonZeroUsize>,

    /// The least important level that is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = levels(), hide_possible_values = true)]
    log_level: Option<tracing::Level>,

    /// How log lines look: text or json [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = formats(), hide_possible_values = true)]
    log_format: Option<LogFormat>,

    /// Log each finished request
    #[arg(long)]
    access_log: bool,
}

fn modes() -> impl clap::builder::TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(["enforce", "observe", "off"]).map(|word| match &*word {
        "observe" => Mode::Observe,
        "off" => Mode::Off,
        _ => Mode::Enforce,
    })
}

fn levels() -> impl clap::builder::TypedValueParser<Value = tracing::Level> {
    PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"])
        .try_map(|word| word.parse::<tracing::Level>())
}

fn formats() -> impl clap::builder::TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(["text", "json"]).map(|word| match &*word {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    })
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let workers = text.parse().ok().filter(|workers: &NonZeroUsize| workers.get() <= 1024);
    workers.ok_or_else(|| "expected a whole number from 1 to 1024".to_owned())
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        upstream,
        config: file,
        listen,
        admin,
        catalogs,
        mode,
        workers,
        log_level,
        log_format,
        access_log,
    } = arguments;
    let overrides =
        Overrides { listen, admin, workers, upstream, catalogs, mode, log_level, log_format, access_log };
    let (config, source) = Source::load(file, overrides)?;
    serve::serve(config, Some(source), Box::new(|_| {})).map_err(|error| match &error {
        serve::ServeError::Log(_) => Failure::Usage(with_sources(&error)),
        _ => Failure::Runtime(with_sources(&error)),
    })
}
