//! Programs that a machine may lack.

use std::{
    env,
    io::Read,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use libtest_mimic::Completion;

use super::eventually;

/// Where a program is, in `PATH` or where Debian puts what only root is meant to start.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    directories.map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// What a test says that cannot run here.
pub(crate) fn ignored(lacking: &str) -> Completion {
    Completion::ignored_with(format!("because {lacking} is not installed here"))
}

/// A child that serves until dropped.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Starts it and waits until its port takes connections.
    #[track_caller]
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut served = Self { child, address };
        eventually(|| {
            if let Some(status) = served.child.try_wait().expect("a child can be waited for") {
                let mut said = String::new();
                let _ = served.child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut said));
                panic!("{command:?} ended with {status}: {said}");
            }
            TcpStream::connect(address)
                .map(drop)
                .map_err(|error| format!("{command:?} does not listen: {error}"))
        });
        // Nobody reads it from here on, and it must not fill up.
        let _ = served
            .child
            .stderr
            .take()
            .map(|mut pipe| std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::sink())));
        served
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Asked first: a master process then ends its workers as well.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        for _ in 0..200 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
