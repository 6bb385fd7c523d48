//! What a gateway does with a request and its response: route, rewrite heads, send, and answer where it must itself.
//!
//! RFC 9110, sections 7.6 to 7.8, is the law here. Bodies are not touched: they stream both ways, as fast as the slower
//! side takes them.

mod forwarded;
pub(crate) mod hop_by_hop;
mod panic;
mod request;
mod response;
pub(crate) mod trailers;
mod upgrade;
mod via;

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, request::Parts};
use http_body::Body;
use status_normalize::{LocalReply, ResponseBody, RouteTable, StatusNormalizeLayer};
use tower::{Layer, Service};

use self::request::Stop;
pub(crate) use self::{
    forwarded::{Added, Origin},
    via::Via,
};
use crate::{
    config::{Config, Forwarding, Limits, RouteConfig},
    listen::{ClientBody, ClientConn, ClientUpgrade, Handler},
    local_reply::{Cause, Failure, METHODS, Parties},
    random,
    upstream::{self, Outgoing, Progress, RequestBody, RequestHead, Sending, Upstream, UpstreamBody},
};

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
    limits: Limits,
}

/// Where a request goes and what happens to its answer.
#[derive(Debug)]
struct Route {
    layer: StatusNormalizeLayer,
    upstream: Option<Arc<Upstream>>,
}

impl Gateway {
    /// The gateway of a configuration.
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let route = |route: &Arc<RouteConfig>| Route {
            layer: route.layer.detached(),
            upstream: route
                .upstream
                .as_ref()
                .map(|upstream| Arc::new(Upstream::new(upstream, &route.name, config))),
        };
        let routes = config.routes.iter().map(|named| (named.pattern.clone(), route(named)));
        let routes = RouteTable::build(route(&config.default), routes)
            .expect("the configuration's routes were checked");
        Arc::new(Self { routes, forwarding: config.forwarding.clone(), limits: config.limits })
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
pub(crate) fn service(client: Arc<ClientConn>) -> impl Handler + use<> {
    let origin = Arc::new(Origin::new(client));
    hyper::service::service_fn(move |request| handle(&origin, request))
}

/// Starts to answer one request.
fn handle(
    origin: &Arc<Origin>,
    mut request: Request<ClientBody>,
) -> impl Future<Output = Result<Response<ResponseBody<UpstreamBody>>, Infallible>> + Send + use<> {
    let gateway = CURRENT.with_borrow(Clone::clone).expect("a worker has a gateway before it has clients");
    if gateway.forwarding.request_id {
        request.headers_mut().entry(request::REQUEST_ID).or_insert_with(request_id);
    }
    let route = gateway.routes.find(&request);
    // The layer is what users mount, around the way to this route's upstream.
    route
        .layer
        .layer(tower::service_fn(|request| Answer::new(&gateway, origin, route, request)))
        .call(request)
}

/// The upstream's response, or the proxy's own where there is none.
enum Answer {
    Made(Option<Box<Response<UpstreamBody>>>),
    Waiting(Forwarded),
}

impl Answer {
    fn new(gateway: &Gateway, origin: &Arc<Origin>, route: &Route, request: Request<ClientBody>) -> Self {
        let version = request.version();
        let forwarded = panic::catch_panic(|| forward(gateway, origin, route, request));
        let response = match forwarded.unwrap_or_else(|| Err(Cause::Panic.into())) {
            Ok(forwarded) => return Self::Waiting(forwarded),
            Err(Stop::AnswerOptions) => options(),
            Err(Stop::Fail(failure)) => {
                reply(failure, route.upstream.as_deref(), Some(origin.client().peer()), version)
            }
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
        Poll::Ready(Ok(match outcome {
            Ok(()) => forwarded.response(),
            Err(failure) => forwarded.failure(failure),
        }))
    }
}

/// What the proxy answers where there is no response.
fn reply(
    failure: Failure,
    upstream: Option<&Upstream>,
    peer: Option<SocketAddr>,
    version: Version,
) -> Response<UpstreamBody> {
    let route = upstream.map(Upstream::route);
    failure.record(Parties { peer, route, upstream: upstream.map(Upstream::config) });
    let mut response = failure.cause.reply();
    if version == Version::HTTP_2 {
        response.headers_mut().remove(header::CONNECTION);
    }
    response
}

/// Sends a request on.
fn forward(
    gateway: &Gateway,
    origin: &Arc<Origin>,
    route: &Route,
    mut request: Request<ClientBody>,
) -> Result<Forwarded, Stop> {
    let upstream = route.upstream.as_ref().ok_or(Cause::NoRoute)?;
    let version = request.version();
    if version == Version::HTTP_2 {
        request::measure(&request, gateway.limits.head)?;
    }
    let facts = request::rewrite(&mut request, upstream.config())?;
    let upgrade = facts.upgrade.then(|| ClientUpgrade::of(&mut request));
    // Extensions are hyper's, and of the client's connection.
    let (Parts { method, uri, headers, .. }, body) = request.into_parts();
    let mut head = RequestHead { method, uri, headers };
    let limit = gateway.limits.request_body;
    let (body, progress) = RequestBody::new(body, limit, facts.expects_continue);
    if limit.is_some_and(|limit| body.size_hint().lower() > limit) {
        return Err(Cause::BodyTooLarge.into());
    }
    if body.is_end_stream() {
        request::state_empty_body(&head.method, &mut head.headers);
    }
    // RFC 9112, section 3.2: HTTP/1.1 demands a Host, of which HTTP/1.0 knows nothing.
    if !upstream.config().keep_host || facts.host.is_none() {
        head.headers.insert(header::HOST, upstream.authority().clone());
    }
    let added = origin.describe(&mut head.headers, facts.is_described, facts.host, &gateway.forwarding);
    let outgoing = Outgoing { progress: progress.clone(), added, version, upgrade: facts.upgrade };
    let sending = upstream.send(&mut head, body, outgoing).map_err(Stop::Fail)?;
    Ok(Forwarded { sending, upgrade, version, progress })
}

/// A request that has been sent on.
struct Forwarded {
    sending: Sending,
    upgrade: Option<ClientUpgrade>,
    /// The request's.
    version: Version,
    progress: Progress,
}

impl Forwarded {
    /// Goes on until the response is there and in the form that the client gets.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        ready!(self.sending.poll(cx))?;
        let (status, headers, via) = self.sending.head_mut();
        if self.version == Version::HTTP_2 && self.upgrade.is_some() && status.is_success() {
            // Over HTTP/2 any success would mean that the tunnel is there (RFC 8441, section 5).
            return Poll::Ready(Err(Cause::InvalidReply.into()));
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let protocol = headers.get(header::UPGRADE).cloned();
            response::filter(status, headers, via);
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            if let Some(protocol) = protocol {
                headers.insert(header::UPGRADE, protocol);
            }
        } else {
            response::filter(status, headers, via);
        }
        Poll::Ready(Ok(()))
    }

