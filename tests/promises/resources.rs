//! What the machine gives is finite.

use std::{process::Command, time::Duration};

use crate::support::{
    backend::{Backend, answer},
    client::Client,
    eventually,
    proxy::{Proxy, program},
    trials,
};

trials![the_soft_limit_on_files_is_raised, too_many_connections_only_wait];

/// Starts the program under a limit on open files.
fn limited(flags: &str, limit: &str, backend: &Backend) -> Proxy {
    let mut command = Command::new("sh");
    let line = format!("ulimit {flags} {limit} && exec \"$@\"");
    command.args(["-c", &line, "sh"]).arg(program());
    command.args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1"]);
    command.args(["--upstream", &backend.url()]);
    Proxy::spawn(command)
}

fn the_soft_limit_on_files_is_raised() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy = limited("-S -n", "64", &backend);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<_> = line.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).collect();
    assert!(numbers[0] > 64 && numbers[0] == numbers[1], "{line}");
}

fn too_many_connections_only_wait() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let mut proxy = limited("-n", "48", &backend);
    let clients: Vec<_> = (0..100).map(|_| Client::connect(proxy.listen)).collect();
    std::thread::sleep(Duration::from_millis(600));
    assert!(proxy.is_running(), "{}", proxy.log());
    let ticks = |proxy: &Proxy| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", proxy.pid())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().map(str::to_owned).collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks(&proxy);
    std::thread::sleep(Duration::from_millis(500));
    let spent = ticks(&proxy) - before;
    assert!(spent < 15, "accepting backs off: {spent} ticks of 50");
    assert!(proxy.log().lines().count() < 50, "and does not flood the log: {}", proxy.log());
    drop(clients);
    eventually(|| {
        let mut client = Client::connect(proxy.listen);
        client.send(crate::support::client::request("GET", "/", &[]));
        let answer = client.try_answer("GET").map_err(|error| error.to_string())?;
        if answer.text() == "fine" { Ok(()) } else { Err(answer.start.clone()) }
    });
}
