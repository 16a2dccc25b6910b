//! Open files: without enough of them, probes would fail for reasons that are not the origins'.

use tracing::warn;

use crate::config::Settings;

/// Files beside probes and connections: sockets, the control socket, standard streams, runtimes.
const OTHERS: usize = 256;

/// Raises the limit as far as the system lets us, and says so when that is too little.
pub(super) fn raise_limit(settings: &Settings) {
    let needed = settings.health.probes_in_flight_max + settings.tcp.connections_max + OTHERS;
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < needed => warn!(
            limit,
            needed,
            "too few open files are allowed: raise LimitNOFILE, or lower probes_in_flight_max and connections_max"
        ),
        Ok(_) => {}
        Err(error) => warn!(%error, needed, "cannot raise the limit of open files"),
    }
}
