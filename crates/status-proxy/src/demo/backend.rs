//! The backend itself.

use std::{future::pending, io, net::TcpListener};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

use super::{
    body::DemoBody,
    sins::{Answer, SINS, Sin},
};

/// Answers until the process ends.
pub(super) async fn serve(socket: TcpListener) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpListener::from_std(socket)?;
    loop {
        let (stream, _) = socket.accept().await?;
        tokio::spawn(async move {
            // A connection that breaks off is part of the show.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<DemoBody>, io::Error> {
    let path = request.uri().path();
    // The proxy's routes of the same names lead to the same sins.
    let path =
        ["/dns/", "/observed/"].iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(&path[1..]);
    if path.is_empty() {
        return Ok(page(200, index()));
    }
    let Some(sin) = SINS.iter().find(|sin| sin.path == path) else {
        return Ok(page(404, "<html><body><h1>Not Found</h1><hr>demo/1.0</body></html>\n".to_owned()));
    };
    match sin.answer {
        Answer::Disconnect => Err(io::ErrorKind::ConnectionReset.into()),
        Answer::Silence => pending().await,
        Answer::Response(headers, body) => {
            let mut response = Response::new(body());
            *response.status_mut() =
                http::StatusCode::from_u16(sin.status).expect("the table has three digits");
            for (name, value) in headers {
                response.headers_mut().append(name.clone(), HeaderValue::from_static(value));
            }
            Ok(response)
        }
    }
}

fn page(status: u16, html: String) -> Response<DemoBody> {
    let mut response = Response::new(DemoBody::Whole(Bytes::from(html)));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("three digits");
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

fn index() -> String {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>What this backend does wrong</title>\
         <style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;\
         max-width:50rem;padding:0 1rem}td,th{padding:.2rem .8rem .2rem 0;text-align:left}</style></head>\n<body>\n\
         <h1>What this backend does wrong</h1>\n\
         <p>Put <code>/dns</code> before a path to have it held against another catalog, or <code>/observed</code> \
         to have it only counted.</p>\n<table>\n<tr><th scope=\"col\">Path</th><th scope=\"col\">Status</th>\
         <th scope=\"col\">What it sends</th></tr>\n",
    );
    for Sin { path, status, about, answer } in SINS {
        let status = match answer {
            Answer::Disconnect | Answer::Silence => "none".to_owned(),
            Answer::Response(..) => status.to_string(),
        };
        html.push_str(&format!(
            "<tr><td><a href=\"/{path}\">/{path}</a></td><td>{status}</td><td>{about}</td></tr>\n"
        ));
    }
    html.push_str("</table>\n</body>\n</html>\n");
    html
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn index_lists_each_sin_once() {
        let html = index();
        let paths: BTreeSet<&str> = SINS.iter().map(|sin| sin.path).collect();
        assert_eq!(paths.len(), SINS.len());
        for path in paths {
            assert!(html.contains(&format!("href=\"/{path}\"")), "{path}");
        }
    }
}
