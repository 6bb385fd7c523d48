//! The builder, limits as types, errors.

use std::{sync::Arc, time::Duration};

use http::{Extensions, HeaderName, header};
use status_catalog::Catalog;

use crate::{
    Accepted, InspectLimit, Rollout, RouteError, RoutePattern, RouteTable, StatusNormalizeLayer, StatusRule,
    Template, layer::Shared, policy::Policy,
};

/// 2 s. A backend that needs longer for an error body than for most answers is stuck, and the client waits meanwhile.
const DEFAULT_INSPECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The constant of services whose codes are unknown; `{status}` is replaced by the status code.
const DEFAULT_CODE: &str = "HTTP.{status}";

/// What the layer does with what it finds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// Rewrite nonstandard bodies of abnormal responses.
    #[default]
    Enforce,
    /// Change nothing on the wire; count what would have happened.
    Observe,
    /// Count by class; read no body.
    Off,
}

impl Mode {
    /// The word used in configuration and documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
            Self::Off => "off",
        }
    }
}

/// What happens to a status that the catalog does not list.
///
/// Statuses below 400, above 599 and 416 pass under every policy but [`Map`](Self::Map).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Undocumented {
    /// Passed on as it is.
    #[default]
    Pass,
    /// The status stays; where the body is nonstandard, the IANA phrase describes it.
    Describe,
    /// Sent to the same hundred's x00 (RFC 9110, section 15) if that is documented, else passed.
    Nearest,
    /// The first rule that has the code decides; a code without a rule passes.
    Map(Vec<StatusRule>),
}

/// A combination of settings that makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The code constant cannot stand in a body.
    #[error("code constant {0:?} must be 1 to 64 visible ASCII characters")]
    Code(String),
    /// A field is both kept and dropped.
    #[error("header `{0}` is both kept and dropped: name it once")]
    KeptAndDropped(HeaderName),
    /// The field frames or describes the new body, the layer has to set or remove it.
    #[error("header `{0}` frames the message and cannot be kept, dropped or used to opt out")]
    Framing(HeaderName),
    /// The metric label would be empty.
    #[error("the name of a route is empty")]
    Name,
    /// A route inside a route.
    #[error("route `{0}` has routes of its own: routes do not nest")]
    Nested(Arc<str>),
    /// Only an enforcing route can be rolled out.
    #[error("a rollout of {percent} % needs mode `enforce`, this route has `{mode}`")]
    Rollout {
        /// The share.
        percent: u8,
        /// The mode.
        mode: &'static str,
    },
    /// A pattern is malformed or conflicts with another one.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Nothing can be inspected in no time.
    #[error("the inspect timeout is zero: use mode `off` to read no body")]
    Timeout,
}

/// Builds a [`StatusNormalizeLayer`]. Each setting has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Builder {
    pub(crate) catalog: Option<Arc<Catalog>>,
    pub(crate) name: Arc<str>,
    pub(crate) routes: Vec<(RoutePattern, Self)>,
    pub(crate) mode: Mode,
    pub(crate) rollout: Rollout,
    pub(crate) undocumented: Undocumented,
    pub(crate) status_map: Vec<StatusRule>,
    pub(crate) accepted: Accepted,
    pub(crate) templates: Vec<Template>,
    pub(crate) strict: bool,
    pub(crate) inspect_limit: InspectLimit,
    pub(crate) inspect_timeout: Duration,
    pub(crate) keep_detail: bool,
    pub(crate) keep_headers: Vec<HeaderName>,
    pub(crate) drop_headers: Vec<HeaderName>,
    pub(crate) keep_extensions: Vec<KeepExtension>,
    pub(crate) opt_out: Option<HeaderName>,
    pub(crate) honour_no_transform: bool,
    pub(crate) count_missing_allow: bool,
    pub(crate) code: Arc<str>,
}

/// Moves one type of extension from a replaced answer to its replacement.
pub(crate) type KeepExtension = fn(&mut Extensions, &mut Extensions);

impl Default for Builder {
    fn default() -> Self {
        Self {
            catalog: None,
            name: "default".into(),
            routes: Vec::new(),
            mode: Mode::default(),
            rollout: Rollout::ALL,
            undocumented: Undocumented::default(),
            status_map: Vec::new(),
            accepted: Accepted::ALL,
            templates: Vec::new(),
            strict: false,
            inspect_limit: InspectLimit::DEFAULT,
            inspect_timeout: DEFAULT_INSPECT_TIMEOUT,
            keep_detail: false,
            keep_headers: Vec::new(),
            drop_headers: Vec::new(),
            keep_extensions: Vec::new(),
            opt_out: None,
            honour_no_transform: true,
            count_missing_allow: true,
            code: DEFAULT_CODE.into(),
        }
    }
}

impl Builder {
    /// The catalog. Defaults to the built-in `sfs`.
    #[must_use]
    pub fn catalog(mut self, catalog: Arc<Catalog>) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// The value of the metric label `route`. Defaults to `default`.
    #[must_use]
    pub fn name(mut self, route: impl Into<Arc<str>>) -> Self {
        self.name = route.into();
        self
    }

    /// Settings for the requests of a pattern, the most specific one deciding. They start as a copy of the settings
    /// made so far, without the routes.
    ///
    /// ```
    /// use status_normalize::{Mode, RoutePattern, StatusNormalize};
    ///
    /// let pets = RoutePattern { path: Some("/pets/{id}".into()), ..RoutePattern::default() };
    /// let layer = StatusNormalize::builder()
    ///     .route(pets, |route| route.name("pets").mode(Mode::Observe))
    ///     .build()?;
    /// # Ok::<(), status_normalize::BuildError>(())
    /// ```
    #[must_use]
    pub fn route(mut self, pattern: RoutePattern, settings: impl FnOnce(Self) -> Self) -> Self {
        let start = Self { routes: Vec::new(), ..self.clone() };
        self.routes.push((pattern, settings(start)));
        self
    }

