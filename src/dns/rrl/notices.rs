//! Networks that have come to be limited, on their way from the workers to the log.
//!
//! Workers may neither wait nor allocate, so there are a few places, and what finds none free is only counted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::ResponseClass;

/// Places: more networks at once are one event, and nobody reads a hundred lines of it.
const PLACES: usize = 32;
/// A place that holds nothing.
const FREE: u8 = 0;
/// A place that is being written or read.
const BUSY: u8 = 1;
/// A place that holds a notice.
const FULL: u8 = 2;

/// A network that has come to be limited.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Notice {
    /// Upper bits of its addresses: 32 bits of IPv4, 64 bits of IPv6.
    pub(super) bits: u64,
    /// How many of them count.
    pub(super) length: u8,
    /// The family.
    pub(super) is_ipv4: bool,
    /// The answers that are limited.
    pub class: ResponseClass,
}

impl Notice {
    /// What its place holds besides the bits.
    fn packed(self) -> u64 {
        u64::from_be_bytes([0, 0, 0, 0, 0, self.class as u8, u8::from(self.is_ipv4), self.length])
    }

    /// The notice of what a place holds.
    fn unpacked(bits: u64, packed: u64) -> Option<Self> {
        let [.., class, is_ipv4, length] = packed.to_be_bytes();
        let class = *ResponseClass::ALL.get(usize::from(class))?;
        Some(Self { bits, length, is_ipv4: is_ipv4 != 0, class })
    }
}

/// The network as people write it.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = if self.is_ipv4 {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(self.bits).unwrap_or(0)))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(self.bits) << 64))
        };
        write!(f, "{address}/{}", self.length)
    }
}

/// One place.
#[derive(Debug, Default)]
struct Place {
    /// Who may touch the rest.
    state: AtomicU8,
    /// Bits of the network.
    bits: AtomicU64,
    /// The rest of the notice.
    packed: AtomicU64,
}

/// All places, and how many notices found none.
#[derive(Debug, Default)]
pub struct Notices {
    /// The places.
    places: [Place; PLACES],
    /// Notices that found no place since the last look.
    lost: AtomicU64,
}

impl Notices {
    /// Leaves a notice.
    #[cold]
    pub fn post(&self, notice: Notice) {
        let claim =
            |place: &&Place| place.state.compare_exchange(FREE, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let Some(place) = self.places.iter().find(claim) else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        place.bits.store(notice.bits, Ordering::Relaxed);
        place.packed.store(notice.packed(), Ordering::Relaxed);
        place.state.store(FULL, Ordering::Release);
    }

    /// Takes all notices, and the number of those that were lost.
    pub fn take(&self) -> (Vec<Notice>, u64) {
        let mut taken = Vec::new();
        for place in &self.places {
            if place.state.compare_exchange(FULL, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                taken
                    .extend(Notice::unpacked(place.bits.load(Ordering::Relaxed), place.packed.load(Ordering::Relaxed)));
                place.state.store(FREE, Ordering::Release);
            }
        }
        (taken, self.lost.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_come_out_as_they_went_in() {
        let notices = Notices::default();
        let v4 = Notice { bits: 0xc000_0200, length: 24, is_ipv4: true, class: ResponseClass::Negative };
        let v6 = Notice { bits: 0x2001_0db8 << 32, length: 56, is_ipv4: false, class: ResponseClass::Error };
        notices.post(v4);
        notices.post(v6);
        assert_eq!(notices.take(), (vec![v4, v6], 0));
        assert_eq!((v4.to_string(), v6.to_string()), ("192.0.2.0/24".into(), "2001:db8::/56".into()));
        assert_eq!(notices.take(), (vec![], 0));
    }

    #[test]
    fn what_finds_no_place_is_counted() {
        let notices = Notices::default();
        let notice = Notice { bits: 1 << 8, length: 24, is_ipv4: true, class: ResponseClass::Answer };
        for _ in 0..PLACES + 5 {
            notices.post(notice);
        }
        let (taken, lost) = notices.take();
        assert_eq!((taken.len(), lost), (PLACES, 5));
        notices.post(notice);
        assert_eq!(notices.take(), (vec![notice], 0), "places are free again");
    }
}
