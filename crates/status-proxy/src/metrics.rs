//! Every metric of the program itself: name, unit, description and labels in one place. What the layer counts is in
//! `status-normalize`.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use metrics::{Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::descriptors::Descriptor;

/// What is running: always 1, the labels tell.
pub(crate) const BUILD_INFO: &str = "status_proxy_build_info";
/// Client connections that are open.
pub(crate) const CLIENT_CONNECTIONS_OPEN: &str = "status_proxy_client_connections_open";
/// Whether the last attempt to load the configuration succeeded.
pub(crate) const LAST_RELOAD_SUCCESSFUL: &str = "status_proxy_config_last_reload_successful";
/// When the configuration was last loaded.
pub(crate) const LAST_RELOAD_SUCCESS: &str = "status_proxy_config_last_reload_success_timestamp_seconds";
/// Attempts to load the configuration again.
pub(crate) const RELOADS: &str = "status_proxy_config_reloads_total";
/// Those of them that failed.
pub(crate) const RELOAD_FAILURES: &str = "status_proxy_config_reload_failures_total";
/// Answers that the proxy made itself, by cause.
pub(crate) const LOCAL_REPLIES: &str = "status_proxy_local_replies_total";
/// HTTP/2 streams of clients that were refused because they were malformed.
pub(crate) const MALFORMED_STREAMS: &str = "status_proxy_malformed_streams_total";
/// Connections opened to upstreams.
pub(crate) const UPSTREAM_CONNECTIONS: &str = "status_proxy_upstream_connections_total";
/// Connections to upstreams that are open, idle ones included.
pub(crate) const UPSTREAM_CONNECTIONS_OPEN: &str = "status_proxy_upstream_connections_open";
/// Requests sent again because the pooled connection turned out to be closed, or the upstream had not processed them.
pub(crate) const UPSTREAM_RETRIES: &str = "status_proxy_upstream_retries_total";

/// Describes the metrics of this file to the installed recorder.
pub(crate) fn describe() {
    describe_gauge!(BUILD_INFO, "What is running: always 1, the labels tell.");
    describe_gauge!(
        LAST_RELOAD_SUCCESSFUL,
        "Whether the last attempt to load the configuration succeeded: 1 or 0."
    );
    describe_gauge!(
        LAST_RELOAD_SUCCESS,
        "When the configuration was last loaded with success, in seconds since 1970."
    );
    describe_gauge!(CLIENT_CONNECTIONS_OPEN, "Client connections that are open.");
    describe_gauge!(UPSTREAM_CONNECTIONS_OPEN, "Connections to upstreams that are open, idle ones included.");
    describe_counter!(RELOADS, "Attempts to load the configuration again.");
    describe_counter!(RELOAD_FAILURES, "Attempts to load the configuration again that failed.");
    describe_counter!(LOCAL_REPLIES, "Answers that the proxy made itself, by cause.");
    describe_counter!(
        MALFORMED_STREAMS,
        "HTTP/2 streams of clients that were refused because they were malformed."
    );
    describe_counter!(UPSTREAM_CONNECTIONS, "Connections opened to upstreams.");
    describe_counter!(
        UPSTREAM_RETRIES,
        "Requests sent again because the pooled connection turned out to be closed, or the upstream had not processed them."
    );
}

/// Says what is running, and that nothing is connected yet.
#[expect(clippy::disallowed_macros, reason = "the file of the names")]
pub(crate) fn build_info() {
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1);
    gauge!(CLIENT_CONNECTIONS_OPEN).set(0);
    gauge!(UPSTREAM_CONNECTIONS_OPEN).set(0);
}

/// Says that the configuration has been loaded for the first time.
#[expect(clippy::disallowed_macros, reason = "the file of the names")]
pub(crate) fn loaded(at: SystemTime) {
    counter!(RELOADS).increment(0);
    counter!(RELOAD_FAILURES).increment(0);
    is_loaded(at);
}

