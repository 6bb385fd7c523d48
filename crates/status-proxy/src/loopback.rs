//! Connections that do not leave the machine.

use std::{net::IpAddr, os::fd::AsFd};

use socket2::SockRef;

/// Has a socket that is bound to `address`, or will be connected to it, send at once if that is on this machine.
///
/// Congestion control by measured bandwidth (BBR, which is the default of some systems) spreads what it sends over time, to
/// spare the queues of a network. Here there are none, and the timers and small pieces cost a body of 10 MiB a third of its
/// CPU time and nearly half of its speed. Reno, which every Linux has and lets everybody use, sends when it may.
///
/// To be called before the socket listens or connects: pacing, once begun, lasts as long as the connection.
pub(crate) fn send_unpaced(socket: &impl AsFd, address: IpAddr) {
    if address.to_canonical().is_loopback() {
        // Without it the connection is slower, no more.
        let _ = SockRef::from(socket).set_tcp_congestion(b"reno");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    /// The name of what governs how the socket sends.
    pub(crate) fn congestion_control(socket: &impl AsFd) -> String {
        let name = SockRef::from(socket).tcp_congestion().unwrap();
        String::from_utf8(name).unwrap().trim_end_matches('\0').to_owned()
    }

    #[test]
    fn what_leaves_the_machine_is_sent_as_the_system_says() {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let systems = congestion_control(&socket());
        for (address, expected) in [
            ("127.0.0.1", "reno"),
            ("127.8.8.8", "reno"),
            ("::1", "reno"),
            ("::ffff:127.0.0.1", "reno"),
            ("0.0.0.0", &systems),
            ("::", &systems),
            ("192.0.2.1", &systems),
        ] {
            let socket = socket();
            send_unpaced(&socket, address.parse().unwrap());
            assert_eq!(congestion_control(&socket), expected, "{address}");
        }
    }
}
