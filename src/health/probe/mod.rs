//! Probes: one act of looking at one target.
//!
//! [`Probe`] is the seam for tests; [`Prober`] is the real one. Nothing is kept between two probes: no connection, no
//! TLS session, no client, so every probe sees what a new visitor sees, and 100,000 targets at rest cost nothing here.
//! What a peer sends is bounded, and leaves as a code of a few digits or a `FailReason`, never as text. No probe goes
//! where the policy does not let it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use tokio::time::Instant;

use crate::config::Policy;
use crate::health::table::TargetKey;
use crate::model::monitor::{Check, Monitor};
use crate::model::verdict::{FailReason, Outcome};

mod body;
mod client;
mod dns;
pub mod failure;
mod grpc;
mod http;
mod icmp;
mod smtp;
mod tcp;
pub mod tls;
mod udp;

/// How a target is looked at.
pub trait Probe: Send + Sync + 'static {
    /// One attempt, which ends within the monitor's time-out. Being dropped before is no harm.
    fn attempt(&self, monitor: &Monitor, key: &TargetKey) -> impl Future<Output = Outcome> + Send;
}

/// Probes over the network.
#[derive(Clone, Debug)]
pub struct Prober {
    /// What all probes over TLS share.
    tls: Arc<tls::Policies>,
    /// Where probes may go.
    policy: Arc<ArcSwap<Policy>>,
    /// Whether pings can be sent.
    pings: Arc<icmp::Pings>,
}

/// One attempt: where to, where from, and until when.
#[derive(Clone, Copy, Debug)]
struct Attempt<'a> {
    /// Whom to look at.
    key: &'a TargetKey,
    /// The port; 0 where there is none.
    port: u16,
    /// The address to come from; none is the system's choice.
    source: Option<IpAddr>,
    /// How long it may take.
    timeout: Duration,
    /// When it has to be over.
    deadline: Instant,
}

impl Attempt<'_> {
    /// Where to.
    const fn target(&self) -> SocketAddr {
        SocketAddr::new(self.key.address, self.port)
    }

    /// Does what it is about in time, or fails with `late`.
    async fn within<T>(
        &self,
        late: FailReason,
        work: impl Future<Output = Result<T, FailReason>>,
    ) -> Result<T, FailReason> {
        tokio::time::timeout_at(self.deadline, work).await.unwrap_or(Err(late))
    }
}

impl Prober {
    /// A prober that trusts certificates issued under `roots`, where a monitor names no others; [`tls::system_roots`]
    /// gives the system's.
    pub fn new(roots: RootCertStore, policy: Arc<ArcSwap<Policy>>) -> Self {
        Self { tls: Arc::new(tls::Policies::new(roots)), policy, pings: Arc::default() }
    }
}

impl Probe for Prober {
    async fn attempt(&self, monitor: &Monitor, key: &TargetKey) -> Outcome {
        let policy = self.policy.load_full();
        if !policy.reach.allows(key.address) {
            return Outcome { failure: Some(FailReason::AddressDenied), rtt: Duration::ZERO, code: None };
        }
        let began = Instant::now();
        let attempt = Attempt {
            key,
            port: monitor.port(),
            source: monitor.source_address.filter(|source| source.is_ipv4() == key.address.is_ipv4()),
            timeout: monitor.timeout,
            deadline: began + monitor.timeout,
        };
        let mut code = None;
        let mut rtt = None;
        let result = match &monitor.check {
            Check::Tcp { .. } => tcp::connect(&attempt).await.map(drop),
            Check::IcmpPing => icmp::ping(&attempt, &self.pings).await,
            Check::UdpIcmp { .. } => match icmp::ping(&attempt, &self.pings).await {
                // What follows is mostly waiting, which says nothing about the way.
                Ok(()) => udp::poke(&attempt, *rtt.insert(began.elapsed())).await,
                failure => failure,
            },
            Check::Smtp { .. } => smtp::greet(&attempt, &mut code).await,
            Check::Dns(check) => dns::ask(check, &attempt, &mut code).await,
            Check::Tls(check) => tls::shake_hands(check, &attempt, &self.tls).await,
            Check::Grpc(check) => grpc::call(check, &attempt, &self.tls, &mut code).await,
            Check::Http(check) => http::request(check, &attempt, &self.tls, &policy.reach, &mut code).await,
        };
        let rtt = if result == Err(FailReason::MonitorConfig) {
            Duration::ZERO
        } else {
            rtt.unwrap_or_else(|| began.elapsed())
        };
        Outcome { failure: result.err(), rtt, code }
    }
}

#[cfg(test)]
mod tests;
