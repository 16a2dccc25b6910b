//! The second half of the `udp_icmp` probe, and how other probes open a UDP socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::health::probe::Attempt;
use crate::health::probe::failure::{self, Phase};
use crate::model::verdict::FailReason;

/// What the datagram says: most services drop it.
const DATAGRAM: &[u8] = b"pooldns";
/// How long to wait for an ICMP message at the least, however quick the host answers pings.
const QUIET_MIN: Duration = Duration::from_millis(250);
/// How many round trips to wait for it: a busy host makes such messages when it has nothing better to do.
const QUIET_ROUND_TRIPS: u32 = 4;

/// Sends a datagram and listens whether the host says that nobody has the port. Silence, and any answer, is fine. `rtt` is
/// what a ping took.
pub(super) async fn poke(attempt: &Attempt<'_>, rtt: Duration) -> Result<(), FailReason> {
    let quiet = (rtt * QUIET_ROUND_TRIPS).max(QUIET_MIN);
    let until = attempt.deadline.min(Instant::now() + quiet);
    let exchange = async {
        let socket = open(attempt).await?;
        socket.send(DATAGRAM).await?;
        socket.recv(&mut [0; 1]).await
    };
    match tokio::time::timeout_at(until, exchange).await {
        Ok(Err(error)) => Err(reason(&error)),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// A socket that hears from the target only, its ICMP messages included.
pub(super) async fn open(attempt: &Attempt<'_>) -> io::Result<UdpSocket> {
    let unspecified = || match attempt.key.address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind(SocketAddr::new(attempt.source.unwrap_or_else(unspecified), 0)).await?;
    socket.connect(attempt.target()).await?;
    Ok(socket)
}

/// Why a datagram was not sent, or what came back for it.
pub(super) fn reason(error: &io::Error) -> FailReason {
    // A connected UDP socket hears of an ICMP port unreachable (RFC 1122 §4.1.3.3) in these words.
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return FailReason::IcmpPortUnreachable;
    }
    failure::of_io(error, Phase::Exchange).unwrap_or(FailReason::Other)
}
