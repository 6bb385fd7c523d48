//! New connections: names resolved each time, every address tried.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::pool::close_idle;
use crate::{
    config::UpstreamConfig,
    descriptors::Descriptor,
    local_reply::{Cause, Failure},
    loopback::send_unpaced,
    metrics::OpenConnection,
};

/// Opens a connection to one of the upstream's addresses within `limit`.
pub(super) async fn connect(
    config: &UpstreamConfig,
    limit: Duration,
) -> Result<(TcpStream, OpenConnection), Failure> {
    // Before anything is opened: many may be on their way at once, and looking a name up takes a file as well.
    let descriptor = Descriptor::take().or_else(|| {
        close_idle();
        Descriptor::take()
    });
    let Some(descriptor) = descriptor else {
        return Err(Failure::new(
            Cause::Overloaded,
            "as many connections are open as the limit on open files allows",
        ));
    };
    let deadline = Instant::now() + limit;
    let addresses = match config.host.parse() {
        Ok(ip) => vec![SocketAddr::new(ip, config.port)],
        Err(_) => resolve(config, deadline).await?,
    };
    let mut failure = Failure::new(Cause::ResolveFailed, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        // What is left is shared among the addresses that are left, so that one black hole does not hide the others.
        let share = deadline.saturating_duration_since(Instant::now()) / (addresses.len() - tried) as u32;
        failure = match timeout(share, connect_to(*address)).await {
            Ok(Ok(stream)) => {
                return Ok((stream, OpenConnection::to_upstream(descriptor)));
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Failure::new(Cause::ConnectTimeout, error)
            }
            Ok(Err(error)) => Failure::new(Cause::ConnectFailed, error),
            Err(elapsed) => Failure::new(Cause::ConnectTimeout, elapsed),
        };
    }
    Err(failure)
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    send_unpaced(&socket, address.ip());
    socket.connect(address).await
}

async fn resolve(config: &UpstreamConfig, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    match timeout_at(deadline, lookup_host((&*config.host, config.port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(Failure::new(Cause::ResolveFailed, error)),
        Err(elapsed) => Err(Failure::new(Cause::ConnectTimeout, elapsed)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::loopback::tests::congestion_control;

    #[tokio::test]
    async fn connections_to_this_machine_send_at_once() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address).await else {
                assert!(address.starts_with('['), "no IPv4 here");
                continue;
            };
            let stream = connect_to(listener.local_addr().unwrap()).await.unwrap();
            assert!(stream.nodelay().unwrap());
            assert_eq!(congestion_control(&stream), "reno");
        }
    }
}