/// Counts an attempt to load it again.
#[expect(clippy::disallowed_macros, reason = "the file of the names")]
pub(crate) fn reloaded(at: SystemTime) {
    counter!(RELOADS).increment(1);
    is_loaded(at);
}

/// Counts one that failed.
#[expect(clippy::disallowed_macros, reason = "the file of the names")]
pub(crate) fn reload_failed() {
    counter!(RELOADS).increment(1);
    counter!(RELOAD_FAILURES).increment(1);
    gauge!(LAST_RELOAD_SUCCESSFUL).set(0);
}

#[expect(clippy::disallowed_macros, reason = "the file of the names")]
fn is_loaded(at: SystemTime) {
    gauge!(LAST_RELOAD_SUCCESSFUL).set(1);
    gauge!(LAST_RELOAD_SUCCESS).set(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
}

/// Counts an answer that the proxy made itself.
#[expect(clippy::disallowed_macros, reason = "the file of the names")]
pub(crate) fn local_reply(cause: &'static str) {
    counter!(LOCAL_REPLIES, "cause" => cause).increment(1);
}

/// Counts a stream that was refused.
#[expect(clippy::disallowed_macros, reason = "the file of the names")]
pub(crate) fn malformed_stream() {
    counter!(MALFORMED_STREAMS).increment(1);
}

/// A connection, counted as open until it is dropped.
pub(crate) struct OpenConnection {
    gauge: Gauge,
    _descriptor: Descriptor,
}

impl OpenConnection {
    #[expect(clippy::disallowed_macros, reason = "the file of the names")]
    pub(crate) fn of_client(descriptor: Descriptor) -> Self {
        Self::count(gauge!(CLIENT_CONNECTIONS_OPEN), descriptor)
    }

    #[expect(clippy::disallowed_macros, reason = "the file of the names")]
    pub(crate) fn to_upstream(descriptor: Descriptor) -> Self {
        counter!(UPSTREAM_CONNECTIONS).increment(1);
        Self::count(gauge!(UPSTREAM_CONNECTIONS_OPEN), descriptor)
    }

    fn count(gauge: Gauge, descriptor: Descriptor) -> Self {
        gauge.increment(1);
        Self { gauge, _descriptor: descriptor }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.gauge.decrement(1);
    }
}

impl fmt::Debug for OpenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenConnection")
    }
}

/// Counts a request that was sent again.
#[expect(clippy::disallowed_macros, reason = "the file of the names")]
pub(crate) fn upstream_retry() {
    counter!(UPSTREAM_RETRIES).increment(1);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::local_reply::Cause;

    const DOCUMENT: &str = include_str!("../../../docs/METRICS.md");

    /// Every word of a text that names a metric, without the suffixes that a query adds.
    fn names(text: &str) -> BTreeSet<&str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("status_proxy_") || word.starts_with("status_normalize_"))
            .map(|word| word.trim_end_matches("_bucket"))
            .collect()
    }

    #[test]
    fn document_has_every_metric_and_no_other() {
        let sources = [include_str!("metrics.rs"), include_str!("../../status-normalize/src/metrics.rs")];
        let quoted = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
        let declared: BTreeSet<&str> = quoted.flat_map(names).filter(|name| !name.ends_with('_')).collect();
        assert!(declared.len() >= 14, "{declared:?}");
        assert_eq!(names(DOCUMENT), declared);
    }

    #[test]
    fn document_has_every_cause_with_its_status() {
        for cause in Cause::ALL {
            let row = format!("| `{}` | {} |", cause.as_str(), cause.status().as_u16());
            assert!(DOCUMENT.contains(&row), "{row}");
        }
        let sum = format!("| the program's own | {} (17, ", 17 + Cause::ALL.len());
        assert!(DOCUMENT.contains(&sum), "{sum}");
        let statuses: BTreeSet<_> = Cause::ALL.map(|cause| cause.status().as_u16()).into();
        let statuses = format!("the {} statuses of the causes above", statuses.len());
        assert!(DOCUMENT.contains(&statuses), "{statuses}");
    }
}
