//! What the machine gives is finite.

use std::{process::Command, time::Duration};

use crate::support::{
    backend::{Backend, Step, answer, head},
    client::{Client, request},
    eventually,
    proxy::{Proxy, program},
    scratch, trials,
};

trials![
    busy_clients_leave_files_for_operators,
    idle_connections_to_one_upstream_leave_room_for_another,
    silent_answers_cost_nothing,
    the_log_tells_how_many_clients_fit,
    the_soft_limit_on_files_is_raised,
    too_many_connections_only_wait
];

/// Starts the program under a limit on open files.
fn limited(flags: &str, limit: &str, backend: &Backend) -> Proxy {
    run_limited(flags, limit, &["--upstream", &backend.url()])
}

/// The same with a configuration, and a limit of 100.
fn configured(toml: &str) -> Proxy {
    let file = scratch("limited").join("proxy.toml");
    std::fs::write(&file, toml).unwrap();
    run_limited("-n", "100", &["--config", file.to_str().unwrap()])
}

fn run_limited(flags: &str, limit: &str, arguments: &[&str]) -> Proxy {
    let mut command = Command::new("sh");
    let line = format!("ulimit {flags} {limit} && exec \"$@\"");
    command.args(["-c", &line, "sh"]).arg(program());
    command.args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1"]);
    command.args(arguments);
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

fn busy_clients_leave_files_for_operators() {
    let backend = Backend::scripted(|request| match request.target() {
        "/hold" => vec![Step::Hold],
        _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
    });
    // Of 50 connections 38 may be of clients.
    let proxy = limited("-n", "100", &backend);
    let mut clients: Vec<_> = (0..38).map(|_| Client::connect(proxy.listen)).collect();
    proxy.wait_for_gauge("status_proxy_client_connections_open", 38.0);
    // All at once, so that none is connected when the next one is.
    clients.iter_mut().for_each(|client| client.send(request("GET", "/hold", &[])));
    proxy.wait_for("status_proxy_local_replies_total", &[("cause", "overloaded")], 26.0);
    proxy.wait_for_gauge("status_proxy_upstream_connections_open", 12.0);
    for path in ["/livez", "/readyz"] {
        assert_eq!(proxy.admin(path).status(), 200, "{path}");
    }
    drop(clients);
    eventually(|| match proxy.get("/").status() {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
}

fn idle_connections_to_one_upstream_leave_room_for_another() {
    let [one, other] = [(); 2].map(|()| Backend::says(answer("200 OK", &[], "fine")));
    let other_url = other.url();
    let proxy = configured(&format!(
        "upstream = '{}'\n[[route]]\nname = 'other'\npath = '/other'\nupstream = '{other_url}'\n",
        one.url()
    ));
    let mut clients: Vec<_> = (0..38).map(|_| Client::connect(proxy.listen)).collect();
    for path in ["/", "/other", "/"] {
        // At once, so that each takes a connection.
        clients[..12].iter_mut().for_each(|client| client.send(request("GET", path, &[])));
        for client in &mut clients[..12] {
            assert_eq!(client.answer("GET").status(), 200, "{}", proxy.log());
        }
    }
}

fn the_log_tells_how_many_clients_fit() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let says = |proxy: &Proxy, level: &str, words: &str| {
        eventually(|| {
            let log = proxy.log();
            log.lines().any(|line| line.contains(level) && line.contains(words)).then_some(()).ok_or(log)
        });
    };
    let with = |connections| {
        configured(&format!("upstream = '{}'\n[limits]\nconnections = {connections}\n", backend.url()))
    };
    says(&limited("-n", "100", &backend), " INFO ", "the limit on open files allows 38 client connections");
    says(&with(39), " WARN ", "`[limits] connections` is 39, but the limit on open files allows 38");
    let content = with(38);
    assert_eq!(content.get("/").status(), 200);
    assert!(!content.log().contains("open files"), "{}", content.log());
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