    fn response(&mut self) -> Response<UpstreamBody> {
        let mut response = self.sending.take();
        if response.status() == StatusCode::RESET_CONTENT {
            // RFC 9110, section 15.3.6: it has no content, whatever the upstream sends.
            *response.body_mut() = UpstreamBody::default();
        }
        if self.version != Version::HTTP_2 && self.is_early(&response) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(tunnel) = response.body_mut().take_tunnel()
            && let Some(upgrade) = self.upgrade.take()
        {
            tokio::spawn(upgrade::tunnel(upgrade, tunnel));
        }
        response
    }

    fn failure(&self, failure: Failure) -> Response<UpstreamBody> {
        let mut response = reply(failure, Some(self.sending.upstream()), None, self.version);
        if self.version != Version::HTTP_2 && !self.progress.is_request_sent() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Whether nobody is going to read the rest of the request: what the client sends next is not to be taken for it, nor
    /// the other way round (RFC 9110, section 10.1.1), and the connection ends with the response.
    ///
    /// A success with a body may be an answer to what has come so far, and more of both follow.
    fn is_early(&self, response: &Response<UpstreamBody>) -> bool {
        !self.progress.is_request_sent()
            && (self.progress.is_held() || !response.status().is_success() || response.body().is_end_stream())
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
    let text = format!("{:032x}", random::bits());
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("hexadecimal digits are a value")
}