    /// The mode. Defaults to [`Mode::Enforce`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The share of responses that [`Mode::Enforce`] rewrites, the rest being observed. Defaults to 100 %.
    #[must_use]
    pub fn rollout(mut self, rollout: Rollout) -> Self {
        self.rollout = rollout;
        self
    }

    /// What happens to undocumented statuses. Defaults to [`Undocumented::Pass`].
    #[must_use]
    pub fn undocumented(mut self, policy: Undocumented) -> Self {
        self.undocumented = policy;
        self
    }

    /// Statuses, documented or not, that reach the client as another one; the first rule that has the code decides.
    /// Defaults to none.
    #[must_use]
    pub fn status_map(mut self, rules: impl IntoIterator<Item = StatusRule>) -> Self {
        self.status_map = rules.into_iter().collect();
        self
    }

    /// The shapes of body that are standard. Defaults to all of them.
    #[must_use]
    pub fn accepted(mut self, shapes: Accepted) -> Self {
        self.accepted = shapes;
        self
    }

    /// Whether a standard body must carry the documented description. Defaults to no.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// How much of a body is looked at. Defaults to 64 KiB.
    #[must_use]
    pub fn inspect_limit(mut self, limit: InspectLimit) -> Self {
        self.inspect_limit = limit;
        self
    }

    /// How long a body is waited for. Defaults to 2 s.
    #[must_use]
    pub fn inspect_timeout(mut self, timeout: Duration) -> Self {
        self.inspect_timeout = timeout;
        self
    }

    /// Whether the bounded message of a nonstandard **4xx** body reaches the client. Defaults to no; the message of a
    /// 5xx never does.
    #[must_use]
    pub fn keep_detail(mut self, keep: bool) -> Self {
        self.keep_detail = keep;
        self
    }

    /// A field that a rewrite leaves in place although it described the old body. Defaults to none.
    #[must_use]
    pub fn keep_header(mut self, name: HeaderName) -> Self {
        self.keep_headers.push(name);
        self
    }

    /// A field that a rewrite removes beside those that described the old body. Defaults to none.
    #[must_use]
    pub fn drop_header(mut self, name: HeaderName) -> Self {
        self.drop_headers.push(name);
        self
    }

    /// A response extension that survives a rewrite. Defaults to none: extensions belong to the replaced answer, and
    /// one of them may hold the backend's reason phrase.
    #[must_use]
    pub fn keep_extension<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.keep_extensions.push(|old, new| {
            if let Some(extension) = old.remove::<T>() {
                new.insert(extension);
            }
        });
        self
    }

    /// The response field by which a trusted backend opts out of judgement, whatever its value. It is removed before
    /// the client sees it; in a request it means nothing. Defaults to none.
    #[must_use]
    pub fn opt_out(mut self, name: HeaderName) -> Self {
        self.opt_out = Some(name);
        self
    }

    /// Whether `Cache-Control: no-transform` protects a body (RFC 9110, section 7.7). Defaults to yes.
    #[must_use]
    pub fn honour_no_transform(mut self, honour: bool) -> Self {
        self.honour_no_transform = honour;
        self
    }

    /// Whether a 405 without `Allow` is counted as a broken promise. Defaults to yes; turn it off where something
    /// outside of the layer adds the field, as axum does outside of `Router::layer`.
    #[must_use]
    pub fn count_missing_allow(mut self, count: bool) -> Self {
        self.count_missing_allow = count;
        self
    }

    /// A rendering that takes the place of ours in its media type; the last one counts. Defaults to none.
    #[must_use]
    pub fn template(mut self, template: Template) -> Self {
        self.templates.push(template);
        self
    }

    /// The machine code of bodies for which the backend gave none; `{status}` stands for the status code. Defaults to
    /// `HTTP.{status}`.
    #[must_use]
    pub fn code(mut self, code: impl Into<Arc<str>>) -> Self {
        self.code = code.into();
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// If the settings contradict each other, or a route's pattern is malformed or conflicts with another one.
    pub fn build(mut self) -> Result<StatusNormalizeLayer, BuildError> {
        let mut routes = Vec::new();
        for (pattern, settings) in std::mem::take(&mut self.routes) {
            if !settings.routes.is_empty() {
                return Err(BuildError::Nested(settings.name));
            }
            routes.push((pattern, settings.policy()?));
        }
        let routes = RouteTable::build(self.policy()?, routes)?;
        Ok(StatusNormalizeLayer::new(Shared { routes }))
    }

    fn policy(self) -> Result<Arc<Policy>, BuildError> {
        if self.name.is_empty() {
            return Err(BuildError::Name);
        }
        if self.inspect_timeout.is_zero() {
            return Err(BuildError::Timeout);
        }
        if self.rollout != Rollout::ALL && self.mode != Mode::Enforce {
            return Err(BuildError::Rollout { percent: self.rollout.percent(), mode: self.mode.as_str() });
        }
        if self.code.is_empty() || self.code.len() > 64 || !self.code.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BuildError::Code(self.code.to_string()));
        }
        let named = self.keep_headers.iter().chain(&self.drop_headers).chain(&self.opt_out);
        if let Some(name) = named.clone().find(|name| FRAMING.contains(name)) {
            return Err(BuildError::Framing(name.clone()));
        }
        if let Some(name) = self.keep_headers.iter().find(|name| self.drop_headers.contains(name)) {
            return Err(BuildError::KeptAndDropped(name.clone()));
        }
        Ok(Arc::new(Policy::new(self)))
    }
}

/// The fields that say what the body is and where it ends.
const FRAMING: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];
