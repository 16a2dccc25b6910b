//! Counters: one block for each worker, so that counting shares no cache line, summed when somebody reads.
//!
//! Some things are counted by name: zones, load balancers, pools and monitors, in `series`. What probes do is counted by all
//! threads of their runtime together, in `probes`.

mod counter;
pub mod histogram;
pub mod probes;
pub mod series;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub use self::counter::Counter;
use self::histogram::{ENGINE_BOUNDS, Histogram, Observed};
use self::probes::Monitors;
use self::series::{Kind, LiveSource, Named, NamedCounts, Names, Row, SERIES_MAX, SeriesId};

/// Declares the counters once: as atomics of a worker, and as their sum. Live answers are counted by name alone, and added up
/// by what they were from when somebody reads. Codes are counted for each protocol.
macro_rules! counters {
    (
        $($(#[$doc:meta])* $field:ident),*;
        $($(#[$live_doc:meta])* $live:ident $($source:ident)|+),*;
        $($(#[$code_doc:meta])* $code:ident $variant:ident $word:literal),*
    ) => {
        /// What one worker counts. Only that worker writes.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Counters {
            $($(#[$doc])* pub $field: Counter,)*
            /// Answers over UDP by response code.
            pub udp_codes: Codes,
            /// Answers over TCP by response code.
            pub tcp_codes: Codes,
            /// Questions of class IN by type, in the order of [`QTYPES`].
            pub qtypes: [Counter; QTYPES.len()],
            /// How long answers took to make, of a few.
            pub took: Histogram<{ ENGINE_BOUNDS.len() }>,
            /// What is counted by name.
            pub named: NamedCounts,
        }

        /// A response code, as it is counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Code {
            $($(#[$code_doc])* $variant,)*
        }

        impl Code {
            /// The words, in the order of the variants.
            const ALL: [&str; [$($word),*].len()] = [$($word),*];
        }

        /// Sums over all workers at one moment.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        pub struct Totals {
            $($(#[$doc])* pub $field: u64,)*
            $($(#[$live_doc])* pub $live: u64,)*
            $($(#[$code_doc])* pub $code: u64,)*
        }

        impl Totals {
            /// Adds what one worker counted.
            fn add(&mut self, worker: &Counters) {
                $(self.$field += worker.$field.value();)*
                $($(self.$live += worker.named.live(LiveSource::$source);)+)*
                $(self.$code += worker.udp_codes.value(Code::$variant) + worker.tcp_codes.value(Code::$variant);)*
            }
        }
    };
}

/// Types of questions that are told apart, after the rest.
pub const QTYPES: [&str; 12] = ["other", "A", "AAAA", "HTTPS", "NS", "SOA", "MX", "TXT", "SRV", "CAA", "DNSKEY", "ANY"];

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
    prohibited;
    /// Answers of a pool.
    live Pool | Fallback | LastResort | Exhausted,
    /// Answers of a fallback pool's healthy origins.
    live_fallback Fallback,
    /// Answers of a fallback pool's origins whatever their health: nothing was healthy.
    live_last_resort LastResort,
    /// Answers without an address because no pool could give one.
    live_exhausted Exhausted,
    /// Refusals to answer because origins have not been probed yet.
    live_not_ready NotReady;
    /// Answers with rcode NOERROR.
    noerror NoError "NOERROR",
    /// Answers with rcode FORMERR.
    formerr FormErr "FORMERR",
    /// Answers with rcode SERVFAIL.
    servfail ServFail "SERVFAIL",
    /// Answers with rcode NXDOMAIN.
    nxdomain NxDomain "NXDOMAIN",
    /// Answers with rcode NOTIMP.
    notimp NotImp "NOTIMP",
    /// Answers with rcode REFUSED.
    refused Refused "REFUSED",
    /// Answers with rcode YXDOMAIN: a DNAME made a name too long.
    yxdomain YxDomain "YXDOMAIN",
    /// Answers with rcode BADVERS.
    badvers BadVers "BADVERS",
    /// Answers with rcode BADCOOKIE.
    badcookie BadCookie "BADCOOKIE"
}

/// Answers by response code. An array, so that finding one is an addition.
#[derive(Debug, Default)]
pub struct Codes([Counter; Code::ALL.len()]);

impl Codes {
    /// Counts an answer.
    pub fn count(&self, code: Code) {
        if let Some(counter) = self.0.get(code as usize) {
            counter.increment();
        }
    }

    /// What has been counted for a code.
    fn value(&self, code: Code) -> u64 {
        self.0.get(code as usize).map_or(0, Counter::value)
    }

    /// The counts, each with its code.
    fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Code::ALL.into_iter().zip(self.0.iter().map(Counter::value))
    }
}

/// Protocols, as they are counted.
pub const PROTOCOLS: [&str; 2] = ["udp", "tcp"];

/// What all workers counted, summed at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The single counters.
    pub totals: Totals,
    /// Answers by protocol and response code.
    pub codes: Vec<(&'static str, &'static str, u64)>,
    /// Questions by type.
    pub qtypes: Vec<(&'static str, u64)>,
    /// How long answers took to make, of a few.
    pub took: Observed,
}

/// The counters of all workers, and the names that they count by. Clones are one.
#[derive(Clone, Debug)]
pub struct Registry {
    /// What clones share.
    inner: Arc<Inner>,
}

/// What the clones of a registry share.
#[derive(Debug)]
struct Inner {
    /// The counters of all workers.
    workers: Mutex<Vec<Arc<Counters>>>,
    /// Names that are counted by.
    names: Mutex<Names>,
    /// What the probes of each monitor do.
    monitors: Monitors,
}

impl Default for Registry {
    fn default() -> Self {
        Self::with_series_max(SERIES_MAX)
    }
}

impl Registry {
    /// A registry that gives at most so many series a name; never more than [`SERIES_MAX`].
    pub fn with_series_max(series_max: usize) -> Self {
        let names = Mutex::new(Names::new(series_max.min(SERIES_MAX)));
        Self { inner: Arc::new(Inner { workers: Mutex::default(), names, monitors: Monitors::default() }) }
    }

    /// Counters for a new worker.
    pub fn worker(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.inner.workers().push(Arc::clone(&counters));
        counters
    }

    /// Sums over all workers.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.inner.workers().iter().for_each(|worker| totals.add(worker));
        totals
    }

    /// Sums over all workers, with what `status` does not show.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let workers = self.inner.workers();
        let nobody = Counters::default();
        for worker in workers.iter().map(Arc::as_ref).chain([&nobody]) {
            snapshot.totals.add(worker);
            snapshot.took.add(&worker.took, &ENGINE_BOUNDS);
            let by_protocol = PROTOCOLS.iter().zip([&worker.udp_codes, &worker.tcp_codes]);
            let codes: Vec<_> = by_protocol
                .flat_map(|(protocol, codes)| codes.each().map(|(code, count)| (*protocol, code, count)))
                .collect();
            snapshot.codes.resize(codes.len(), ("", "", 0));
            for (sum, (protocol, code, count)) in snapshot.codes.iter_mut().zip(codes) {
                *sum = (protocol, code, sum.2 + count);
            }
            snapshot.qtypes.resize(QTYPES.len(), ("", 0));
            for (sum, (qtype, count)) in snapshot.qtypes.iter_mut().zip(QTYPES.iter().zip(&worker.qtypes)) {
                *sum = (qtype, sum.1 + count.value());
            }
        }
        snapshot
    }

    /// Has something counted by its name as long as what is returned lives; none if there are too many names: then it counts
    /// as [`SeriesId::OTHER`].
    pub fn name(&self, kind: Kind, label: impl FnOnce() -> String) -> Option<Named> {
        let sums = |id| self.inner.sums(kind, id);
        let (label, id) = self.inner.names().take(kind, label, sums)?;
        Some(Named::new(self.clone(), kind, label, id))
    }

    /// What has been counted by the names of a kind: `other`, `none`, then names in order.
    pub fn rows(&self, kind: Kind) -> Vec<Row> {
        self.inner.names().rows(kind, |id| self.inner.sums(kind, id))
    }

    /// Series that could still be given a name.
    pub fn series_free(&self) -> usize {
        self.inner.names().free()
    }

    /// What the probes of monitors do.
    pub fn monitors(&self) -> &Monitors {
        &self.inner.monitors
    }

    /// Takes a name back.
    fn release(&self, kind: Kind, label: &Arc<str>) {
        self.inner.names().release(kind, label);
    }
}

impl Inner {
    /// The workers.
    fn workers(&self) -> MutexGuard<'_, Vec<Arc<Counters>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names. Locked before the workers, where both are.
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all workers counted for an id.
    fn sums(&self, kind: Kind, id: SeriesId) -> Vec<u64> {
        let mut sums = vec![0; kind.columns()];
        for worker in self.workers().iter() {
            for (column, sum) in sums.iter_mut().enumerate() {
                *sum += worker.named.value(kind, column, id);
            }
        }
        sums
    }
}
