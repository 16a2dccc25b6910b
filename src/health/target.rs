//! One running target: a light task that probes, observes, and sleeps until its next phase point.
//!
//! The task is the only writer of its cell. It hears two things besides its timer: the token that stops it, and its
//! monitor's definition, which it takes up at once with the verdict that stands. Probes are boxed and wait for their
//! permit unboxed, so that 100,000 sleeping targets are small. There is no jitter: each target has a phase of its own.

use std::future::poll_fn;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::health::guard::Silence;
use crate::health::places::Places;
use crate::health::probe::Probe;
use crate::health::shortage::Shortage;
use crate::health::standstill::{Recall, Standstill};
use crate::health::table::{TargetCell, TargetKey};
use crate::health::tracker::{Rules, Tracker};
use crate::model::event::Transition;
use crate::model::monitor::Monitor;
use crate::model::verdict::{FailReason, Outcome, Verdict};
use crate::telemetry::probes::{MonitorProbes, RESULTS_MAX, SUCCESS};

// Every reason is counted by its own words, and so is success.
const _: () = assert!(FailReason::ALL.len() + 1 < RESULTS_MAX);

/// A verdict that changed, and where. The cell has the new verdict already, perhaps even a later one. The target may be
/// gone from the inventory by now, or not yet be in the one that its reader knows.
#[derive(Clone, Debug)]
pub struct Flip {
    /// The target.
    pub cell: Arc<TargetCell>,
    /// What happened.
    pub transition: Transition,
}

/// What all targets of a schedule share.
#[derive(Debug)]
pub(in crate::health) struct Shared<P> {
    /// How to probe.
    pub(in crate::health) probe: P,
    /// Where transitions go.
    pub(in crate::health) flips: mpsc::Sender<Flip>,
    /// Places for probes of one address.
    pub(in crate::health) places: Places,
    /// One permit for each probe in flight.
    pub(in crate::health) permits: Semaphore,
    /// The wall clock, for what people see. It may jump, so nothing is decided by it.
    pub(in crate::health) wall: fn() -> SystemTime,
    /// Phases count from here.
    pub(in crate::health) start: Instant,
    /// Whether this machine lacks what probes need.
    pub(in crate::health) shortage: Shortage,
    /// Whether verdicts stand still.
    pub(in crate::health) standstill: Arc<Standstill>,
}

/// One target's task.
pub(in crate::health) struct Target<P> {
    /// What all targets share.
    pub(in crate::health) shared: Arc<Shared<P>>,
    /// The cell to keep current.
    pub(in crate::health) cell: Arc<TargetCell>,
    /// The rule, which may be edited while the target runs.
    pub(in crate::health) definition: watch::Receiver<Arc<Monitor>>,
    /// Where its probes are counted.
    pub(in crate::health) probes: Arc<MonitorProbes>,
    /// Ends the task.
    pub(in crate::health) stop: CancellationToken,
    /// What the guard of verdicts has told it.
    pub(in crate::health) doubts: Doubts,
}

/// What a target knows of freezes of verdicts.
#[derive(Default)]
pub(in crate::health) struct Doubts {
    /// Ends when the silence that turned the target down is void; none while it is up, or down for another reason.
    recall: Option<Recall>,
    /// How often verdicts had frozen when its counts began.
    freezes: u32,
    /// The freeze in which its silence last said nothing; 0 is none.
    void: u32,
}

/// Why a target stopped what it was at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Interrupt {
    /// Its monitor has a new definition.
    Redefined,
    /// It has to end.
    Stopped,
    /// It is up again: it turned down in the dark.
    Recalled,
}

