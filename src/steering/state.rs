//! What people see of health and steering: the state of pools, and what a name answers from.

use std::fmt;

use crate::model::id::PoolId;
use crate::model::inventory::Inventory;
use crate::model::pool::Pool;
use crate::model::verdict::Verdict;
use crate::steering::compile::{FamilyAnswer, LiveAnswer};
use crate::steering::select::{PoolHealth, Source};

/// What a live name answers from, for both families.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Condition {
    /// Its origins have not been probed yet.
    #[default]
    NotReady,
    /// It answers.
    Ready {
        /// What A is answered from.
        v4: Choice,
        /// What AAAA is answered from.
        v6: Choice,
    },
}

/// What one family is answered from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// How the pool came to be chosen.
    pub source: Source,
    /// The pool, if one was chosen.
    pub pool: Option<PoolId>,
}

impl Choice {
    /// What a prepared answer is from.
    const fn of(answer: &FamilyAnswer) -> Self {
        Self { source: answer.source, pool: answer.pool }
    }

    /// Words for logs and status, with the pool's name.
    pub fn words(self, inventory: &Inventory) -> String {
        let name = self.pool.and_then(|id| inventory.pools.find(id)).map_or("?", |pool| pool.name.as_str());
        match self.source {
            Source::Pool => name.to_owned(),
            Source::NoFamily => "none".to_owned(),
            Source::Fallback => format!("{name} (fallback)"),
            Source::LastResort => format!("{name} (last resort)"),
            Source::Exhausted => "nothing (exhausted)".to_owned(),
        }
    }
}

impl Condition {
    /// What an answer is from.
    pub const fn of(answer: &LiveAnswer) -> Self {
        match answer {
            LiveAnswer::NotReady => Self::NotReady,
            LiveAnswer::Ready(addresses) => {
                Self::Ready { v4: Choice::of(&addresses.v4), v6: Choice::of(&addresses.v6) }
            }
        }
    }

    /// Whether somebody should have a look: an answer is not from a usable pool.
    pub fn is_troubled(self) -> bool {
        let Self::Ready { v4, v6 } = self else { return false };
        let fine = |choice: Choice| matches!(choice.source, Source::Pool | Source::NoFamily);
        !(fine(v4) && fine(v6))
    }

    /// The word for status and logs: the worse of the two families.
    pub const fn word(self) -> &'static str {
        let Self::Ready { v4, v6 } = self else { return "not ready" };
        match (v4.source, v6.source) {
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
    /// No monitor, or none with a vote: health is not considered.
    NotMonitored,
    /// Some origin has no verdict yet, and not enough others are healthy.
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
        let pool = health.pool();
        let Pool { enabled, minimum_origins, origins, .. } = pool;
        if !enabled {
            return Self::Disabled;
        }
        if !health.considers_health() {
            return Self::NotMonitored;
        }
        let in_use = origins.iter().enumerate().filter(|(_, origin)| origin.enabled);
        let verdicts: Vec<Verdict> = in_use.filter_map(|(index, _)| health.origin_verdict(index)).collect();
        let up = verdicts.iter().filter(|verdict| **verdict == Verdict::Up).count();
        let enough = up >= usize::try_from(*minimum_origins).unwrap_or(usize::MAX);
        match (up == verdicts.len(), enough) {
            (true, true) => Self::Healthy,
            (false, true) => Self::Degraded,
            (_, false) if verdicts.contains(&Verdict::Unknown) => Self::Unknown,
            (_, false) => Self::Critical,
        }
    }

    /// All words for status.
    pub const WORDS: &[&str] = &["disabled", "not monitored", "unknown", "healthy", "degraded", "critical"];

    /// The word for status.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NotMonitored => "not monitored",
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}
