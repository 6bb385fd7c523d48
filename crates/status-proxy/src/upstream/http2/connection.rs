//! Connections to HTTP/2 upstreams.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::{held::Held, link::Link, request::Request, task::Task};
use crate::{
    config::UpstreamConfig,
    local_reply::Failure,
    upstream::{Limits, connect::connect},
};

/// A handle to a connection; its frames are read and written by a task of its own, until there are neither handles nor
/// streams.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Http2Connection {
    handle: Arc<Handle>,
    idle: Duration,
}

/// Dropped with the last handle.
#[derive(Debug)]
struct Handle(Arc<Link>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Http2Connection {
    /// Opens a connection on which the upstream takes requests. `changed` is told whenever a stream of it has ended.
    pub(in crate::upstream) async fn open(
        config: &UpstreamConfig,
        limits: &Limits,
        changed: Arc<Notify>,
    ) -> Result<Self, Failure> {
        let (stream, open) = connect(config, limits.connect).await?;
        let link = Link::new(limits.connection.head, changed);
        let mut task = Task::new(stream, link.clone());
        task.wait_for_room().await?;
        tokio::spawn(async move {
            let _open = open;
            task.run().await;
        });
        Ok(Self { handle: Arc::new(Handle(link)), idle: limits.connection.idle })
    }

    fn link(&self) -> &Arc<Link> {
        &self.handle.0
    }

    /// Whether the upstream takes another stream now.
    pub(in crate::upstream) fn has_room(&self) -> bool {
        self.link().has_room()
    }

    /// Whether requests may be sent, now or when others have ended.
    pub(in crate::upstream) fn is_open(&self) -> bool {
        self.link().is_open()
    }

    /// Whether it has no stream.
    pub(in crate::upstream) fn is_idle(&self) -> bool {
        self.link().is_idle()
    }

    /// Whether it takes no more requests, or has had none for longer than it may.
    pub(in crate::upstream) fn is_expired(&self, now: Instant) -> bool {
        !self.is_open() || self.link().is_expired(now, self.idle)
    }

    /// Opens a stream.
    pub(super) fn send(self, request: &Request, is_whole: bool) -> Result<Held, Failure> {
        self.link().open(request, is_whole)
    }
}