impl<P: Probe> Target<P> {
    /// Probes until it is stopped.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would have itself twice: as it came, and as it is used"
    )]
    pub(in crate::health) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            loop {
                let ended = {
                    let mut keeping = pin!(self.keep_current());
                    poll_fn(|context| caught(|| keeping.as_mut().poll(context))).await
                };
                if ended.is_some() {
                    return;
                }
                error!(target = ?self.cell.key(), "the task of a target panicked: a fault of pooldns; it starts anew");
                if self.cell.verdict() == Verdict::Up {
                    self.shared.standstill.left(self.cell.key().address);
                }
                // What panics at once must not do so without a pause.
                let interval = self.definition.borrow().interval;
                let pause = tokio::time::timeout(interval, self.stop.cancelled());
                drop(Box::pin(pause).await);
            }
        }
    }

    /// Keeps its cell current until it is stopped.
    async fn keep_current(&mut self) {
        if self.cell.verdict() == Verdict::Up {
            self.shared.standstill.rose(self.cell.key().address);
        }
        loop {
            let tracker = self.tracker();
            self.definition.mark_unchanged();
            match self.rounds(tracker).await {
                Interrupt::Redefined => {}
                // Rare, thus on the heap.
                Interrupt::Recalled if Box::pin(self.restore()).await.is_continue() => {}
                Interrupt::Recalled | Interrupt::Stopped => break,
            }
        }
        if self.cell.verdict() == Verdict::Up {
            self.shared.standstill.left(self.cell.key().address);
        }
        self.shared.standstill.ended(self.cell.index());
        self.cell.expect_by(Duration::MAX);
    }

    /// Takes back that it turned down.
    async fn restore(&mut self) -> ControlFlow<Interrupt> {
        let standstill = &self.shared.standstill;
        standstill.rose(self.cell.key().address);
        self.doubts = Doubts { recall: None, freezes: 0, void: standstill.state().freezes };
        let monitor = Arc::clone(&self.definition.borrow());
        let back = Transition { from: self.cell.verdict(), to: Verdict::Up, reason: None, count: 0 };
        self.turn(back, None, &monitor).await
    }

    /// A tracker that stands by the verdict of the cell.
    fn tracker(&self) -> Tracker {
        match self.cell.verdict() {
            Verdict::Down if self.cell.reason() == Some(FailReason::HeldDown) => Tracker::held_down(),
            verdict => Tracker::new(verdict),
        }
    }

    /// Round after round under one definition of the monitor.
    async fn rounds(&mut self, mut tracker: Tracker) -> Interrupt {
        // What stands as up waits for its turn: an edit of a monitor that 100,000 targets share must not probe them all
        // at once. What is down or unknown is probed at once: somebody may wait for just that edit to help.
        if tracker.verdict() == Verdict::Up
            && let ControlFlow::Break(interrupt) = self.turn_of_phase().await
        {
            return interrupt;
        }
        let mut due = Instant::now();
        loop {
            match self.round(&mut tracker, due).await {
                ControlFlow::Continue(next) => {
                    due = next;
                    self.expect(next);
                    // The sleep is made on its first poll, in place: one timer in the future, not two.
                    let sleep = async { tokio::time::sleep_until(next).await };
                    if let ControlFlow::Break(interrupt) = self.unless_interrupted(sleep).await {
                        return interrupt;
                    }
                }
                ControlFlow::Break(interrupt) => return interrupt,
            }
        }
    }

    /// Waits for the next phase point.
    async fn turn_of_phase(&mut self) -> ControlFlow<Interrupt> {
        let interval = self.definition.borrow().interval;
        let now = Instant::now().duration_since(self.shared.start);
        let point = self.shared.start + phase_point(now, phase(self.cell.key(), interval), interval);
        self.expect(point);
        self.unless_interrupted(async { tokio::time::sleep_until(point).await }).await
    }

    /// Says by when something has to happen, for the watchdog.
    fn expect(&self, time: Instant) {
        self.cell.expect_by(time.duration_since(self.shared.start));
    }

    /// One probe, which is due, and what follows from it; gives the time of the next.
    async fn round(&mut self, tracker: &mut Tracker, due: Instant) -> ControlFlow<Interrupt, Instant> {
        let shared = Arc::clone(&self.shared);
        // Before the permit, which others could use meanwhile.
        let place = Box::pin(shared.places.take(self.cell.key().address));
        let place = self.unless_interrupted(place).await?;
        let permit = self.unless_interrupted(shared.permits.acquire()).await?;
        // Nobody closes the semaphore.
        let Ok(permit) = permit else { return ControlFlow::Break(Interrupt::Stopped) };

        let began = Instant::now();
        let monitor = Arc::clone(&self.definition.borrow());
        self.expect(began + monitor.timeout * (monitor.retries + 1));
        let (cell, probes) = (Arc::clone(&self.cell), Arc::clone(&self.probes));
        let in_flight = probes.begin(began.duration_since(due));
        // On the heap only while it lasts.
        let probe = Box::pin(guarded(look(&shared.probe, &monitor, cell.key(), || probes.attempt())));
        let outcome = self.unless_interrupted(probe).await?;
        drop((permit, in_flight, place));
        if let Some(outcome) = outcome {
            if let Some(transition) = self.observe(outcome, began, tracker, &monitor) {
                // Rare, thus on the heap.
                Box::pin(self.turn(transition, outcome.code, &monitor)).await?;
            }
        } else {
            let target = SocketAddr::new(cell.key().address, monitor.port());
            error!(%target, monitor = monitor.name, "a probe panicked: a fault of pooldns; its verdict stays as it is");
        }
        let since = |time: Instant| time.duration_since(shared.start);
        let phase = phase(cell.key(), monitor.interval);
        ControlFlow::Continue(shared.start + next_due(since(began), since(Instant::now()), phase, monitor.interval))
    }

    /// Takes in what a probe saw that began at `began`; gives the transition that follows from it.
    fn observe(
        &mut self,
        outcome: Outcome,
        began: Instant,
        tracker: &mut Tracker,
        monitor: &Monitor,
    ) -> Option<Transition> {
        self.cell.record(outcome, (self.shared.wall)());
        self.probes.end(outcome.failure.map_or(SUCCESS, FailReason::words), outcome.rtt);
        self.shared.shortage.note(outcome.failure, Instant::now());
        // What is this machine's own fault is kept for people, but neither contradicts a verdict nor confirms it.
        if outcome.failure.is_some_and(FailReason::is_ours) {
            return None;
        }
        let is_silence = outcome.failure.is_some_and(FailReason::is_silence);
        if !self.counts(is_silence, began, tracker) {
            return None;
        }
        let now = Instant::now().duration_since(self.shared.start);
        let transition = tracker.observe(outcome.failure, now, &Rules::of(monitor))?;
        if self.stands(transition, is_silence) {
            return Some(transition);
        }
        *tracker = self.tracker();
        None
    }

    /// Whether an outcome counts, as far as the guard is concerned.
    fn counts(&mut self, is_silence: bool, began: Instant, tracker: &mut Tracker) -> bool {
        if !is_silence {
            self.shared.standstill.heard(self.cell.index(), self.doubts.void);
            return true;
        }
        match self.shared.standstill.silence(self.cell.index(), began) {
            Silence::Void(freeze) => {
                self.doubts.void = freeze;
                tracker.forgive();
                false
            }
            Silence::Counts(freezes) => {
                // What was counted before a freeze, was counted in the dark.
                if std::mem::replace(&mut self.doubts.freezes, freezes) != freezes {
                    tracker.forgive();
                }
                true
            }
        }
    }

    /// Tells the guard of a transition. Whether it may be made: not if verdicts freeze by it.
    fn stands(&mut self, transition: Transition, is_silence: bool) -> bool {
        let (standstill, address) = (&self.shared.standstill, self.cell.key().address);
        match (transition.from, transition.to) {
            (Verdict::Up, _) if is_silence => {
                self.doubts.recall = standstill.fell(address);
                if self.doubts.recall.is_none() {
                    self.doubts.void = standstill.state().freezes;
                }
                return self.doubts.recall.is_some();
            }
            (Verdict::Up, _) => standstill.left(address),
            (_, Verdict::Up) => {
                standstill.rose(address);
                self.doubts.recall = None;
            }
            _ => {}
        }
        true
    }

    /// Makes a transition known: in the cell first, so that whoever hears of it finds it there.
    async fn turn(&self, transition: Transition, code: Option<u16>, monitor: &Monitor) -> ControlFlow<Interrupt> {
        self.cell.turn(transition, (self.shared.wall)(), Instant::now());
        log(transition, code, self.cell.key(), monitor);
        let flip = Flip { cell: Arc::clone(&self.cell), transition };
        // When the queue is full, the target waits with the rest of its rounds. An edited monitor waits as well: this
        // transition has happened and must be heard of.
        let sent = tokio::select! {
            biased;
            () = self.stop.cancelled() => return ControlFlow::Break(Interrupt::Stopped),
            sent = self.shared.flips.send(flip) => sent,
        };
        // Without a listener verdicts are of no use.
        if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(Interrupt::Stopped) }
    }

    /// Does `work` unless the target is stopped, redefined or recalled meanwhile.
    async fn unless_interrupted<F: Future>(&mut self, work: F) -> ControlFlow<Interrupt, F::Output> {
        let Self { stop, definition, doubts, .. } = self;
        let recalled = poll_fn(|context| match &mut doubts.recall {
            Some(recall) => recall.as_mut().poll(context),
            None => Poll::Pending,
        });
        tokio::select! {
            biased;
            () = stop.cancelled() => ControlFlow::Break(Interrupt::Stopped),
            changed = definition.changed() => {
                ControlFlow::Break(if changed.is_ok() { Interrupt::Redefined } else { Interrupt::Stopped })
            }
            () = recalled => ControlFlow::Break(Interrupt::Recalled),
            output = work => ControlFlow::Continue(output),
        }
    }
}

