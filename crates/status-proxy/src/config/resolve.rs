//! From what the file says to what it means: defaults, inheritance, and what only makes sense together.

use std::{net::SocketAddr, num::NonZeroUsize, ops::Range, path::Path, sync::Arc, time::Duration};

use status_catalog::BUILTIN;
use status_normalize::{BuildError, RoutePattern};
use toml::Spanned;

use super::{
    Config, DEFAULT_CONNECTIONS, Forwarding, HeadLimits, Limits, Log, LogFormat, Overrides, Protocol,
    RouteConfig, Timeouts, UpstreamConfig, UpstreamUrl,
    catalogs::{Catalogs, Mistake, Promise},
    policy::Policy,
    raw::{RawConfig, RawForwarding, RawLimits, RawLog, RawPolicy, RawRoute, RawTimeouts, RawUpstreamTable},
    report::Report,
    routes::{check_names, check_patterns, header_of, pattern},
    value::{Count, Size},
};

/// Every interface: a sidecar in a container is reached through the container's address.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8080);
/// Loopback: metrics and routes are nobody else's business unless an operator says so.
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9900);
/// Beside what is wrong with a catalog that a flag names.
const CATALOG_HELP: &str = "`status-proxy catalog list` has those that are built in, `status-proxy catalog import FILE \
                            --explain` tells what is read of a document";
/// More than a worker serves at a time before its answers come late, few enough to keep memory in bounds.
const DEFAULT_MAX_REQUESTS: usize = 10_000;
/// 128 KiB and 256 fields: what a browser with many cookies sends stays below half of it.
const DEFAULT_HEAD_SIZE: usize = 128 * 1024;
const DEFAULT_HEAD_FIELDS: usize = 256;
/// A SYN is repeated after 1 s and 3 s: both get their chance.
const DEFAULT_CONNECT: Duration = Duration::from_secs(5);
const DEFAULT_REQUEST_HEAD: Duration = Duration::from_secs(30);
/// What clients know from other proxies; a network that is gone for longer will not come back.
const DEFAULT_REQUEST_BODY: Duration = Duration::from_secs(60);
const DEFAULT_RESPONSE_HEAD: Duration = Duration::from_secs(60);
/// Above the 60 s of usual load balancers, so that they close an idle connection first.
const DEFAULT_IDLE: Duration = Duration::from_secs(75);
/// What Kubernetes grants by default before it kills.
const DEFAULT_DRAIN: Duration = Duration::from_secs(30);
const DEFAULT_CATALOG: &str = BUILTIN[BUILTIN.len() - 1];
/// The name of what no route takes.
pub(super) const DEFAULT_ROUTE: &str = "default";
const DEFAULT_VIA: &str = "status-proxy";

/// What the file means; `None` if it means nothing, and the report says why.
pub(super) fn resolve(
    raw: &RawConfig,
    base: &Path,
    overrides: &Overrides,
    report: &mut Report,
) -> Option<Config> {
    let mut resolver =
        Resolver { raw, overrides, catalogs: Catalogs::default(), base, upstreams: Vec::new(), report };
    let listen = overrides.listen.or(plain(&raw.listen)).unwrap_or(DEFAULT_LISTEN);
    let raw_admin = raw.admin.as_ref().and_then(|admin| admin.get_ref().listen.as_ref());
    let admin = overrides.admin.or(raw_admin.map(|admin| *admin.get_ref())).unwrap_or(DEFAULT_ADMIN);
    resolver.check_addresses(listen, admin);
    let workers = overrides
        .workers
        .or_else(|| plain(&raw.workers).and_then(|Count(workers)| NonZeroUsize::new(workers as usize)));
    let default = resolver.default_route();
    let routes = resolver.routes();
    let forwarding = resolver.forwarding(section(&raw.forwarding));
    let Catalogs { files, unread, .. } = resolver.catalogs;
    report.files = files;
    Some(Config {
        listen,
        admin,
        workers: workers.unwrap_or_else(cpus),
        default: Arc::new(default?),
        routes: routes?,
        limits: limits(section(&raw.limits)),
        timeouts: timeouts(section(&raw.timeouts)),
        forwarding: forwarding?,
        log: log(section(&raw.log), overrides),
        files: report.files.clone(),
        unread,
    })
}

