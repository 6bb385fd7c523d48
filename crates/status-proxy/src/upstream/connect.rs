//! New connections: names resolved each time, every address tried.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::pool::close_idle;
use crate::{
    config::UpstreamConfig,
    descriptors::Descriptor,
    local_reply::{Cause, Failure},
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
        failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| Failure::new(Cause::ConnectFailed, error))?;
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

async fn resolve(config: &UpstreamConfig, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    match timeout_at(deadline, lookup_host((&*config.host, config.port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(Failure::new(Cause::ResolveFailed, error)),
        Err(elapsed) => Err(Failure::new(Cause::ConnectTimeout, elapsed)),
    }
}