/// One probe: an attempt, and further ones at once while time runs out. Other failures are answers and stand. `attempt` is
/// told of each attempt.
pub async fn look<P: Probe>(probe: &P, monitor: &Monitor, key: &TargetKey, attempt: impl Fn()) -> Outcome {
    let mut retries = monitor.retries;
    loop {
        attempt();
        let outcome = probe.attempt(monitor, key).await;
        if retries == 0 || !outcome.failure.is_some_and(FailReason::is_timeout) {
            return outcome;
        }
        retries -= 1;
    }
}

/// Runs a probe; none if it panicked, which must end neither the target nor its neighbors.
async fn guarded(probe: impl Future<Output = Outcome>) -> Option<Outcome> {
    let mut probe = pin!(probe);
    poll_fn(|context| caught(|| probe.as_mut().poll(context))).await
}

/// Polls something; ready with nothing if it panicked. Then it is not polled again, so nothing sees what it left half done.
fn caught<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<Option<T>> {
    catch_unwind(AssertUnwindSafe(poll)).map_or(Poll::Ready(None), |poll| poll.map(Some))
}

/// Where in the interval a target has its turn: a hash, so that targets spread evenly and a restart changes nothing.
fn phase(key: &TargetKey, interval: Duration) -> Duration {
    let hash = foldhash::quality::FixedState::default().hash_one(key);
    let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    Duration::from_nanos(hash % interval)
}

