//! SIGTERM and SIGINT drain: nothing that was under way is lost, nothing new is taken.

use std::{net::TcpStream, time::Duration};

use rustix::process::Signal;

use crate::support::{
    backend::{Backend, Step, answer, chunk, head},
    client::{Client, request},
    eventually, h2,
    message::Framing,
    proxy::Proxy,
    trials,
};

trials![
    a_drain_is_bounded,
    a_second_signal_ends_at_once,
    http2_streams_are_finished,
    idle_connections_are_closed_and_busy_ones_finished,
    no_request_of_a_busy_program_is_lost,
    pipelined_requests_behind_the_one_under_way_are_not_begun,
    readiness_goes_first,
];

fn slow(pause: u64) -> Backend {
    Backend::does(vec![Step::Wait(Duration::from_millis(pause)), Step::Send(answer("200 OK", &[], "done"))])
}

fn idle_connections_are_closed_and_busy_ones_finished() {
    for signal in [Signal::TERM, Signal::INT] {
        let backend = Backend::scripted(|request| match request.target() {
            "/slow" => {
                vec![Step::Wait(Duration::from_secs(2)), Step::Send(answer("200 OK", &[], "done"))]
            }
            "/stream" => vec![
                Step::Send(head("200 OK", &["Transfer-Encoding: chunked"])),
                Step::Send(chunk("one")),
                Step::Wait(Duration::from_secs(2)),
                Step::Send(chunk("two")),
                Step::Send(b"0\r\n\r\n".to_vec()),
            ],
            _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
        });
        let mut proxy = Proxy::start(&backend.url());
        let mut untouched = proxy.client();
        let (mut idle, mut slow, mut stream) = (proxy.client(), proxy.client(), proxy.client());
        assert_eq!(idle.get("/").text(), "fine");
        slow.send(request("GET", "/slow", &[]));
        stream.send(request("GET", "/stream", &[]));
        let mut streamed = stream.head();
        eventually(|| if backend.seen().len() == 3 { Ok(()) } else { Err("not yet asked".into()) });
        let started = tokio::time::Instant::now();
        proxy.signal(signal);
        idle.assert_closed();
        untouched.assert_closed();
        assert!(
            started.elapsed() < Duration::from_millis(1_500),
            "idle ones at once, not {:?}",
            started.elapsed()
        );
        let answer = slow.answer("GET");
        assert_eq!(answer.text(), "done");
        assert_eq!(answer.field("connection").to_ascii_lowercase(), "close");
        slow.assert_closed();
        stream.body(&mut streamed, Framing::Chunked).unwrap();
        assert_eq!(streamed.text(), "onetwo");
        let status = proxy.wait(Duration::from_secs(10));
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", proxy.log());
    }
}

fn no_request_of_a_busy_program_is_lost() {
    let backend = Backend::scripted(|_| {
        vec![Step::Wait(Duration::from_millis(3)), Step::Send(answer("200 OK", &[], "fine"))]
    });
    let mut proxy = Proxy::start(&backend.url());
    let address = proxy.listen;
    let workers: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let mut answered = 0;
                'connections: loop {
                    let Ok(stream) = TcpStream::connect(address) else { return answered };
                    drop(stream);
                    let Ok(mut client) = std::panic::catch_unwind(|| Client::connect(address)) else {
                        return answered;
                    };
                    for number in 0.. {
                        client.send(request("GET", "/", &[]));
                        match client.try_answer("GET") {
                            Ok(answer) => {
                                assert_eq!((answer.status(), answer.text()), (200, "fine".into()));
                                answered += 1;
                                if answer.field("connection").eq_ignore_ascii_case("close") {
                                    continue 'connections;
                                }
                            }
                            // A request on a connection that was idle when the drain began may find it closed, whole.
                            Err(error) => {
                                assert!(number > 0 || answered > 0, "{error}");
                                continue 'connections;
                            }
                        }
                    }
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(400));
    proxy.signal(Signal::TERM);
    let status = proxy.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{}", proxy.log());
    let answered: usize = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    let asked = backend.seen().len();
    assert!(answered > 50, "{answered}");
    assert_eq!(answered, asked, "what the backend was asked, a client was answered");
}

fn pipelined_requests_behind_the_one_under_way_are_not_begun() {
    let backend = slow(500);
    let mut proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send(["/first", "/second", "/third"].map(|target| request("GET", target, &[])).concat());
    eventually(|| if backend.seen().len() == 1 { Ok(()) } else { Err("not yet asked".into()) });
    proxy.signal(Signal::TERM);
    let answer = client.answer("GET");
    assert_eq!(answer.text(), "done");
    assert_eq!(answer.field("connection").to_ascii_lowercase(), "close");
    client.assert_closed();
    // What it has sent in vain keeps the proxy from closing for good until it does, too.
    drop(client);
    assert_eq!(proxy.wait(Duration::from_secs(5)).code(), Some(0), "{}", proxy.log());
    assert_eq!(backend.seen().len(), 1, "what was not answered was not asked either");
}

fn http2_streams_are_finished() {
    let backend = slow(500);
    let mut proxy = Proxy::start(&backend.url());
    let client = h2::Client::connect(proxy.listen);
    let ask = std::thread::spawn(move || client.ask("GET", "/", &[]));
    eventually(|| if backend.seen().len() == 1 { Ok(()) } else { Err("not yet asked".into()) });
    proxy.signal(Signal::TERM);
    assert_eq!(ask.join().unwrap().body, b"done");
    assert_eq!(proxy.wait(Duration::from_secs(5)).code(), Some(0));
}

fn readiness_goes_first() {
    let backend = slow(1_500);
    let mut proxy = Proxy::start(&backend.url());
    let ready = proxy.admin("/readyz");
    assert_eq!((ready.status(), proxy.admin("/livez").status()), (200, 200));
    let mut client = proxy.client();
    client.send(request("GET", "/", &[]));
    eventually(|| if backend.seen().len() == 1 { Ok(()) } else { Err("not yet asked".into()) });
    proxy.signal(Signal::TERM);
    eventually(|| match proxy.admin("/readyz").status() {
        503 => Ok(()),
        status => Err(format!("/readyz says {status} while draining")),
    });
    assert_eq!(proxy.admin("/livez").status(), 200, "alive as long as it works");
    assert_eq!(client.answer("GET").text(), "done");
    assert_eq!(proxy.wait(Duration::from_secs(5)).code(), Some(0));
}

fn a_second_signal_ends_at_once() {
    let backend = Backend::does(vec![Step::Hold]);
    let mut proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send(request("GET", "/", &[]));
    eventually(|| if backend.seen().len() == 1 { Ok(()) } else { Err("not yet asked".into()) });
    proxy.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    assert!(proxy.is_running(), "a request is under way");
    proxy.signal(Signal::TERM);
    proxy.wait(Duration::from_secs(5));
}

fn a_drain_is_bounded() {
    let backend = Backend::does(vec![Step::Hold]);
    let mut proxy =
        Proxy::configured(&format!("upstream = '{}'\n[timeouts]\ndrain = '300ms'\n", backend.url()));
    let mut client = proxy.client();
    client.send(request("GET", "/", &[]));
    eventually(|| if backend.seen().len() == 1 { Ok(()) } else { Err("not yet asked".into()) });
    proxy.signal(Signal::TERM);
    let status = proxy.wait(Duration::from_secs(3));
    assert_eq!(status.code(), Some(0), "{}", proxy.log());
}
