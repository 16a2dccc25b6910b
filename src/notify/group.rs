//! Changes that are collected for one message: what changes again is told once, with where it began and how it ended.
//!
//! Times are spans since some start, as whoever calls has them.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::config::webhooks::Webhook;
use crate::model::event::{Change, PoolEvent};
use crate::model::id::PoolId;
use crate::model::notification::NotificationFilter;
use crate::model::verdict::Verdict;
use crate::spec::told::ToldChange;

/// What is collected.
#[derive(Debug)]
pub(super) struct Group {
    /// How many things there may be.
    capacity: usize,
    /// The things that changed, in the order in which they first did.
    items: Vec<Item>,
    /// Where they are.
    places: HashMap<Subject, usize>,
    /// When the first of them changed.
    opened: Option<Duration>,
}

/// What can change: a pool, or one of its origins.
type Subject = (PoolId, Option<String>);

/// A thing that changed, as it is told.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Item {
    /// How it ended; `from` is how it began.
    #[serde(flatten)]
    pub(super) last: ToldChange,
    /// How often it changed.
    pub(super) changes: u32,
}

impl Group {
    /// Nothing yet, with room for so many things.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, items: Vec::new(), places: HashMap::new(), opened: None }
    }

    /// Takes in what changed, as far as `webhook` and the pool's own `filter` want it. What is collected already is kept true
    /// whether the rest of it is wanted or not. Gives the number of changes that there is no room for.
    pub(super) fn add(
        &mut self,
        event: &PoolEvent,
        filter: NotificationFilter,
        webhook: &Webhook,
        now: Duration,
    ) -> usize {
        let mut lost = 0;
        for change in event.changes() {
            let subject = (event.pool, change.origin.map(|origin| origin.name.clone()));
            if let Some(item) = self.places.get(&subject).and_then(|place| self.items.get_mut(*place)) {
                let from = std::mem::take(&mut item.last.from);
                item.last = ToldChange { from, ..ToldChange::new(None, change) };
                item.changes = item.changes.saturating_add(1);
            } else if !is_news(change) || !filter.wants(change) || !webhook.wants(change) {
                // Nobody wants to know.
            } else if self.items.len() >= self.capacity {
                lost += 1;
            } else {
                self.places.insert(subject, self.items.len());
                self.items.push(Item { last: ToldChange::new(None, change), changes: 1 });
                self.opened.get_or_insert(now);
            }
        }
        lost
    }

    /// When it is to be told; none while there is nothing to tell.
    pub(super) fn due(&self, wait: Duration) -> Option<Duration> {
        self.opened.map(|opened| opened + wait)
    }

    /// How many things are waiting to be told.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Takes out the first `max` things. What is left is due at once, as it has waited as long.
    pub(super) fn take(&mut self, max: usize) -> Vec<Item> {
        let rest = self.items.split_off(max.min(self.items.len()));
        let taken = std::mem::replace(&mut self.items, rest);
        self.places.retain(|_, place| match place.checked_sub(taken.len()) {
            Some(left) => {
                *place = left;
                true
            }
            None => false,
        });
        if self.items.is_empty() {
            self.opened = None;
        }
        taken
    }
}

