//! Places for probes of one address at one time, so that a host that is silent, or has thousands of targets, neither takes
//! the permits of all others nor gets a load test.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::model::limits::PROBES_PER_ADDRESS_MAX;

/// The places of all addresses that are being probed or waited for; others cost nothing.
#[derive(Debug, Default)]
pub(in crate::health) struct Places(Mutex<HashMap<IpAddr, Used>>);

/// The places of one address.
#[derive(Debug)]
struct Used {
    /// The places.
    slot: Arc<Slot>,
    /// How many have one or wait for one.
    users: usize,
}

/// What all who probe one address share.
#[derive(Debug)]
struct Slot {
    /// The address.
    address: IpAddr,
    /// Places that are free.
    free: Semaphore,
}

/// A place, or the wait for one. It is held for as long as a probe lasts, so it is small.
#[derive(Debug)]
pub(in crate::health) struct Place<'p> {
    /// Where it belongs.
    places: &'p Places,
    /// Of which address.
    slot: Arc<Slot>,
    /// Whether the wait is over.
    is_taken: bool,
}

impl Places {
    /// Waits for a place.
    pub(in crate::health) async fn take(&self, address: IpAddr) -> Place<'_> {
        let mut place = self.enter(address);
        // An error would mean that somebody closed the semaphore, which nobody does.
        if let Ok(permit) = place.slot.free.acquire().await {
            permit.forget();
            place.is_taken = true;
        }
        place
    }

    /// Counts somebody in who waits.
    fn enter(&self, address: IpAddr) -> Place<'_> {
        let mut all = self.lock();
        let used = all.entry(address).or_insert_with(|| {
            let free = Semaphore::new(PROBES_PER_ADDRESS_MAX);
            Used { slot: Arc::new(Slot { address, free }), users: 0 }
        });
        used.users += 1;
        Place { places: self, slot: Arc::clone(&used.slot), is_taken: false }
    }

    /// Takes the lock, whose holders cannot leave it half written.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Used>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_taken {
            self.slot.free.add_permits(1);
        }
        let mut all = self.places.lock();
        if let Some(used) = all.get_mut(&self.slot.address) {
            used.users -= 1;
            if used.users == 0 {
                all.remove(&self.slot.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn one_address_fills_up_and_leaves_nothing_behind() {
        let places = Places::default();
        let [busy, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let mut taken = Vec::new();
        for _ in 0..PROBES_PER_ADDRESS_MAX {
            taken.push(places.take(busy).await);
        }
        {
            let mut waiting = pin!(places.take(busy));
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("there is no place left"),
                place = places.take(other) => drop(place),
            }
            taken.pop();
            drop(waiting.await);
            // Another that gives up while it waits.
            taken.push(places.take(busy).await);
            let mut waiting = pin!(places.take(busy));
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("there is no place left"),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(places.lock().len(), 1);
        taken.clear();
        assert_eq!(places.lock().len(), 0);
    }
}
