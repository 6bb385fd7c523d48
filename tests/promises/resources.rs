//! What the machine gives is finite.

use std::{process::Command, time::Duration};

use crate::support::{
    backend::{Backend, Step, answer, head},
    client::{Client, request},
    eventually,
    proxy::{Proxy, program},
    trials,
};

trials![silent_answers_cost_nothing, the_soft_limit_on_files_is_raised, too_many_connections_only_wait];

/// Starts the program under a limit on open files.
fn limited(flags: &str, limit: &str, backend: &Backend) -> Proxy {
    let mut command = Command::new("sh");
    let line = format!("ulimit {flags} {limit} && exec \"$@\"");
    command.args(["-c", &line, "sh"]).arg(program());
    command.args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1"]);
    command.args(["--upstream", &backend.url()]);
    Proxy::spawn(command)
}

/// What it has taken of the processor, in hundredths of a second.
fn ticks(proxy: &Proxy) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", proxy.pid())).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
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
    let mut clients: Vec<_> = (0..100).map(|_| Client::connect(proxy.listen)).collect();
    std::thread::sleep(Duration::from_millis(600));
    assert!(proxy.is_running(), "{}", proxy.log());
    let before = ticks(&proxy);
    std::thread::sleep(Duration::from_millis(500));
    let spent = ticks(&proxy) - before;
    assert!(spent < 15, "accepting backs off: {spent} ticks of 50");
    assert!(proxy.log().lines().count() < 50, "and does not flood the log: {}", proxy.log());
    for _ in 0..3 {
        assert_eq!(clients[0].get("/").text(), "fine", "there is something left for whoever has been taken");
        assert_eq!(proxy.admin("/livez").status(), 200, "and for operators");
        assert_eq!(proxy.admin("/metrics").status(), 200);
    }
    drop(clients);
    eventually(|| {
        let mut client = Client::connect(proxy.listen);
        client.send(request("GET", "/", &[]));
        let answer = client.try_answer("GET").map_err(|error| error.to_string())?;
        if answer.text() == "fine" { Ok(()) } else { Err(answer.start.clone()) }
    });
}

fn silent_answers_cost_nothing() {
    let backend = Backend::scripted(|request| match request.target() {
        "/poll" => vec![Step::Hold],
        _ => vec![
            Step::Send(head("200 OK", &["Content-Type: text/event-stream"])),
            Step::Send(b":\n\n".to_vec()),
            Step::Hold,
        ],
    });
    let proxy = Proxy::start(&backend.url());
    let clients: Vec<_> = (0..300)
        .map(|number| {
            let mut client = proxy.client();
            client.send(request("GET", ["/poll", "/events"][number % 2], &[]));
            client
        })
        .collect();
    proxy.wait_for_gauge("status_normalize_in_flight", 300.0);
    std::thread::sleep(Duration::from_millis(500));
    let before = ticks(&proxy);
    std::thread::sleep(Duration::from_secs(2));
    let spent = ticks(&proxy) - before;
    assert!(spent < 4, "{spent} ticks of 200 for {} silent answers", clients.len());
    drop(clients);
    proxy.wait_for_gauge("status_normalize_in_flight", 0.0);
}
