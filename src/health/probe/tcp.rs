//! The TCP probe, and how other probes connect: a connection is established within the time-out.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

use crate::health::probe::Attempt;
use crate::health::probe::failure::{self, Phase};
use crate::model::verdict::FailReason;

/// Connects.
pub(super) async fn connect(attempt: &Attempt<'_>) -> Result<TcpStream, FailReason> {
    let reason = |error: io::Error| failure::of_io(&error, Phase::Connect).unwrap_or(FailReason::Other);
    attempt.within(FailReason::TcpTimeout, async { open(attempt).await.map_err(reason) }).await
}

/// Makes a socket and connects it.
async fn open(attempt: &Attempt<'_>) -> io::Result<TcpStream> {
    let target = attempt.target();
    let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(source) = attempt.source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(target).await
}