/// Whether a change is one to tell of. After a start everything comes up for the first time, and nobody waits for that.
fn is_news(change: Change<'_>) -> bool {
    (change.from(), change.verdict()) != (Verdict::Unknown, Verdict::Up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::webhooks::WebhookUrl;
    use crate::model::event::OriginEvent;
    use crate::model::hosting::Secret;
    use crate::model::notification::Wish;
    use crate::model::stamp::UnixMicros;

    /// A webhook that wants this.
    fn webhook(pools: &[&str], pool: Wish, origin: Wish) -> Webhook {
        Webhook {
            name: "w".to_owned(),
            url: WebhookUrl::parse("http://127.0.0.1/").unwrap(),
            secret: Secret(vec![]),
            pools: pools.iter().map(|name| (*name).to_owned()).collect(),
            filter: NotificationFilter { pool, origin },
            group_wait: Duration::ZERO,
        }
    }

    /// The verdict that a letter stands for: `?`, `+` or `-`.
    fn verdict(letter: char) -> Verdict {
        match letter {
            '+' => Verdict::Up,
            '-' => Verdict::Down,
            _ => Verdict::Unknown,
        }
    }

    /// An event of pool `p` with origin `o`, from and to as in `+-`; the first pair is the pool's, the second the origin's.
    fn event(text: &str) -> PoolEvent {
        let all: Vec<Verdict> = text.chars().filter(|letter| *letter != ' ').map(verdict).collect();
        let origin = OriginEvent {
            name: "o".to_owned(),
            address: [192, 0, 2, 1].into(),
            ip: Some([192, 0, 2, 1].into()),
            enabled: true,
            from: all[2],
            verdict: all[3],
            reason: None,
            count: 1,
            latency: None,
        };
        PoolEvent {
            at: UnixMicros(5),
            pool: PoolId::declared("p"),
            name: "p".to_owned(),
            from: all[0],
            verdict: all[1],
            minimum_origins: 1,
            origins: vec![origin],
        }
    }

    /// What is told: kind, from, to and how often.
    fn told(items: &[Item]) -> String {
        let told = items.iter().map(|item| {
            let name = item.last.origin.as_deref().unwrap_or("pool");
            format!("{name} {}>{} {}", item.last.from, item.last.to, item.changes)
        });
        told.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_is_told_of_what_happened() {
        let all = Wish::default();
        let (down, up) = (Wish { healthy: Some(false), ..all }, Wish { healthy: Some(true), ..all });
        let none = Wish { disable: true, ..all };
        let everything = webhook(&[], all, all);
        let events = [
            (&["+- +-"][..], &everything, "o up>down 1, pool up>down 1"),
            // A flap is one message, and so is one that ends where it began.
            (&["+- +-", "-+ -+", "+- +-"], &everything, "o up>down 3, pool up>down 3"),
            (&["++ +-", "++ -+"], &everything, "o up>up 2"),
            // The first verdict is no news if it is good.
            (&["?+ ?+"], &everything, ""),
            (&["?- ?-"], &everything, "o unknown>down 1, pool unknown>down 1"),
            (&["?+ ?+", "+- +-"], &everything, "o up>down 1, pool up>down 1"),
            // Who wants only what goes down is told all the same that it is up again by now.
            (&["-+ -+"], &webhook(&[], down, down), ""),
            (&["+- +-", "-+ -+"], &webhook(&[], down, down), "o up>up 2, pool up>up 2"),
            (&["+- +-"], &webhook(&[], up, down), "o up>down 1"),
            (&["+- +-"], &webhook(&[], all, none), "pool up>down 1"),
            (&["+- +-"], &webhook(&["p"], none, all), "o up>down 1"),
            (&["+- +-"], &webhook(&["q"], all, all), ""),
        ];
        for (events, webhook, expected) in events {
            let mut group = Group::new(10);
            for text in events {
                group.add(&event(text), NotificationFilter::default(), webhook, Duration::from_secs(7));
            }
            let due = group.due(Duration::from_secs(3));
            assert_eq!(due, (!expected.is_empty()).then_some(Duration::from_secs(10)), "{events:?}");
            assert_eq!(told(&group.take(10)), expected, "{events:?}");
            assert_eq!((group.len(), group.due(Duration::ZERO)), (0, None));
        }
    }

    #[test]
    fn the_filter_of_the_pool_holds_for_every_webhook() {
        let quiet = Wish { disable: true, healthy: None };
        let filter = NotificationFilter { pool: Wish::default(), origin: quiet };
        let mut group = Group::new(10);
        group.add(&event("+- +-"), filter, &webhook(&[], Wish::default(), Wish::default()), Duration::ZERO);
        assert_eq!(told(&group.take(10)), "pool up>down 1");
    }

    #[test]
    fn what_finds_no_room_is_counted_and_what_is_there_stays_true() {
        let webhook = webhook(&[], Wish::default(), Wish::default());
        let second = |text| PoolEvent { pool: PoolId::declared("q"), name: "q".to_owned(), ..event(text) };
        let mut group = Group::new(2);
        let mut add = |event: &PoolEvent, now| {
            group.add(event, NotificationFilter::default(), &webhook, Duration::from_secs(now))
        };
        assert_eq!((add(&event("++ +-"), 1), add(&second("+- +-"), 2), add(&event("++ -+"), 3)), (0, 1, 0));
        assert_eq!(told(&group.take(1)), "o up>up 2");
        // The rest is due at once.
        assert_eq!((group.len(), group.due(Duration::ZERO)), (1, Some(Duration::from_secs(1))));
        // It is found where it is now, and there is room for one more.
        let mut add =
            |event: &PoolEvent| group.add(event, NotificationFilter::default(), &webhook, Duration::from_secs(9));
        assert_eq!((add(&second("-+ -+")), add(&event("++ +-"))), (0, 1));
        assert_eq!(told(&group.take(9)), "o up>up 2, pool down>up 1");
    }
}
