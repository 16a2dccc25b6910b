//! What probes do, by monitor. All threads of their runtime count together: there are some thousands a second, not millions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::telemetry::histogram::{Histogram, Observed, PROBE_BOUNDS};
use crate::telemetry::series::{Kind, Named, OTHER};
use crate::telemetry::{Counter, Registry};

/// Results of one monitor that are told apart: more than there are reasons to fail, with success, and the rest together.
pub const RESULTS_MAX: usize = 32;

/// What a probe that did not fail is counted as.
pub const SUCCESS: &str = "success";

/// Series of one monitor: its results, the histogram with its last bucket, sum and count, attempts, probes in flight, and the
/// sum and count of lags.
pub const SERIES: usize = RESULTS_MAX + PROBE_BOUNDS.len() + 3 + 1 + 1 + 2;

/// What the probes of one monitor do, as long as somebody holds it.
#[derive(Debug, Default)]
pub struct MonitorProbes {
    /// The monitor's name; none for those that have no series of their own.
    name: Option<Named>,
    /// Attempts; a probe that runs out of time makes several.
    attempts: Counter,
    /// Results by their words.
    results: Mutex<BTreeMap<&'static str, u64>>,
    /// How long probes took.
    took: Histogram<{ PROBE_BOUNDS.len() }>,
    /// Probes that are under way.
    in_flight: AtomicU64,
    /// How late probes began.
    lag: Histogram<0>,
}

/// A probe that is under way until this is dropped.
#[derive(Debug)]
pub struct InFlight<'m>(&'m MonitorProbes);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl MonitorProbes {
    /// A probe begins, so long after it was due.
    pub fn begin(&self, lag: Duration) -> InFlight<'_> {
        self.lag.observe_shared(lag, &[]);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// Counts an attempt.
    pub fn attempt(&self) {
        self.attempts.increment_shared();
    }

    /// Counts a probe that ended with a result, in words.
    pub fn end(&self, result: &'static str, took: Duration) {
        self.took.observe_shared(took, &PROBE_BOUNDS);
        let mut results = self.results();
        let is_new = !results.contains_key(result);
        let result = if is_new && results.len() >= RESULTS_MAX - 1 { OTHER } else { result };
        *results.entry(result).or_default() += 1;
    }

    /// What has been counted.
    pub fn counts(&self) -> ProbeCounts {
        ProbeCounts {
            monitor: self.name.as_ref().map_or(OTHER, Named::label).into(),
            attempts: self.attempts.value(),
            results: self.results().clone(),
            took: Observed::of(&self.took, &PROBE_BOUNDS),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            lag: Observed::of(&self.lag, &[]),
        }
    }

    /// The results.
    fn results(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the probes of a monitor have done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeCounts {
    /// The monitor's name, or `other`.
    pub monitor: String,
    /// Attempts.
    pub attempts: u64,
    /// Probes by result.
    pub results: BTreeMap<&'static str, u64>,
    /// How long they took.
    pub took: Observed,
    /// Those that are under way.
    pub in_flight: u64,
    /// How late they began.
    pub lag: Observed,
}

/// What the probes of all monitors do.
#[derive(Debug, Default)]
pub struct Monitors {
    /// Those with names.
    named: Mutex<Vec<Weak<MonitorProbes>>>,
    /// All others together.
    other: Arc<MonitorProbes>,
}

impl Monitors {
    /// Where the probes of a monitor are counted.
    pub fn of(&self, registry: &Registry, name: &str) -> Arc<MonitorProbes> {
        let mut named = self.lock();
        let has_name = |probes: &Arc<MonitorProbes>| probes.name.as_ref().is_some_and(|known| known.label() == name);
        // Perhaps one of that name has just gone, and its last probes have not ended.
        if let Some(probes) = named.iter().filter_map(Weak::upgrade).find(has_name) {
            return probes;
        }
        let Some(name) = registry.name(Kind::Monitor, || name.to_owned()) else { return Arc::clone(&self.other) };
        let probes = Arc::new(MonitorProbes { name: Some(name), ..MonitorProbes::default() });
        named.retain(|probes| probes.strong_count() > 0);
        named.push(Arc::downgrade(&probes));
        probes
    }

    /// What has been counted: others first, then names in order.
    pub fn counts(&self) -> Vec<ProbeCounts> {
        let named: Vec<Arc<MonitorProbes>> = self.lock().iter().filter_map(Weak::upgrade).collect();
        let mut counts: Vec<ProbeCounts> = named.iter().map(|probes| probes.counts()).collect();
        counts.sort_by(|one, other| one.monitor.cmp(&other.monitor));
        counts.insert(0, self.other.counts());
        counts
    }

    /// Those with names.
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<MonitorProbes>>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
