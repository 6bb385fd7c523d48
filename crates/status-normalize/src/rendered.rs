//! The representations of a catalog, shared by the routes that serve it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use http::StatusCode;
use status_catalog::{Catalog, Class};

use crate::{
    by_status::ByStatus,
    representation::{Representations, Template},
};

/// The representations of each status under one catalog, code constant and set of templates.
#[derive(Debug)]
pub(crate) struct Rendered {
    catalog: Arc<Catalog>,
    code: Arc<str>,
    templates: Vec<Template>,
    by_status: ByStatus<Representations>,
}

static ALL: Mutex<Vec<Weak<Rendered>>> = Mutex::new(Vec::new());

impl Rendered {
    /// Those of the documented errors are rendered now, others at their first use.
    pub(crate) fn shared(catalog: &Arc<Catalog>, code: &Arc<str>, templates: &[Template]) -> Arc<Self> {
        // Nothing below leaves the list half changed.
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|rendered| rendered.strong_count() > 0);
        let known = all.iter().filter_map(Weak::upgrade);
        if let Some(known) = known.into_iter().find(|known| {
            Arc::ptr_eq(&known.catalog, catalog) && known.code == *code && known.templates == templates
        }) {
            return known;
        }
        let new = Arc::new(Self {
            catalog: catalog.clone(),
            code: code.clone(),
            templates: templates.to_vec(),
            by_status: ByStatus::new(),
        });
        for entry in catalog.entries() {
            let (first, last) = entry.codes();
            if let (true, Class::Abnormal, Ok(status)) =
                (first == last, entry.class(), StatusCode::from_u16(first))
            {
                new.of(status);
            }
        }
        all.push(Arc::downgrade(&new));
        new
    }

    pub(crate) fn of(&self, status: StatusCode) -> &Representations {
        self.by_status.get_or_make(status, || {
            let code = self.code.replace("{status}", status.as_str());
            Representations::new(&self.catalog, status, &code, &self.templates)
        })
    }
}
