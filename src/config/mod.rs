//! Stub.
use std::time::Duration;
/// Stub.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Largest UDP payload.
    pub udp_payload_max: u16,
    /// version.bind
    pub version_bind: String,
    /// id.server
    pub id_server: String,
    /// How long a live name waits.
    pub first_verdict_timeout: Duration,
}
