//! The head of a request in HTTP/2's form.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version, header, uri};

use crate::{
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

/// Host becomes `:authority`, and nothing that speaks of the connection stays.
pub(super) fn to_http2<'a>(
    head: RequestHead,
    added: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
) -> Result<Request<()>, Failure> {
    let RequestHead { method, uri, mut headers } = head;
    let host = headers.remove(header::HOST).ok_or(Cause::BadRequest)?;
    let authority = uri::Authority::from_maybe_shared(Bytes::copy_from_slice(host.as_bytes()))
        .map_err(|error| Failure::new(Cause::BadRequest, error))?;
    let mut parts = uri.into_parts();
    parts.scheme = Some(uri::Scheme::HTTP);
    parts.authority = Some(authority);
    headers.remove(header::CONNECTION);
    for (name, value) in added {
        headers.append(name, value.clone());
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| Failure::new(Cause::BadRequest, error))?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
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
