//! The head of a request in HTTP/2's form.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, header,
    uri::{Authority, PathAndQuery},
};

use crate::{
    http2::hpack::LINE_OVERHEAD,
    local_reply::{Cause, Failure},
    upstream::RequestHead,
};

/// Whether a request is gRPC: `application/grpc`, alone or with `+proto`, `+json` and the like.
pub(in crate::upstream) fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).is_some_and(|value| {
        value.len() >= GRPC.len()
            && value[..GRPC.len()].eq_ignore_ascii_case(GRPC)
            && matches!(value.get(GRPC.len()), None | Some(b'+' | b';' | b' ' | b'\t'))
    })
}

/// The head of a request in HTTP/2's form.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) authority: Authority,
    pub(super) path: PathAndQuery,
    pub(super) fields: HeaderMap,
}

impl Request {
    /// Host becomes `:authority`, and nothing that speaks of the connection stays.
    pub(super) fn new<'a>(
        head: RequestHead,
        added: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
    ) -> Result<Self, Failure> {
        let RequestHead { method, uri, headers: mut fields } = head;
        let host = fields.remove(header::HOST).ok_or(Cause::BadRequest)?;
        let authority = Authority::from_maybe_shared(Bytes::copy_from_slice(host.as_bytes()))
            .map_err(|error| Failure::new(Cause::BadRequest, error))?;
        let path = uri.into_parts().path_and_query.ok_or(Cause::BadRequest)?;
        fields.remove(header::CONNECTION);
        for (name, value) in added {
            fields.append(name, value.clone());
        }
        Ok(Self { method, authority, path, fields })
    }

    /// As SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, 6.5.2).
    pub(super) fn list_bytes(&self) -> usize {
        let pseudo = [
            (":method", self.method.as_str()),
            (":scheme", "http"),
            (":authority", self.authority.as_str()),
            (":path", self.path.as_str()),
        ];
        let pseudo = pseudo.into_iter().map(|(name, value)| name.len() + value.len());
        let fields = self.fields.iter().map(|(name, value)| name.as_str().len() + value.len());
        pseudo.chain(fields).map(|bytes| bytes + LINE_OVERHEAD).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T54
    #[test]
    fn grpc_is_told_by_its_media_type() {
        let cases = [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc+json", true),
            ("Application/GRPC; x=y", true),
            ("application/grpcfoo", false),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ];
        for (value, grpc) in cases {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_grpc(&headers), grpc, "{value}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
