//! What people see of health and steering: the state of pools, and what a name answers from.

use std::fmt;

use crate::model::pool::Pool;
use crate::model::verdict::Verdict;
use crate::steering::compile::LiveAnswer;
use crate::steering::select::{PoolHealth, Source};

/// What a live name answers from, for both families.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Condition {
    /// Its origins have not been probed yet.
    #[default]
    NotReady,
    /// It answers.
    Ready {
        /// Where A comes from.
        v4: Source,
        /// Where AAAA comes from.
        v6: Source,
    },
}

impl Condition {
    /// What an answer is from.
    pub const fn of(answer: &LiveAnswer) -> Self {
        match answer {
            LiveAnswer::NotReady => Self::NotReady,
            LiveAnswer::Ready(addresses) => Self::Ready { v4: addresses.v4.source, v6: addresses.v6.source },
        }
    }

    /// Whether somebody should have a look: an answer is not from a usable pool.
    pub fn is_troubled(self) -> bool {
        let Self::Ready { v4, v6 } = self else { return false };
        let fine = |source| matches!(source, Source::Pool | Source::NoFamily);
        !(fine(v4) && fine(v6))
    }

    /// The word for status and logs: the worse of the two families.
    pub const fn word(self) -> &'static str {
        let Self::Ready { v4, v6 } = self else { return "not ready" };
        match (v4, v6) {
            (Source::LastResort, _) | (_, Source::LastResort) => "last resort",
            (Source::Exhausted, _) | (_, Source::Exhausted) => "exhausted",
            (Source::Fallback, _) | (_, Source::Fallback) => "fallback",
            (Source::Pool | Source::NoFamily, Source::Pool | Source::NoFamily) => "ok",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The state of a pool, in the words of the original's dashboard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PoolState {
    /// Not in use.
    Disabled,
    /// No monitor, or no verdict on some origin and not enough others healthy.
    Unknown,
    /// All enabled origins are healthy.
    Healthy,
    /// Some are not; enough are.
    Degraded,
    /// Fewer are healthy than `minimum_origins`: no traffic.
    Critical,
}

impl PoolState {
    /// The state of a pool.
    pub fn of<P: PoolHealth>(health: &P) -> Self {
        let Pool { enabled, minimum_origins, monitor, origins, .. } = health.pool();
        if !enabled {
            return Self::Disabled;
        }
        if monitor.is_none() {
            return Self::Unknown;
        }
        let in_use = origins.iter().enumerate().filter(|(_, origin)| origin.enabled);
        let verdicts: Vec<Verdict> = in_use.filter_map(|(index, _)| health.verdict(index)).collect();
        let up = verdicts.iter().filter(|verdict| **verdict == Verdict::Up).count();
        let enough = up >= usize::try_from(*minimum_origins).unwrap_or(usize::MAX);
        match (up == verdicts.len(), enough) {
            (true, true) => Self::Healthy,
            (false, true) => Self::Degraded,
            (_, false) if verdicts.contains(&Verdict::Unknown) => Self::Unknown,
            (_, false) => Self::Critical,
        }
    }

    /// The word for status.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}
