//! Renderings of an entry: envelope, media type and language, and which of them a request prefers.

mod markup;
mod negotiate;
mod phrase;
mod render;
mod template;

pub(crate) use negotiate::{Media, language, media};
pub use phrase::reason_phrase;
pub(crate) use render::{Representation, Representations};
pub use template::{Template, TemplateError};
