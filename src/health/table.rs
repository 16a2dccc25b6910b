//! The health table: one cell for each target, with its verdict and what its last probe saw.
//!
//! The schedule makes cells; the task of a target is the one writer of its cell; anybody reads. Cells have dense
//! indices, so that readers can keep what belongs to a target in an array. An index is given out again only after the
//! last holder of its cell let go, thus two cells that anybody can see never have the same one.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::model::event::Transition;
use crate::model::stamp::UnixMicros;
use crate::model::target::Standing;
pub use crate::model::target::TargetKey;
use crate::model::verdict::{FailReason, Outcome, Verdict};

/// All cells that are in use.
#[derive(Debug, Default)]
pub struct HealthTable {
    /// Cells by what they are about.
    cells: HashMap<TargetKey, Arc<TargetCell>>,
    /// Which indices are free.
    indices: Arc<Mutex<Indices>>,
}

/// One target: who it is, its verdict, and what its last probe saw.
pub struct TargetCell {
    /// Its place in arrays over all targets.
    index: usize,
    /// Who it is.
    key: TargetKey,
    /// Its verdict, as [`to_octet`] writes it: what compile reads for every origin, thus without a lock.
    verdict: AtomicU8,
    /// By when something has to happen to it, in milliseconds since the schedule's start.
    expected: AtomicU64,
    /// Its verdict as far as events have told of it, which is not as far as it has come.
    told: AtomicU8,
    /// The rest, for people.
    seen: Mutex<Seen>,
    /// Where the index goes back to.
    indices: Arc<Mutex<Indices>>,
}

/// What people want to know of a target. Times are of the wall clock, because they are shown and stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Seen {
    /// The last outcome, and when it came.
    last: Option<(Outcome, SystemTime)>,
    /// When the verdict last changed.
    since: Option<SystemTime>,
    /// Why the verdict is `Down`, if it is.
    reason: Option<FailReason>,
    /// When it came back, if it is up and was down before; by the clock that only runs, because weights depend on it.
    returned: Option<Instant>,
}

/// Dense indices: the smallest numbers, most of the time.
#[derive(Debug, Default)]
struct Indices {
    /// Every index below was given out at least once.
    next: usize,
    /// Those that came back.
    free: Vec<usize>,
}

/// A verdict that a new cell starts with: nothing, or what stood for the target that it replaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Inherited {
    /// The verdict.
    verdict: Verdict,
    /// Since when it stands.
    since: Option<SystemTime>,
    /// Why it is `Down`, if it is.
    reason: Option<FailReason>,
}

impl HealthTable {
    /// The cell of a target.
    pub fn find(&self, key: &TargetKey) -> Option<&Arc<TargetCell>> {
        self.cells.get(key)
    }

    /// The cell of a target, made if there is none; only then `inherited` matters.
    pub fn find_or_make(&mut self, key: &TargetKey, inherited: Inherited) -> &Arc<TargetCell> {
        self.cells.entry(key.clone()).or_insert_with(|| {
            let Inherited { verdict, since, reason } = inherited;
            Arc::new(TargetCell {
                index: lock(&self.indices).take(),
                key: key.clone(),
                verdict: AtomicU8::new(to_octet(verdict)),
                told: AtomicU8::new(to_octet(verdict)),
                expected: AtomicU64::new(u64::MAX),
                seen: Mutex::new(Seen { last: None, since, reason, returned: None }),
                indices: Arc::clone(&self.indices),
            })
        })
    }

    /// Forgets a target. Its cell lives, with its index, as long as somebody holds it.
    pub fn remove(&mut self, key: &TargetKey) {
        self.cells.remove(key);
    }

    /// How many targets there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

impl TargetCell {
    /// Its place in arrays over all targets.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Who it is.
    pub const fn key(&self) -> &TargetKey {
        &self.key
    }

    /// Its verdict.
    pub fn verdict(&self) -> Verdict {
        from_octet(self.verdict.load(Ordering::Acquire))
    }

    /// Its verdict as far as events have told of it.
    pub fn told(&self) -> Verdict {
        from_octet(self.told.load(Ordering::Acquire))
    }

    /// Notes that events have told of a verdict. Only whoever makes them calls this.
    pub fn tell(&self, verdict: Verdict) {
        self.told.store(to_octet(verdict), Ordering::Release);
    }

