//! The socket of an HTTP/1.1 connection to an upstream.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{
    batched::BatchedStream,
    bypass::{self, Bypass},
};

/// A socket that sends what is in a pipe in place of a stand-in for it.
#[derive(Debug)]
pub(super) struct Transport {
    stream: BatchedStream,
    /// Where what is sent of a long body is.
    upload: Option<Arc<Bypass>>,
}

impl Transport {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: BatchedStream::new(stream), upload: None }
    }

    pub(super) fn stream(&self) -> &BatchedStream {
        &self.stream
    }

    pub(super) fn into_stream(self) -> BatchedStream {
        self.stream
    }

    /// For the request that is sent next.
    pub(super) fn set_upload(&mut self, upload: Option<Arc<Bypass>>) {
        self.upload = upload;
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(upload) = &self.upload
            && upload.len() > 0
            && let Some(at) = bufs.iter().position(bypass::is_stand_in)
        {
            let (ahead, stand_in) = (&bufs[..at], &bufs[at]);
            return if ahead.iter().all(|buf| buf.is_empty()) {
                upload.poll_empty(cx, &self.stream, stand_in.len())
            } else {
                Pin::new(&mut self.stream).poll_write_vectored(cx, ahead)
            };
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
