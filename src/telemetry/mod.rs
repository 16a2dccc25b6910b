//! Counters: one block for each worker, so that counting shares no cache line, summed when somebody reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Declares the counters once: as atomics of a worker, and as their sum.
macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// What one worker counts. Only that worker writes.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Counters {
            $($(#[$doc])* pub $field: Counter,)*
        }

        /// Sums over all workers at one moment.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        pub struct Totals {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Totals {
            /// Adds what one worker counted.
            fn add(&mut self, worker: &Counters) {
                $(self.$field += worker.$field.value();)*
            }
        }
    };
}

counters! {
    /// Messages received over UDP.
    udp_received,
    /// Answers sent over UDP.
    udp_sent,
    /// Answers that the kernel would not send.
    udp_send_failed,
    /// Messages received over TCP.
    tcp_received,
    /// Answers sent over TCP.
    tcp_sent,
    /// TCP connections accepted.
    tcp_accepted,
    /// TCP connections closed at once because a cap was reached.
    tcp_refused,
    /// TCP connections closed because the client was idle or too slow.
    tcp_timed_out,
    /// Queries passed on from the data plane: transfers, NOTIFY, and what is signed.
    passed_on,
    /// Queries that could not be passed on because too many waited.
    pass_on_failed,
    /// Transfers of zones to others, whole or of changes.
    transfers,
    /// Transfers refused: not allowed, or too many at one time.
    transfers_refused,
    /// Transfers that the client did not read to their end.
    transfers_failed,
    /// Requests whose signature did not hold.
    tsig_rejected,
    /// NOTIFY messages answered by those they were for.
    notifies_answered,
    /// NOTIFY messages that nobody answered.
    notifies_failed,
    /// Messages that got no answer: too short, or responses themselves.
    silent,
    /// Answers with rcode NOERROR.
    noerror,
    /// Answers with rcode FORMERR.
    formerr,
    /// Answers with rcode SERVFAIL.
    servfail,
    /// Answers with rcode NXDOMAIN.
    nxdomain,
    /// Answers with rcode NOTIMP.
    notimp,
    /// Answers with rcode REFUSED.
    refused,
    /// Answers with rcode YXDOMAIN: a DNAME made a name too long.
    yxdomain,
    /// Answers with rcode BADVERS.
    badvers,
    /// Answers with rcode BADCOOKIE.
    badcookie,
    /// Answers with the TC bit.
    truncated,
    /// Queries with a cookie of ours.
    cookies_valid,
    /// Queries with a server cookie that is not ours, or too old.
    cookies_invalid,
    /// Queries of clients that have no server cookie yet.
    cookies_new,
    /// Answers that a rate limit held back.
    rrl_dropped,
    /// Answers that a rate limit truncated.
    rrl_slipped,
    /// Answers that a rate limit would have held back, if it did not only log.
    rrl_log_only,
    /// Queries for a zone by clients that may not ask.
    prohibited,
    /// Answers of a pool.
    live,
    /// Answers of a fallback pool's healthy origins.
    live_fallback,
    /// Answers of a fallback pool's origins whatever their health: nothing was healthy.
    live_last_resort,
    /// Answers without an address because no pool could give one.
    live_exhausted,
    /// Refusals to answer because origins have not been probed yet.
    live_not_ready,
}

/// A number that one thread writes and any may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one. A load and a store, not a locked instruction: there is one writer.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`, as [`Counter::increment`] does.
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Adds one where several threads may write.
    pub fn increment_shared(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of all workers.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<Vec<Arc<Counters>>>>);

impl Registry {
    /// Counters for a new worker.
    pub fn worker(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counters));
        counters
    }

    /// Sums over all workers.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|worker| totals.add(worker));
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_workers() {
        let registry = Registry::default();
        let (one, two) = (registry.worker(), registry.worker());
        one.noerror.increment();
        two.noerror.add(2);
        two.silent.increment_shared();
        let totals = registry.totals();
        assert_eq!((totals.noerror, totals.silent, totals.refused), (3, 1, 0));
    }
}
