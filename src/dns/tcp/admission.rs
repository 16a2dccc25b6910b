//! Who may connect: counts of open connections, in all and for each client prefix.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one site has at most: its clients share a cap, or an attacker would bring a thousand addresses. The upper 24
/// bits of an IPv4 address or the upper 56 of an IPv6 address; IPv4-mapped addresses are IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Prefix {
    /// A /24.
    V4(u32),
    /// A /56.
    V6(u128),
}

impl Prefix {
    /// The prefix of `address`.
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits() >> 8),
            IpAddr::V6(address) => Self::V6(address.to_bits() >> 72),
        }
    }
}

/// Why a connection is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// Too many connections in all.
    Total,
    /// Too many connections of the client's prefix.
    Prefix,
}

/// The counts and their caps.
#[derive(Debug)]
pub(super) struct Admission {
    /// Most connections in all.
    total_max: usize,
    /// Most connections of one prefix.
    prefix_max: usize,
    /// Open connections by prefix, and in all. Held for a few instructions only.
    open: Mutex<Open>,
}

/// Open connections.
#[derive(Debug, Default)]
struct Open {
    /// In all.
    total: usize,
    /// By prefix; none is 0.
    prefixes: HashMap<Prefix, usize>,
}

impl Admission {
    /// Nobody is connected yet.
    pub(super) fn new(total_max: usize, prefix_max: usize) -> Self {
        Self { total_max, prefix_max, open: Mutex::default() }
    }

    /// Admits a connection from `address`, until the permit is dropped.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        let prefix = Prefix::of(address);
        let mut open = self.lock();
        if open.total >= self.total_max {
            return Err(Refusal::Total);
        }
        let count = open.prefixes.get(&prefix).copied().unwrap_or(0);
        if count >= self.prefix_max {
            return Err(Refusal::Prefix);
        }
        open.total += 1;
        open.prefixes.insert(prefix, count + 1);
        Ok(Permit { admission: Arc::clone(self), prefix })
    }

    /// Open connections in all.
    pub(super) fn total(&self) -> usize {
        self.lock().total
    }

    /// The counts. They are right even after a panic: nothing in between can panic.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection that counts.
#[derive(Debug)]
pub(super) struct Permit {
    /// Where it counts.
    admission: Arc<Admission>,
    /// Whose it is.
    prefix: Prefix,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.lock();
        open.total = open.total.saturating_sub(1);
        if let Entry::Occupied(mut count) = open.prefixes.entry(self.prefix) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_hold_for_all_and_for_each_prefix() {
        let admission = Arc::new(Admission::new(3, 2));
        let admit = |address: &str| admission.admit(address.parse().unwrap());
        let first = admit("192.0.2.1").unwrap();
        let second = admit("::ffff:192.0.2.200").unwrap();
        assert_eq!(admit("192.0.2.3").unwrap_err(), Refusal::Prefix);
        let _third = admit("192.0.3.1").unwrap();
        assert_eq!(admit("198.51.100.1").unwrap_err(), Refusal::Total);
        drop(first);
        let _fourth = admit("192.0.2.3").unwrap();
        drop(second);
        assert_eq!(admission.total(), 2);
    }

    #[test]
    fn an_ipv6_site_has_56_bits() {
        let admission = Arc::new(Admission::new(9, 1));
        let _one = admission.admit("2001:db8:0:ff::1".parse().unwrap()).unwrap();
        assert_eq!(admission.admit("2001:db8:0:0::1".parse().unwrap()).unwrap_err(), Refusal::Prefix);
        let _other = admission.admit("2001:db8:0:100::1".parse().unwrap()).unwrap();
    }

    #[test]
    fn prefixes_without_connections_take_no_memory() {
        let admission = Arc::new(Admission::new(9, 1));
        drop(admission.admit("192.0.2.1".parse().unwrap()).unwrap());
        assert!(admission.lock().prefixes.is_empty());
    }
}
