//! An upstream that speaks HTTP/2 frame by frame.

use std::{
    iter,
    net::{TcpListener, TcpStream},
    time::Duration,
};

use super::{
    eventually,
    frames::{Wire, settings},
    proxy::Proxy,
    scratch,
};

/// Where the program connects to.
#[derive(Debug)]
pub(crate) struct Upstream(TcpListener);

impl Upstream {
    pub(crate) fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"))
    }

    /// The program in front of it, one worker, so that all requests come on one connection, with a configuration of further
    /// tables.
    #[track_caller]
    pub(crate) fn proxy(&self, tables: &str) -> Proxy {
        let file = scratch("http2").join("proxy.toml");
        std::fs::write(&file, self.configuration() + tables).expect("the scratch directory is writable");
        let file = file.to_str().expect("the target directory has a plain name");
        Proxy::run(&["--config", file, "--workers", "1"])
    }

    /// The line that leads to it.
    pub(crate) fn configuration(&self) -> String {
        let address = self.0.local_addr().expect("a bound socket has an address");
        format!("upstream = {{ url = \"http://{address}\", protocol = \"http2\" }}\n")
    }

    /// Has it take no more connections, not even to wait.
    pub(crate) fn fill(&self) -> Vec<TcpStream> {
        rustix::net::listen(&self.0, 0).expect("a listener can be told to listen again");
        let address = self.0.local_addr().expect("a bound socket has an address");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
        iter::from_fn(|| connect().ok()).collect()
    }

    /// The program's next connection, on which nothing has been said.
    #[track_caller]
    pub(crate) fn accept_silently(&self) -> Wire {
        self.0.set_nonblocking(true).expect("a socket can be made so");
        let stream = eventually(|| self.0.accept().map_err(|error| error.to_string())).0;
        stream.set_nonblocking(false).expect("a socket can be made so");
        Wire::on(stream, true)
    }

    /// The program's next connection, with settings exchanged.
    #[track_caller]
    pub(crate) fn accept(&self, values: &[(u16, u32)]) -> Wire {
        let mut wire = self.accept_silently();
        wire.read_preface();
        wire.exchange_settings(settings(values), values);
        wire
    }

    /// Nobody connects for a while.
    #[track_caller]
    pub(crate) fn assert_no_connection(&self) {
        std::thread::sleep(Duration::from_millis(50));
        self.0.set_nonblocking(true).expect("a socket can be made so");
        assert!(self.0.accept().is_err(), "one more connection");
    }
}
