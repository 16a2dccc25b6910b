//! Weighted draws prepared in advance: which origins an answer has, and in which order, with exact shares.
//!
//! An answer has `n` of `m` origins. Which ones is decided by systematic sampling over the cumulative weights: one
//! random start, then equal steps. Each origin's chance to be included is then exactly in proportion to its weight,
//! and there are at most `m` different sets, however many draws there are. An origin whose weight is worth a whole
//! step or more is in every set. Within a set the origin that stands first is drawn as well, so that it is first
//! with a chance of weight / sum of weights over all answers; the others follow in rotation.

/// One thing that can be drawn: a set, and the member of it that stands first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Draw {
    /// Index of the set.
    pub set: usize,
    /// Place within the set of the member that stands first.
    pub first: usize,
    /// Its chance is `share` of [`Draws::shares`].
    pub share: u64,
}

/// Everything that can be drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draws {
    /// Different sets, each as ascending indices into the weights.
    pub sets: Vec<Vec<usize>>,
    /// What can be drawn.
    pub draws: Vec<Draw>,
    /// Sum of all shares.
    pub shares: u64,
}

/// Prepares the draws of `count` out of `weights`, all of them above zero.
pub fn draws(weights: &[u32], count: usize) -> Draws {
    let total = sum(weights, 0..weights.len());
    let (certain, rest) = split_certain(weights, count);
    let steps = count.min(weights.len()) - certain.len();
    if steps == 0 {
        let draw = |(first, weight): (usize, &u32)| Draw { set: 0, first, share: u64::from(*weight) };
        let draws = weights.iter().enumerate().map(draw).collect();
        return Draws { sets: vec![(0..weights.len()).collect()], draws, shares: total };
    }
    let rest_total = sum(weights, rest.iter().copied());
    let steps_wide = steps as u64;
    let mut sets = Vec::new();
    let mut draws = Vec::new();
    for (sampled, width) in systematic_sets(weights, &rest, steps_wide) {
        let mut members: Vec<usize> = certain.iter().chain(&sampled).copied().collect();
        members.sort_unstable();
        for (first, member) in members.iter().enumerate() {
            // Chance of the set is width / rest_total. Given the set, a certain member is first with weight / total,
            // and the sampled ones share what is left of 1 evenly.
            let share = if certain.contains(member) {
                width * weight(weights, *member) * steps_wide
            } else {
                width * rest_total
            };
            draws.push(Draw { set: sets.len(), first, share });
        }
        sets.push(members);
    }
    Draws { sets, draws, shares: rest_total * total * steps_wide }
}

/// Splits indices into those that are in every set and the others.
fn split_certain(weights: &[u32], count: usize) -> (Vec<usize>, Vec<usize>) {
    let mut certain = Vec::new();
    let mut rest: Vec<usize> = (0..weights.len()).collect();
    if count >= weights.len() {
        return (rest, certain);
    }
    loop {
        let steps = (count - certain.len()) as u64;
        let total = sum(weights, rest.iter().copied());
        let (large, small): (Vec<usize>, Vec<usize>) =
            rest.iter().partition(|index| weight(weights, **index) * steps >= total);
        if large.is_empty() || steps == 0 {
            return (certain, rest);
        }
        certain.extend(large);
        rest = small;
    }
}

/// Samples of `steps` out of `rest`, each with the width of the starts that lead to it. Widths add up to the sum of
/// the weights of `rest`.
fn systematic_sets(weights: &[u32], rest: &[usize], steps: u64) -> Vec<(Vec<usize>, u64)> {
    let step = sum(weights, rest.iter().copied());
    // Cumulative weights, scaled by the number of steps so that a step is a whole number.
    let ends: Vec<u64> = rest
        .iter()
        .scan(0, |end, index| {
            *end += weight(weights, *index) * steps;
            Some(*end)
        })
        .collect();
    let mut starts: Vec<u64> = ends.iter().map(|end| end % step).chain([0]).collect();
    starts.sort_unstable();
    starts.dedup();
    let sample = |start: u64| {
        let places = (0..steps).map(|turn| ends.partition_point(|end| *end <= start + turn * step));
        places.filter_map(|place| rest.get(place).copied()).collect()
    };
    let nexts = starts.iter().skip(1).chain([&step]);
    starts.iter().zip(nexts).map(|(start, next)| (sample(*start), next - start)).collect()
}

/// One weight.
fn weight(weights: &[u32], index: usize) -> u64 {
    weights.get(index).copied().map_or(0, u64::from)
}

/// Sum of some weights.
fn sum(weights: &[u32], indices: impl IntoIterator<Item = usize>) -> u64 {
    indices.into_iter().map(|index| weight(weights, index)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Chances in floating point: of each origin to be included, and to be first.
    fn chances(weights: &[u32], count: usize) -> (Vec<f64>, Vec<f64>) {
        let prepared = draws(weights, count);
        let (mut included, mut first) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        for draw in &prepared.draws {
            #[expect(clippy::cast_precision_loss)]
            let chance = draw.share as f64 / prepared.shares as f64;
            let set = &prepared.sets[draw.set];
            for member in set {
                included[*member] += chance;
            }
            first[set[draw.first]] += chance;
        }
        (included, first)
    }

    #[test]
    fn equal_weights_rotate() {
        let prepared = draws(&[100, 100, 100], 3);
        assert_eq!(prepared.sets, [vec![0, 1, 2]]);
        assert_eq!(prepared.draws.len(), 3);
        let (included, first) = chances(&[100, 100, 100, 100], 2);
        assert!(included.iter().all(|chance| (chance - 0.5).abs() < 1e-12));
        assert!(first.iter().all(|chance| (chance - 0.25).abs() < 1e-12));
    }

    #[test]
    fn a_dominant_origin_is_in_every_answer() {
        let (included, first) = chances(&[90, 5, 5], 2);
        assert!((included[0] - 1.0).abs() < 1e-12 && (included[1] - 0.5).abs() < 1e-12);
        assert!((first[0] - 0.9).abs() < 1e-12 && (first[2] - 0.05).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn shares_follow_the_weights(weights in prop::collection::vec(1_u32..=100, 1..40), count in 1_usize..45) {
            let prepared = draws(&weights, count);
            let size = count.min(weights.len());
            prop_assert!(prepared.sets.len() <= weights.len());
            for set in &prepared.sets {
                prop_assert_eq!(set.len(), size);
                prop_assert!(set.is_sorted_by(|a, b| a < b));
            }
            prop_assert_eq!(prepared.draws.iter().map(|draw| draw.share).sum::<u64>(), prepared.shares);

            let (included, first) = chances(&weights, count);
            let total = f64::from(weights.iter().sum::<u32>());
            for (index, weight) in weights.iter().enumerate() {
                let share = f64::from(*weight) / total;
                prop_assert!((first[index] - share).abs() < 1e-9, "first {index}: {} for {share}", first[index]);
                // Never less than in proportion, and in proportion among those that are not certain.
                let proportional = (share * f64::from(u32::try_from(size).unwrap())).min(1.0);
                prop_assert!(included[index] > proportional - 1e-9 && included[index] < 1.0 + 1e-9);
            }
            let sampled: Vec<f64> = included
                .iter()
                .zip(&weights)
                .filter(|(chance, _)| **chance < 1.0 - 1e-9)
                .map(|(chance, weight)| chance / f64::from(*weight))
                .collect();
            prop_assert!(sampled.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 1e-9));
        }
    }
}
