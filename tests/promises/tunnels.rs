//! Upgrades become tunnels, failed ones documented answers; T24.

use std::{
    io::{BufReader, Read, Write},
    net::Shutdown,
    time::Duration,
};

use crate::support::{
    backend::{Backend, PAGE, Seen, Step, answer, head},
    eventually,
    message::Message,
    proxy::Proxy,
    trials,
};

trials![
    a_failed_upgrade_is_rewritten,
    a_tunnel_is_idle_as_long_as_both_sides_like,
    connect_is_answered_in_documented_form_or_tunnelled,
    each_side_may_finish_first,
    tunnels_carry_bytes_both_ways,
    unasked_upgrades_are_malformed,
];

/// Switches to an echo of every byte, which ends when the other side does.
fn echo() -> Backend {
    Backend::raw(|connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        let Ok(Some(message)) = Message::read_head(&mut reader) else { return };
        remember(Seen { message, connection });
        let lines = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x", "X-Kept: 1"];
        // The first bytes of the new protocol come with the head.
        let mut bytes = head("101 Switching Protocols", &lines);
        bytes.extend(b"hello");
        if reader.get_mut().write_all(&bytes).is_err() {
            return;
        }
        let mut buffer = [0; 4_096];
        while let Ok(count) = reader.read(&mut buffer) {
            if count == 0 {
                // Half-closed by the client: the rest still reaches it.
                let _ = reader.get_mut().write_all(b"bye");
                let _ = reader.get_mut().shutdown(Shutdown::Both);
                return;
            }
            if reader.get_mut().write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    })
}

const UPGRADE: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

// T24
fn tunnels_carry_bytes_both_ways() {
    let backend = echo();
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send(crate::support::client::request("GET", "/chat", &UPGRADE));
    let answer = client.head();
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.field("upgrade"), "websocket");
    assert_eq!(answer.tokens("connection"), ["upgrade"]);
    assert_eq!(answer.field("x-kept"), "1");
    assert_eq!(client.bytes(5), b"hello");
    let seen = &backend.seen()[0];
    assert_eq!(seen.field("upgrade"), "websocket");
    assert!(seen.tokens("connection").contains(&"upgrade".to_owned()));
    for piece in [b"ping".to_vec(), vec![0x81; 100_000], b"\r\n\r\n".to_vec()] {
        client.send(&piece);
        assert!(client.bytes(piece.len()) == piece);
    }
    proxy.wait_for(
        "status_normalize_responses_total",
        &[("upstream_status", "101"), ("action", "pass")],
        1.0,
    );
}

fn each_side_may_finish_first() {
    let backend = echo();
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send(crate::support::client::request("GET", "/chat", &UPGRADE));
    client.head();
    client.bytes(5);
    client.send("last");
    client.finish();
    assert_eq!(String::from_utf8_lossy(&client.rest()), "lastbye", "half-close goes through");
    eventually(|| if backend.open() == 0 { Ok(()) } else { Err("upstream is still open".into()) });
    // The client is gone: so is the other side.
    let mut client = proxy.client();
    client.send(crate::support::client::request("GET", "/chat", &UPGRADE));
    client.head();
    drop(client);
    eventually(|| if backend.open() == 0 { Ok(()) } else { Err("upstream is still open".into()) });
}

fn a_tunnel_is_idle_as_long_as_both_sides_like() {
    let backend = echo();
    let timeouts = "idle = '150ms'\nrequest_head = '150ms'\nresponse_head = '150ms'\n";
    let proxy = Proxy::configured(&format!("upstream = '{}'\n[timeouts]\n{timeouts}", backend.url()));
    let mut client = proxy.client();
    client.send(crate::support::client::request("GET", "/chat", &UPGRADE));
    client.head();
    client.bytes(5);
    std::thread::sleep(Duration::from_millis(700));
    client.send("still there?");
    assert_eq!(client.bytes(12), b"still there?");
}

// T24
fn a_failed_upgrade_is_rewritten() {
    let backend = Backend::says(answer("403 No", &["Content-Type: text/html"], PAGE));
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send(crate::support::client::request("GET", "/chat", &UPGRADE));
        let answer = client.answer("GET");
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.json()["status"], 403);
    }
}

fn unasked_upgrades_are_malformed() {
    let lines = ["Connection: Upgrade", "Upgrade: websocket"];
    let backend = Backend::does(vec![Step::Send(head("101 Switching Protocols", &lines)), Step::Hold]);
    let proxy = Proxy::start(&backend.url());
    let answer = proxy.get("/");
    assert_eq!(answer.status(), 502, "nobody asked for another protocol");
    assert_eq!(answer.json()["status"], 502);
}

fn connect_is_answered_in_documented_form_or_tunnelled() {
    let backend = Backend::says(answer("405 No", &["Content-Type: text/html", "Allow: GET"], PAGE));
    let mut proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send("CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n");
    let answer = client.answer("CONNECT");
    // A gateway is no way out into the network.
    assert!(answer.status() >= 400, "{}", answer.start);
    assert_eq!(answer.json()["status"], answer.status());
    // What follows may have been meant for the tunnel.
    assert_eq!(answer.field("connection"), "close");
    client.assert_closed();
    assert!(proxy.is_running());
}
