//! What a gateway does with a request and its response: route, rewrite heads, send, and answer where it must itself.
//!
//! RFC 9110, sections 7.6 to 7.8, is the law here. Bodies are not touched: they stream both ways, as fast as the slower
//! side takes them.

mod forwarded;
pub(crate) mod hop_by_hop;
mod panic;
mod request;
mod response;
mod upgrade;

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use pin_project_lite::pin_project;
use status_normalize::{LocalReply, ResponseBody, RouteTable, StatusNormalizeLayer};
use tower::{Layer, Service};

use self::{forwarded::Origin, request::Stop};
use crate::{
    config::{Config, Forwarding, Limits, RouteConfig},
    listen::ClientConn,
    local_reply::{Cause, Failure, METHODS},
    upstream::{self, Added, Outgoing, Reply, RequestBody, Sending, Upstream, UpstreamBody},
};

static VIA: HeaderName = header::VIA;

/// The body of what clients get.
pub(crate) type GatewayBody = ResponseBody<UpstreamBody>;

thread_local! {
    /// What the requests to come are answered by.
    static CURRENT: RefCell<Option<Arc<Gateway>>> = const { RefCell::new(None) };
}

/// Everything between a client's request and its answer, by one configuration.
///
/// Each worker has its own, down to the reference counts that requests change.
#[derive(Debug)]
pub(crate) struct Gateway {
    routes: RouteTable<Route>,
    forwarding: Forwarding,
    via: Via,
    limits: Limits,
}

/// Where a request goes and what happens to its answer.
#[derive(Debug)]
struct Route {
    layer: StatusNormalizeLayer,
    upstream: Option<Arc<Upstream>>,
}

/// `Via` for each version that a message was received in (RFC 9110, section 7.6.3).
#[derive(Debug)]
struct Via {
    http1_0: HeaderValue,
    http1_1: HeaderValue,
    http2: HeaderValue,
}

impl Via {
    fn new(name: &str) -> Self {
        let value = |version: &str| {
            HeaderValue::from_str(&format!("{version} {name}"))
                .unwrap_or_else(|_| HeaderValue::from_static("1.1 status-proxy"))
        };
        Self { http1_0: value("1.0"), http1_1: value("1.1"), http2: value("2") }
    }

    fn received_in(&self, version: Version) -> &HeaderValue {
        match version {
            Version::HTTP_10 => &self.http1_0,
            Version::HTTP_2 => &self.http2,
            _ => &self.http1_1,
        }
    }
}

impl Gateway {
    /// The gateway of a configuration.
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let route = |route: &Arc<RouteConfig>| Route {
            layer: route.layer.detached(),
            upstream: route.upstream.as_ref().map(|upstream| Arc::new(Upstream::new(upstream, config))),
        };
        let routes = config.routes.iter().map(|named| (named.pattern.clone(), route(named)));
        let routes = RouteTable::build(route(&config.default), routes)
            .expect("the configuration's routes were checked");
        Arc::new(Self {
            routes,
            forwarding: config.forwarding.clone(),
            via: Via::new(&config.forwarding.via),
            limits: config.limits,
        })
    }

    /// Takes the requests that come to this thread from now on. Those that have begun end by the gateway before it,
    /// which is given back; connections to its upstreams are kept if they are this one's as well.
    pub(crate) fn take_over(self: Arc<Self>) -> Option<Arc<Self>> {
        let upstreams = self.routes.values().filter_map(|route| route.upstream.as_deref());
        upstream::keep_only(upstreams);
        CURRENT.replace(Some(self))
    }
}

/// The service of one client connection, whichever gateway takes its requests.
pub(crate) fn service(
    client: Arc<ClientConn>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<GatewayBody>,
    Error = Infallible,
    Future: Future<Output = Result<Response<GatewayBody>, Infallible>> + Send + 'static,
>
+ Send
+ Sync
+ 'static
+ use<> {
    let origin = Origin::new(client.peer(), client.scheme());
    let connection = Connection { client, origin };
    hyper::service::service_fn(move |request| handle(&connection, request))
}

/// What the requests of one client connection share.
#[derive(Debug)]
struct Connection {
    client: Arc<ClientConn>,
    origin: Origin,
}

/// Starts to answer one request.
fn handle(
    connection: &Connection,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<GatewayBody>, Infallible>> + Send + use<> {
    let is_http2 = request.version() == Version::HTTP_2;
    let is_websocket = upgrade::translate(&mut request);
    CURRENT.with_borrow(|gateway| {
        let gateway = gateway.as_ref().expect("a worker has a gateway before it has clients");
        if gateway.forwarding.request_id {
            request.headers_mut().entry(request::REQUEST_ID).or_insert_with(request_id);
        }
        let route = gateway.routes.find(&request);
        // The layer is what users mount, around the way to this route's upstream.
        let mut service =
            route.layer.layer(tower::service_fn(|request| Answer::new(gateway, connection, route, request)));
        Handling { inner: service.call(request), is_http2, is_websocket }
    })
}

pin_project! {
    /// The layer's future, with what the client's protocol asks for done to its response.
    ///
    /// Written out, like those within it: an async function keeps its arguments twice, and a request is large.
    struct Handling<F> {
        #[pin]
        inner: F,
        is_http2: bool,
        is_websocket: bool,
    }
}

impl<F: Future<Output = Result<Response<GatewayBody>, Infallible>>> Future for Handling<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if *this.is_websocket {
            upgrade::translate_back(&mut response);
        }
        if !*this.is_http2 {
            response::name_status(&mut response);
        }
        Poll::Ready(Ok(response))
    }
}

