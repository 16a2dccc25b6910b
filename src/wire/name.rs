//! A name taken from a message: lower case, with the place of each label, and hashes of its suffixes.

use std::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::{FixedState, FoldHasher};

use crate::model::name::{LABEL_OCTETS_MAX, LABELS_MAX, NAME_OCTETS_MAX};

/// A domain name in lower-case wire form that knows where its labels start. Large, therefore reused: see
/// [`LowerName::read`].
#[derive(Clone)]
pub struct LowerName {
    /// Where each label's length octet is, leftmost first, and the root's after the last.
    starts: [u8; LABELS_MAX + 1],
    /// Octets in use, 1 to 255.
    len: u8,
    /// Labels, the root not counted.
    count: u8,
    /// Wire form, the first `len` octets.
    octets: [u8; NAME_OCTETS_MAX],
}

impl Default for LowerName {
    /// The root.
    fn default() -> Self {
        Self { octets: [0; NAME_OCTETS_MAX], len: 1, count: 0, starts: [0; LABELS_MAX + 1] }
    }
}

/// Octets that are no uncompressed name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadName;

impl LowerName {
    /// Reads the uncompressed name at the start of `octets` into `self` and returns how many octets it took.
    pub fn read(&mut self, octets: &[u8]) -> Result<usize, BadName> {
        let mut at = 0;
        let mut count = 0;
        loop {
            let length = usize::from(*octets.get(at).ok_or(BadName)?);
            // RFC 1035 §4.1.4: the top bits mark a pointer, which a question has no use for.
            if length > LABEL_OCTETS_MAX {
                return Err(BadName);
            }
            *self.starts.get_mut(count).ok_or(BadName)? = u8::try_from(at).map_err(|_| BadName)?;
            if length == 0 {
                break;
            }
            count += 1;
            at += 1 + length;
        }
        let end = at + 1;
        let source = octets.get(..end).ok_or(BadName)?;
        let place = self.octets.get_mut(..end).ok_or(BadName)?;
        // Length octets are below 64 and so no upper-case letters. One pass: reading again what has just been written, in
        // pieces of another size, would wait until it is in the cache.
        place.iter_mut().zip(source).for_each(|(to, from)| *to = from.to_ascii_lowercase());
        self.len = u8::try_from(end).map_err(|_| BadName)?;
        self.count = u8::try_from(count).map_err(|_| BadName)?;
        Ok(end)
    }

    /// The name in wire form.
    pub fn wire(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many labels it has, the root not counted.
    pub fn label_count(&self) -> usize {
        usize::from(self.count)
    }

    /// Where the suffix of `labels` labels starts, in octets from the start of the name.
    pub fn suffix_start(&self, labels: usize) -> usize {
        let skipped = self.label_count().saturating_sub(labels);
        self.starts.get(skipped).map_or(0, |start| usize::from(*start))
    }

    /// The suffix of `labels` labels: 0 is the root, all of them the name itself.
    pub fn suffix(&self, labels: usize) -> &[u8] {
        self.wire().get(self.suffix_start(labels)..).unwrap_or_default()
    }

    /// Its labels with their length octets, from the right: each makes the next longer suffix.
    fn labels_from_root(&self) -> impl Iterator<Item = &[u8]> {
        let mut end = self.suffix_start(0);
        let starts = self.starts.get(..self.label_count()).unwrap_or_default();
        starts.iter().rev().map(move |start| {
            let start = usize::from(*start);
            let label = self.octets.get(start..end).unwrap_or_default();
            end = start;
            label
        })
    }
}

/// A name and the hashes of all its suffixes, of which a lookup needs several. Large, therefore reused: see
/// [`HashedName::read`].
#[derive(Clone)]
pub struct HashedName {
    /// The name.
    name: LowerName,
    /// How it is hashed, if it is.
    hashing: Option<NameHashing>,
    /// The hash of the suffix of so many labels, as far as the name has them.
    hashes: [SuffixHash; LABELS_MAX + 1],
}

impl Default for HashedName {
    /// The root.
    fn default() -> Self {
        Self { name: LowerName::default(), hashing: None, hashes: [SuffixHash(0); LABELS_MAX + 1] }
    }
}

impl HashedName {
    /// Reads and hashes the uncompressed name at the start of `octets` and returns how many octets it took.
    pub fn read(&mut self, octets: &[u8], hashing: NameHashing) -> Result<usize, BadName> {
        let taken = self.read_only(octets)?;
        self.hash_by(hashing);
        Ok(taken)
    }

    /// Reads a name that will be hashed later, by [`HashedName::hash_by`].
    pub fn read_only(&mut self, octets: &[u8]) -> Result<usize, BadName> {
        self.hashing = None;
        self.name.read(octets)
    }

