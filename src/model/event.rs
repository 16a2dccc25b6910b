//! What happened, for logs and for whoever has to act on it.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::id::PoolId;
use crate::model::pool::Address;
use crate::model::stamp::UnixMicros;
use crate::model::verdict::{FailReason, Verdict};

/// A verdict that changed; or stays down for another reason, when a target comes to be held down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transition {
    /// The verdict before.
    pub from: Verdict,
    /// The verdict now.
    pub to: Verdict,
    /// Why, when the target went down.
    pub reason: Option<FailReason>,
    /// How many outcomes in a row decided it.
    pub count: u32,
}

/// A pool at the moment at which it, or some of its origins, changed: what the original calls an event. What an earlier
/// version did not keep is `Unknown`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolEvent {
    /// When.
    pub at: UnixMicros,
    /// The pool.
    pub pool: PoolId,
    /// Its name at that time.
    pub name: String,
    /// What held of it before.
    pub from: Verdict,
    /// What holds now: `Up` with as many healthy origins as it needs; else `Unknown` while one of them has no verdict.
    pub verdict: Verdict,
    /// How many healthy origins it needs.
    pub minimum_origins: u32,
    /// Its origins, in its order.
    pub origins: Vec<OriginEvent>,
}

/// An origin at that moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OriginEvent {
    /// Its name.
    pub name: String,
    /// Where it is, as it is written.
    pub address: Address,
    /// The address of it that changed, or its first; none while a host has none.
    pub ip: Option<IpAddr>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its verdict before.
    pub from: Verdict,
    /// Its verdict now.
    pub verdict: Verdict,
    /// Why it is down, if it is.
    pub reason: Option<FailReason>,
    /// How many outcomes in a row changed the verdict; 0 if nothing did.
    pub count: u32,
    /// How long the probe took that decided the change, if that is still known.
    pub latency: Option<Duration>,
}

/// One thing that changed in an event: the pool itself, or one of its origins.
#[derive(Clone, Copy, Debug)]
pub struct Change<'e> {
    /// The event.
    pub event: &'e PoolEvent,
    /// The origin; none for the pool itself.
    pub origin: Option<&'e OriginEvent>,
}

impl Change<'_> {
    /// The verdict before.
    pub fn from(self) -> Verdict {
        self.origin.map_or(self.event.from, |origin| origin.from)
    }

    /// The verdict now.
    pub fn verdict(self) -> Verdict {
        self.origin.map_or(self.event.verdict, |origin| origin.verdict)
    }
}

impl PoolEvent {
    /// What changed: origins first, and then the pool, for which they are the reason.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let origins = self.origins.iter().filter(|origin| origin.has_changed());
        let pool = (self.from != self.verdict).then_some(Change { event: self, origin: None });
        origins.map(|origin| Change { event: self, origin: Some(origin) }).chain(pool)
    }

    /// Whether the pool has as many healthy origins as it needs.
    pub fn is_healthy(&self) -> bool {
        self.verdict == Verdict::Up
    }

    /// Whether that is what changed.
    pub fn health_changed(&self) -> bool {
        self.is_healthy() != (self.from == Verdict::Up)
    }

    /// How many of its origins are healthy.
    pub fn healthy_origins(&self) -> usize {
        self.origins.iter().filter(|origin| origin.verdict == Verdict::Up).count()
    }
}

impl OriginEvent {
    /// Whether its verdict changed.
    pub fn has_changed(&self) -> bool {
        self.from != self.verdict
    }
}
