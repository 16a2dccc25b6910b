//! The tracker: counts outcomes in a row and says when the verdict changes.

use crate::model::event::Transition;
use crate::model::verdict::{FailReason, Verdict};

/// What one target's outcomes add up to. Pure: it knows neither time nor target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tracker {
    /// What holds now.
    verdict: Verdict,
    /// How many outcomes in a row contradict it.
    contrary: u32,
}

impl Tracker {
    /// A tracker that stands by `inherited` until enough outcomes contradict it; `Unknown` is nothing to stand by.
    pub const fn new(inherited: Verdict) -> Self {
        Self { verdict: inherited, contrary: 0 }
    }

    /// Takes one outcome in, success when there is no `failure`, and gives the change of verdict that it completes.
    pub fn observe(&mut self, failure: Option<FailReason>, up_count: u32, down_count: u32) -> Option<Transition> {
        let (seen, count) = if failure.is_none() { (Verdict::Up, up_count) } else { (Verdict::Down, down_count) };
        if seen == self.verdict {
            self.contrary = 0;
            return None;
        }
        self.contrary = self.contrary.saturating_add(1);
        // The first result decides at once: counts guard a verdict that answers rest on, and there is none yet.
        if self.verdict != Verdict::Unknown && self.contrary < count {
            return None;
        }
        let transition = Transition { from: self.verdict, to: seen, reason: failure, count: self.contrary };
        *self = Self::new(seen);
        Some(transition)
    }

    /// What holds now.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a letter of a test case stands for: `+` success, `-` failure.
    fn failure(letter: char) -> Option<FailReason> {
        (letter == '-').then_some(FailReason::TcpTimeout)
    }

    #[test]
    fn verdicts_after_each_outcome() {
        use Verdict::{Down, Unknown, Up};
        // Inherited, up count, down count, outcomes, verdict after each: u up, d down.
        for (inherited, up, down, outcomes, verdicts) in [
            (Unknown, 1, 1, "+-+-", "udud"),
            (Unknown, 3, 3, "+", "u"),
            (Unknown, 3, 3, "-", "d"),
            (Unknown, 3, 2, "+-+--", "uuuud"),
            (Unknown, 3, 2, "-+++", "dddu"),
            (Unknown, 3, 2, "-++-+++", "ddddddu"),
            (Up, 1, 2, "--", "ud"),
            (Up, 1, 2, "-+-+--", "uuuuud"),
            (Down, 2, 1, "++", "du"),
            (Down, 2, 1, "-+-++", "ddddu"),
            (Up, 0, 0, "-+", "du"),
        ] {
            let mut tracker = Tracker::new(inherited);
            let seen: String = outcomes
                .chars()
                .map(|letter| {
                    let before = tracker.verdict();
                    let transition = tracker.observe(failure(letter), up, down);
                    assert_eq!(transition.is_some(), before != tracker.verdict());
                    if tracker.verdict() == Up { 'u' } else { 'd' }
                })
                .collect();
            assert_eq!(seen, verdicts, "{inherited} {up} {down} {outcomes}");
        }
    }

    #[test]
    fn a_transition_says_from_to_why_and_after_how_many() {
        let mut tracker = Tracker::new(Verdict::Up);
        assert_eq!(tracker.observe(Some(FailReason::HttpTimeout), 1, 2), None);
        let down = tracker.observe(Some(FailReason::ConnectionReset), 1, 2).unwrap();
        let reason = Some(FailReason::ConnectionReset);
        assert_eq!(down, Transition { from: Verdict::Up, to: Verdict::Down, reason, count: 2 });
        let up = tracker.observe(None, 1, 2).unwrap();
        assert_eq!(up, Transition { from: Verdict::Down, to: Verdict::Up, reason: None, count: 1 });
    }

    /// The slow twin: looks at the whole history each time.
    fn verdict_by_history(inherited: Verdict, history: &[bool], up: u32, down: u32) -> Verdict {
        let mut verdict = inherited;
        let mut since = 0;
        for end in 1..=history.len() {
            let wanted = if history[end - 1] { Verdict::Up } else { Verdict::Down };
            let run = history[since..end].iter().rev().take_while(|outcome| **outcome == history[end - 1]).count();
            let count = if history[end - 1] { up } else { down };
            if wanted != verdict && (verdict == Verdict::Unknown || run >= count as usize) {
                verdict = wanted;
                since = end;
            }
        }
        verdict
    }

    proptest! {
        #[test]
        fn never_flips_before_its_count(
            inherited in prop::sample::select(vec![Verdict::Unknown, Verdict::Up, Verdict::Down]),
            history in prop::collection::vec(any::<bool>(), 0..60),
            up in 1_u32..5,
            down in 1_u32..5,
        ) {
            let mut tracker = Tracker::new(inherited);
            for (done, outcome) in history.iter().enumerate() {
                let reason = (!outcome).then_some(FailReason::Other);
                let transition = tracker.observe(reason, up, down);
                let expected = verdict_by_history(inherited, &history[..=done], up, down);
                prop_assert_eq!(tracker.verdict(), expected);
                if let Some(transition) = transition {
                    let least = match (transition.from, transition.to) {
                        (Verdict::Unknown, _) => 1,
                        (_, Verdict::Up) => up,
                        _ => down,
                    };
                    prop_assert_eq!(transition.count, least);
                    prop_assert_eq!(transition.reason, reason);
                }
            }
        }
    }
}
