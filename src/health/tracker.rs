//! The tracker: counts outcomes in a row, says when the verdict changes, and holds down what changes too often.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::event::Transition;
use crate::model::monitor::{Damping, Monitor};
use crate::model::verdict::{FailReason, Verdict};

/// What one target's outcomes add up to. Pure: times are arguments, and count from any fixed moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracker {
    /// What the counts say; a target that is held down may be up by them.
    counted: Verdict,
    /// How many outcomes in a row contradict it.
    contrary: u32,
    /// What is remembered of a target whose monitor damps, once its verdict has changed.
    flapping: Option<Box<Flapping>>,
}

/// By which rules outcomes are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Successes in a row that turn a target up.
    pub up: u32,
    /// Failures in a row that turn it down.
    pub down: u32,
    /// What holds it down, if anything does.
    pub damping: Option<Damping>,
}

/// How a target flaps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Flapping {
    /// When the counted verdict last changed between up and down; at most as many times as are too many.
    changes: VecDeque<Duration>,
    /// Whether the target is held down.
    held: bool,
    /// When the successes that last up to now began, and how many they are.
    stable: Option<(Duration, u32)>,
}

impl Rules {
    /// Those of a monitor.
    pub fn of(monitor: &Monitor) -> Self {
        Self { up: monitor.up_count(), down: monitor.down_count(), damping: monitor.damping }
    }
}

impl Tracker {
    /// A tracker that stands by `inherited` until enough outcomes contradict it; `Unknown` is nothing to stand by.
    pub const fn new(inherited: Verdict) -> Self {
        Self { counted: inherited, contrary: 0, flapping: None }
    }

    /// A tracker of a target that another has held down.
    pub fn held_down() -> Self {
        let flapping = Flapping { held: true, ..Flapping::default() };
        Self { flapping: Some(Box::new(flapping)), ..Self::new(Verdict::Down) }
    }

    /// Takes in what was seen at `now`, success when there is no `failure`, and gives what changes by it: the verdict, or
    /// that the target is held down from now on.
    pub fn observe(&mut self, failure: Option<FailReason>, now: Duration, rules: &Rules) -> Option<Transition> {
        let from = self.verdict();
        let was_held = self.is_held();
        let turned = self.count(failure, rules);
        let count = turned.unwrap_or_default();
        let Some(damping) = &rules.damping else {
            self.flapping = None;
            return self.transition(from, failure, count);
        };
        // The first verdict of all is no change.
        if turned.is_some() && from != Verdict::Unknown {
            self.flapping.get_or_insert_default().note_change(now, damping);
        }
        let Some(flapping) = &mut self.flapping else { return self.transition(from, failure, count) };
        let successes = flapping.note_outcome(failure.is_none(), now);
        if was_held && self.counted == Verdict::Up && flapping.is_stable(now, damping) {
            // What was is forgotten.
            self.flapping = None;
            return self.transition(from, failure, successes);
        }
        let begins = flapping.held && !was_held;
        if begins {
            return Some(Transition { from, to: Verdict::Down, reason: Some(FailReason::HeldDown), count });
        }
        self.transition(from, failure, count)
    }

    /// Forgets what was counted against the verdict.
    pub const fn forgive(&mut self) {
        self.contrary = 0;
    }

    /// What holds now.
    pub fn verdict(&self) -> Verdict {
        if self.is_held() { Verdict::Down } else { self.counted }
    }

    /// Whether it is held down.
    fn is_held(&self) -> bool {
        self.flapping.as_ref().is_some_and(|flapping| flapping.held)
    }

    /// The change from a verdict to what holds now, if there is one.
    fn transition(&self, from: Verdict, reason: Option<FailReason>, count: u32) -> Option<Transition> {
        let to = self.verdict();
        (from != to).then_some(Transition { from, to, reason, count })
    }

