//! The TCP probe: a connection is established within the time-out, and closed.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::health::probe::failure::{self, Phase};
use crate::model::verdict::{FailReason, Outcome};

/// One attempt.
pub(super) async fn attempt(target: SocketAddr, timeout: Duration) -> Outcome {
    let began = Instant::now();
    let failure = match tokio::time::timeout(timeout, TcpStream::connect(target)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(failure::of_io(&error, Phase::Connect).unwrap_or(FailReason::Other)),
        Err(_) => Some(FailReason::TcpTimeout),
    };
    Outcome { failure, rtt: began.elapsed(), code: None }
}
