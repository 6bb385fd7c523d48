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
    /// Of a request that could not be read.
    pub(crate) const UNREAD: Self =
        Self { verb: Verb::Other, dialect: Dialect::None, media: Media::ProblemJson, language: 0 };

    pub(crate) fn of(method: &Method, headers: &HeaderMap, policy: &Policy) -> Self {
        let verb = Verb::of(method);
        let languages = policy.catalog.languages();
        Self {
            verb,
            // gRPC calls are POST requests.
            dialect: if verb == Verb::Post {
                grpc::dialect(headers.get(header::CONTENT_TYPE))
            } else {
                Dialect::None
            },
            media: representation::media(headers),
            language: if languages.len() > 1 { representation::language(headers, languages) } else { 0 },
        }
    }
}
