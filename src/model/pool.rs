//! A pool: a record set of origins that can stand in for one another.

use std::net::IpAddr;

use crate::model::id::{MonitorId, PoolId};
use crate::model::kept::Kept;

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
    /// How its origins are probed; without one their health is not considered.
    pub monitor: Option<MonitorId>,
    /// The origins, in the order in which they were given; never empty, addresses unique.
    pub origins: Vec<Origin>,
    /// What is kept for those who gave it.
    pub kept: Kept,
}

/// One address of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Its name, unique within the pool.
    pub name: String,
    /// Where it is.
    pub address: IpAddr,
    /// A disabled origin gets no traffic and is not probed, in this pool only.
    pub enabled: bool,
    /// Its share of the pool's traffic.
    pub weight: Weight,
    /// `header.Host`: name for the probe's Host field and SNI, wins over the monitor's.
    pub host: Option<String>,
    /// What is kept for those who gave it.
    pub kept: Kept,
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