    /// Has the hashes be those of `hashing`.
    #[inline]
    pub fn hash_by(&mut self, hashing: NameHashing) {
        if self.hashing == Some(hashing) {
            return;
        }
        let Self { name, hashes, .. } = self;
        let mut hash = hashing.root();
        let [root, longer @ ..] = hashes;
        *root = hash;
        for (label, place) in name.labels_from_root().zip(longer) {
            hash = hash.extended(label);
            *place = hash;
        }
        self.hashing = Some(hashing);
    }

    /// How it is hashed, if it is.
    pub const fn hashing(&self) -> Option<NameHashing> {
        self.hashing
    }

    /// The hash of the suffix of `labels` labels, as many as there are at the most.
    #[inline]
    pub fn hash_of(&self, labels: usize) -> SuffixHash {
        self.hashes.get(labels).copied().unwrap_or(SuffixHash(0))
    }
}

impl std::ops::Deref for HashedName {
    type Target = LowerName;

    fn deref(&self) -> &LowerName {
        &self.name
    }
}

/// Hashes names label by label from the root, so that the hash of a name extends that of its parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameHashing {
    /// Differs from table to table, so that nobody can prepare names that collide.
    seed: u64,
}

/// The hash of a suffix, which can be extended to the left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SuffixHash(u64);

impl NameHashing {
    /// Hashing that depends on `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The hash of the root.
    pub fn root(self) -> SuffixHash {
        SuffixHash(FixedState::with_seed(self.seed).build_hasher().finish())
    }

    /// The hash of a whole name in lower-case wire form.
    pub fn wire(self, wire: &[u8]) -> u64 {
        let mut name = LowerName::default();
        // Whoever stores names has checked them.
        let read = name.read(wire);
        debug_assert!(read.is_ok(), "not a name");
        name.labels_from_root().fold(self.root(), SuffixHash::extended).finish()
    }
}

impl SuffixHash {
    /// The hash of the suffix that is longer by a label, given with its length octet.
    #[inline]
    #[must_use]
    pub fn extended(self, label: &[u8]) -> Self {
        let mut hasher = FoldHasher::with_seed(self.0, SharedSeed::global_fixed());
        hasher.write(label);
        Self(hasher.finish())
    }

    /// The hash.
    pub const fn finish(self) -> u64 {
        // The accumulator's low bits are weaker than its high ones; buckets are chosen by the low ones.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &[u8]) -> Result<(LowerName, usize), BadName> {
        let mut name = LowerName::default();
        let used = name.read(wire)?;
        Ok((name, used))
    }

    #[test]
    fn a_name_is_lowered_and_its_suffixes_found() {
        let (name, used) = read(b"\x03wWw\x07EXAMPLE\x03com\0rest").unwrap();
        assert_eq!(used, 17);
        assert_eq!(name.wire(), b"\x03www\x07example\x03com\0");
        assert_eq!(name.label_count(), 3);
        assert_eq!(name.suffix(3), name.wire());
        assert_eq!(name.suffix(2), b"\x07example\x03com\0");
        assert_eq!(name.suffix(0), b"\0");
        assert_eq!(name.suffix_start(1), 12);
        assert_eq!(read(b"\0").unwrap().0.suffix(0), b"\0");
    }

    #[test]
    fn what_is_no_uncompressed_name_is_refused() {
        let long = [b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(4);
        let many = b"\x01a".repeat(128);
        for bad in [&b""[..], b"\x03ww", b"\x03www", b"\xc0\x0c", b"\x40a\0", &[&long[..], b"\0"].concat(), &many] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let longest = [b"\x01a".repeat(127), b"\0".to_vec()].concat();
        assert_eq!(read(&longest).unwrap().1, 255);
    }

    #[test]
    fn the_hash_of_a_suffix_is_the_hash_of_that_name() {
        let hashing = NameHashing::new(7);
        let wire = b"\x03www\x07example\x03com\0";
        let (name, _) = read(wire).unwrap();
        let mut hashed = HashedName::default();
        assert_eq!(hashed.read(wire, NameHashing::new(8)), Ok(wire.len()));
        hashed.hash_by(hashing);
        for labels in 0..=3 {
            assert_eq!(hashed.hash_of(labels).finish(), hashing.wire(name.suffix(labels)));
        }
        let wild = hashed.hash_of(2).extended(b"\x01*");
        assert_eq!(wild.finish(), hashing.wire(b"\x01*\x07example\x03com\0"));
        assert_ne!(hashing.wire(name.wire()), NameHashing::new(8).wire(name.wire()));
        // Labels are told apart by their lengths.
        assert_ne!(hashing.wire(b"\x02ab\x01c\0"), hashing.wire(b"\x01a\x02bc\0"));
    }
}
