//! What a pool's origins come to: their addresses, and what is probed for each.
//!
//! An origin that is written as an address has this one. A host has those that its name was last seen to have; while it has
//! none, the reason why is kept. Each address has its own verdict, and an origin is as healthy as the best of them.

use std::iter;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::health::table::TargetCell;
use crate::model::id::PoolId;
use crate::model::inventory::Identified;
use crate::model::lever::Levers;
use crate::model::pool::Pool;
use crate::model::verdict::{FailReason, Verdict, Vote, elect};

/// A pool, and what its origins come to.
#[derive(Clone, Debug)]
pub struct ProbedPool {
    /// The pool.
    pub pool: Arc<Pool>,
    /// Its origins, in its order.
    pub origins: Box<[ProbedOrigin]>,
    /// The levers that are pulled.
    pub levers: Option<Arc<Levers>>,
}

/// What one origin comes to.
#[derive(Clone, Debug)]
pub enum ProbedOrigin {
    /// One address, as it is written.
    Address(Endpoint),
    /// The addresses of a host, in order; never none.
    Host(Arc<[Endpoint]>),
    /// A host that has not been looked up yet.
    Awaited,
    /// A host of which no address is known, and why.
    Lost(FailReason),
}

/// One address of an origin.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What is answered.
    pub address: IpAddr,
    /// What is probed for it.
    pub checks: Checks,
}

/// What decides whether an address is healthy.
#[derive(Clone, Debug)]
pub enum Checks {
    /// Nothing is probed: there is no monitor, or the pool or the origin is disabled.
    None,
    /// One target.
    One(Arc<TargetCell>),
    /// The members of a monitor group.
    Group(Box<[Member]>),
}

/// What one member of a monitor group probes.
#[derive(Clone, Debug)]
pub struct Member {
    /// The target.
    pub cell: Arc<TargetCell>,
    /// What its verdict counts.
    pub vote: Vote,
}

impl Identified for ProbedPool {
    type Id = PoolId;

    fn id(&self) -> PoolId {
        self.pool.id
    }

    fn hash64(id: PoolId) -> u64 {
        Pool::hash64(id)
    }
}

impl ProbedPool {
    /// All targets, of all origins.
    pub fn cells(&self) -> impl Iterator<Item = &Arc<TargetCell>> {
        self.origins.iter().flat_map(ProbedOrigin::endpoints).flat_map(|endpoint| endpoint.checks.cells())
    }

    /// Whether `other` is the same pool with the same targets.
    pub(in crate::health) fn same_as(&self, other: &Self) -> bool {
        let same_levers = match (&self.levers, &other.levers) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        same_levers
            && Arc::ptr_eq(&self.pool, &other.pool)
            && self.origins.len() == other.origins.len()
            && iter::zip(&self.origins, &other.origins).all(|(ours, theirs)| ours.same_as(theirs))
    }
}

impl ProbedOrigin {
    /// Its addresses.
    pub fn endpoints(&self) -> &[Endpoint] {
        match self {
            Self::Address(endpoint) => std::slice::from_ref(endpoint),
            Self::Host(endpoints) => endpoints,
            Self::Awaited | Self::Lost(_) => &[],
        }
    }

    /// The verdict on it, that of its best address; none if nothing of it is probed.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict_by(&TargetCell::verdict)
    }

    /// The same, with another idea of the verdict on a target.
    pub fn verdict_by(&self, verdict: &impl Fn(&TargetCell) -> Verdict) -> Option<Verdict> {
        match self {
            Self::Awaited => Some(Verdict::Unknown),
            Self::Lost(_) => Some(Verdict::Down),
            Self::Address(endpoint) => endpoint.checks.verdict_by(verdict),
            Self::Host(endpoints) => {
                let verdicts = endpoints.iter().map(|endpoint| endpoint.checks.verdict_by(verdict));
                verdicts.collect::<Option<Vec<Verdict>>>()?.into_iter().max_by_key(|verdict| match verdict {
                    Verdict::Down => 0,
                    Verdict::Unknown => 1,
                    Verdict::Up => 2,
                })
            }
        }
    }

    /// Whether it is probed and nothing that probes it has a vote: then it counts as healthy.
    pub fn has_no_vote(&self) -> bool {
        self.endpoints().iter().any(|endpoint| endpoint.checks.has_no_vote())
    }

    /// Why it is down; none if it is not, or if nobody knows.
    pub fn reason(&self) -> Option<FailReason> {
        self.reason_by(&TargetCell::reason).filter(|_| self.verdict() == Some(Verdict::Down))
    }

    /// Why it would be down, with another idea of the reasons of a target.
    pub fn reason_by(&self, reason: &impl Fn(&TargetCell) -> Option<FailReason>) -> Option<FailReason> {
        match self {
            Self::Lost(reason) => Some(*reason),
            Self::Awaited | Self::Address(_) | Self::Host(_) => {
                self.endpoints().iter().find_map(|endpoint| endpoint.checks.reason_by(reason))
            }
        }
    }

    /// Whether `other` has the same addresses with the same targets.
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Awaited, Self::Awaited) => true,
            (Self::Lost(ours), Self::Lost(theirs)) => ours == theirs,
            (Self::Address(ours), Self::Address(theirs)) => ours.same_as(theirs),
            (Self::Host(ours), Self::Host(theirs)) => {
                ours.len() == theirs.len() && iter::zip(&**ours, &**theirs).all(|(ours, theirs)| ours.same_as(theirs))
            }
            (Self::Awaited | Self::Lost(_) | Self::Address(_) | Self::Host(_), _) => false,
        }
    }
}

