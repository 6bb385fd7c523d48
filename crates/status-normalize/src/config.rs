//! The builder, limits as types, errors.

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::{Extensions, HeaderName, header};
use status_catalog::Catalog;

use crate::{
    Accepted, InspectLimit, Operations, Rollout, RouteError, RoutePattern, RouteTable, StatusNormalizeLayer,
    StatusRule, Template, layer::Shared, policy::LazyPolicy, route::OperationRoute,
};

/// 2 s. A backend that needs longer for an error body than for most answers is stuck, and the client waits meanwhile.
const DEFAULT_INSPECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The name of what no route takes, which the labels of its operations do without.
pub(crate) const DEFAULT_NAME: &str = "default";

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
    #[error("route `{0}` has routes or operations of its own: routes do not nest")]
    Nested(Arc<str>),
    /// Only an enforcing route can be rolled out.
    #[error("a rollout of {percent} % needs mode `enforce`, this route has `{mode}`")]
    Rollout {
        /// The share.
        percent: u8,
        /// The mode.
        mode: &'static str,
    },
    /// Two routes would have the same metric label, and their counts run together.
    #[error("two routes have the name `{0}`: give each one of its own")]
    RepeatedName(Arc<str>),
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
    catalog: Option<Arc<Catalog>>,
    operations: Option<Arc<Operations>>,
    name: Arc<str>,
    routes: Vec<(RoutePattern, Self)>,
    settings: Arc<Settings>,
}