    /// The last outcome, and when it came; none when this target has not been probed yet.
    pub fn last(&self) -> Option<(Outcome, SystemTime)> {
        lock(&self.seen).last
    }

    /// When the verdict last changed; none when it never did.
    pub fn since(&self) -> Option<SystemTime> {
        lock(&self.seen).since
    }

    /// Why the verdict is `Down`; none when it is not.
    pub fn reason(&self) -> Option<FailReason> {
        lock(&self.seen).reason
    }

    /// When it came back, after it had been down; none if it never did, or is not up.
    pub fn returned(&self) -> Option<Instant> {
        lock(&self.seen).returned
    }

    /// By when something has to happen to it, since the schedule's start: its probe begins or ends. It is far away while
    /// nobody keeps the cell current.
    pub fn expected(&self) -> Duration {
        Duration::from_millis(self.expected.load(Ordering::Relaxed))
    }

    /// Says by when something has to happen.
    pub(in crate::health) fn expect_by(&self, time: Duration) {
        self.expected.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What is kept of it over a restart; nothing while nobody knows how it is.
    pub fn standing(&self) -> Option<Standing> {
        let verdict = self.verdict();
        let Seen { since, reason, .. } = *lock(&self.seen);
        let is_up = match verdict {
            Verdict::Unknown => return None,
            Verdict::Up => true,
            Verdict::Down => false,
        };
        Some(Standing { is_up, since: since.map(UnixMicros::of), reason: reason.filter(|_| !is_up) })
    }

    /// Whether the last probe of this very target agrees with its verdict, which may have been inherited.
    pub fn is_confirmed(&self) -> bool {
        let last = self.last().map(|(outcome, _)| outcome.failure);
        match self.verdict() {
            Verdict::Unknown => false,
            Verdict::Up => last == Some(None),
            Verdict::Down => last.flatten().is_some_and(|failure| !failure.is_ours()),
        }
    }

    /// Keeps what a probe saw. Only its own task calls this.
    pub(in crate::health) fn record(&self, outcome: Outcome, now: SystemTime) {
        lock(&self.seen).last = Some((outcome, now));
    }

    /// Changes the verdict. Only its own task calls this.
    pub(in crate::health) fn turn(&self, transition: Transition, now: SystemTime, instant: Instant) {
        {
            let mut seen = lock(&self.seen);
            // What is taken back, by no count, was never away.
            let is_back = transition.from == Verdict::Down && transition.to == Verdict::Up && transition.count > 0;
            seen.returned = is_back.then_some(instant);
            seen.since = Some(now);
            seen.reason = transition.reason;
        }
        self.verdict.store(to_octet(transition.to), Ordering::Release);
    }
}

impl Drop for TargetCell {
    fn drop(&mut self) {
        lock(&self.indices).free.push(self.index);
    }
}

impl fmt::Debug for TargetCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, key, verdict: _, expected: _, told: _, seen: _, indices: _ } = self;
        let verdict = self.verdict();
        f.debug_struct("TargetCell").field("index", index).field("key", key).field("verdict", &verdict).finish()
    }
}

impl Indices {
    /// An index that nobody has.
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

impl Inherited {
    /// What stands for a target that is replaced.
    pub fn from_cell(cell: &TargetCell) -> Self {
        let verdict = cell.verdict();
        let Seen { last: _, since, reason, returned: _ } = *lock(&cell.seen);
        Self { verdict, since, reason }
    }

    /// What stood for the same target when the last process ended.
    pub fn from_standing(standing: Standing) -> Self {
        let Standing { is_up, since, reason } = standing;
        let verdict = if is_up { Verdict::Up } else { Verdict::Down };
        Self { verdict, since: since.map(UnixMicros::time), reason }
    }

    /// A verdict from elsewhere: the rule that what is not probed counts as healthy.
    pub const fn from_verdict(verdict: Verdict) -> Self {
        Self { verdict, since: None, reason: None }
    }
}

/// Takes a lock whose holders cannot leave it half written, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A verdict as the atomic holds it.
const fn to_octet(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Unknown => 0,
        Verdict::Up => 1,
        Verdict::Down => 2,
    }
}

