//! The five catalogs that come with the crate, each parsed at its first use.

use std::sync::{Arc, OnceLock};

use crate::{Catalog, Envelope, Importer};

/// The names of the built-in catalogs; the last one is the default.
pub const BUILTIN: [&str; 5] = ["vpn", "csbs", "dns", "ecs", "sfs"];

/// A document of the crate and the envelope that its service documents.
struct Builtin {
    file: &'static str,
    text: &'static str,
    /// Wrapper, code and message.
    envelope: (Option<&'static str>, &'static str, &'static str),
    catalog: OnceLock<Arc<Catalog>>,
}

macro_rules! builtin {
    ($file:literal, $wrapper:expr, $code:literal, $message:literal) => {
        Builtin {
            file: $file,
            text: include_str!(concat!("../documents/", $file)),
            envelope: ($wrapper, $code, $message),
            catalog: OnceLock::new(),
        }
    };
}

/// Parallel to [`BUILTIN`].
static DOCUMENTS: [Builtin; 5] = [
    builtin!("vpn.rst", None, "error_code", "error_msg"),
    builtin!("csbs.rst", None, "error_code", "error_msg"),
    builtin!("dns.md", None, "code", "message"),
    builtin!("ecs.md", Some("error"), "code", "message"),
    builtin!("sfs.rst", None, "error_code", "error_msg"),
];

impl Catalog {
    /// The built-in catalog of that name, parsed at its first use and shared from then on.
    #[expect(clippy::missing_panics_doc, reason = "the embedded documents are read by tests")]
    pub fn builtin(name: &str) -> Option<Arc<Self>> {
        let index = BUILTIN.iter().position(|known| *known == name)?;
        let Builtin { file, text, envelope: (wrapper, code, message), catalog } = &DOCUMENTS[index];
        let parsed = catalog.get_or_init(|| {
            let import = Importer::new().name(name).import_text(file, text);
            let catalog =
                import.expect("the embedded documents are well-formed, as tests show").into_catalog();
            let envelope = Envelope {
                wrapper: wrapper.map(Arc::from),
                code: (*code).into(),
                message: (*message).into(),
            };
            Arc::new(Self { envelope, ..catalog.expect("the embedded documents list codes, as tests show") })
        });
        Some(Arc::clone(parsed))
    }
}