/// The CPUs that the process may use, which a container may limit.
fn cpus() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

pub(super) fn plain<T: Copy>(value: &Option<Spanned<T>>) -> Option<T> {
    value.as_ref().map(|value| *value.get_ref())
}

fn section<T>(value: &Option<Spanned<T>>) -> Option<&T> {
    value.as_ref().map(Spanned::get_ref)
}

fn limits(raw: Option<&RawLimits>) -> Limits {
    let nothing = RawLimits::default();
    let RawLimits { head_size, head_fields, request_body, connections, .. } = raw.unwrap_or(&nothing);
    Limits {
        head: HeadLimits {
            bytes: plain(head_size).map_or(DEFAULT_HEAD_SIZE, |Size(bytes)| bytes as usize),
            fields: plain(head_fields).map_or(DEFAULT_HEAD_FIELDS, |Count(fields)| fields as usize),
        },
        request_body: plain(request_body).map(|Size(bytes)| bytes),
        connections: plain(connections)
            .map_or(DEFAULT_CONNECTIONS, |Count(connections)| connections as usize),
    }
}

fn timeouts(raw: Option<&RawTimeouts>) -> Timeouts {
    let nothing = RawTimeouts::default();
    let RawTimeouts { connect, request_head, request_body, response_head, idle, drain, .. } =
        raw.unwrap_or(&nothing);
    Timeouts {
        connect: plain(connect).unwrap_or(DEFAULT_CONNECT),
        request_head: plain(request_head).unwrap_or(DEFAULT_REQUEST_HEAD),
        request_body: plain(request_body).unwrap_or(DEFAULT_REQUEST_BODY),
        response_head: plain(response_head).unwrap_or(DEFAULT_RESPONSE_HEAD),
        idle: plain(idle).unwrap_or(DEFAULT_IDLE),
        drain: plain(drain).unwrap_or(DEFAULT_DRAIN),
    }
}

fn log(raw: Option<&RawLog>, overrides: &Overrides) -> Log {
    let nothing = RawLog::default();
    let RawLog { level, format, access, .. } = raw.unwrap_or(&nothing);
    Log {
        level: overrides.log_level.or(plain(level)).unwrap_or(tracing::Level::INFO),
        format: overrides.log_format.or(plain(format)).unwrap_or(LogFormat::Text),
        access: overrides.access_log || plain(access).unwrap_or(false),
    }
}

struct Resolver<'a> {
    raw: &'a RawConfig,
    overrides: &'a Overrides,
    catalogs: Catalogs,
    /// Where the file's catalogs are.
    base: &'a Path,
    /// Each one once, so that routes to the same upstream share its connections.
    upstreams: Vec<Arc<UpstreamConfig>>,
    report: &'a mut Report,
}

