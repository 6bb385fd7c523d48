//! The built program as a child process.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, OnceLock, mpsc},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    PATIENCE,
    client::{Answer, Client},
    eventually,
    scrape::Scrape,
    scratch,
};

/// A running program; killed when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    child: Child,
    /// Where clients connect.
    pub(crate) listen: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Proxy {
    /// In front of `upstream`, with the catalog `sfs`.
    #[track_caller]
    pub(crate) fn start(upstream: &str) -> Self {
        Self::run(&["--upstream", upstream, "--catalog", "sfs"])
    }

    /// `run` with these flags, both listeners on free ports of loopback.
    #[track_caller]
    pub(crate) fn run(flags: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(flags);
        Self::spawn(command)
    }

    /// `run --config` with this text in the file.
    #[track_caller]
    pub(crate) fn configured(toml: &str) -> Self {
        let file = scratch("config").join("proxy.toml");
        std::fs::write(&file, toml).expect("the scratch directory is writable");
        Self::run(&["--config", file.to_str().expect("the target directory has a plain name")])
    }

    /// Starts a prepared command and waits until it says where it listens.
    #[track_caller]
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, receiver) = mpsc::channel();
        let lines = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let mut log = lines.lock().expect("no thread panics with it");
                log.push_str(&line);
                log.push('\n');
                let _ = sender.send(line);
            }
        });
        let (mut listen, mut admin) = (None, None);
        while listen.is_none() || admin.is_none() {
            let Ok(line) = receiver.recv_timeout(PATIENCE) else {
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "the program did not say where it listens: {:?}",
                    log.lock().expect("no thread panics with it")
                );
            };
            listen = listen.or_else(|| address_after(&line, "listening on "));
            admin = admin.or_else(|| address_after(&line, "admin on "));
        }
        let (listen, admin) = (listen.expect("just found"), admin.expect("just found"));
        Self { child, listen, admin, log }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen)
    }

    /// One GET on a connection of its own.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// One request without a body on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, lines: &[&str]) -> Answer {
        self.client().ask(method, path, lines)
    }

    /// One GET to the admin listener.
    #[track_caller]
    pub(crate) fn admin(&self, path: &str) -> Answer {
        Client::connect(self.admin).get(path)
    }

    #[track_caller]
    pub(crate) fn scrape(&self) -> Scrape {
        let answer = self.admin("/metrics");
        assert_eq!(answer.status(), 200, "/metrics");
        Scrape::parse(answer.text())
    }

    /// Waits until the sum over the matching series is `value`; more is a failure at once.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Scrape {
        eventually(|| {
            let scrape = self.scrape();
            let found = scrape.sum(name, labels);
            assert!(found <= value, "{name} {labels:?} is {found}, more than {value}\n{}", scrape.text);
            if found == value {
                return Ok(scrape);
            }
            Err(format!("{name} {labels:?} is {found}, not {value}:\n{}", scrape.text))
        })
    }

    /// Waits until a gauge is there, from wherever it was.
    #[track_caller]
    pub(crate) fn wait_for_gauge(&self, name: &str, value: f64) {
        eventually(|| match self.scrape().sum(name, &[]) {
            found if found == value => Ok(()),
            found => Err(format!("{name} is {found}, not {value}")),
        });
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no thread panics with it").clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the child was not waited for yet");
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "still running after {at_most:?}: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// A field of `/proc/PID/status` in KiB: `VmRSS` now, `VmHWM` at its highest.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the child runs");
        let line = status.lines().find(|line| line.starts_with(field)).expect("Linux tells");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- standard error of the program\n{}---", self.log());
        }
    }
}

/// Runs the program to its end.
#[track_caller]
pub(crate) fn run_to_end<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments);
    finish(command, PATIENCE)
}

/// Runs a command to its end, or kills it.
#[track_caller]
pub(crate) fn finish(command: Command, at_most: Duration) -> Output {
    finish_with(command, Stdio::null(), at_most)
}

/// The same with something on standard input.
#[track_caller]
pub(crate) fn finish_with(mut command: Command, input: Stdio, at_most: Duration) -> Output {
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipes = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let stdout = thread::spawn(move || {
        let mut bytes = Vec::new();
        pipes.0.read_to_end(&mut bytes).map(|_| bytes)
    });
    let stderr = thread::spawn(move || {
        let mut bytes = Vec::new();
        pipes.1.read_to_end(&mut bytes).map(|_| bytes)
    });
    let deadline = tokio::time::Instant::now() + at_most;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if tokio::time::Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} did not end within {at_most:?}");
        }
        thread::sleep(Duration::from_millis(2));
    };
    let read = |pipe: thread::JoinHandle<std::io::Result<Vec<u8>>>| {
        pipe.join().expect("no panic").expect("readable")
    };
    Output { status, stdout: read(stdout), stderr: read(stderr) }
}

fn address_after(line: &str, words: &str) -> Option<SocketAddr> {
    let rest = &line[line.find(words)? + words.len()..];
    rest.split(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c))).next()?.parse().ok()
}

/// The program that the tests run: `STATUS_PROXY` if set, otherwise built here from the same profile as the tests.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = env::var_os("STATUS_PROXY") {
            return path.into();
        }
        let tests = env::current_exe().expect("a running program has a path");
        let profile_directory =
            tests.ancestors().nth(2).expect("cargo lays tests out as target/PROFILE/deps/NAME");
        let profile =
            profile_directory.file_name().and_then(OsStr::to_str).expect("profiles have plain names");
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", "status-proxy", "--target-dir"]);
        build.arg(profile_directory.parent().expect("cargo lays tests out as target/PROFILE/deps/NAME"));
        build.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
        build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        assert!(build.status().expect("cargo starts").success(), "status-proxy does not build");
        profile_directory.join("status-proxy")
    })
}
