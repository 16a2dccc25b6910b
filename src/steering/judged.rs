//! A pool at one moment: what probes say of it, what operators decide, and how far origins that came back are on their way
//! to their weight. Time is an argument, and so is when the next thing changes by time alone.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::health::endpoint::{Endpoint, ProbedOrigin, ProbedPool};
use crate::model::lever::{Lever, LeverAction};
use crate::model::pool::{Origin, Pool, SLOW_START_STEPS};
use crate::model::stamp::UnixMicros;
use crate::model::verdict::Verdict;
use crate::steering::select::{Judgement, PoolHealth};

/// One moment by both clocks. Time runs by the one that nobody sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// By the clock that only runs.
    pub instant: Instant,
    /// By the one that people read.
    pub unix: UnixMicros,
}

impl Moment {
    /// This moment, as it is at another instant.
    #[must_use]
    pub fn at(self, instant: Instant) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let later = micros(instant.saturating_duration_since(self.instant));
        let earlier = micros(self.instant.saturating_duration_since(instant));
        Self { instant, unix: UnixMicros(self.unix.0.saturating_add(later).saturating_sub(earlier)) }
    }

    /// When it will be a time that people read.
    fn instant_of(self, unix: UnixMicros) -> Instant {
        self.instant + Duration::from_micros(unix.0.saturating_sub(self.unix.0))
    }
}

/// A pool at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'p> {
    /// The pool.
    probed: &'p ProbedPool,
    /// The moment.
    now: Moment,
}

impl<'p> Judged<'p> {
    /// A pool at a moment.
    pub const fn new(probed: &'p ProbedPool, now: Moment) -> Self {
        Self { probed, now }
    }

    /// When something of it changes by time alone; none if nothing does.
    pub fn next_change(&self) -> Option<Instant> {
        let levers = self.probed.levers.iter().flat_map(|levers| levers.iter());
        let ends = levers.filter_map(|(_, lever)| lever.until.filter(|until| *until > self.now.unix));
        let ends = ends.map(|until| self.now.instant_of(until));
        let endpoints = self.probed.origins.iter().flat_map(ProbedOrigin::endpoints);
        ends.chain(endpoints.filter_map(|endpoint| self.next_step(endpoint))).min()
    }

    /// The lever of an origin that is in force.
    fn lever_of(&self, origin: &Origin) -> Option<LeverAction> {
        self.in_force(Some(&origin.name))
    }

    /// What a lever in force does.
    fn in_force(&self, origin: Option<&str>) -> Option<LeverAction> {
        let lever = self.probed.levers.as_ref()?.in_force(origin, self.now.unix);
        lever.map(|Lever { action, .. }| *action)
    }

    /// The verdict that an origin's lever, or else its pool's, gives to all of it; none if probes decide.
    fn forced(&self, origin: usize) -> Option<Verdict> {
        let own = self.probed.pool.origins.get(origin).and_then(|origin| self.lever_of(origin));
        match (own, self.lever()) {
            (Some(LeverAction::Up), _) | (None, Some(LeverAction::Up)) => Some(Verdict::Up),
            (Some(LeverAction::Down), _) => Some(Verdict::Down),
            _ => None,
        }
    }

    /// How many steps an address has taken to its weight, from 1 on.
    fn steps(&self, endpoint: &Endpoint) -> u32 {
        let slow_start = self.probed.pool.slow_start;
        let returned = if slow_start.is_zero() { None } else { endpoint.checks.returned() };
        returned.map_or(SLOW_START_STEPS, |returned| {
            let step = (slow_start / SLOW_START_STEPS).max(Duration::from_nanos(1));
            let taken = self.now.instant.saturating_duration_since(returned).as_nanos() / step.as_nanos();
            u32::try_from(taken).unwrap_or(u32::MAX).saturating_add(1).min(SLOW_START_STEPS)
        })
    }

    /// When an address takes the next step to its weight; none if it has it.
    fn next_step(&self, endpoint: &Endpoint) -> Option<Instant> {
        let steps = self.steps(endpoint);
        if steps >= SLOW_START_STEPS {
            return None;
        }
        let returned = endpoint.checks.returned()?;
        Some(returned + self.probed.pool.slow_start / SLOW_START_STEPS * steps)
    }
}

impl PoolHealth for Judged<'_> {
    fn pool(&self) -> &Pool {
        &self.probed.pool
    }

    fn lever(&self) -> Option<LeverAction> {
        self.in_force(None)
    }

    fn origin_lever(&self, origin: usize) -> Option<LeverAction> {
        self.probed.pool.origins.get(origin).and_then(|origin| self.lever_of(origin))
    }

    fn addresses(&self, origin: usize) -> impl Iterator<Item = (IpAddr, Judgement)> {
        let forced = self.forced(origin);
        let endpoints = self.probed.origins.get(origin).map_or(&[][..], ProbedOrigin::endpoints);
        endpoints.iter().map(move |endpoint| {
            let verdict = forced.or_else(|| endpoint.checks.verdict());
            (endpoint.address, Judgement { verdict, steps: self.steps(endpoint) })
        })
    }

    fn origin_verdict(&self, origin: usize) -> Option<Verdict> {
        self.forced(origin).or_else(|| self.probed.origins.get(origin)?.verdict())
    }

    fn considers_health(&self) -> bool {
        let ProbedPool { pool, origins, .. } = self.probed;
        let mut enabled = pool.origins.iter().zip(origins).filter(|(origin, _)| origin.enabled).peekable();
        // Where no origin is enabled there is none that could tell, and the monitor stands for them.
        pool.is_monitored() && (enabled.peek().is_none() || enabled.any(|(_, probed)| probed.verdict().is_some()))
    }
}
