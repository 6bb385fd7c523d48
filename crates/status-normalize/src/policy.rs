//! What a route's settings mean for each status, resolved at the status's first use.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, Ordering},
};

use http::{HeaderName, Method, StatusCode, header};
use status_catalog::{Catalog, Class, Documented};

use crate::{
    Mode, StatusRule, Undocumented,
    by_status::ByStatus,
    config::Settings,
    metrics::{RouteMetrics, SkipReason, StatusMetrics},
    rendered::Rendered,
    verdict::{BodyKind, Judged, judge},
};

/// A route's policy, made at the route's first request: an API has many operations of which most are hardly used.
#[derive(Debug)]
pub(crate) struct LazyPolicy {
    name: Arc<str>,
    catalog: Arc<Catalog>,
    settings: Arc<Settings>,
    first_turn: u32,
    policy: OnceLock<Arc<Policy>>,
}

/// A route's settings, its metrics, and what follows from both for each status.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) catalog: Arc<Catalog>,
    /// Whether `Accept-Language` decides anything.
    pub(crate) is_multilingual: bool,
    pub(crate) rendered: Arc<Rendered>,
    pub(crate) metrics: RouteMetrics,
    slots: ByStatus<Slot>,
    turn: AtomicU32,
}

/// What follows from a status alone.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) status: StatusCode,
    pub(crate) class: Class,
    /// The methods that the document has the status for.
    pub(crate) methods: Methods,
    /// Those of them for which the status alone tells that every promise is kept.
    pub(crate) promised: Methods,
    /// The methods for which the response ends with its head.
    pub(crate) bodyless: Methods,
    pub(crate) plan: Plan,
    /// What the client gets instead of the status.
    pub(crate) target: Option<StatusCode>,
    /// The field that RFC 9110 demands with this status.
    pub(crate) mandatory: Option<HeaderName>,
    pub(crate) metrics: StatusMetrics,
}

/// What happens to a response unless its head or body objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// Another status that has no body.
    Empty,
    /// The body decides.
    Judge,
    Pass,
    /// Another status with the same body.
    Relabel,
    /// Another status whose description takes the place of the body.
    Replace,
    Skip(SkipReason),
}

impl LazyPolicy {
    /// Routes of the same settings start with different turns, so that a rollout does not take the first request of
    /// each.
    pub(crate) fn new(
        name: Arc<str>,
        catalog: Arc<Catalog>,
        settings: Arc<Settings>,
        first_turn: u32,
    ) -> Self {
        Self { name, catalog, settings, first_turn, policy: OnceLock::new() }
    }

    /// One that is made at once, with the representations of the documented errors.
    pub(crate) fn made(name: Arc<str>, catalog: Option<Arc<Catalog>>, settings: Arc<Settings>) -> Self {
        let lazy = Self::new(name, catalog.unwrap_or_else(default_catalog), settings, 0);
        lazy.get().rendered.render_errors();
        lazy
    }

    #[inline]
    pub(crate) fn get(&self) -> &Arc<Policy> {
        self.policy.get_or_init(|| Arc::new(Policy::new(self)))
    }

    /// The same, to be made anew.
    pub(crate) fn detached(&self) -> Self {
        let Self { name, catalog, settings, first_turn, policy: _ } = self;
        Self::new(name.clone(), catalog.clone(), settings.clone(), *first_turn)
    }
}

impl Policy {
    fn new(LazyPolicy { name, catalog, settings, first_turn, policy: _ }: &LazyPolicy) -> Self {
        Self {
            rendered: Rendered::shared(catalog, &settings.code, &settings.templates),
            metrics: RouteMetrics::new(Arc::<str>::from(catalog.name()).into(), name.clone().into()),
            slots: ByStatus::new(),
            turn: AtomicU32::new(*first_turn),
            is_multilingual: catalog.languages().len() > 1,
            name: name.clone(),
            catalog: catalog.clone(),
            settings: settings.clone(),
        }
    }

    #[inline]
    pub(crate) fn slot(&self, status: StatusCode) -> &Slot {
        self.slots.get_or_make(status, move || self.make_slot(status))
    }

    /// Whether this response may be changed, or is only observed.
    pub(crate) fn takes_turn(&self) -> bool {
        match self.settings.rollout.percent() {
            100 => true,
            // 37 and 100 have no common divisor: among any hundred responses exactly the share is taken, spread evenly.
            percent => self.turn.fetch_add(37, Ordering::Relaxed) % 100 < u32::from(percent),
        }
    }

    /// Judges a decoded body.
    pub(crate) fn judge(&self, body: &[u8], kind: BodyKind, status: StatusCode) -> Judged {
        let accepted = &self.settings.accepted;
        let documented = if self.settings.strict { self.catalog.documented(status.as_u16()) } else { None };
        match documented {
            None => judge(body, kind, status.as_u16(), accepted, None),
            Some(documented) => {
                let descriptions: Vec<&str> =
                    documented.entry.texts().iter().map(|text| &*text.description).collect();
                judge(body, kind, status.as_u16(), accepted, Some(&descriptions))
            }
        }
    }

