//! A pool: a record set of origins that can stand in for one another.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::id::{MonitorGroupId, MonitorId, PoolId};
use crate::model::kept::Kept;
use crate::model::name::Name;

/// Steps in which an origin that came back gets its weight.
pub const SLOW_START_STEPS: u32 = 10;

/// Origins, and the rule by which they are probed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Its name, unique among pools.
    pub name: String,
    /// Free text.
    pub description: String,
    /// A disabled pool gets no traffic and is not probed.
    pub enabled: bool,
    /// Fewer healthy origins than this make the pool unhealthy.
    pub minimum_origins: u32,
    /// How its origins are probed; without one, and without a group, their health is not considered.
    pub monitor: Option<MonitorId>,
    /// Or several ways to probe them, and how these decide together. Never beside `monitor`.
    pub monitor_group: Option<MonitorGroupId>,
    /// Beyond the original: over how long an origin that came back gets its weight, in [`SLOW_START_STEPS`] steps; at once if
    /// it is zero.
    pub slow_start: Duration,
    /// The origins, in the order in which they were given; never empty, addresses and names of hosts unique.
    pub origins: Vec<Origin>,
    /// What is kept for those who gave it.
    pub kept: Kept,
}

impl Pool {
    /// Whether the health of its origins is considered.
    pub const fn is_monitored(&self) -> bool {
        self.monitor.is_some() || self.monitor_group.is_some()
    }
}

/// One member of a pool: an address, or a host with one or more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Its name, unique within the pool.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// Where it is probed instead, beyond the original: a management network, or a health service beside it.
    pub probe_address: Option<IpAddr>,
    /// A disabled origin gets no traffic and is not probed, in this pool only.
    pub enabled: bool,
    /// Its share of the pool's traffic.
    pub weight: Weight,
    /// `header.Host`: name for the probe's Host field and SNI, wins over the monitor's.
    pub host: Option<String>,
    /// What is kept for those who gave it.
    pub kept: Kept,
}

/// Where an origin is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// There.
    Ip(IpAddr),
    /// Wherever DNS says that the host of this name is.
    Host(Name),
}

impl Address {
    /// The address, unless it has to be looked up.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Host(_) => None,
        }
    }

    /// The name of the host, if it has to be looked up.
    pub const fn host(&self) -> Option<&Name> {
        match self {
            Self::Ip(_) => None,
            Self::Host(name) => Some(name),
        }
    }
}

impl<T: Into<IpAddr>> From<T> for Address {
    fn from(address: T) -> Self {
        Self::Ip(address.into())
    }
}

/// As it is written; the name of a host has no dot at its end.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Host(name) => name.fmt(f),
        }
    }
}

/// Why an address can be no origin's, in words for whoever wrote it.
pub fn unusable(address: IpAddr) -> Option<String> {
    if address.is_unspecified() {
        return Some("the unspecified address can never be reached; allowed: the address of a host".to_owned());
    }
    if address.is_multicast() {
        return Some("a multicast address can never be an origin; allowed: the address of one host".to_owned());
    }
    match address {
        IpAddr::V4(v4) if v4.is_broadcast() => {
            Some("the broadcast address can never be an origin; allowed: the address of one host".to_owned())
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            Some("a link-local address can never be reached by others; allowed: the address of a host".to_owned())
        }
        IpAddr::V6(v6) => {
            let v4 = v6.to_ipv4_mapped()?;
            Some(format!("an IPv4-mapped address can never be answered; write it as IPv4: \"{v4}\""))
        }
        IpAddr::V4(_) => None,
    }
}

/// A share in hundredths, 0 to 1. Zero gets no traffic and is still probed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Weight(u8);

impl Weight {
    /// The default weight.
    pub const ONE: Self = Self(100);
    /// No traffic.
    pub const ZERO: Self = Self(0);

    /// From a number 0 to 1 in steps of 0.01, as in the original.
    pub fn try_new(value: f64) -> Option<Self> {
        let hundredths = value * 100.0;
        let whole = hundredths.round();
        let legal = (0.0..=100.0).contains(&whole) && (hundredths - whole).abs() < 1e-6;
        // In range and whole, so the conversion is exact.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        legal.then_some(Self(whole as u8))
    }

    /// The weight in hundredths.
    pub const fn hundredths(self) -> u32 {
        self.0 as u32
    }

    /// The number as written.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_hundredths_from_0_to_1() {
        for (value, hundredths) in [(0.0, 0), (0.01, 1), (0.07, 7), (0.29, 29), (0.5, 50), (0.57, 57), (1.0, 100)] {
            assert_eq!(Weight::try_new(value).unwrap().hundredths(), hundredths);
        }
        for bad in [-0.01, 1.01, 0.005, f64::NAN, f64::INFINITY, 100.0] {
            assert_eq!(Weight::try_new(bad), None, "{bad}");
        }
    }
}
