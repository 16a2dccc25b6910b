//! The guard: doubts verdicts when it rather seems that this machine has lost its network than that all others are down.
//!
//! A *sign* is that somebody was heard: a reference, or, where there are none, any target. An address *falls* when the
//! last of its targets that were up turns down in silence. Verdicts freeze when those that fell since the last sign are a
//! given share of those that were up at it, and nothing speaks for the network. With references: all of them have failed
//! since, and the last sign is recent. Without: the target that was heard last is silent itself when it is asked again,
//! since a single one that is well is heard only once in its interval; and at least a given number of addresses fell, so that
//! one failing host, or a small installation of a few, is never taken for a lost network. Verdicts thaw with the next sign,
//! or when a target is heard whose silence did not count; references that say otherwise then mean nothing until one answers.
//!
//! What freezes are the verdicts of the last sign: each that turned down in silence since belongs to its *episode*, and is
//! taken back. Each call costs the same, however many targets there are. Times count from any fixed moment.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

/// When to doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Whether ever.
    pub enabled: bool,
    /// How many of a hundred addresses have to fall.
    pub share_percent: u8,
    /// How old the last sign of a reference may be.
    pub window: Duration,
    /// How many references there are.
    pub references: usize,
    /// How many addresses have to fall where there are none.
    pub addresses_min: usize,
}

/// What is known of signs and falls.
#[derive(Debug)]
pub struct Guard {
    /// When to doubt.
    rules: Rules,
    /// How many targets of an address are up; no address without any.
    up: HashMap<IpAddr, u32>,
    /// Addresses that fell since the last sign, and are still down.
    fallen: HashSet<IpAddr>,
    /// When the last sign came; the start counts as one.
    sign: Duration,
    /// Which references have failed since.
    failed: Vec<bool>,
    /// Whether the silence of references means something.
    is_trusting: bool,
    /// The target that was heard last, until it is silent.
    last: Option<usize>,
    /// The number of the last sign.
    episode: u64,
    /// Whether verdicts are frozen.
    frozen: bool,
    /// How often they have frozen.
    freezes: u32,
    /// When they last thawed.
    thawed: Duration,
}

/// A change for everybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Verdicts freeze: targets that fell in this episode are up again.
    Freezes {
        /// The episode.
        episode: u64,
        /// How many addresses fell in it.
        fallen: usize,
        /// How many are still up.
        up: usize,
    },
    /// Outcomes count again.
    Thaws,
}

/// What a silent target says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// That it failed. With it comes how often verdicts have frozen so far: what was counted before is void.
    Counts(u32),
    /// Nothing: nobody could be heard in this freeze.
    Void(u32),
}

