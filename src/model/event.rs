//! What happened, for logs and for whoever has to act on it.

use std::net::IpAddr;

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

/// A pool at the moment at which it, or some of its origins, changed: what the original calls an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolEvent {
    /// When.
    pub at: UnixMicros,
    /// The pool.
    pub pool: PoolId,
    /// Its name at that time.
    pub name: String,
    /// Whether it has as many healthy origins as it needs.
    pub healthy: bool,
    /// Whether that is what changed.
    pub changed: bool,
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
    /// Its verdict.
    pub verdict: Verdict,
    /// Whether that is what changed.
    pub changed: bool,
    /// Why it is down, if it is.
    pub reason: Option<FailReason>,
}