/// The inverse of [`to_octet`].
const fn from_octet(octet: u8) -> Verdict {
    match octet {
        1 => Verdict::Up,
        2 => Verdict::Down,
        _ => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::model::id::MonitorId;

    fn key(last: u8) -> TargetKey {
        let address = Ipv4Addr::new(192, 0, 2, last).into();
        TargetKey { address, monitor: MonitorId::declared("m"), host: None }
    }

    #[test]
    fn an_index_comes_back_only_when_nobody_holds_its_cell() {
        let mut table = HealthTable::default();
        let first = Arc::clone(table.find_or_make(&key(1), Inherited::default()));
        assert_eq!(table.find_or_make(&key(2), Inherited::default()).index(), 1);
        assert!(Arc::ptr_eq(&first, table.find_or_make(&key(1), Inherited::from_verdict(Verdict::Down))));
        assert_eq!(first.verdict(), Verdict::Unknown);

        table.remove(&key(1));
        assert_eq!(table.find_or_make(&key(3), Inherited::default()).index(), 2, "the first is still held");
        drop(first);
        assert_eq!(table.find_or_make(&key(4), Inherited::default()).index(), 0);
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn what_is_taken_back_has_not_returned() {
        let mut table = HealthTable::default();
        let cell = table.find_or_make(&key(1), Inherited::from_verdict(Verdict::Down));
        let at = Instant::now();
        for (count, returned) in [(0, None), (2, Some(at))] {
            let back = Transition { from: Verdict::Down, to: Verdict::Up, reason: None, count };
            cell.turn(back, SystemTime::UNIX_EPOCH, at);
            assert_eq!(cell.returned(), returned, "{back:?}");
        }
    }

    #[test]
    fn a_cell_tells_verdict_reason_and_times_and_hands_them_on() {
        let mut table = HealthTable::default();
        let cell = Arc::clone(table.find_or_make(&key(1), Inherited::default()));
        assert_eq!((cell.verdict(), cell.last(), cell.since(), cell.reason()), (Verdict::Unknown, None, None, None));

        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let reason = Some(FailReason::TcpTimeout);
        let outcome = Outcome { failure: reason, rtt: Duration::from_secs(2), code: None };
        cell.record(outcome, now);
        cell.turn(Transition { from: Verdict::Unknown, to: Verdict::Down, reason, count: 1 }, now, Instant::now());
        assert_eq!((cell.verdict(), cell.last()), (Verdict::Down, Some((outcome, now))));
        assert_eq!((cell.since(), cell.reason()), (Some(now), reason));

        let heir = table.find_or_make(&key(2), Inherited::from_cell(&cell));
        assert_eq!((heir.verdict(), heir.last()), (Verdict::Down, None));
        assert_eq!((heir.since(), heir.reason()), (Some(now), reason));
    }

    #[test]
    fn what_stands_over_a_restart_is_confirmed_by_a_probe_that_agrees() {
        let mut table = HealthTable::default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let cell = Arc::clone(table.find_or_make(&key(1), Inherited::default()));
        assert_eq!((cell.standing(), cell.is_confirmed()), (None, false));
        let reason = Some(FailReason::TcpTimeout);
        let outcome = |failure| Outcome { failure, rtt: Duration::from_secs(2), code: None };
        cell.record(outcome(reason), now);
        cell.turn(Transition { from: Verdict::Unknown, to: Verdict::Down, reason, count: 1 }, now, Instant::now());
        let standing = Standing { is_up: false, since: Some(UnixMicros(1_000_000_000)), reason };
        assert_eq!((cell.standing(), cell.is_confirmed()), (Some(standing), true));

        let heir = Arc::clone(table.find_or_make(&key(2), Inherited::from_standing(standing)));
        assert_eq!((heir.verdict(), heir.since(), heir.reason()), (Verdict::Down, Some(now), reason));
        // Success, a fault of this machine's own, and a failure like before.
        for (failure, is_confirmed) in [(None, false), (Some(FailReason::LocalResource), false), (reason, true)] {
            heir.record(outcome(failure), now);
            assert_eq!((heir.standing(), heir.is_confirmed()), (Some(standing), is_confirmed), "{failure:?}");
        }
    }
}
