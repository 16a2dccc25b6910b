//! The numbers of a SOA record that a secondary goes by.

use std::time::Duration;

use crate::model::limits::{EXPIRE_MIN, REFRESH_MAX, REFRESH_MIN, RETRY_MAX, RETRY_MIN};
use crate::model::rrset::Rtype;
use crate::model::zone::Zone;

/// The SOA record's times (RFC 1035 §3.3.13), within bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SoaTimes {
    /// How long until the primary is asked again.
    pub refresh: Duration,
    /// How long after it could not be asked.
    pub retry: Duration,
    /// How long the zone is good without word from a primary.
    pub expire: Duration,
}

impl SoaTimes {
    /// Reads them from the data of a SOA record.
    pub fn of(rdata: &[u8]) -> Option<Self> {
        let [_, _, _, _, r0, r1, r2, r3, t0, t1, t2, t3, e0, e1, e2, e3, ..] = *rdata.last_chunk::<20>()?;
        let seconds = |octets| Duration::from_secs(u64::from(u32::from_be_bytes(octets)));
        Some(Self {
            refresh: seconds([r0, r1, r2, r3]).clamp(REFRESH_MIN, REFRESH_MAX),
            retry: seconds([t0, t1, t2, t3]).clamp(RETRY_MIN, RETRY_MAX),
            expire: seconds([e0, e1, e2, e3]).max(EXPIRE_MIN),
        })
    }
}

/// The serial in the data of a SOA record.
pub fn serial_of(rdata: &[u8]) -> Option<u32> {
    rdata.last_chunk::<20>()?.first_chunk::<4>().copied().map(u32::from_be_bytes)
}

/// The data of a zone's SOA record.
pub fn soa_data(zone: &Zone) -> Option<&[u8]> {
    zone.owners().first()?.rrset(Rtype::SOA)?.rdatas().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_bounds() {
        let soa = |numbers: [u32; 5]| numbers.into_iter().flat_map(u32::to_be_bytes).collect::<Vec<u8>>();
        let seconds = Duration::from_secs;
        let usual = SoaTimes { refresh: seconds(7200), retry: seconds(900), expire: seconds(1_209_600) };
        assert_eq!(SoaTimes::of(&soa([9, 7200, 900, 1_209_600, 300])), Some(usual));
        assert_eq!(serial_of(&soa([9, 7200, 900, 1_209_600, 300])), Some(9));
        let low = SoaTimes { refresh: REFRESH_MIN, retry: RETRY_MIN, expire: EXPIRE_MIN };
        assert_eq!(SoaTimes::of(&soa([0; 5])), Some(low));
        let high = SoaTimes { refresh: REFRESH_MAX, retry: RETRY_MAX, expire: seconds(u32::MAX.into()) };
        assert_eq!(SoaTimes::of(&soa([u32::MAX; 5])), Some(high));
        assert_eq!(SoaTimes::of(&[0; 19]), None);
    }
}
