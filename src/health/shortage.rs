//! Whether this machine lacks what probes need. It is told once for all targets, because it is about none of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::model::verdict::FailReason;

/// How long no probe may have lacked anything before the shortage is over. In a shortage some probes succeed and some
/// do not, thousands a second; this keeps it at one line at the beginning and one at the end.
const QUIET: Duration = Duration::from_secs(30);

/// A shortage, if there is one.
#[derive(Debug, Default)]
pub(in crate::health) struct Shortage(Mutex<Option<Lacking>>);

/// What is known of a shortage that lasts.
#[derive(Clone, Copy, Debug)]
struct Lacking {
    /// The last probe that lacked something.
    last: Instant,
    /// How many did.
    probes: u64,
}

/// A change that is worth a line in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    /// It begins.
    Begins,
    /// It is over; so many probes told nothing.
    Ends(u64),
}

impl Shortage {
    /// Takes the end of any probe in, and logs when a shortage begins or ends.
    pub(in crate::health) fn note(&self, failure: Option<FailReason>, now: Instant) {
        match self.change(failure, now) {
            Some(Change::Begins) => {
                warn!(
                    "this machine lacks files, ports, memory or a source address for its probes; verdicts stand until it has \
                     them again"
                );
            }
            Some(Change::Ends(probes)) => info!(probes, "this machine has what its probes need again"),
            None => {}
        }
    }

    /// What the end of a probe changes.
    fn change(&self, failure: Option<FailReason>, now: Instant) -> Option<Change> {
        // Nobody leaves it half written.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (failure, &mut *state) {
            (Some(FailReason::LocalResource), Some(lacking)) => {
                lacking.last = now;
                lacking.probes += 1;
                None
            }
            (Some(FailReason::LocalResource), none) => {
                *none = Some(Lacking { last: now, probes: 1 });
                Some(Change::Begins)
            }
            // Nothing was sent, so nothing was needed.
            (Some(FailReason::MonitorConfig | FailReason::AddressDenied | FailReason::NoPrivilege), _) | (_, None) => {
                None
            }
            (_, Some(lacking)) => {
                let Lacking { last, probes } = *lacking;
                (now.saturating_duration_since(last) >= QUIET).then(|| {
                    *state = None;
                    Change::Ends(probes)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_once_and_ends_once() {
        let shortage = Shortage::default();
        let start = Instant::now();
        let lack = Some(FailReason::LocalResource);
        // Seconds, how a probe ended, what changes.
        for (seconds, failure, change) in [
            (0, None, None),
            (0, Some(FailReason::TcpTimeout), None),
            (1, lack, Some(Change::Begins)),
            (1, None, None),
            (2, lack, None),
            (30, None, None), // others still get through, and do not end it
            (31, lack, None),
            (60, None, None),
            (61, Some(FailReason::MonitorConfig), None), // needed nothing
            (61, Some(FailReason::TcpTimeout), Some(Change::Ends(3))),
            (61, None, None),
            (99, lack, Some(Change::Begins)),
            (200, lack, None),
            (300, None, Some(Change::Ends(2))),
        ] {
            assert_eq!(shortage.change(failure, start + Duration::from_secs(seconds)), change, "{seconds} s");
        }
    }
}
