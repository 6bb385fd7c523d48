//! Programs that a machine may lack.

use std::{
    env, fs,
    io::Read,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use libtest_mimic::Completion;

use super::{eventually, scratch};

/// Where a program is, in `PATH` or where Debian puts what only root is meant to start.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    directories.map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// A program that `.ci/run` installs from PyPI.
pub(crate) fn from_pypi(program: &str) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let installed = target.join("venv/bin").join(program);
    if installed.is_file() { Some(installed) } else { None }
}

/// nginx with one `server` of these directives, which have it listen on the address.
pub(crate) fn nginx(address: SocketAddr, server: &str) -> Option<Served> {
    let nginx = find("nginx")?;
    let directory = scratch("nginx");
    let text = format!(
        "daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log stderr crit;\nevents {{}}\nhttp {{\n  access_log off;\n  \
         client_body_temp_path {directory}/a;\n  proxy_temp_path {directory}/b;\n  fastcgi_temp_path {directory}/c;\n  \
         uwsgi_temp_path {directory}/d;\n  scgi_temp_path {directory}/e;\n  server {{ {server} }}\n}}\n",
        directory = directory.display()
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, text).expect("the scratch directory is writable");
    let mut command = Command::new(nginx);
    command.arg("-c").arg(&file).arg("-p").arg(&directory).args(["-e", "stderr"]);
    Some(Served::start(command, address))
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
