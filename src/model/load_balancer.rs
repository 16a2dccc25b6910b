//! A load balancer: a hostname in one of our zones, and the pools that answer for it.

use std::num::NonZeroU16;

use crate::model::id::{LoadBalancerId, PoolId};
use crate::model::kept::Kept;
use crate::model::name::Name;

/// A hostname and the pools that answer for it, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadBalancer {
    /// Its id.
    pub id: LoadBalancerId,
    /// The owner name: may be a zone's apex or a wildcard.
    pub name: Name,
    /// Free text.
    pub description: String,
    /// While it is disabled, static records at its name answer, if there are any.
    pub enabled: bool,
    /// Pools in order of failover; never empty.
    pub default_pools: Vec<PoolId>,
    /// The pool that answers when no default pool can.
    pub fallback_pool: PoolId,
    /// How a pool is chosen.
    pub steering_policy: SteeringPolicy,
    /// TTL of the answers, in seconds.
    pub ttl: u32,
    /// How many addresses one answer has.
    pub answers: Answers,
    /// What is kept for those who gave it.
    pub kept: Kept,
}

impl LoadBalancer {
    /// The pools that answers may come from.
    pub fn pools(&self) -> impl Iterator<Item = PoolId> {
        self.default_pools.iter().copied().chain([self.fallback_pool])
    }
}

/// How a pool is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SteeringPolicy {
    /// The first usable pool in order.
    Off,
    /// By the client's place. Kept, and until it is built, answered like [`SteeringPolicy::Off`]; so are those below.
    Geo,
    /// At random, by weight.
    Random,
    /// The pool whose origins answer probes fastest.
    DynamicLatency,
    /// The pool that is nearest.
    Proximity,
    /// The pool with the fewest requests under way.
    LeastOutstandingRequests,
    /// The pool with the fewest connections.
    LeastConnections,
}

impl SteeringPolicy {
    /// The original's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Geo => "geo",
            Self::Random => "random",
            Self::DynamicLatency => "dynamic_latency",
            Self::Proximity => "proximity",
            Self::LeastOutstandingRequests => "least_outstanding_requests",
            Self::LeastConnections => "least_connections",
        }
    }
}

/// How many addresses one answer has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Answers {
    /// Every healthy address of the pool that fits into an unfragmented datagram.
    All,
    /// This many, each origin included in proportion to its weight; 1 is the original's behavior.
    Count(NonZeroU16),
}
