//! Alias tables (Walker's method): one of several outcomes drawn in constant time.
//!
//! A table is octets, so that it can share an allocation with what it draws from: for each outcome a column of three
//! numbers in the machine's order: below the threshold the column's own outcome is drawn, otherwise another's.

/// Octets of one column.
pub const ENTRY_OCTETS: usize = 12;

/// One column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    /// Chance of the own outcome in 2^32 parts; with itself as the alias it is certain.
    threshold: u32,
    /// The column's own outcome.
    own: u32,
    /// The outcome that fills the rest of the column.
    alias: u32,
}

impl Entry {
    /// Its octets.
    fn to_octets(self) -> [u8; ENTRY_OCTETS] {
        let Self { threshold, own, alias } = self;
        let mut octets = [0; ENTRY_OCTETS];
        for (place, number) in octets.as_chunks_mut().0.iter_mut().zip([threshold, own, alias]) {
            *place = number.to_ne_bytes();
        }
        octets
    }

    /// The column that octets stand for.
    fn from_octets(octets: &[u8; ENTRY_OCTETS]) -> Self {
        let number = |index: usize| octets.as_chunks().0.get(index).map_or(0, |chunk| u32::from_ne_bytes(*chunk));
        Self { threshold: number(0), own: number(1), alias: number(2) }
    }
}

/// Appends the table of `outcomes`, each with its share of `shares`.
pub fn render(octets: &mut Vec<u8>, outcomes: &[(u32, u64)], shares: u64) {
    for entry in build(outcomes, shares) {
        octets.extend_from_slice(&entry.to_octets());
    }
}

/// Draws from a table: the upper half of `random` chooses the column, the lower half the part of it.
pub fn pick(table: &[u8], random: u64) -> Option<u32> {
    let columns = table.len() / ENTRY_OCTETS;
    let column = usize::try_from(((random >> 32) * columns as u64) >> 32).ok()?;
    let entry = Entry::from_octets(table.get(column * ENTRY_OCTETS..)?.first_chunk()?);
    let low = u32::try_from(random & u64::from(u32::MAX)).ok()?;
    Some(if low < entry.threshold { entry.own } else { entry.alias })
}

/// Fills columns of equal height: what a small share leaves free is taken by a large one.
fn build(outcomes: &[(u32, u64)], shares: u64) -> Vec<Entry> {
    let columns = outcomes.len() as u128;
    let full = u128::from(shares);
    let mut left: Vec<u128> = outcomes.iter().map(|(_, share)| u128::from(*share) * columns).collect();
    let mut entries: Vec<Entry> =
        outcomes.iter().map(|(own, _)| Entry { threshold: u32::MAX, own: *own, alias: *own }).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..outcomes.len()).partition(|index| left.get(*index).is_some_and(|share| *share < full));
    while let (Some(under), Some(over)) = (small.pop(), large.last().copied()) {
        let (share, alias) = (left.get(under).copied().unwrap_or(0), entries.get(over).map_or(0, |over| over.own));
        if let (Some(entry), Some(over_share)) = (entries.get_mut(under), left.get_mut(over)) {
            // A share below `full`, so the quotient is below 2^32.
            entry.threshold = u32::try_from((share << 32) / full).unwrap_or(u32::MAX);
            entry.alias = alias;
            *over_share -= full - share;
            if *over_share < full {
                large.pop();
                small.push(over);
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_table_has_the_shares(shares in prop::collection::vec(0_u64..1000, 1..30)) {
            let total: u64 = shares.iter().sum();
            prop_assume!(total > 0);
            let outcomes: Vec<(u32, u64)> = (0..).zip(shares.iter().copied()).collect();
            // Integrate the table instead of drawing from it.
            let mut found = vec![0.0; shares.len()];
            for entry in build(&outcomes, total) {
                let own = if entry.own == entry.alias { 1.0 } else { f64::from(entry.threshold) / 4_294_967_296.0 };
                found[entry.own as usize] += own;
                found[entry.alias as usize] += 1.0 - own;
            }
            #[expect(clippy::cast_precision_loss)]
            for (found, share) in found.iter().zip(&shares) {
                let expected = *share as f64 / total as f64 * shares.len() as f64;
                prop_assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
            }
        }

        #[test]
        fn any_random_number_picks(random in any::<u64>(), shares in prop::collection::vec(1_u64..9, 1..9)) {
            let outcomes: Vec<(u32, u64)> = (10_u32..).zip(shares.iter().copied()).collect();
            let mut table = Vec::new();
            render(&mut table, &outcomes, shares.iter().sum());
            prop_assert_eq!(table.len(), shares.len() * ENTRY_OCTETS);
            let picked = pick(&table, random).unwrap();
            prop_assert!(outcomes.iter().any(|(own, _)| *own == picked));
        }
    }

    #[test]
    fn an_empty_table_gives_nothing() {
        assert_eq!(pick(&[], 7), None);
    }
}
