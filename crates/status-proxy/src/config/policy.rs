//! A route's keys, its own and those that it inherits, and the layer that they make.

use std::{ops::Range, sync::Arc};

use http::HeaderName;
use status_catalog::Catalog;
use status_normalize::{BuildError, Builder, InspectLimit, Mode, Operations, Rollout, StatusNormalize};
use toml::Spanned;

use super::{
    raw::RawPolicy,
    resolve::plain,
    value::{List, Size},
};

/// A route's own keys above those of the top level.
pub(super) struct Policy<'a> {
    pub(super) own: Option<&'a RawPolicy>,
    pub(super) top: &'a RawPolicy,
}

impl<'a> Policy<'a> {
    pub(super) fn pick<T>(
        &self,
        key: impl Fn(&'a RawPolicy) -> &'a Option<Spanned<T>>,
    ) -> Option<&'a Spanned<T>> {
        self.own.and_then(|own| key(own).as_ref()).or(key(self.top).as_ref())
    }

    /// A rollout belongs to `enforce`. Where another mode comes from nearer than the rollout, the rollout goes; where
    /// both come from one table they contradict each other, which building the layer reports.
    pub(super) fn mode(&self, flag: Option<Mode>) -> (Mode, Rollout) {
        let own_mode = self.own.and_then(|own| plain(&own.mode));
        let own_rollout =
            self.own.and_then(|own| plain(&own.rollout)).filter(|_| own_mode.is_some() || flag.is_none());
        let nearer = own_mode.or(flag);
        let mode = nearer.or(plain(&self.top.mode)).unwrap_or_default();
        let inherited = plain(&self.top.rollout).filter(|_| nearer.is_none() || mode == Mode::Enforce);
        (mode, own_rollout.or(inherited).unwrap_or_default())
    }

    pub(super) fn settings(
        &self,
        name: &str,
        catalog: Arc<Catalog>,
        operations: Option<Arc<Operations>>,
        mode: Mode,
        rollout: Rollout,
    ) -> Builder {
        let mut builder = StatusNormalize::builder().name(name).catalog(catalog).mode(mode).rollout(rollout);
        if let Some(operations) = operations {
            builder = builder.operations(operations);
        }
        if let Some(policy) = self.pick(|policy| &policy.undocumented) {
            builder = builder.undocumented(policy.get_ref().clone());
        }
        if let Some(rules) = self.pick(|policy| &policy.status_map) {
            builder = builder.status_map(rules.get_ref().iter().map(|rule| *rule.get_ref()));
        }
        if let Some(shapes) = self.pick(|policy| &policy.envelopes) {
            builder = builder.accepted(shapes.get_ref().iter().map(|shape| *shape.get_ref()).collect());
        }
        if let Some(strict) = self.pick(|policy| &policy.strict) {
            builder = builder.strict(*strict.get_ref());
        }
        if let Some(keep) = self.pick(|policy| &policy.keep_detail) {
            builder = builder.keep_detail(*keep.get_ref());
        }
        if let Some(code) = self.pick(|policy| &policy.code) {
            builder = builder.code(code.get_ref().as_str());
        }
        if let Some(name) = self.pick(|policy| &policy.opt_out_header) {
            builder = builder.opt_out(name.get_ref().clone());
        }
        if let Some(honour) = self.pick(|policy| &policy.no_transform) {
            builder = builder.honour_no_transform(*honour.get_ref());
        }
        if let Some(count) = self.pick(|policy| &policy.count_missing_allow) {
            builder = builder.count_missing_allow(*count.get_ref());
        }
        if let Some(Size(bytes)) = self.pick(|policy| &policy.inspect_limit).map(Spanned::get_ref) {
            builder = builder.inspect_limit(InspectLimit::try_from(*bytes).expect("in the same range"));
        }
        if let Some(timeout) = self.pick(|policy| &policy.inspect_timeout) {
            builder = builder.inspect_timeout(*timeout.get_ref());
        }
        for name in self.pick(|policy| &policy.keep_headers).iter().flat_map(|names| names.get_ref()) {
            builder = builder.keep_header(name.get_ref().clone());
        }
        for name in self.pick(|policy| &policy.drop_headers).iter().flat_map(|names| names.get_ref()) {
            builder = builder.drop_header(name.get_ref().clone());
        }
        builder
    }

    /// The key that an error is about.
    pub(super) fn place_of(&self, error: &BuildError) -> Option<Range<usize>> {
        let names = |list: &List<HeaderName>, name: &HeaderName| {
            list.iter().find(|known| known.get_ref() == name).map(Spanned::span)
        };
        match error {
            BuildError::Code(_) => self.pick(|policy| &policy.code).map(Spanned::span),
            BuildError::Framing(name) | BuildError::KeptAndDropped(name) => {
                let lists =
                    [self.pick(|policy| &policy.drop_headers), self.pick(|policy| &policy.keep_headers)];
                let in_list = lists.into_iter().flatten().find_map(|list| names(list.get_ref(), name));
                in_list.or_else(|| self.pick(|policy| &policy.opt_out_header).map(Spanned::span))
            }
            BuildError::Rollout { .. } => self.pick(|policy| &policy.rollout).map(Spanned::span),
            _ => None,
        }
    }
}