    /// Counts an outcome; if that changes what the counts say, gives how many in a row did.
    fn count(&mut self, failure: Option<FailReason>, rules: &Rules) -> Option<u32> {
        let (seen, count) = if failure.is_none() { (Verdict::Up, rules.up) } else { (Verdict::Down, rules.down) };
        if seen == self.counted {
            self.contrary = 0;
            return None;
        }
        self.contrary = self.contrary.saturating_add(1);
        // The first result decides at once: counts guard a verdict that answers rest on, and there is none yet.
        if self.counted != Verdict::Unknown && self.contrary < count {
            return None;
        }
        self.counted = seen;
        Some(std::mem::take(&mut self.contrary))
    }
}

impl Flapping {
    /// Takes in that the counted verdict changed; holds the target if that is once too often.
    fn note_change(&mut self, now: Duration, damping: &Damping) {
        let many = usize::try_from(damping.changes).unwrap_or(usize::MAX);
        self.changes.push_back(now);
        while self.changes.len() > many {
            self.changes.pop_front();
        }
        let oldest = self.changes.front().filter(|_| self.changes.len() == many);
        self.held |= oldest.is_some_and(|oldest| now.saturating_sub(*oldest) <= damping.within);
    }

    /// Takes an outcome in; gives how many successes there are in a row.
    fn note_outcome(&mut self, is_success: bool, now: Duration) -> u32 {
        self.stable = is_success.then(|| {
            let (since, count) = self.stable.unwrap_or((now, 0));
            (since, count.saturating_add(1))
        });
        self.stable.map_or(0, |(_, count)| count)
    }

    /// Whether successes have lasted long enough.
    fn is_stable(&self, now: Duration, damping: &Damping) -> bool {
        self.stable.is_some_and(|(since, _)| now.saturating_sub(since) >= damping.hold)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rules without damping.
    fn plain(up: u32, down: u32) -> Rules {
        Rules { up, down, damping: None }
    }

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
                    let transition = tracker.observe(failure(letter), Duration::ZERO, &plain(up, down));
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
        assert_eq!(tracker.observe(Some(FailReason::HttpTimeout), Duration::ZERO, &plain(1, 2)), None);
        let down = tracker.observe(Some(FailReason::ConnectionReset), Duration::ZERO, &plain(1, 2)).unwrap();
        let reason = Some(FailReason::ConnectionReset);
        assert_eq!(down, Transition { from: Verdict::Up, to: Verdict::Down, reason, count: 2 });
        let up = tracker.observe(None, Duration::ZERO, &plain(1, 2)).unwrap();
        assert_eq!(up, Transition { from: Verdict::Down, to: Verdict::Up, reason: None, count: 1 });
    }

    /// Three changes in 10 s hold until 5 s of successes.
    const DAMPING: Damping = Damping { changes: 3, within: Duration::from_secs(10), hold: Duration::from_secs(5) };

    #[test]
    fn what_flaps_is_held_down_until_it_is_stable() {
        // Outcomes a second, and after each: u up, d down, h held down.
        for (outcomes, verdicts) in [
            // The third change, here down, holds; up again after six successes, the first and last of which are 5 s apart.
            ("+-+-++++++++", "uduhhhhhhuuu"),
            // The third change is up: it is held all the same.
            ("--+-++", "ddudhh"),
            // A failure begins the wait anew, and no count of failures prolongs it.
            ("+-+-+++-++++++", "uduhhhhhhhhhhu"),
            // What was before a hold is forgotten after it.
            ("+-+-++++++-+-", "uduhhhhhhuduh"),
            // The first verdict is no change, and three changes have to come within 10 s.
            ("+-+++++++++-", "uduuuuuuuuuh"),
            ("+-++++++++++-+", "uduuuuuuuuuudu"),
        ] {
            let mut tracker = Tracker::new(Verdict::Unknown);
            let rules = Rules { up: 1, down: 1, damping: Some(DAMPING) };
            let mut seen = String::new();
            for (second, letter) in outcomes.chars().enumerate() {
                tracker.observe(failure(letter), Duration::from_secs(second as u64), &rules);
                seen.push(match tracker.verdict() {
                    _ if tracker.is_held() => 'h',
                    Verdict::Up => 'u',
                    _ => 'd',
                });
            }
            assert_eq!(seen, verdicts, "{outcomes}");
        }
    }

