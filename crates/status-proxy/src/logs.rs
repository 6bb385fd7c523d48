//! What is written to standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{
    Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    reload::{Handle, Layer},
    util::{SubscriberInitExt as _, TryInitError},
};

use crate::config::{Log, LogFormat};

/// The environment variable that refines the level, such as `info,status_proxy::upstream=debug`.
pub(crate) const ENVIRONMENT: &str = "STATUS_PROXY_LOG";

/// The target of the events that the layer emits, one for each finished request.
const ACCESS: &str = "status_normalize::access";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("{ENVIRONMENT} is `{value}`, which is no list such as `info,status_proxy::upstream=debug`")]
    Environment { value: String, source: tracing_subscriber::filter::ParseError },
    #[error("the log cannot be set up")]
    Init(#[from] TryInitError),
}

/// The log, once it is started.
#[derive(Clone, Debug)]
pub(crate) struct Logs(Handle<Targets, Registry>);

impl Logs {
    /// From now on other lines are let through. The format stays.
    pub(crate) fn change(&self, log: Log) {
        match targets_here(log) {
            Ok(targets) => {
                self.0.reload(targets).unwrap_or_else(|error| tracing::warn!(%error, "log not changed"))
            }
            Err(error) => tracing::warn!(%error, "log not changed"),
        }
    }
}

/// Starts logging, for the rest of the process.
pub(crate) fn init(log: Log) -> Result<Logs, LogError> {
    let (targets, handle) = Layer::new(targets_here(log)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    match log.format {
        LogFormat::Text => {
            let coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            tracing_subscriber::registry().with(targets).with(lines.with_ansi(coloured)).try_init()?;
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            tracing_subscriber::registry().with(targets).with(lines).try_init()?;
        }
    }
    Ok(Logs(handle))
}

/// What is let through in this environment.
fn targets_here(log: Log) -> Result<Targets, LogError> {
    match std::env::var(ENVIRONMENT) {
        Ok(value) => targets(log, Some(&value)).map_err(|source| LogError::Environment { value, source }),
        Err(_) => Ok(targets(log, None).expect("without a text there is nothing to refuse")),
    }
}

/// What is let through. Access lines are what `access` says, whatever the levels.
fn targets(log: Log, environment: Option<&str>) -> Result<Targets, tracing_subscriber::filter::ParseError> {
    let base = match environment {
        Some(text) if !text.trim().is_empty() => text.parse::<Targets>()?,
        _ => Targets::new().with_default(log.level),
    };
    let access = if log.access { LevelFilter::INFO } else { LevelFilter::OFF };
    Ok(base.with_target(ACCESS, access))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn access_lines_depend_on_their_own_key_alone() {
        for access in [false, true] {
            for level in [Level::ERROR, Level::TRACE] {
                let log = Log { level, format: LogFormat::Text, access };
                for environment in [None, Some("warn"), Some("trace,status_normalize=debug")] {
                    let targets = targets(log, environment).unwrap();
                    assert_eq!(targets.would_enable(ACCESS, &Level::INFO), access, "{level} {environment:?}");
                }
            }
        }
    }

    #[test]
    fn environment_goes_before_the_level() {
        let log = Log { level: Level::INFO, format: LogFormat::Text, access: false };
        let targets = |environment| targets(log, environment);
        assert!(targets(None).unwrap().would_enable("status_proxy", &Level::INFO));
        assert!(!targets(None).unwrap().would_enable("status_proxy", &Level::DEBUG));
        assert!(!targets(Some("warn")).unwrap().would_enable("status_proxy", &Level::INFO));
        assert!(targets(Some("")).unwrap().would_enable("status_proxy", &Level::INFO));
        assert!(targets(Some("status_proxy=nonsense")).is_err());
    }
}
