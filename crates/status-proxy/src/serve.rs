//! A configuration, served: log, recorder, listeners, until a signal ends it.

use std::{
    hint::black_box,
    io::{self, Write as _},
    net::SocketAddr,
    sync::{Arc, mpsc::channel},
    time::SystemTime,
};

use crate::{
    admin::{Admin, Observed},
    config::{Config, LogFormat},
    drain::{Drain, Signals, on_hangup},
    forward,
    listen::Listeners,
    logs, metrics,
    recorder::PrometheusRecorder,
    reload::{Reloader, Served, Source, Workers},
};

/// Freed memory that stays with a thread: some buffers for bodies, which are of 64 or 128 KiB.
const KEPT_BYTES: usize = 2 * 1024 * 1024;

/// Why nothing is served any more, or ever was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot listen on {address}{}", taken(source, *address))]
    Bind { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Log(#[from] logs::LogError),
    #[error("the recorder of metrics cannot be installed")]
    Recorder,
    #[error("cannot serve")]
    Serve(#[from] io::Error),
}

fn taken(source: &io::Error, address: SocketAddr) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!(", another process has it: choose another port, or 0 for a free one at {}", address.ip())
        }
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            ", ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)".to_owned()
        }
        _ => String::new(),
    }
}

/// Where a running proxy is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// Serves until a signal ends it and the drain is over. `ready` is called when both addresses are bound. A
/// configuration with a source is read again on SIGHUP and when its files change.
pub(crate) fn serve(
    config: Config,
    source: Option<Source>,
    ready: Box<dyn FnOnce(Bound)>,
) -> Result<(), ServeError> {
    keep_freed_memory();
    let logs = logs::init(config.log)?;
    let recorder = PrometheusRecorder::new();
    recorder.install().map_err(|_| ServeError::Recorder)?;
    metrics::describe();
    metrics::build_info();
    metrics::loaded(SystemTime::now());
    // Workers have runtimes of their own: this one serves operators, whom a scrape may keep waiting.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let signals = Signals::install()?;
        let (hangup, hangups) = channel();
        if source.is_some() {
            on_hangup(hangup)?;
        }
        let (listeners, servings) = Listeners::bind(config.listen, config.workers)
            .map_err(|source| ServeError::Bind { address: config.listen, source })?;
        let admin = Admin::bind(config.admin)
            .await
            .map_err(|source| ServeError::Bind { address: config.admin, source })?;
        let bound = Bound { listen: listeners.address(), admin: admin.address()? };
        announce(config.log.format, bound);
        config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        ready(bound);
        let connections = config.limits.connections;
        let drain = Drain::default();
        let workers = Workers::new(servings, drain.clone());
        drop(workers.serve_by(&config));
        let served = Served::new(Arc::new(config));
        let listening = listeners.start(connections, &drain, forward::service)?;
        let observed = Observed { served: served.clone(), bound, recorder, drain: drain.clone() };
        tokio::spawn(admin.serve(Arc::new(observed)));
        if let Some(source) = source {
            Reloader { source, served: served.clone(), workers, logs, drain }.start(hangups)?;
        }
        listening.run(signals, || served.config().timeouts.drain).await?;
        Ok(())
    })
}

/// Has glibc keep up to twice as much freed memory per thread before the system gets it back: without it, a worker whose
/// requests have bodies gives a buffer back after each and faults its pages in again for the next.
///
/// It takes the limit from the largest block that it saw freed. Other allocators don't mind.
fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(KEPT_BYTES / 2)));
}

/// Tells where to connect, on standard error whatever the log level, in lines that scripts may rely on. Nobody has to
/// listen.
fn announce(format: LogFormat, Bound { listen, admin }: Bound) {
    let lines = [format!("listening on {listen}"), format!("admin on {admin}")].map(|text| match format {
        LogFormat::Text => text + "\n",
        LogFormat::Json => format!("{}\n", serde_json::json!({ "level": "INFO", "message": text })),
    });
    let _ = io::stderr().write_all(lines.concat().as_bytes());
}
