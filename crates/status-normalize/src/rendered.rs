//! The representations of a catalog, shared by the routes that serve it.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

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

/// Those that are in use, by the address of their catalog, and some that no longer are.
#[derive(Debug, Default)]
struct All {
    by_catalog: HashMap<usize, Vec<Weak<Rendered>>>,
    /// How many catalogs there may be before those out of use are looked for.
    limit: usize,
}

static ALL: LazyLock<Mutex<All>> = LazyLock::new(Mutex::default);

impl Rendered {
    /// Each is rendered at its first use.
    pub(crate) fn shared(catalog: &Arc<Catalog>, code: &Arc<str>, templates: &[Template]) -> Arc<Self> {
        // Nothing below leaves the list half changed.
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let address = Arc::as_ptr(catalog).addr();
        let same_address = all.by_catalog.get(&address).into_iter().flatten();
        if let Some(known) = same_address.filter_map(Weak::upgrade).find(|known| {
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
        all.add(address, &new);
        new
    }

    /// Renders the documented errors.
    pub(crate) fn render_errors(&self) {
        for entry in self.catalog.entries() {
            let (first, last) = entry.codes();
            if let (true, Class::Abnormal, Ok(status)) =
                (first == last, entry.class(), StatusCode::from_u16(first))
            {
                self.of(status);
            }
        }
    }

    pub(crate) fn of(&self, status: StatusCode) -> &Representations {
        self.by_status.get_or_make(status, || {
            let code = self.code.replace("{status}", status.as_str());
            Representations::new(&self.catalog, status, &code, &self.templates)
        })
    }
}

impl All {
    fn add(&mut self, address: usize, new: &Arc<Rendered>) {
        if self.by_catalog.len() >= self.limit {
            self.by_catalog.retain(|_, known| {
                known.retain(|rendered| rendered.strong_count() > 0);
                !known.is_empty()
            });
            self.limit = 16 + 2 * self.by_catalog.len();
        }
        let same_address = self.by_catalog.entry(address).or_default();
        same_address.retain(|rendered| rendered.strong_count() > 0);
        same_address.push(Arc::downgrade(new));
    }
}
