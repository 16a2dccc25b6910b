//! A hash table of open addressing: a value lies in the table itself, next to its hash, at its home or right behind.
//!
//! It costs one cache miss to find a value where tables with a directory in front cost two, and the place where a
//! search will begin is known before memory is read, so that it can be asked for ahead.

use std::sync::Arc;

/// Places per value in use, as a fraction: runs of taken places stay short.
const LOAD_MAX: (usize, usize) = (3, 4);
/// Places of the smallest table that is not empty.
const PLACES_MIN: usize = 4;

/// Values found by hash and a comparison. A clone shares them, until one of both is written.
#[derive(Debug)]
pub struct Shard<T> {
    /// A power of two, or none; at least one of them is free.
    places: Arc<[Place<T>]>,
    /// How many hold a value.
    len: usize,
}

/// Where a value can be. One of 32 octets, as the nodes of names have them, never lies in two cache lines.
#[derive(Clone, Debug)]
#[repr(align(32))]
pub struct Place<T> {
    /// The hash of the value; without meaning if there is none.
    hash: u64,
    /// The value.
    value: Option<T>,
}

impl<T> Place<T> {
    /// Nothing.
    const FREE: Self = Self { hash: 0, value: None };

    /// The value, if it has this hash.
    fn holds(&self, hash: u64) -> Option<&T> {
        self.value.as_ref().filter(|_| self.hash == hash)
    }
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self { places: Arc::default(), len: 0 }
    }
}

impl<T> Clone for Shard<T> {
    fn clone(&self) -> Self {
        Self { places: Arc::clone(&self.places), len: self.len }
    }
}

impl<T> Shard<T> {
    /// Whether both are one value, without looking into them.
    pub fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.places, &other.places)
    }

    /// The place where the search for a hash begins. Memory is not read.
    pub fn home(&self, hash: u64) -> Option<&Place<T>> {
        self.places.get(self.home_index(hash))
    }

    /// The first value with this hash: nearly always the one that is looked for.
    pub fn likely(&self, hash: u64) -> Option<&T> {
        self.find(hash, |_| true)
    }

    /// The value with this hash for which `same_key` holds.
    pub fn find(&self, hash: u64, same_key: impl Fn(&T) -> bool) -> Option<&T> {
        self.run(hash).find_map(|(_, place)| place.holds(hash).filter(|value| same_key(value)))
    }

    /// All values with their hashes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.places.iter().filter_map(|place| Some((place.hash, place.value.as_ref()?)))
    }

    /// Where the value with this hash is for which `same_key` holds.
    fn index_of(&self, hash: u64, same_key: impl Fn(&T) -> bool) -> Option<usize> {
        self.run(hash).find(|(_, place)| place.holds(hash).is_some_and(&same_key)).map(|(index, _)| index)
    }

    /// The places where a value with this hash can be, with their indexes: from its home to the end, and on at the
    /// beginning. A free place ends them.
    fn run(&self, hash: u64) -> impl Iterator<Item = (usize, &Place<T>)> {
        let home = self.home_index(hash);
        let (wrapped, first) = self.places.split_at_checked(home).unwrap_or_default();
        (home..).zip(first).chain((0..).zip(wrapped)).take_while(|(_, place)| place.value.is_some())
    }

    /// The home of a hash: its lowest bits. Shards are told apart by others.
    fn home_index(&self, hash: u64) -> usize {
        usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & self.places.len().wrapping_sub(1)
    }

    /// The index behind an index.
    fn following(&self, index: usize) -> usize {
        (index + 1) & self.places.len().wrapping_sub(1)
    }

    /// How far it is forward from one index to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.places.len().wrapping_sub(1)
    }
}

impl<T: Clone> Shard<T> {
    /// As [`Shard::find`], to be changed in place.
    pub fn find_mut(&mut self, hash: u64, same_key: impl Fn(&T) -> bool) -> Option<&mut T> {
        let index = self.index_of(hash, same_key)?;
        Arc::make_mut(&mut self.places).get_mut(index)?.value.as_mut()
    }

    /// Puts `value` in the place of the one with the same key, which is returned.
    pub fn insert(&mut self, hash: u64, value: T, same_key: impl Fn(&T) -> bool) -> Option<T> {
        if let Some(before) = self.find_mut(hash, same_key) {
            return Some(std::mem::replace(before, value));
        }
        if (self.len + 1) * LOAD_MAX.1 > self.places.len() * LOAD_MAX.0 {
            self.grow();
        }
        self.put(Place { hash, value: Some(value) });
        None
    }

    /// Takes a value out.
    pub fn remove(&mut self, hash: u64, same_key: impl Fn(&T) -> bool) -> Option<T> {
        let mut free = self.index_of(hash, same_key)?;
        let removed = Arc::make_mut(&mut self.places).get_mut(free)?.value.take();
        self.len -= 1;
        // What was pushed behind its home by the one that is gone moves up, so that no search ends too early.
        let mut next = self.following(free);
        while let Some(hash) = self.places.get(next).and_then(|place| place.value.as_ref().map(|_| place.hash)) {
            let pushed = self.distance(self.home_index(hash), next);
            if pushed >= self.distance(free, next) {
                Arc::make_mut(&mut self.places).swap(free, next);
                free = next;
            }
            next = self.following(next);
        }
        removed
    }

    /// Puts a new value behind those that are at its home already.
    fn put(&mut self, new: Place<T>) {
        let mut index = self.home_index(new.hash);
        while self.places.get(index).is_some_and(|place| place.value.is_some()) {
            index = self.following(index);
        }
        if let Some(place) = Arc::make_mut(&mut self.places).get_mut(index) {
            *place = new;
            self.len += 1;
        }
    }

    /// Moves everything into twice the places.
    fn grow(&mut self) {
        let places = (self.places.len() * 2).max(PLACES_MIN);
        let mut before = std::mem::replace(&mut self.places, (0..places).map(|_| Place::FREE).collect());
        self.len = 0;
        // What nobody shares is moved.
        if let Some(before) = Arc::get_mut(&mut before) {
            for Place { hash, value } in before.iter_mut().filter(|place| place.value.is_some()) {
                self.put(Place { hash: *hash, value: value.take() });
            }
            return;
        }
        for place in before.iter().filter(|place| place.value.is_some()) {
            self.put(place.clone());
        }
    }
}
