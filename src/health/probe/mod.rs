//! Probes: one act of looking at one target.
//!
//! [`Probe`] is the seam for tests; [`Prober`] is the real one. Nothing is kept between two probes: no connection, no
//! TLS session, no client, so every probe sees what a new visitor sees, and 100,000 targets at rest cost nothing here.
//! What a peer sends is bounded, and leaves as a code of three digits or a `FailReason`, never as text.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::RootCertStore;

use crate::health::table::TargetKey;
use crate::model::monitor::{Check, Monitor};
use crate::model::verdict::{FailReason, Outcome};

mod body;
mod failure;
mod http;
mod tcp;
pub mod tls;

/// How a target is looked at.
pub trait Probe: Send + Sync + 'static {
    /// One attempt, which ends within the monitor's time-out. Being dropped before is no harm.
    fn attempt(&self, monitor: &Monitor, key: &TargetKey) -> impl Future<Output = Outcome> + Send;
}

/// Probes over the network.
#[derive(Clone, Debug)]
pub struct Prober {
    /// What all HTTPS probes share.
    tls: tls::Policies,
}

impl Prober {
    /// A prober that trusts certificates issued under `roots`; [`tls::system_roots`] gives the system's.
    pub fn new(roots: RootCertStore) -> Self {
        Self { tls: tls::Policies::new(roots) }
    }
}

impl Probe for Prober {
    async fn attempt(&self, monitor: &Monitor, key: &TargetKey) -> Outcome {
        match &monitor.check {
            Check::Tcp { port } => tcp::attempt(SocketAddr::new(key.address, *port), monitor.timeout).await,
            Check::Http(check) => {
                let config = self.tls.of(check);
                http::attempt(check, key, config, monitor.timeout).await
            }
            _ => Outcome { failure: Some(FailReason::MonitorConfig), rtt: Duration::ZERO, code: None },
        }
    }
}

#[cfg(test)]
mod tests;
