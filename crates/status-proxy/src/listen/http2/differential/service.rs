//! What both servers serve: paths say what is answered, and what reaches the service is taken down.

use std::{
    any::Any,
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    bypass::MayBypass,
    listen::{ClientBody, ClientConn, ClientUpgrade, connection::BoxError},
};

pub(super) type Fields = Vec<(String, Vec<u8>)>;

/// Lines of the same name stay in order; the order among names is the map's own business.
fn fields(headers: &HeaderMap) -> Fields {
    let mut fields: Fields =
        headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

/// How the body of a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// Nobody asked.
    Unread,
    Complete,
    /// It failed, or the request was given up while it was read.
    Broken,
    /// There may be more.
    Open,
}

/// A request as it reached the service.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) fields: Fields,
    /// What is known of the body in front.
    pub(super) length: Option<u64>,
    pub(super) is_empty: bool,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Fields>,
    pub(super) end: End,
    /// Given up before there was an answer.
    pub(super) is_cancelled: bool,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |fields: &Fields| -> Vec<String> {
            fields.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect()
        };
        let Self { line, length, is_empty, body, end, is_cancelled, .. } = self;
        write!(f, "{line} {:?} length {length:?} empty {is_empty} body {} ", text(&self.fields), body.len())?;
        write!(f, "trailers {:?} {end:?} cancelled {is_cancelled}", self.trailers.as_ref().map(text))
    }
}

pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Holds answers back until it is opened.
#[derive(Debug, Default)]
struct Gate {
    is_open: bool,
    waiting: Vec<Waker>,
}

#[derive(Clone, Default)]
pub(super) struct Site {
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    gate: Arc<Mutex<Gate>>,
    /// What goes on beside the connection.
    pub(super) tasks: Arc<Mutex<Vec<Task>>>,
}

impl Site {
    pub(super) fn open(&self) {
        let mut gate = self.gate.lock().unwrap();
        gate.is_open = true;
        gate.waiting.drain(..).for_each(Waker::wake);
    }

    fn poll_open(&self, cx: &Context<'_>) -> Poll<()> {
        let mut gate = self.gate.lock().unwrap();
        if gate.is_open {
            return Poll::Ready(());
        }
        gate.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    /// Answers a request.
    pub(super) fn answer<B>(&self, request: Request<B>, client: Arc<ClientConn>) -> Answering
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (parts, body) = request.into_parts();
        let mut fields = fields(&parts.headers);
        for (name, value) in &mut fields {
            if name == "sec-websocket-key" {
                *value = b"a key".to_vec();
            }
        }
        let mut seen = self.seen.lock().unwrap();
        seen.push(Seen {
            line: format!("{} {} {:?}", parts.method, parts.uri, parts.version),
            fields,
            length: body.size_hint().exact(),
            is_empty: body.is_end_stream(),
            body: Vec::new(),
            trailers: None,
            end: End::Unread,
            is_cancelled: true,
        });
        let place = Place { seen: self.seen.clone(), index: seen.len() - 1 };
        let body = Watched { body, place: place.clone() };
        let site = self.clone();
        Box::pin(async move {
            let answer = site.respond(&parts, body, client).await;
            place.note(|seen| seen.is_cancelled = false);
            answer
        })
    }