/// The upstream's response, or the proxy's own where there is none.
enum Answer {
    Made(Option<Box<Response<UpstreamBody>>>),
    Waiting(Forwarded),
}

impl Answer {
    fn new(
        gateway: &Arc<Gateway>,
        connection: &Connection,
        route: &Route,
        request: Request<Incoming>,
    ) -> Self {
        let version = request.version();
        let forwarded = panic::catch_panic(|| forward(gateway, connection, route, request));
        let response = match forwarded.unwrap_or_else(|| Err(Cause::Panic.into())) {
            Ok(forwarded) => return Self::Waiting(forwarded),
            Err(Stop::AnswerOptions) => options(),
            Err(Stop::Fail(failure)) => reply(failure, route.upstream.as_deref(), version),
        };
        Self::Made(Some(Box::new(response)))
    }
}

impl Future for Answer {
    type Output = Result<Response<UpstreamBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let forwarded = match &mut *self {
            Self::Made(response) => {
                return Poll::Ready(Ok(*response.take().expect("future polled after completion")));
            }
            Self::Waiting(forwarded) => forwarded,
        };
        let outcome = match panic::catch_panic(|| forwarded.poll(cx)) {
            Some(outcome) => ready!(outcome),
            None => Err(Cause::Panic.into()),
        };
        let Forwarded { sending, version, .. } = forwarded;
        Poll::Ready(Ok(outcome.unwrap_or_else(|failure| reply(failure, Some(sending.upstream()), *version))))
    }
}

/// What the proxy answers where there is no response.
fn reply(failure: Failure, upstream: Option<&Upstream>, version: Version) -> Response<UpstreamBody> {
    failure.record(upstream.map_or("", |upstream| &upstream.config().host));
    let mut response = failure.cause.reply();
    if version == Version::HTTP_2 {
        response.headers_mut().remove(header::CONNECTION);
    }
    response
}

/// Sends a request on.
fn forward(
    gateway: &Arc<Gateway>,
    connection: &Connection,
    route: &Route,
    mut request: Request<Incoming>,
) -> Result<Forwarded, Stop> {
    let Connection { client, origin } = connection;
    let upstream = route.upstream.as_ref().ok_or(Cause::NoRoute)?;
    let version = request.version();
    if version == Version::HTTP_2 && request::is_head_too_large(&request, gateway.limits) {
        return Err(Cause::HeadTooLarge.into());
    }
    let facts = request::rewrite(&mut request, upstream.config())?;
    if gateway.limits.request_body.is_some_and(|limit| request.body().size_hint().lower() > limit) {
        return Err(Cause::BodyTooLarge.into());
    }
    let on_upgrade = facts.upgrade.then(|| hyper::upgrade::on(&mut request));
    let (mut parts, incoming) = request.into_parts();
    let (body, progress) = RequestBody::new(incoming, gateway.limits.request_body, facts.expects_continue);
    // They are hyper's, and of the client's connection.
    parts.extensions.clear();
    if body.is_end_stream() {
        request::state_empty_body(&parts.method, &mut parts.headers);
    }
    let host = parts.headers.get(header::HOST).cloned();
    // RFC 9112, section 3.2: HTTP/1.1 demands a Host, of which HTTP/1.0 knows nothing.
    if !upstream.config().keep_host || host.is_none() {
        parts.headers.insert(header::HOST, request::authority(upstream.config()));
    }
    let mut added = Added::default();
    let seen = origin.see(host, &gateway.forwarding);
    origin.describe(&mut parts.headers, facts.is_described, &seen, gateway.forwarding.trust, &mut added);
    added.push(&VIA, gateway.via.received_in(version).clone());

    let interim = (version == Version::HTTP_11).then(|| client.clone());
    let outgoing = Outgoing { parts, body, added, progress, interim, upgrade: facts.upgrade };
    let sending = upstream.send(outgoing).map_err(Stop::Fail)?;
    Ok(Forwarded { sending, gateway: gateway.clone(), on_upgrade, version })
}

/// A request that has been sent on.
struct Forwarded {
    sending: Sending,
    gateway: Arc<Gateway>,
    on_upgrade: Option<OnUpgrade>,
    /// The request's.
    version: Version,
}

impl Forwarded {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<UpstreamBody>, Failure>> {
        let via = &self.gateway.via;
        Poll::Ready(Ok(match ready!(Pin::new(&mut self.sending).poll(cx))? {
            Reply::Response(mut response) => {
                let via = via.received_in(response.version());
                let status = response.status();
                response::filter(status, response.headers_mut(), via);
                *response.version_mut() = Version::HTTP_11;
                response
            }
            Reply::Switched(response, tunnel) => {
                let (mut parts, ()) = response.into_parts();
                let protocol = parts.headers.get(header::UPGRADE).cloned();
                response::filter(parts.status, &mut parts.headers, &via.http1_1);
                parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                if let Some(protocol) = protocol {
                    parts.headers.insert(header::UPGRADE, protocol);
                }
                if let Some(on_upgrade) = self.on_upgrade.take() {
                    tokio::spawn(upgrade::tunnel(on_upgrade, tunnel));
                }
                Response::from_parts(parts, UpstreamBody::default())
            }
        }))
    }
}

/// What an OPTIONS with no forwards left is told.
fn options() -> Response<UpstreamBody> {
    let mut response = Response::new(UpstreamBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.extensions_mut().insert(LocalReply);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
    response
}

/// A name for a request that came without one.
fn request_id() -> HeaderValue {
    let text = format!("{:032x}", upgrade::random());
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("hexadecimal digits are a value")
}