impl Guard {
    /// A guard that has seen nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            up: HashMap::new(),
            fallen: HashSet::new(),
            sign: Duration::ZERO,
            failed: vec![false; rules.references],
            is_trusting: true,
            last: None,
            episode: 0,
            frozen: false,
            freezes: 0,
            thawed: Duration::ZERO,
        }
    }

    /// Takes new rules up. Nothing that was seen before counts by them.
    pub fn adopt(&mut self, rules: Rules, now: Duration) -> Option<Change> {
        self.rules = rules;
        self.failed = vec![false; rules.references];
        self.is_trusting = true;
        self.take_sign(now)
    }

    /// A target of an address comes up.
    pub fn rose(&mut self, address: IpAddr) {
        *self.up.entry(address).or_default() += 1;
        self.fallen.remove(&address);
    }

    /// A target that was up is no more, and not because of silence.
    pub fn left(&mut self, address: IpAddr) {
        if let Some(targets) = self.up.get_mut(&address) {
            *targets -= 1;
            if *targets == 0 {
                self.up.remove(&address);
            }
        }
    }

    /// A target that was up turns down in silence. Gives the episode, and whether verdicts freeze by it.
    pub fn fell(&mut self, address: IpAddr, now: Duration) -> (u64, Option<Change>) {
        self.left(address);
        if !self.up.contains_key(&address) {
            self.fallen.insert(address);
        }
        (self.episode, self.doubt(now))
    }

    /// A target is heard; `void` is the freeze in which its silence last said nothing.
    pub fn heard(&mut self, target: usize, void: u32, now: Duration) -> Option<Change> {
        self.last = Some(target);
        if self.rules.references == 0 {
            return self.take_sign(now);
        }
        if !self.frozen || void != self.freezes {
            return None;
        }
        self.is_trusting = false;
        self.take_sign(now)
    }

    /// A target is no more.
    pub fn ended(&mut self, target: usize) {
        self.last.take_if(|last| *last == target);
    }

    /// A reference was asked.
    pub fn asked(&mut self, reference: usize, answers: bool, now: Duration) -> Option<Change> {
        if answers {
            self.is_trusting = true;
            return self.take_sign(now);
        }
        *self.failed.get_mut(reference)? = true;
        self.doubt(now)
    }

    /// A target is silent, whose probe began at `began`. What that says, and whether verdicts freeze by it.
    pub fn silence(&mut self, target: usize, began: Duration, now: Duration) -> (Silence, Option<Change>) {
        // A probe that began in the dark may fail for it long after the light is on again.
        if self.frozen || began < self.thawed {
            return (Silence::Void(self.freezes), None);
        }
        if self.last != Some(target) {
            return (Silence::Counts(self.freezes), None);
        }
        self.last = None;
        match self.doubt(now) {
            Some(change) => (Silence::Void(self.freezes), Some(change)),
            None => (Silence::Counts(self.freezes), None),
        }
    }

    /// How many addresses have fallen since the last sign, and how many are up.
    pub fn addresses(&self) -> (usize, usize) {
        (self.fallen.len(), self.up.len())
    }

    /// Somebody was heard who speaks for the network.
    fn take_sign(&mut self, now: Duration) -> Option<Change> {
        self.sign = now;
        self.failed.fill(false);
        if !self.fallen.is_empty() {
            self.fallen.clear();
        }
        self.episode += 1;
        if std::mem::take(&mut self.frozen) {
            self.thawed = now;
            return Some(Change::Thaws);
        }
        None
    }

    /// Freezes verdicts if there is reason to.
    fn doubt(&mut self, now: Duration) -> Option<Change> {
        let Rules { enabled, share_percent, window, references, addresses_min } = self.rules;
        let (fallen, up) = self.addresses();
        let is_share = fallen > 0 && fallen * 100 >= (fallen + up) * usize::from(share_percent);
        let is_lost = if references == 0 {
            fallen >= addresses_min && self.last.is_none()
        } else {
            self.is_trusting && self.failed.iter().all(|failed| *failed) && now.saturating_sub(self.sign) <= window
        };
        if self.frozen || !enabled || !is_share || !is_lost {
            return None;
        }
        self.frozen = true;
        self.freezes += 1;
        Some(Change::Freezes { episode: self.episode, fallen, up })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules(references: usize) -> Rules {
        Rules { enabled: true, share_percent: 50, window: SECOND * 60, references, addresses_min: 8 }
    }

    fn at(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    /// A guard that knows addresses that are up.
    fn guarding(rules: Rules, up: u8) -> Guard {
        let mut guard = Guard::new(rules);
        (0..up).for_each(|last| guard.rose(at(last)));
        guard
    }

    /// Which of some addresses that fall one after another makes verdicts freeze.
    fn freezes_at(guard: &mut Guard, fall: std::ops::Range<u8>, now: Duration) -> Option<u8> {
        fall.into_iter().find(|last| guard.fell(at(*last), now).1.is_some())
    }

    #[test]
    fn without_references_half_of_all_and_no_fewer_than_eight_addresses_have_to_fall() {
        for (up, froze) in [(7, None), (8, Some(7)), (12, Some(7)), (16, Some(7)), (30, Some(14)), (31, Some(15))] {
            let mut guard = guarding(rules(0), up);
            assert_eq!(freezes_at(&mut guard, 0..up, SECOND), froze, "{up}");
        }
        let mut off = guarding(Rules { enabled: false, ..rules(0) }, 30);
        assert_eq!(freezes_at(&mut off, 0..30, SECOND), None);
    }

    #[test]
    fn one_that_is_heard_begins_the_count_anew() {
        let mut guard = guarding(rules(0), 16);
        assert_eq!(freezes_at(&mut guard, 0..7, SECOND), None);
        assert_eq!(guard.heard(15, 0, SECOND), None);
        assert_eq!(guard.silence(15, SECOND, SECOND), (Silence::Counts(0), None));
        assert_eq!(freezes_at(&mut guard, 7..14, SECOND), None);
        assert_eq!(freezes_at(&mut guard, 14..16, SECOND), Some(14));
    }

    #[test]
    fn who_was_heard_last_has_to_be_silent_when_it_is_asked_again() {
        let silent = |guard: &mut Guard, target: usize| guard.silence(target, SECOND, SECOND);
        let mut guard = guarding(rules(0), 10);
        guard.heard(9, 0, SECOND);
        // In one interval of the one that is well, all others fall.
        assert_eq!(freezes_at(&mut guard, 0..9, SECOND), None);
        assert_eq!(silent(&mut guard, 8), (Silence::Counts(0), None), "this one was not the last");
        let (silence, change) = silent(&mut guard, 9);
        let freezes = Change::Freezes { episode: 1, fallen: 9, up: 1 };
        assert_eq!((silence, change), (Silence::Void(1), Some(freezes)));

        let mut guard = guarding(rules(0), 10);
        guard.heard(9, 0, SECOND);
        guard.ended(9);
        assert_eq!(freezes_at(&mut guard, 0..9, SECOND), Some(7), "it is no more");
    }

    #[test]
    fn references_that_were_wrong_mean_nothing_until_one_answers() {
        let mut guard = guarding(rules(1), 1);
        guard.fell(at(0), SECOND);
        assert!(guard.asked(0, false, SECOND).is_some());
        guard.rose(at(0));
        assert_eq!(guard.heard(0, 1, SECOND), Some(Change::Thaws));
        guard.asked(0, false, SECOND);
        assert_eq!(guard.fell(at(0), SECOND).1, None);
        guard.rose(at(0));
        guard.asked(0, true, SECOND);
        guard.asked(0, false, SECOND);
        assert!(guard.fell(at(0), SECOND).1.is_some());
    }

    #[test]
    fn an_address_falls_with_the_last_of_its_targets() {
        let mut guard = guarding(Rules { addresses_min: 1, ..rules(0) }, 1);
        guard.rose(at(0));
        assert_eq!(guard.fell(at(0), SECOND), (0, None));
        let freezes = Change::Freezes { episode: 0, fallen: 1, up: 0 };
        assert_eq!(guard.fell(at(0), SECOND), (0, Some(freezes)));
    }

    #[test]
    fn references_have_the_word_if_they_have_answered_lately() {
        for (answered, failed, froze) in [
            (vec![], vec![], None),
            (vec![], vec![0], None),
            (vec![], vec![0, 1], Some(1)), // the start counts as a sign
            (vec![0], vec![0, 1], Some(1)),
        ] {
            let mut guard = guarding(rules(2), 3);
            for reference in answered {
                assert_eq!(guard.asked(reference, true, SECOND), None);
            }
            for reference in failed {
                assert_eq!(guard.asked(reference, false, SECOND * 2), None);
            }
            assert_eq!(freezes_at(&mut guard, 0..3, SECOND * 3), froze);
        }
        // The other way round: it is the reference that decides. One that has been dead for long decides nothing.
        for (late, freezes) in [(60, true), (61, false)] {
            let mut guard = guarding(rules(1), 3);
            assert_eq!(freezes_at(&mut guard, 0..3, SECOND), None);
            assert_eq!(guard.asked(0, false, SECOND * late).is_some(), freezes, "{late}");
        }
    }

    #[test]
    fn what_thaws() {
        // Without references anybody who is heard; with them those whose silence was void, and they themselves.
        for (references, void, thaws) in [(0, 0, true), (1, 0, false), (1, 1, true)] {
            let mut guard = guarding(Rules { addresses_min: 1, ..rules(references) }, 1);
            guard.asked(0, false, SECOND);
            assert!(guard.fell(at(0), SECOND).1.is_some());
            assert_eq!(guard.heard(0, void, SECOND * 2), thaws.then_some(Change::Thaws), "{references} {void}");
        }
        let mut guard = guarding(rules(1), 1);
        guard.fell(at(0), SECOND);
        assert!(guard.asked(0, false, SECOND).is_some());
        assert_eq!(guard.silence(0, SECOND * 9, SECOND * 9), (Silence::Void(1), None));
        assert_eq!(guard.asked(0, true, SECOND * 5), Some(Change::Thaws));
        assert_eq!(guard.silence(0, SECOND * 4, SECOND * 9).0, Silence::Void(1), "it began in the dark");
        assert_eq!(guard.silence(0, SECOND * 5, SECOND * 9).0, Silence::Counts(1));
        assert_eq!(guard.adopt(rules(0), SECOND * 6), None);
    }

    /// What happens to a guard.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// A target turns: up if it was not, else down, in silence or not.
        Turn { target: usize, silent: bool },
        /// A target is heard, perhaps one whose silence was void.
        Heard { target: usize, void: bool },
        /// A target is silent; its probe began just now, or long ago. In a history: so that it said nothing.
        Silent { target: usize, late: bool },
        /// A reference was asked.
        Asked { reference: usize, answers: bool },
    }

    /// The slow twin: everything that happened, looked through from the beginning each time.
    #[derive(Default)]
    struct Twin {
        /// Seconds and events.
        history: Vec<(u64, Event)>,
        /// Place of the last sign in it, and its second.
        sign: (usize, u64),
        /// Whether verdicts are frozen.
        frozen: bool,
        /// Whether a target was the last to say so.
        by_target: bool,
        /// Whether they ever thawed.
        thawed: Option<u64>,
    }

    impl Twin {
        /// Three targets share an address with one more each.
        const fn address(target: usize) -> usize {
            target % 5
        }

        /// Targets of an address that are up after the first so many events.
        fn up(&self, address: usize, events: usize) -> usize {
            let turns = |target: usize| {
                let is_it =
                    |(_, event): &&(u64, Event)| matches!(event, Event::Turn { target: it, .. } if *it == target);
                self.history[..events].iter().filter(is_it).count()
            };
            (0..8).filter(|target| Self::address(*target) == address && turns(*target) % 2 == 1).count()
        }

        /// Whether an address fell since the last sign, and is still down.
        fn is_fallen(&self, address: usize) -> bool {
            let last = self.history.len();
            let emptied = (0..last).rev().find(|place| self.up(address, *place) > 0);
            let is_silent = |place: usize| matches!(self.history[place].1, Event::Turn { silent: true, .. });
            self.up(address, last) == 0 && emptied.is_some_and(|place| place >= self.sign.0 && is_silent(place))
        }

        /// Takes an event in; whether verdicts are frozen after it.
        fn observe(&mut self, now: u64, event: Event, rules: Rules) -> bool {
            let event = match event {
                Event::Silent { target, late } => Event::Silent { target, late: self.is_void(late) },
                event => event,
            };
            self.history.push((now, event));
            let is_sign = match event {
                Event::Turn { .. } | Event::Silent { .. } => false,
                Event::Heard { void, .. } => rules.references == 0 || (void && self.frozen),
                Event::Asked { answers, .. } => answers,
            };
            if is_sign {
                self.thawed = if self.frozen { Some(now) } else { self.thawed };
                self.by_target = matches!(event, Event::Heard { .. });
                self.sign = (self.history.len(), now);
                self.frozen = false;
                return false;
            }
            let since = &self.history[self.sign.0..];
            let failed = |reference: usize| {
                since.iter().any(|(_, event)| matches!(event, Event::Asked { reference: it, .. } if *it == reference))
            };
            let fallen = (0..5).filter(|address| self.is_fallen(*address)).count();
            let up = (0..5).filter(|address| self.up(*address, self.history.len()) > 0).count();
            let lost = match rules.references {
                0 => fallen >= rules.addresses_min && self.is_last_silent(),
                many => {
                    !self.by_target
                        && (0..many).all(failed)
                        && SECOND * u32::try_from(now - self.sign.1).unwrap() <= rules.window
                }
            };
            let decides = match event {
                Event::Turn { silent, target } => silent && self.is_turned_down(target),
                Event::Asked { reference, .. } => reference < rules.references,
                Event::Heard { .. } => false,
                Event::Silent { .. } => rules.references == 0 && self.silenced_last(),
            };
            let share = fallen * 100 >= (fallen + up) * usize::from(rules.share_percent);
            self.frozen |= decides && rules.enabled && fallen > 0 && share && lost;
            self.frozen
        }

        /// Whether silence says nothing now, after a probe that began at the very beginning if it is late.
        fn is_void(&self, late: bool) -> bool {
            self.frozen || (late && self.thawed.is_some_and(|thawed| thawed > 0))
        }

        /// Whether the target that was heard last has been silent since, in probes that say something.
        fn is_last_silent(&self) -> bool {
            let heard = self.history.iter().enumerate().rev().find_map(|(place, (_, event))| match event {
                Event::Heard { target, .. } => Some((place, *target)),
                _ => None,
            });
            let Some((place, last)) = heard else { return true };
            let is_it = |(_, event): &(u64, Event)| match event {
                Event::Silent { target, late } => *target == last && !*late,
                _ => false,
            };
            self.history[place..].iter().any(is_it)
        }

        /// Whether the last event made the target silent that was heard last.
        fn silenced_last(&self) -> bool {
            let before = Self { history: self.history[..self.history.len() - 1].to_vec(), ..*self };
            self.is_last_silent() && !before.is_last_silent()
        }

        /// Whether the last turn of a target was down.
        fn is_turned_down(&self, target: usize) -> bool {
            let is_it = |(_, event): &&(u64, Event)| matches!(event, Event::Turn { target: it, .. } if *it == target);
            self.history.iter().filter(is_it).count() % 2 == 0
        }
    }

    /// Any event.
    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            6 => (0_usize..8, prop::bool::weighted(0.8)).prop_map(|(target, silent)| Event::Turn { target, silent }),
            1 => (0_usize..8, any::<bool>()).prop_map(|(target, void)| Event::Heard { target, void }),
            3 => (0_usize..8, any::<bool>()).prop_map(|(target, late)| Event::Silent { target, late }),
            2 => (0_usize..3, prop::bool::weighted(0.3))
                .prop_map(|(reference, answers)| Event::Asked { reference, answers }),
        ]
    }

    proptest! {
        #[test]
        fn doubts_what_the_whole_history_gives_reason_to_doubt(
            events in prop::collection::vec((0_u64..6, event()), 0..60),
            references in 0_usize..3,
            share_percent in 1_u8..=100,
            (window, addresses_min) in (1_u64..30, 1_usize..5),
        ) {
            let rules =
                Rules { enabled: true, share_percent, window: Duration::from_secs(window), references, addresses_min };
            let (mut guard, mut twin) = (Guard::new(rules), Twin::default());
            let (mut is_up, mut now) = ([false; 8], 0);
            for (later, event) in events {
                now += later;
                let (time, was_frozen) = (Duration::from_secs(now), guard.frozen);
                let changed = match event {
                    Event::Turn { target, silent } => {
                        let address = at(u8::try_from(Twin::address(target)).unwrap());
                        is_up[target] = !is_up[target];
                        match (is_up[target], silent) {
                            (true, _) => { guard.rose(address); None }
                            (false, true) => guard.fell(address, time).1,
                            (false, false) => { guard.left(address); None }
                        }
                    }
                    Event::Heard { target, void } => {
                        guard.heard(target, if void { guard.freezes } else { u32::MAX }, time)
                    }
                    Event::Silent { target, late } => {
                        let began = if late { Duration::ZERO } else { time };
                        let (silence, change) = guard.silence(target, began, time);
                        let is_void = twin.is_void(late) || change.is_some();
                        prop_assert_eq!(matches!(silence, Silence::Void(_)), is_void);
                        change
                    }
                    Event::Asked { reference, answers } => guard.asked(reference, answers, time),
                };
                prop_assert_eq!(guard.frozen, twin.observe(now, event, rules), "{:?}", event);
                prop_assert_eq!(changed.is_some(), guard.frozen != was_frozen);
                if let Some(Change::Freezes { fallen, up, .. }) = changed {
                    prop_assert_eq!((fallen, up), guard.addresses());
                }
            }
        }
    }
}
