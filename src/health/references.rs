//! References of the guard: hosts that are asked every few seconds whether this machine's network works.
//!
//! They are asked like targets, within the same policy, but hold no permit and no place: when all targets time out, they
//! are what matters.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Policy;
use crate::config::health_guard::HealthGuard;
use crate::health::probe::Probe;
use crate::health::table::TargetKey;
use crate::health::target::Shared;
use crate::model::id::MonitorId;
use crate::model::limits::{REFERENCE_INTERVAL, REFERENCE_TIMEOUT};
use crate::model::monitor::{Check, Monitor};
use crate::model::verdict::FailReason;

/// Asks references, and takes up what a reload says of the guard, until `stop`.
pub(in crate::health) async fn run<P: Probe>(
    shared: Arc<Shared<P>>,
    policy: Arc<ArcSwap<Policy>>,
    stop: CancellationToken,
) {
    let mut settings: Option<HealthGuard> = None;
    loop {
        let now = policy.load().guard.clone();
        if settings.as_ref() != Some(&now) {
            shared.standstill.adopt(&now);
        }
        let references = if now.enabled { now.references.clone() } else { vec![] };
        settings = Some(now);
        let round = async {
            ask(&shared, references).await;
            tokio::time::sleep(REFERENCE_INTERVAL).await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = round => {}
        }
    }
}

/// Asks all references at once, and waits until the last has answered or run out of time.
async fn ask<P: Probe>(shared: &Arc<Shared<P>>, references: Vec<SocketAddr>) {
    let mut asked = JoinSet::new();
    for (place, address) in references.into_iter().enumerate() {
        let shared = Arc::clone(shared);
        asked.spawn(async move {
            let monitor = monitor(address.port());
            let key = TargetKey { address: address.ip(), monitor: monitor.id, host: None };
            let outcome = shared.probe.attempt(&monitor, &key).await;
            // What this machine lacks is no silence.
            if !outcome.failure.is_some_and(FailReason::is_ours) {
                shared.standstill.asked(place, outcome.is_success());
            }
        });
    }
    // One that panicked has said so, and told nothing.
    while asked.join_next().await.is_some() {}
}

/// How a reference is asked: by a connection.
fn monitor(port: u16) -> Monitor {
    Monitor {
        id: MonitorId::declared("a reference of the guard"),
        name: String::new(),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::Tcp { port },
        source_address: None,
        timeout: REFERENCE_TIMEOUT,
        retries: 0,
        interval: REFERENCE_INTERVAL,
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    }
}
