//! What a response needs to know of its request.

use http::{HeaderMap, Method, header};

use crate::{
    grpc::{self, Dialect},
    policy::{Policy, Verb},
    representation::{self, Media},
};

/// What is read from the request before it goes on: a few bytes, nothing borrowed, nothing cloned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) verb: Verb,
    pub(crate) dialect: Dialect,
    pub(crate) media: Media,
    /// An index into the catalog's languages.
    pub(crate) language: u8,
}

impl Asked {
    /// Of a request that could not be read, or has no fields.
    pub(crate) const UNREAD: Self =
        Self { verb: Verb::Other, dialect: Dialect::None, media: Media::ProblemJson, language: 0 };

    pub(crate) fn of(method: &Method, headers: &HeaderMap, policy: &Policy) -> Self {
        let asked = Self { verb: Verb::of(method), ..Self::UNREAD };
        if headers.is_empty() { asked } else { asked.by(headers, policy) }
    }

    fn by(self, headers: &HeaderMap, policy: &Policy) -> Self {
        let (mut accept, mut accepts, mut content_type) = (None, 0, None);
        // One pass over the fields costs less than looking each of them up.
        for (name, value) in headers {
            if *name == header::ACCEPT {
                accept = Some(value);
                accepts += 1;
            } else if *name == header::CONTENT_TYPE {
                content_type = content_type.or(Some(value));
            }
        }
        Self {
            verb: self.verb,
            dialect: content_type.map_or(self.dialect, grpc::dialect),
            media: match accepts {
                0 => self.media,
                1 => representation::media(accept),
                _ => representation::media(headers.get_all(header::ACCEPT)),
            },
            language: if policy.is_multilingual {
                representation::language(headers, policy.catalog.languages())
            } else {
                self.language
            },
        }
    }
}
