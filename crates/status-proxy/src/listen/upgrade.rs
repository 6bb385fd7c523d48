//! What becomes of a client's connection, or stream, when the upstream switches protocols.

use std::io;

use http::Request;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{client_body::ClientBody, http2::AwaitedTunnel};

/// What will carry the other protocol once the request has been answered with 101.
#[derive(Debug)]
pub(crate) enum ClientUpgrade {
    Connection(OnUpgrade),
    Stream(AwaitedTunnel),
}

/// What bytes go both ways on.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl ClientUpgrade {
    /// That of a request.
    pub(crate) fn of(request: &mut Request<ClientBody>) -> Self {
        match request.extensions_mut().remove() {
            Some(awaited) => Self::Stream(awaited),
            None => Self::Connection(hyper::upgrade::on(request)),
        }
    }

    /// Waits until the client has been told.
    ///
    /// # Errors
    ///
    /// If it has left before.
    pub(crate) async fn tunnel(self) -> io::Result<Box<dyn Io>> {
        Ok(match self {
            Self::Connection(upgrade) => Box::new(TokioIo::new(upgrade.await.map_err(io::Error::other)?)),
            Self::Stream(awaited) => Box::new(awaited.tunnel().await?),
        })
    }
}
