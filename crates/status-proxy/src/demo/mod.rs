//! `demo`: the main job on one machine. A built-in backend breaks every promise, the proxy in front keeps them.

mod backend;
mod body;
mod sins;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    thread,
};

use crate::{
    cli::Failure,
    config::{Config, Overrides},
    serve::{self, Bound},
    sources::with_sources,
};

/// The ports that `run` has by default, if they are free.
const LISTEN: u16 = 8080;
const ADMIN: u16 = 9900;

/// Shows it until Ctrl-C.
pub(crate) fn demo() -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::Runtime(format!("cannot start the backend of the demo: {error}"));
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let backend = socket.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    thread::Builder::new()
        .name("demo-backend".to_owned())
        .spawn(move || {
            if let Err(error) = runtime.block_on(backend::serve(socket)) {
                tracing::error!(%error, "the backend of the demo has ended");
            }
        })
        .map_err(failed)?;
    let overrides = Overrides {
        listen: Some(free_or_any(LISTEN)),
        admin: Some(free_or_any(ADMIN)),
        ..Overrides::default()
    };
    let config = Config::parse(&configuration(backend), Path::new("the demo's configuration"), &overrides)?;
    let show = move |bound| {
        // The show goes on without an audience.
        let _ = invite(&mut io::stdout().lock(), bound, backend);
    };
    serve::serve(config, None, Box::new(show)).map_err(|error| Failure::Runtime(with_sources(&error)))
}

/// Three routes, so that there is something to compare: the same backend under another catalog, and only observed.
fn configuration(backend: SocketAddr) -> String {
    format!(
        r#"
upstream = "http://{backend}"

[timeouts]
response_head = "3s"

[[route]]
name = "dns"
path = "/dns/{{*rest}}"
catalog = "dns"

[[route]]
name = "observed"
path = "/observed/{{*rest}}"
mode = "observe"
"#
    )
}

/// The port on loopback, or any if somebody has it.
fn free_or_any(port: u16) -> SocketAddr {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(address) {
        Ok(_) => address,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

fn invite(out: &mut impl io::Write, Bound { listen, admin }: Bound, backend: SocketAddr) -> io::Result<()> {
    write!(
        out,
        "
A backend that breaks every promise is running, and the proxy keeps them. Try, in another terminal:

  curl -i http://{listen}/html-404
  curl -i -H 'Accept: application/json' http://{listen}/wrong-shape
  curl -i http://{listen}/dns/empty-502

What the backend really said:      curl -i http://{backend}/html-404
Everything that it does wrong:     http://{listen}/
What came of it, on a page:        http://{admin}/
The same for Prometheus:           http://{admin}/metrics

Ctrl-C ends it.
"
    )?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_of_the_demo_is_valid() {
        let text = configuration(SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)));
        let config = Config::parse(&text, Path::new("demo"), &Overrides::default());
        assert!(config.is_ok(), "{config:?}");
    }

    #[test]
    fn invitation_names_three_requests_the_metrics_and_the_page() {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut out = Vec::new();
        invite(&mut out, Bound { listen: address(1), admin: address(2) }, address(3)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let requests =
            text.lines().filter(|line| line.starts_with("  curl -i ") && line.contains("127.0.0.1:1/"));
        assert_eq!(requests.count(), 3);
        assert!(text.contains("http://127.0.0.1:2/metrics") && text.contains("http://127.0.0.1:2/\n"));
    }
}