    async fn respond<B>(
        &self,
        request: &http::request::Parts,
        mut body: Watched<B>,
        client: Arc<ClientConn>,
    ) -> Result<Response<Content>, BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let path = request.uri.path();
        let mut segments = path.split('/').skip(1);
        let kind = segments.next().unwrap_or_default();
        let number = segments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut response = Response::new(Content::default());
        let (mut received, mut kept) = (Vec::new(), None);
        match kind {
            "duplex" => {
                std::future::poll_fn(|cx| self.poll_open(cx)).await;
                response.body_mut().echo = Some(Box::pin(body));
                return Ok(response);
            }
            "early" => {}
            "unread" => kept = Some(Box::new(body) as Box<dyn Any + Send>),
            "tunnel" if request.headers.get(header::UPGRADE).is_some_and(|value| value == "websocket") => {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                response.headers_mut().insert("x-a", HeaderValue::from_static("b"));
            }
            _ => {
                while let Some(frame) = body.frame().await {
                    match frame.map(Frame::into_data) {
                        Ok(Ok(data)) => received.extend(data),
                        Ok(Err(_)) => {}
                        Err(_) => break,
                    }
                }
            }
        }
        if kind == "interim" {
            let mut hints = HeaderMap::new();
            hints.append("link", HeaderValue::from_static("</a>"));
            hints.append("link", HeaderValue::from_static("</b>"));
            client.send_informational(StatusCode::EARLY_HINTS, &hints);
            client.send_informational(StatusCode::PROCESSING, &HeaderMap::new());
        }
        if kind == "never" {
            std::future::pending::<()>().await;
        }
        std::future::poll_fn(|cx| self.poll_open(cx)).await;
        let mut trailers = HeaderMap::new();
        trailers.append("x-sum", HeaderValue::from_static("1"));
        trailers.append("x-sum", HeaderValue::from_static("2"));
        trailers.append("content-length", HeaderValue::from_static("3"));
        let bytes = Bytes::from_iter((0..number).map(|place: usize| place as u8));
        let content = response.body_mut();
        match kind {
            "error" => return Err(io::Error::other("no answer").into()),
            "pieces" => content.parts.extend(bytes.chunks(700).map(|part| Part::Data(bytes.slice_ref(part)))),
            "paused" => {
                for part in bytes.chunks(5_000) {
                    content.parts.extend([Part::Data(bytes.slice_ref(part)), Part::Pause]);
                }
            }
            "trailers" => content.parts.extend([Part::Data(bytes), Part::Trailers(trailers)]),
            "broken" => content.parts.extend([Part::Data(bytes), Part::Pause, Part::Failure]),
            "status" => {
                *response.status_mut() = StatusCode::from_u16(number.max(200) as u16).unwrap_or_default();
                response.headers_mut().insert("etag", HeaderValue::from_static("\"a\""));
            }
            "tunnel" => {}
            _ => {
                if number == 0 {
                    received.extend(b"fine");
                    content.parts.push_back(Part::Data(received.into()));
                } else {
                    content.parts.push_back(Part::Data(bytes));
                }
                content.is_sized = true;
            }
        }
        if request.method == "HEAD" {
            content_of_head(&mut response);
        }
        response.body_mut()._kept = kept;
        response.headers_mut().append("x-b", HeaderValue::from_static("c"));
        response.headers_mut().append("x-b", HeaderValue::from_bytes(b"\xe9 d").unwrap());
        Ok(response)
    }
}

/// To HEAD only the length is told.
fn content_of_head(response: &mut Response<Content>) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Content::default();
}

pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response<Content>, BoxError>> + Send>>;

/// Where a request is taken down.
#[derive(Clone)]
struct Place {
    seen: Arc<Mutex<Vec<Seen>>>,
    index: usize,
}

impl Place {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap()[self.index]);
    }
}

/// The body of a request.
struct Watched<B: Body> {
    body: B,
    place: Place,
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.place.note(|seen| seen.end = End::Open);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.place.note(|seen| match &frame {
            None => seen.end = End::Complete,
            Some(Err(_)) => seen.end = End::Broken,
            Some(Ok(frame)) => {
                seen.body.extend(frame.data_ref().into_iter().flatten());
                seen.trailers = frame.trailers_ref().map(fields);
            }
        });
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

impl<B: Body> Drop for Watched<B> {
    fn drop(&mut self) {
        let end = if self.body.is_end_stream() { End::Complete } else { End::Broken };
        self.place.note(|seen| {
            if seen.end == End::Open {
                seen.end = end;
            }
        });
    }
}

enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
    Pause,
    Failure,
}

/// The body of a response.
#[derive(Default)]
pub(super) struct Content {
    parts: VecDeque<Part>,
    is_sized: bool,
    echo: Option<Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>>,
    _kept: Option<Box<dyn Any + Send>>,
}

impl MayBypass for Content {}

impl Body for Content {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(echo) = &mut self.echo {
            return echo.as_mut().poll_frame(cx);
        }
        Poll::Ready(match self.parts.pop_front() {
            None => None,
            Some(Part::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Part::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Part::Failure) => Some(Err("cut off".into())),
            Some(Part::Pause) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.echo.as_ref().map_or(self.parts.is_empty(), |echo| echo.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.parts.front() {
            Some(Part::Data(data)) if self.is_sized => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// The service of a connection of the server that is tested.
pub(super) struct Handler {
    pub(super) site: Site,
    pub(super) client: Arc<ClientConn>,
}

impl hyper::service::Service<Request<ClientBody>> for Handler {
    type Response = Response<Content>;
    type Error = BoxError;
    type Future = Answering;

    fn call(&self, mut request: Request<ClientBody>) -> Answering {
        if request.headers().get(header::UPGRADE).is_some_and(|value| value == "websocket") {
            let upgrade = ClientUpgrade::of(&mut request);
            self.site.tasks.lock().unwrap().push(Box::pin(async {
                let _ = repeat(upgrade).await;
            }));
        }
        self.site.answer(request, self.client.clone())
    }
}

/// A tunnel's other end: says everything again, and ends after its client has.
async fn repeat(upgrade: ClientUpgrade) -> io::Result<()> {
    let mut tunnel = upgrade.tunnel().await?;
    let mut space = [0; 5_000];
    loop {
        match tunnel.read(&mut space).await? {
            0 => break,
            read => tunnel.write_all(&space[..read]).await?,
        }
    }
    tunnel.write_all(b"<end>").await?;
    tunnel.shutdown().await
}
