//! What the tests share: the program as a child process, a scripted backend, clients that read exact bytes, a
//! matcher over `/metrics`.

pub(crate) mod backend;
pub(crate) mod catalogs;
pub(crate) mod client;
pub(crate) mod coding;
pub(crate) mod conversations;
pub(crate) mod frame_upstream;
pub(crate) mod frames;
pub(crate) mod h2;
pub(crate) mod hpack;
pub(crate) mod message;
pub(crate) mod proxy;
pub(crate) mod scrape;
pub(crate) mod site;
pub(crate) mod tools;

use std::{net::TcpListener, path::PathBuf, time::Duration};

use libtest_mimic::{Completion, Failed};

/// How long anything may take that ought to happen at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What a test gives back: nothing, or that it could not run here.
pub(crate) trait Outcome {
    fn completion(self) -> Result<Completion, Failed>;
}

impl Outcome for () {
    fn completion(self) -> Result<Completion, Failed> {
        Ok(Completion::Completed)
    }
}

impl Outcome for Completion {
    fn completion(self) -> Result<Completion, Failed> {
        Ok(self)
    }
}

/// Lists the tests of a module under their own names.
macro_rules! trials {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            let module = module_path!().rsplit("::").next().expect("a path has a last part");
            vec![$(libtest_mimic::Trial::ignorable_test(
                format!("{module}::{}", stringify!($name)),
                || $crate::support::Outcome::completion($name()),
            )),+]
        }
    };
}
pub(crate) use trials;

/// Looks again every few milliseconds until `found` gives something; the last `Err` is the reason of the failure.
#[track_caller]
pub(crate) fn eventually<T>(mut found: impl FnMut() -> Result<T, String>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match found() {
            Ok(value) => return value,
            Err(reason) if tokio::time::Instant::now() > deadline => panic!("gave up: {reason}"),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// An address on which nobody listens: connections are refused.
pub(crate) fn refused() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
}

/// A directory of this run, emptied with the target directory.
pub(crate) fn scratch(name: &str) -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}-{name}", std::process::id()));
    std::fs::create_dir_all(&path).expect("the target directory is writable");
    path
}