    #[test]
    fn a_hold_is_told_when_it_begins_and_ends_and_handed_on() {
        let rules = Rules { up: 1, down: 1, damping: Some(Damping { changes: 2, ..DAMPING }) };
        let at = Duration::from_secs;
        let mut tracker = Tracker::new(Verdict::Up);
        assert_eq!(tracker.observe(failure('-'), at(0), &rules).unwrap().reason, Some(FailReason::TcpTimeout));
        let held = Transition { from: Verdict::Down, to: Verdict::Down, reason: Some(FailReason::HeldDown), count: 1 };
        assert_eq!(tracker.observe(None, at(1), &rules), Some(held));
        assert_eq!(tracker.observe(failure('-'), at(2), &rules), None);

        let mut heir = Tracker::held_down();
        assert_eq!(heir.verdict(), Verdict::Down);
        for (second, expected) in [(3, None), (7, None), (8, Some(3))] {
            assert_eq!(heir.observe(None, at(second), &rules).map(|turned| turned.count), expected, "{second}");
        }
        // Without damping nothing is held.
        let mut heir = Tracker::held_down();
        let up = heir.observe(None, at(3), &plain(1, 1)).unwrap();
        assert_eq!((up.from, up.to, up.count), (Verdict::Down, Verdict::Up, 1));
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

    /// The slow twin of damping: the verdict, and whether the target is held down, from all outcomes with their seconds.
    fn held_by_history(
        inherited: Verdict,
        history: &[(u64, bool)],
        (up, down): (u32, u32),
        (changes, within, hold): (u32, u64, u64),
    ) -> (Verdict, bool) {
        let outcomes: Vec<bool> = history.iter().map(|(_, outcome)| *outcome).collect();
        let counted = |end: usize| verdict_by_history(inherited, &outcomes[..end], up, down);
        let is_change = |place: &usize| counted(*place) != Verdict::Unknown && counted(*place) != counted(place + 1);
        // Where the last hold ended, and whether there is one now.
        let (mut free, mut held) = (0, false);
        for place in 0..history.len() {
            let now = history[place].0;
            if held {
                let stable = (0..=place).rev().take_while(|place| outcomes[*place]).last();
                if counted(place + 1) == Verdict::Up && stable.is_some_and(|first| now - history[first].0 >= hold) {
                    (free, held) = (place + 1, false);
                }
            } else if is_change(&place) {
                let recent = (free..=place).filter(is_change).filter(|change| now - history[*change].0 <= within);
                held = recent.count() >= changes as usize;
            }
        }
        (if held { Verdict::Down } else { counted(history.len()) }, held)
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
                let transition = tracker.observe(reason, Duration::ZERO, &plain(up, down));
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

        #[test]
        fn what_is_held_is_what_the_whole_history_says(
            inherited in prop::sample::select(vec![Verdict::Unknown, Verdict::Up, Verdict::Down]),
            history in prop::collection::vec((0_u64..4, prop::bool::weighted(0.6)), 0..60),
            (up, down) in (1_u32..3, 1_u32..3),
            (changes, within, hold) in (2_u32..5, 1_u64..15, 1_u64..10),
        ) {
            let second = Duration::from_secs;
            let rules = Rules {
                up,
                down,
                damping: Some(Damping { changes, within: second(within), hold: second(hold) }),
            };
            let mut tracker = Tracker::new(inherited);
            let mut seen = Vec::new();
            let mut now = 0;
            for (later, outcome) in history {
                now += later;
                seen.push((now, outcome));
                let before = tracker.verdict();
                let was_held = tracker.is_held();
                let transition = tracker.observe((!outcome).then_some(FailReason::Other), second(now), &rules);
                let (verdict, held) = held_by_history(inherited, &seen, (up, down), (changes, within, hold));
                prop_assert_eq!((tracker.verdict(), tracker.is_held()), (verdict, held));
                let told = before != verdict || (held && !was_held);
                prop_assert_eq!(transition.map(|turned| (turned.from, turned.to)), told.then_some((before, verdict)));
            }
        }
    }
}
