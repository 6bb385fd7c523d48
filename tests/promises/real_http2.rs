//! HTTP/2 upstreams that others wrote, which end connections and refuse streams while requests are on their way.

use std::{path::PathBuf, process::Command, thread, time::Duration};

use libtest_mimic::Completion;

use crate::support::{
    proxy::{Proxy, finish},
    refused,
    tools::{Served, from_pypi, ignored, nginx},
    trials,
};

trials![every_call_of_grpc_is_answered, nginx_loses_no_post];

fn nginx_loses_no_post() -> Completion {
    let address = refused();
    // A connection is over after forty requests, and takes six at once.
    let server = format!(
        "listen {address} http2; keepalive_requests 40; http2_max_concurrent_streams 6; location / {{ return 200 here; }}"
    );
    let Some(server) = nginx(address, &server) else { return ignored("nginx") };
    let proxy = Proxy::configured(&format!(
        "upstream = {{ url = \"{}\", protocol = \"http2\" }}\nworkers = 1\n",
        server.url()
    ));
    let body = "x".repeat(3000);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = proxy.client();
                for number in 0..100 {
                    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n{body}"));
                    let answer = client.answer("POST");
                    assert_eq!((answer.status(), answer.text()), (200, "here".to_owned()), "{number}");
                }
            });
        }
    });
    let connections = proxy.scrape().sum("status_proxy_upstream_connections_total", &[]);
    assert!(connections >= 40.0, "{connections}");
    Completion::Completed
}

/// gRPC's C core on both sides: it refuses streams beyond those that it has cleared away, whatever it said.
fn every_call_of_grpc_is_answered() -> Completion {
    let has_grpc =
        |python: &PathBuf| Command::new(python).args(["-c", "import grpc"]).status().unwrap().success();
    let Some(python) = from_pypi("python").filter(has_grpc) else {
        return ignored("grpcio (.ci/run does that)");
    };
    let run = |mode: &str, address: &str| {
        let mut command = Command::new(&python);
        command.args(["-c", include_str!("real_http2.py"), mode, address]);
        command
    };
    let address = refused();
    let server = Served::start(run("serve", &address.to_string()), address);
    let proxy = Proxy::run(&["--upstream", &server.url(), "--workers", "1"]);
    let output = finish(run("call", &proxy.listen.to_string()), Duration::from_secs(60));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let connections = proxy.scrape().sum("status_proxy_upstream_connections_total", &[]);
    assert!((2.0..20.0).contains(&connections), "{connections}");
    Completion::Completed
}