impl Resolver<'_> {
    fn check_addresses(&mut self, listen: SocketAddr, admin: SocketAddr) {
        let same_ip =
            listen.ip() == admin.ip() || listen.ip().is_unspecified() || admin.ip().is_unspecified();
        if listen.port() == admin.port() && listen.port() != 0 && same_ip {
            self.report.general(
                format!("clients and operators cannot share an address: {listen} and {admin}"),
                "give `[admin] listen` (or --admin) a port of its own",
            );
        }
    }

    fn default_route(&mut self) -> Option<RouteConfig> {
        let named = &self.raw.policy.upstream;
        let upstream = match (&self.overrides.upstream, named) {
            (Some(url), _) => Some(self.shared(url.clone(), &RawUpstreamTable::default())),
            (None, Some(upstream)) => self.upstream(upstream.span(), &upstream.get_ref().0),
            (None, None) => None,
        };
        let is_unreadable =
            self.raw.unreadable.contains(&"route") || self.raw.policy.unreadable.contains(&"upstream");
        let is_missing = upstream.is_none() && named.is_none() && self.raw.route.is_none();
        if is_missing && !is_unreadable {
            self.report.general(
                "there is no upstream to send requests to",
                "name one: `upstream = \"http://127.0.0.1:3000\"` in the file, or --upstream http://127.0.0.1:3000",
            );
        }
        let pattern = RoutePattern::default();
        self.route_config(DEFAULT_ROUTE, pattern, None, 0..0, upstream)
    }

    fn routes(&mut self) -> Option<Vec<Arc<RouteConfig>>> {
        let Some(routes) = section(&self.raw.route) else {
            return Some(Vec::new());
        };
        check_names(routes, self.report);
        let resolved: Vec<_> = routes.iter().map(|route| self.route(route)).collect();
        check_patterns(routes, self.report);
        resolved.into_iter().collect()
    }

    fn route(&mut self, route: &Spanned<RawRoute>) -> Option<Arc<RouteConfig>> {
        let place = route.span();
        let raw = route.get_ref();
        let takes_all = raw.host.is_none() && raw.methods.is_none() && raw.path.is_none();
        let is_unreadable = ["host", "methods", "path"].iter().any(|key| raw.unreadable.contains(key));
        if takes_all && !is_unreadable {
            self.report.error_with_help(
                header_of(&place),
                "a route needs at least one of `host`, `methods` and `path`",
                "what is meant for every request goes to the top level",
            );
        }
        let upstream = match (&raw.policy.upstream, &self.overrides.upstream, &self.raw.policy.upstream) {
            (Some(own), ..) => self.upstream(own.span(), &own.get_ref().0),
            (None, Some(url), _) => Some(self.shared(url.clone(), &RawUpstreamTable::default())),
            (None, None, Some(inherited)) => self.upstream(inherited.span(), &inherited.get_ref().0),
            (None, None, None)
                if [&raw.policy, &self.raw.policy]
                    .iter()
                    .any(|keys| keys.unreadable.contains(&"upstream")) =>
            {
                None
            }
            (None, None, None) => {
                self.report.error_with_help(
                    header_of(&place),
                    "the route has no upstream",
                    "give `upstream` to it or to the top level",
                );
                None
            }
        };
        let name = raw.name.as_ref().map_or("", |name| name.get_ref());
        let name_place = raw.name.as_ref().map_or_else(|| header_of(&place), Spanned::span);
        let is_complete = upstream.is_some();
        let config = self.route_config(name, pattern(raw), Some(&raw.policy), name_place, upstream)?;
        is_complete.then(|| Arc::new(config))
    }

    fn upstream(&mut self, place: Range<usize>, raw: &RawUpstreamTable) -> Option<Arc<UpstreamConfig>> {
        let Some(url) = &raw.url else {
            self.report.error(place, "the upstream has no `url`");
            return None;
        };
        match url.get_ref().parse() {
            Ok(parsed) => Some(self.shared(parsed, raw)),
            Err(error) => {
                let error: super::upstream_url::UpstreamUrlError = error;
                self.report.error(url.span(), error.to_string());
                None
            }
        }
    }

    fn shared(&mut self, url: UpstreamUrl, raw: &RawUpstreamTable) -> Arc<UpstreamConfig> {
        let UpstreamUrl { host, port, path_prefix } = url;
        let upstream = UpstreamConfig {
            host,
            port,
            path_prefix,
            protocol: plain(&raw.protocol).unwrap_or(Protocol::Auto),
            keep_host: plain(&raw.keep_host).unwrap_or(true),
            max_requests: plain(&raw.max_requests)
                .map_or(DEFAULT_MAX_REQUESTS, |Count(requests)| requests as usize),
        };
        if let Some(known) = self.upstreams.iter().find(|known| ***known == upstream) {
            return known.clone();
        }
        let upstream = Arc::new(upstream);
        self.upstreams.push(upstream.clone());
        upstream
    }

    fn route_config(
        &mut self,
        name: &str,
        pattern: RoutePattern,
        own: Option<&RawPolicy>,
        place: Range<usize>,
        upstream: Option<Arc<UpstreamConfig>>,
    ) -> Option<RouteConfig> {
        let policy = Policy { own, top: &self.raw.policy };
        let promise = self.promise(&policy)?;
        let (catalog, operations) = match promise {
            Promise::Catalog(catalog) => (catalog, None),
            Promise::Api(api) => {
                let base_path = policy.pick(|policy| &policy.base_path).map(|path| path.get_ref().0.as_str());
                (api.unmatched.clone(), Some(self.catalogs.operations(&api, base_path)))
            }
        };
        let (mode, rollout) = policy.mode(self.overrides.mode);
        let settings = policy.settings(name, catalog.clone(), operations.clone(), mode, rollout);
        match settings.clone().build() {
            Ok(layer) => Some(RouteConfig {
                name: name.into(),
                pattern,
                catalog,
                operations,
                mode,
                rollout,
                settings,
                layer,
                upstream,
            }),
            // A route without a name is reported as such.
            Err(BuildError::Name) => None,
            Err(error) => {
                self.report.error(policy.place_of(&error).unwrap_or(place), error.to_string());
                None
            }
        }
    }

    /// What a route's answers are held against.
    fn promise(&mut self, policy: &Policy<'_>) -> Option<Promise> {
        let by_flag =
            policy.own.is_none_or(|own| own.catalog.is_none()) && !self.overrides.catalogs.is_empty();
        let named = policy.pick(|policy| &policy.catalog).filter(|_| !by_flag);
        let (names, base): (Vec<&str>, _) = match named {
            Some(named) => {
                (named.get_ref().0.iter().map(|name| name.get_ref().as_str()).collect(), self.base)
            }
            None if by_flag => (self.overrides.catalogs.iter().map(String::as_str).collect(), Path::new("")),
            None => (vec![DEFAULT_CATALOG], self.base),
        };
        let promise = match self.catalogs.find(&names, base) {
            Ok(promise) => promise,
            Err(Mistake { place, message }) => {
                match named {
                    Some(named) => self.report.error(named.get_ref().0[place].span(), message),
                    None => self.report.general(message, CATALOG_HELP),
                }
                return None;
            }
        };
        let base_path = match (policy.own, named) {
            (Some(own), _) if own.base_path.is_some() => own.base_path.as_ref(),
            // What is inherited may be meant for another route.
            (None, _) => policy.top.base_path.as_ref(),
            _ => None,
        };
        if let (Promise::Catalog(_), Some(base_path)) = (&promise, base_path) {
            self.report.error_with_help(
                base_path.span(),
                "a base path stands before the operations of an OpenAPI description, and this catalog is none",
                "leave it out, or name the description: `catalog = \"openapi.yaml\"`",
            );
            return None;
        }
        Some(promise)
    }

    fn forwarding(&mut self, raw: Option<&RawForwarding>) -> Option<Forwarding> {
        let nothing = RawForwarding::default();
        let RawForwarding { via, trust, forwarded, request_id, .. } = raw.unwrap_or(&nothing);
        if let Some(via) = via.as_ref().filter(|via| !is_pseudonym(via.get_ref())) {
            let help = "use letters, digits and `-._`, such as `edge-1`";
            self.report.error_with_help(
                via.span(),
                "the name in `Via` is not a token (RFC 9110, 7.6.3)",
                help,
            );
            return None;
        }
        Some(Forwarding {
            via: via.as_ref().map_or(DEFAULT_VIA, |via| via.get_ref()).into(),
            trust: plain(trust).unwrap_or_default(),
            forwarded: plain(forwarded).unwrap_or(false),
            request_id: plain(request_id).unwrap_or(false),
        })
    }
}

fn is_pseudonym(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:[]".contains(&byte))
}