impl Endpoint {
    /// Whether `other` is the same address with the same targets.
    fn same_as(&self, other: &Self) -> bool {
        self.address == other.address && self.checks.same_as(&other.checks)
    }
}

impl Checks {
    /// All targets.
    pub fn cells(&self) -> impl Iterator<Item = &Arc<TargetCell>> {
        let (one, group) = match self {
            Self::None => (None, &[][..]),
            Self::One(cell) => (Some(cell), &[][..]),
            Self::Group(members) => (None, &**members),
        };
        one.into_iter().chain(group.iter().map(|member| &member.cell))
    }

    /// What they add up to; none where nothing is probed, or no member of the group has a vote.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict_by(&TargetCell::verdict)
    }

    /// The same, with another idea of the verdict on a target.
    fn verdict_by(&self, verdict: &impl Fn(&TargetCell) -> Verdict) -> Option<Verdict> {
        match self {
            Self::None => None,
            Self::One(cell) => Some(verdict(cell)),
            Self::Group(members) => elect(members.iter().map(|member| (member.vote, verdict(&member.cell)))),
        }
    }

    /// Whether they are a group of which no member has a vote.
    pub fn has_no_vote(&self) -> bool {
        matches!(self, Self::Group(members) if members.iter().all(|member| member.vote == Vote::None))
    }

    /// Why they say that it is down: the first reason of a target that has a vote.
    pub fn reason(&self) -> Option<FailReason> {
        self.reason_by(&TargetCell::reason)
    }

    /// The same, with another idea of the reasons of a target.
    fn reason_by(&self, reason: &impl Fn(&TargetCell) -> Option<FailReason>) -> Option<FailReason> {
        match self {
            Self::None => None,
            Self::One(cell) => reason(cell),
            Self::Group(members) => {
                let mut voters = members.iter().filter(|member| member.vote != Vote::None);
                voters.find_map(|member| reason(&member.cell))
            }
        }
    }

    /// When it came back, after it had been down; none if it has not, or is not up. A group is back when its last member is.
    pub fn returned(&self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::One(cell) => cell.returned(),
            Self::Group(members) => members.iter().filter_map(|member| member.cell.returned()).max(),
        }
    }

    /// The target that tells most of it: one that is down, if any with a vote is.
    pub fn telling(&self) -> Option<&Arc<TargetCell>> {
        match self {
            Self::None => None,
            Self::One(cell) => Some(cell),
            Self::Group(members) => {
                let voters = || members.iter().filter(|member| member.vote != Vote::None).map(|member| &member.cell);
                voters().find(|cell| cell.verdict() == Verdict::Down).or_else(|| voters().next())
            }
        }
    }

    /// Whether `other` has the same targets, with the same votes.
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::One(ours), Self::One(theirs)) => Arc::ptr_eq(ours, theirs),
            (Self::Group(ours), Self::Group(theirs)) => {
                let same = |(ours, theirs): (&Member, &Member)| {
                    ours.vote == theirs.vote && Arc::ptr_eq(&ours.cell, &theirs.cell)
                };
                ours.len() == theirs.len() && iter::zip(ours, theirs).all(same)
            }
            (Self::None | Self::One(_) | Self::Group(_), _) => false,
        }
    }
}