/// What is the same for all operations of an API, which share it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
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
            operations: None,
            name: DEFAULT_NAME.into(),
            routes: Vec::new(),
            settings: Arc::default(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
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

    /// The operations of an API, each a route of its own with the catalog of its documented responses. A request that
    /// is none of them is held against a catalog without entries, which takes the place of
    /// [`catalog`](Self::catalog). Defaults to none.
    ///
    /// The metric label `route` of an operation is its method and template, such as `GET /v1/pets/{id}`, after the
    /// [name](Self::name) and a space unless that is `default`.
    ///
    /// ```
    /// use status_catalog::Importer;
    /// use status_normalize::{Operations, StatusNormalize};
    ///
    /// let description = r#"{"openapi": "3.0.3", "info": {"title": "Pets", "version": "1"}, "servers": [{"url": "/v1"}],
    ///     "paths": {"/pets/{id}": {"get": {"responses": {"404": {"description": "There is no such pet."}}}}}}"#;
    /// let import = Importer::new().import_text("pets.json", description)?;
    /// let unmatched = import.unmatched().ok_or("not a description")?;
    /// let operations = Operations::new(import.operations(), unmatched.clone());
    /// assert_eq!(operations.labels("default").collect::<Vec<_>>(), ["GET /v1/pets/{id}"]);
    /// let layer = StatusNormalize::builder().operations(operations).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn operations(mut self, operations: impl Into<Arc<Operations>>) -> Self {
        self.operations = Some(operations.into());
        self
    }

    /// The value of the metric label `route`, of which each route needs one of its own. Defaults to `default`.
    #[must_use]
    pub fn name(mut self, route: impl Into<Arc<str>>) -> Self {
        self.name = route.into();
        self
    }

    /// Settings for the requests of a pattern, the most specific one deciding. They start as a copy of the settings
    /// made so far, without the routes and operations, and need a [name](Self::name).
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
        let start = Self { routes: Vec::new(), operations: None, ..self.clone() };
        self.routes.push((pattern, settings(start)));
        self
    }

    /// The mode. Defaults to [`Mode::Enforce`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.settings_mut().mode = mode;
        self
    }

    /// The share of responses that [`Mode::Enforce`] rewrites, the rest being observed. Defaults to 100 %.
    #[must_use]
    pub fn rollout(mut self, rollout: Rollout) -> Self {
        self.settings_mut().rollout = rollout;
        self
    }

    /// What happens to undocumented statuses. Defaults to [`Undocumented::Pass`].
    #[must_use]
    pub fn undocumented(mut self, policy: Undocumented) -> Self {
        self.settings_mut().undocumented = policy;
        self
    }

    /// Statuses, documented or not, that reach the client as another one; the first rule that has the code decides.
    /// Defaults to none.
    #[must_use]
    pub fn status_map(mut self, rules: impl IntoIterator<Item = StatusRule>) -> Self {
        self.settings_mut().status_map = rules.into_iter().collect();
        self
    }

    /// The shapes of body that are standard. Defaults to all of them.
    #[must_use]
    pub fn accepted(mut self, shapes: Accepted) -> Self {
        self.settings_mut().accepted = shapes;
        self
    }

    /// Whether a standard body must carry the documented description. Defaults to no.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.settings_mut().strict = strict;
        self
    }

    /// How much of a body is looked at. Defaults to 64 KiB.
    #[must_use]
    pub fn inspect_limit(mut self, limit: InspectLimit) -> Self {
        self.settings_mut().inspect_limit = limit;
        self
    }

    /// How long a body is waited for. Defaults to 2 s.
    #[must_use]
    pub fn inspect_timeout(mut self, timeout: Duration) -> Self {
        self.settings_mut().inspect_timeout = timeout;
        self
    }

    /// Whether the bounded message of a nonstandard **4xx** body reaches the client. Defaults to no; the message of a
    /// 5xx never does.
    #[must_use]
    pub fn keep_detail(mut self, keep: bool) -> Self {
        self.settings_mut().keep_detail = keep;
        self
    }

    /// A field that a rewrite leaves in place although it described the old body. Defaults to none.
    #[must_use]
    pub fn keep_header(mut self, name: HeaderName) -> Self {
        self.settings_mut().keep_headers.push(name);
        self
    }

    /// A field that a rewrite removes beside those that described the old body. Defaults to none.
    #[must_use]
    pub fn drop_header(mut self, name: HeaderName) -> Self {
        self.settings_mut().drop_headers.push(name);
        self
    }

    /// A response extension that survives a rewrite. Defaults to none: extensions belong to the replaced answer, and
    /// one of them may hold the backend's reason phrase.
    #[must_use]
    pub fn keep_extension<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.settings_mut().keep_extensions.push(|old, new| {
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
        self.settings_mut().opt_out = Some(name);
        self
    }

    /// Whether `Cache-Control: no-transform` protects a body (RFC 9110, section 7.7). Defaults to yes.
    #[must_use]
    pub fn honour_no_transform(mut self, honour: bool) -> Self {
        self.settings_mut().honour_no_transform = honour;
        self
    }

    /// Whether a 405 without `Allow` is counted as a broken promise. Defaults to yes; turn it off where something
    /// outside of the layer adds the field, as axum does outside of `Router::layer`.
    #[must_use]
    pub fn count_missing_allow(mut self, count: bool) -> Self {
        self.settings_mut().count_missing_allow = count;
        self
    }

    /// A rendering that takes the place of ours in its media type; the last one counts. Defaults to none.
    #[must_use]
    pub fn template(mut self, template: Template) -> Self {
        self.settings_mut().templates.push(template);
        self
    }

    /// The machine code of bodies for which the backend gave none; `{status}` stands for the status code. Defaults to
    /// `HTTP.{status}`.
    #[must_use]
    pub fn code(mut self, code: impl Into<Arc<str>>) -> Self {
        self.settings_mut().code = code.into();
        self
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// If the settings contradict each other, or a route's pattern is malformed or conflicts with another one.
    pub fn build(self) -> Result<StatusNormalizeLayer, BuildError> {
        let Self { catalog, operations, name, routes, settings } = self;
        let mut policies = Vec::new();
        let mut names = HashSet::from([name.clone()]);
        for (pattern, Self { catalog, operations, name, routes, settings }) in routes {
            if !routes.is_empty() || operations.is_some() {
                return Err(BuildError::Nested(name));
            }
            check(&name, &settings)?;
            if !names.insert(name.clone()) {
                return Err(BuildError::RepeatedName(name));
            }
            policies.push((pattern, LazyPolicy::made(name, catalog, settings)));
        }
        check(&name, &settings)?;
        let mut unmatched = catalog;
        if let Some(operations) = operations {
            for (OperationRoute { pattern, catalog, label }, turn) in operations.routes(&name).zip(0..) {
                let policy = LazyPolicy::new(label.into(), catalog.clone(), settings.clone(), turn);
                policies.push((pattern, policy));
            }
            unmatched = Some(operations.unmatched().clone());
        }
        let routes = RouteTable::build(LazyPolicy::made(name, unmatched, settings), policies)?;
        Ok(StatusNormalizeLayer::new(Shared { routes }))
    }
}

/// Whether the settings of a route agree with each other.
fn check(name: &str, settings: &Settings) -> Result<(), BuildError> {
    let Settings { mode, rollout, code, .. } = settings;
    if name.is_empty() {
        return Err(BuildError::Name);
    }
    if settings.inspect_timeout.is_zero() {
        return Err(BuildError::Timeout);
    }
    if *rollout != Rollout::ALL && *mode != Mode::Enforce {
        return Err(BuildError::Rollout { percent: rollout.percent(), mode: mode.as_str() });
    }
    if code.is_empty() || code.len() > 64 || !code.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(BuildError::Code(code.to_string()));
    }
    let named = settings.keep_headers.iter().chain(&settings.drop_headers).chain(&settings.opt_out);
    if let Some(name) = named.clone().find(|name| FRAMING.contains(name)) {
        return Err(BuildError::Framing(name.clone()));
    }
    if let Some(name) = settings.keep_headers.iter().find(|name| settings.drop_headers.contains(name)) {
        return Err(BuildError::KeptAndDropped(name.clone()));
    }
    Ok(())
}

/// The fields that say what the body is and where it ends.
const FRAMING: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];
