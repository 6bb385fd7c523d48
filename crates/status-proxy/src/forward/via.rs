//! `Via`: which protocol a message came in, and who passed it on (RFC 9110, section 7.6.3).

use http::{HeaderValue, Version};

/// The value for each version that a message was received in.
#[derive(Debug)]
pub(crate) struct Via {
    http1_0: HeaderValue,
    http1_1: HeaderValue,
    http2: HeaderValue,
}

impl Via {
    pub(crate) fn new(name: &str) -> Self {
        let value = |version: &str| {
            HeaderValue::from_str(&format!("{version} {name}")).expect("the configured name is a token")
        };
        Self { http1_0: value("1.0"), http1_1: value("1.1"), http2: value("2") }
    }

    pub(crate) fn received_in(&self, version: Version) -> &HeaderValue {
        match version {
            Version::HTTP_10 => &self.http1_0,
            Version::HTTP_2 => &self.http2,
            _ => &self.http1_1,
        }
    }
}