/// The first phase point that is not past and at least half an interval after the last probe began. All times count
/// from the schedule's start. Half an interval keeps the phase in spite of a late timer, and keeps two probes apart
/// after a wait for a permit; phase points that were missed meanwhile are skipped.
fn next_due(began: Duration, now: Duration, phase: Duration, interval: Duration) -> Duration {
    phase_point((began + interval / 2).max(now), phase, interval)
}

/// The first phase point that is not before `earliest`.
fn phase_point(earliest: Duration, phase: Duration, interval: Duration) -> Duration {
    let interval_ns = interval.as_nanos().max(1);
    let periods = earliest.as_nanos().saturating_sub(phase.as_nanos()).div_ceil(interval_ns);
    let due = phase.as_nanos() + periods * interval_ns;
    Duration::from_nanos(u64::try_from(due).unwrap_or(u64::MAX))
}

/// Says that a verdict changed.
fn log(transition: Transition, code: Option<u16>, key: &TargetKey, monitor: &Monitor) {
    let Transition { from, to, reason, count } = transition;
    let target = SocketAddr::new(key.address, monitor.port());
    let host = key.host.as_deref();
    let monitor = monitor.name.as_str();
    let reason = reason.map(FailReason::words);
    if to == Verdict::Up && count == 0 {
        info!(%target, monitor, host, %from, %to, "target is up again, as it was: it turned down in the dark");
    } else if to == Verdict::Up {
        info!(%target, monitor, host, %from, %to, count, "target is up");
    } else if from == to {
        warn!(%target, monitor, host, %from, %to, reason, count, "target flaps: it is held down until it is stable");
    } else {
        warn!(%target, monitor, host, %from, %to, reason, code, count, "target is down");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::id::MonitorId;

    #[test]
    fn next_phase_points() {
        // Began, now, phase, interval, next; milliseconds.
        for (began, now, phase, interval, next) in [
            (0, 10, 300, 1_000, 1_300),        // 300 is sooner than half an interval after the first
            (0, 10, 500, 1_000, 500),          // exactly half an interval
            (0, 10, 900, 1_000, 900),          // the first phase point
            (900, 920, 900, 1_000, 1_900),     // start to start
            (901, 920, 900, 1_000, 1_900),     // a late timer does not shift the phase
            (900, 4_000, 900, 1_000, 4_900),   // missed ones are skipped
            (900, 4_900, 900, 1_000, 4_900),   // a point that is due now is not missed
            (1_700, 1_710, 900, 1_000, 2_900), // waited long for a permit
        ] {
            let ms = Duration::from_millis;
            assert_eq!(next_due(ms(began), ms(now), ms(phase), ms(interval)), ms(next), "{began} {now} {phase}");
        }
    }

    #[test]
    fn phases_spread_over_the_interval() {
        let interval = Duration::from_secs(10);
        let key = |n: u32| {
            let address = std::net::Ipv4Addr::from_bits(0xc000_0200 + n).into();
            TargetKey { address, monitor: MonitorId::declared("m"), host: None }
        };
        let tenths: HashSet<u64> = (0..200).map(|n| phase(&key(n), interval).as_secs()).collect();
        assert_eq!(tenths.len(), 10);
        assert_eq!(phase(&key(1), interval), phase(&key(1), interval));
    }

    proptest! {
        #[test]
        fn the_next_probe_is_on_a_phase_point_between_a_half_and_one_and_a_half_intervals_away(
            began in 0_u64..1 << 40,
            took in 0_u64..1 << 36,
            interval in 1_000_u64..1 << 36,
            phase in 0_u64..1 << 36,
        ) {
            let phase = phase % interval;
            let ns = Duration::from_nanos;
            let next = next_due(ns(began), ns(began + took), ns(phase), ns(interval));
            let next = u64::try_from(next.as_nanos()).unwrap();
            let earliest = (began + interval / 2).max(began + took);
            prop_assert_eq!(next % interval, phase);
            prop_assert!(next >= earliest);
            prop_assert!(next < earliest + interval || next == phase);
        }
    }
}
