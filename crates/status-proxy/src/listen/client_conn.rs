//! What a request's handler may know of, and do with, the client connection that it came in on.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
    },
};

use http::{HeaderMap, Response, StatusCode};

use super::upload::{Upload, Uploading};
use crate::bypass::Bypass;

/// How many bytes of interim responses wait for a client that does not take them; those that come then are dropped.
///
/// They are advice, and an upstream may send any number.
pub(super) const INTERIM_BYTES: usize = 64 * 1024;

/// What an interim response takes besides its fields, about.
const INTERIM_HEAD_BYTES: usize = size_of::<Response<()>>();

/// One client connection, shared by its I/O boundary, its driver and the requests on it.
///
/// All of them run on one worker thread, so relaxed atomics are enough, and what counts need not be one operation; they
/// are there because futures are `Send`.
#[derive(Debug)]
pub(crate) struct ClientConn {
    peer: SocketAddr,
    scheme: &'static str,
    /// Whether interim responses can be sent for the current request.
    takes_interim: AtomicBool,
    started: AtomicU32,
    finished: AtomicU32,
    reads: AtomicU32,
    tunnel: AtomicBool,
    phase: AtomicU8,
    has_interim: AtomicBool,
    interim: Mutex<Interim>,
    /// Of the request that hyper reads, if they were read for it.
    fields: Mutex<Option<HeaderMap>>,
    upload: Uploading,
    bypass: Bypass,
}

/// The interim responses that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Interim {
    pub(super) responses: Vec<Response<()>>,
    /// What they take, about.
    pub(super) bytes: usize,
}

/// Where an HTTP/1.1 connection stands, as its driver has to know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Between requests: everything that was answered has been sent.
    Idle,
    /// A request has been given to hyper and its response has not been sent wholly.
    Busy,
    /// Busy, and whatever the client does wakes the connection.
    Watched,
    /// Busy, the client has ended its side, and nothing has been sent to it since.
    Leaving,
    /// Busy, the client has ended its side, and something has been sent to it since.
    Listening,
    /// Busy, the client has ended its side, and nobody reads what it sent before.
    Stalled,
    /// Between requests, with a head that needs a connection set up for many fields.
    Wide,
}

impl ClientConn {
    pub(crate) fn new(peer: SocketAddr, scheme: &'static str) -> Self {
        Self {
            peer,
            scheme,
            takes_interim: AtomicBool::new(false),
            started: AtomicU32::new(0),
            finished: AtomicU32::new(0),
            reads: AtomicU32::new(0),
            tunnel: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Idle as u8),
            has_interim: AtomicBool::new(false),
            interim: Mutex::default(),
            fields: Mutex::default(),
            upload: Uploading::default(),
            bypass: Bypass::default(),
        }
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Sends an interim response (1xx, not 101) ahead of the response to the current request.
    ///
    /// Only while the request's future is pending, over HTTP/2 only while it is polled: that tells whose it is. Does nothing
    /// for HTTP/1.0 requests. The fields are written as given: hop-by-hop fields are the caller's to remove.
    pub(crate) fn send_informational(&self, status: StatusCode, headers: &HeaderMap) {
        if !self.takes_interim.load(Relaxed)
            || !status.is_informational()
            || status == StatusCode::SWITCHING_PROTOCOLS
        {
            return;
        }
        let mut interim = self.interim.lock().unwrap_or_else(PoisonError::into_inner);
        if interim.bytes >= INTERIM_BYTES {
            return;
        }
        let field_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        interim.bytes += INTERIM_HEAD_BYTES + field_bytes;
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers.clone();
        interim.responses.push(response);
        self.has_interim.store(true, Relaxed);
    }

    /// The body of the request that the service has just been given, if it is not with hyper.
    pub(super) fn take_upload(&self) -> Option<Upload> {
        self.upload.take()
    }

    pub(super) fn upload(&self) -> &Uploading {
        &self.upload
    }

    /// The way of a long response body to the client.
    pub(crate) fn bypass(&self) -> &Bypass {
        &self.bypass
    }

    /// From here on the bytes on this connection are a tunnel's, not messages.
    pub(super) fn upgraded(&self) {
        self.tunnel.store(true, Relaxed);
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.tunnel.load(Relaxed)
    }

    pub(super) fn request_started(&self) {
        self.started.store(self.started().wrapping_add(1), Relaxed);
    }

    pub(super) fn response_finished(&self) {
        self.finished.store(self.finished().wrapping_add(1), Relaxed);
    }

    /// How many requests have reached the service.
    pub(super) fn started(&self) -> u32 {
        self.started.load(Relaxed)
    }

    /// How many responses have ended, however they did.
    pub(super) fn finished(&self) -> u32 {
        self.finished.load(Relaxed)
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Busy,
            2 => Phase::Watched,
            3 => Phase::Leaving,
            4 => Phase::Listening,
            5 => Phase::Stalled,
            _ => Phase::Wide,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// A part of a request's body has been read.
    pub(super) fn has_read(&self) {
        self.reads.store(self.reads().wrapping_add(1), Relaxed);
    }

    /// How many parts of requests' bodies have been read.
    pub(super) fn reads(&self) -> u32 {
        self.reads.load(Relaxed)
    }

    /// Whether interim responses may be sent for the request that is about to start.
    pub(super) fn take_interim_responses(&self, takes: bool) {
        self.takes_interim.store(takes, Relaxed);
    }

    /// Has the fields wait until the request reaches the service.
    pub(super) fn put_fields(&self, fields: HeaderMap) {
        *self.fields.lock().unwrap_or_else(PoisonError::into_inner) = Some(fields);
    }

    pub(super) fn take_fields(&self) -> Option<HeaderMap> {
        self.fields.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes the interim responses that wait to be sent.
    pub(super) fn interim(&self) -> Option<Interim> {
        if !self.has_interim.load(Relaxed) {
            return None;
        }
        self.has_interim.store(false, Relaxed);
        Some(std::mem::take(&mut *self.interim.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    #[test]
    fn interim_responses_that_nobody_takes_do_not_pile_up() {
        let client = ClientConn::new("192.0.2.1:1234".parse().unwrap(), "http");
        client.take_interim_responses(true);
        let hint = HeaderMap::from_iter([(header::LINK, HeaderValue::from_static("</a.css>; rel=preload"))]);
        let send = |times| (0..times).for_each(|_| client.send_informational(StatusCode::EARLY_HINTS, &hint));
        send(1);
        let one = client.interim().unwrap().bytes;
        send(100_000);
        let kept = client.interim().unwrap();
        assert!((INTERIM_BYTES..INTERIM_BYTES + one).contains(&kept.bytes));
        assert_eq!(kept.responses.len() * one, kept.bytes);
        send(1);
        assert_eq!(client.interim().unwrap().responses.len(), 1);
    }
}
