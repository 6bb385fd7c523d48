//! A server by the h2 crate, as plain as can be, with what a gateway does around it.

use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    ext::Protocol,
    server::{Builder, SendResponse},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use super::service::{Content, Site, Task};
use crate::{drain::Drain, http2::conversation::peer::Peer, listen::ClientConn};

/// Serves a connection to its end.
pub(super) async fn serve(peer: Peer, site: Site, client: Arc<ClientConn>, head_bytes: u32, drain: Drain) {
    client.take_interim_responses(true);
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(128)
        .max_header_list_size(head_bytes)
        .initial_window_size(64 * 1024 - 1)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buffer_size(64 * 1024)
        .data_frame_budget(2 * 1024 * 1024);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(peer).await else { return };
    let mut exchanges: Vec<Task> = Vec::new();
    let mut is_last = false;
    poll_fn(|cx| {
        if !is_last && drain.has_begun() {
            is_last = true;
            connection.graceful_shutdown();
        }
        exchanges.retain_mut(|exchange| exchange.as_mut().poll(cx).is_pending());
        while let Some(accepted) = ready!(connection.poll_accept(cx)) {
            let Ok((request, respond)) = accepted else { break };
            let mut exchange: Task = Box::pin(exchange(request, respond, site.clone(), client.clone()));
            if exchange.as_mut().poll(cx).is_pending() {
                exchanges.push(exchange);
            }
        }
        Poll::Ready(())
    })
    .await;
    drop(exchanges);
    // Of some streams that are reset h2 loses count, and says so when it is dropped.
    mem::forget(connection);
}

async fn exchange(
    mut request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    site: Site,
    client: Arc<ClientConn>,
) {
    let Ok(length) = state_length(request.headers_mut()) else {
        return respond.send_reset(Reason::PROTOCOL_ERROR);
    };
    let is_websocket = request.method() == Method::CONNECT
        && request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket");
    let expects = request.headers().get(header::EXPECT);
    let expects = expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let wanted = Arc::new(AtomicBool::new(false));
    let (parts, stream) = request.into_parts();
    let is_empty = stream.is_end_stream();
    let mut tunnel = None;
    let mut body = Incoming { stream: None, left: Some(0), has_data: true, wanted: wanted.clone() };
    if is_websocket {
        tunnel = Some(stream);
    } else if !is_empty {
        body.left = length;
        body.stream = Some(stream);
    }
    let mut request = Request::from_parts(parts, body);
    if is_websocket {
        *request.method_mut() = Method::GET;
        let headers = request.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert("sec-websocket-key", HeaderValue::from_static("a key"));
    }
    let mut answer = site.answer(request, client.clone());
    let mut is_told = !expects || is_empty || is_websocket;
    let answer = poll_fn(|cx| {
        let answer = answer.as_mut().poll(cx);
        if !is_told && wanted.load(Relaxed) {
            is_told = true;
            if answer.is_pending() {
                let _ = respond.send_informational(interim(StatusCode::CONTINUE));
            }
        }
        if let Some(interim) = client.interim()
            && respond.poll_reset(cx).is_pending()
        {
            for response in interim.responses {
                let _ = respond.send_informational(response);
            }
        }
        match answer {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => respond.poll_reset(cx).map(|_| None),
        }
    })
    .await;
    drop(client);
    let response = match answer {
        None => return,
        Some(Err(_)) => return respond.send_reset(Reason::INTERNAL_ERROR),
        Some(Ok(response)) => response,
    };
    let (mut head, body) = response.into_parts();
    let tunnel = tunnel.filter(|_| head.status == StatusCode::SWITCHING_PROTOCOLS);
    if tunnel.is_some() {
        head.status = StatusCode::OK;
        head.headers.remove(header::UPGRADE);
    }
    let ends_here = tunnel.is_none() && body.is_end_stream();
    head.headers.insert(header::DATE, HeaderValue::from_static("now"));
    if let Some(length) = body.size_hint().exact()
        && !ends_here
        && tunnel.is_none()
        && !head.headers.contains_key(header::CONTENT_LENGTH)
    {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let Ok(mut stream) = respond.send_response(Response::from_parts(head, ()), ends_here) else {
        return respond.send_reset(Reason::INTERNAL_ERROR);
    };
    if let Some(tunnel) = tunnel {
        return repeat(tunnel, &mut stream).await;
    }
    if !ends_here {
        send(body, &mut stream).await;
    }
}

fn interim(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

/// Leaves one line of lengths that mean the same. h2 looks at the first line only.
fn state_length(fields: &mut HeaderMap) -> Result<Option<u64>, ()> {
    let mut lengths = Vec::new();
    for line in fields.get_all(header::CONTENT_LENGTH) {
        let text = line.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        lengths.push(text.and_then(|text| text.parse::<u64>().ok()).ok_or(())?);
    }
    let Some(&length) = lengths.first() else { return Ok(None) };
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if lengths.iter().all(|other| *other == length) { Ok(Some(length)) } else { Err(()) }
}

/// Sends a body until it ends or the client resets the stream.
async fn send(body: Content, stream: &mut SendStream<Bytes>) {
    let mut body = pin!(body);
    loop {
        let frame = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending => stream.poll_reset(cx).map(|_| None),
        });
        let frame = match frame.await {
            None => return,
            Some(None) => return drop(stream.send_data(Bytes::new(), true)),
            Some(Some(Err(_))) => return stream.send_reset(Reason::INTERNAL_ERROR),
            Some(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            Ok(data) => {
                let is_last = body.is_end_stream();
                if !send_data(stream, data, is_last).await || is_last {
                    return;
                }
            }
            Err(frame) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                stream.reserve_capacity(0);
                trailers.remove(header::CONTENT_LENGTH);
                return drop(stream.send_trailers(trailers));
            }
        }
    }
}

/// Whether the client goes on taking it. h2 keeps what it does not take at once.
async fn send_data(stream: &mut SendStream<Bytes>, data: Bytes, is_last: bool) -> bool {
    if !data.is_empty() && !is_last {
        stream.reserve_capacity(1);
        while stream.capacity() == 0 {
            if !matches!(poll_fn(|cx| stream.poll_capacity(cx)).await, Some(Ok(_))) {
                return false;
            }
        }
    }
    data.is_empty() && !is_last || stream.send_data(data, is_last).is_ok()
}

/// Says everything again that comes through a tunnel.
async fn repeat(mut tunnel: RecvStream, stream: &mut SendStream<Bytes>) {
    while let Some(data) = tunnel.data().await {
        let Ok(data) = data else { return };
        let _ = tunnel.flow_control().release_capacity(data.len());
        if !send_data(stream, data, false).await {
            return;
        }
    }
    if send_data(stream, Bytes::from_static(b"<end>"), false).await {
        let _ = stream.send_data(Bytes::new(), true);
    }
}

/// The body of a request.
struct Incoming {
    stream: Option<RecvStream>,
    left: Option<u64>,
    has_data: bool,
    wanted: Arc<AtomicBool>,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = &mut *self;
        this.wanted.store(true, Relaxed);
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        if this.has_data {
            if let Some(data) = ready!(stream.poll_data(cx)) {
                let data = data?;
                let _ = stream.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            this.has_data = false;
        }
        let trailers = ready!(stream.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