    #[cold]
    fn make_slot(&self, status: StatusCode) -> Slot {
        let code = status.as_u16();
        let documented = self.catalog.documented(code);
        let class = documented.map_or(Class::Undocumented, |documented| documented.class);
        let (plan, target) = self.plan(code, class);
        let methods = documented.map_or(Methods::ANY, |documented| Methods::of(&documented));
        let mandatory = match code {
            401 => Some(header::WWW_AUTHENTICATE),
            405 if self.settings.count_missing_allow => Some(header::ALLOW),
            407 => Some(header::PROXY_AUTHENTICATE),
            _ => None,
        };
        Slot {
            status,
            class,
            methods,
            promised: if class == Class::Undocumented || mandatory.is_some() {
                Methods::NONE
            } else {
                methods
            },
            bodyless: Methods::bodyless(status),
            plan,
            target,
            mandatory,
            metrics: StatusMetrics::new(class, status, target),
        }
    }

    fn plan(&self, code: u16, class: Class) -> (Plan, Option<StatusCode>) {
        if self.settings.mode == Mode::Off {
            return (Plan::Pass, None);
        }
        let by_policy = match (&self.settings.undocumented, class) {
            (Undocumented::Map(rules), Class::Undocumented) => StatusRule::target(rules, code),
            // RFC 9110, 15: an unknown code counts as the x00 of its class.
            (Undocumented::Nearest, Class::Undocumented) if is_plain_error(code) => {
                Some(code / 100 * 100).filter(|nearest| self.catalog.documented(*nearest).is_some())
            }
            _ => None,
        };
        let ruled = StatusRule::target(&self.settings.status_map, code);
        let target = ruled.or(by_policy).filter(|target| *target != code);
        let judged = match class {
            Class::Abnormal => true,
            Class::Normal => false,
            Class::Undocumented => {
                by_policy.is_some()
                    || self.settings.undocumented == Undocumented::Describe && is_plain_error(code)
            }
        };
        let judged = judged && !(100..200).contains(&code);
        let bodyless = matches!(code, 204 | 205 | 304);
        let plan = match target {
            None if !judged => Plan::Pass,
            None if bodyless => Plan::Skip(SkipReason::NoBody),
            None if code == 206 => Plan::Skip(SkipReason::Partial),
            None => Plan::Judge,
            Some(204 | 205 | 304) => Plan::Empty,
            Some(target) if !self.is_error(target) => Plan::Relabel,
            Some(_) if judged && !bodyless && code != 206 => Plan::Judge,
            Some(_) => Plan::Replace,
        };
        (plan, target.and_then(|target| StatusCode::from_u16(target).ok()))
    }

    fn is_error(&self, code: u16) -> bool {
        code >= 400
            || self.catalog.documented(code).is_some_and(|documented| documented.class == Class::Abnormal)
    }
}

/// What the policies for undocumented statuses are for. 416 without its documented meaning is about ranges.
fn is_plain_error(code: u16) -> bool {
    (400..600).contains(&code) && code != 416
}

fn default_catalog() -> Arc<Catalog> {
    Catalog::builtin("sfs").expect("a built-in catalog")
}

/// A request method as far as the layer tells them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Connect,
    Delete,
    Get,
    Head,
    Options,
    Other,
    Patch,
    Post,
    Put,
    Trace,
}

impl Verb {
    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::HEAD => Self::Head,
            Method::DELETE => Self::Delete,
            Method::PATCH => Self::Patch,
            Method::OPTIONS => Self::Options,
            Method::CONNECT => Self::Connect,
            Method::TRACE => Self::Trace,
            _ => Self::Other,
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of methods.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Methods(u16);

impl Methods {
    const ANY: Self = Self(u16::MAX);
    const NONE: Self = Self(0);

    /// The methods that an entry is for.
    fn of(documented: &Documented<'_>) -> Self {
        let methods = documented.entry.methods();
        if methods.is_empty() {
            return Self::ANY;
        }
        let verb = |name: &Arc<str>| {
            Method::from_bytes(name.as_bytes()).map_or(Verb::Other, |method| Verb::of(&method))
        };
        let named = methods.iter().fold(0, |set, name| set | verb(name).bit());
        // RFC 9110, 9.3.2: HEAD is GET without the content.
        let get = Verb::Get.bit() | Verb::Head.bit();
        Self(if named & get == 0 { named } else { named | get })
    }

    /// RFC 9110, 6.4.1: the methods for which a response with this status has no body.
    fn bodyless(status: StatusCode) -> Self {
        match status.as_u16() {
            100..200 | 204 | 205 | 304 => Self::ANY,
            200..300 => Self(Verb::Head.bit() | Verb::Connect.bit()),
            _ => Self(Verb::Head.bit()),
        }
    }

    #[inline]
    pub(crate) fn has(self, verb: Verb) -> bool {
        self.0 & verb.bit() != 0
    }
}
