//! Who wants to be told of what: the `notification_filter` of a pool, and what a webhook asks for.

use crate::model::event::Change;
use crate::model::kept::Kept;
use crate::model::tree::{Table, Value};
use crate::model::verdict::Verdict;

/// Which changes somebody wants to be told of. By default, all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NotificationFilter {
    /// Of pools.
    pub pool: Wish,
    /// Of origins.
    pub origin: Wish,
}

/// Which changes of one kind are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// None at all.
    pub disable: bool,
    /// Only those after which it is healthy, or is not.
    pub healthy: Option<bool>,
}

impl NotificationFilter {
    /// What a pool says. Its form was checked when it came in.
    pub fn of(kept: &Kept) -> Self {
        let Some(Value::Table(filter)) = kept.table().and_then(|table| table.value("notification_filter")) else {
            return Self::default();
        };
        Self { pool: Wish::of(filter, "pool"), origin: Wish::of(filter, "origin") }
    }

    /// Whether a change is wanted.
    pub fn wants(self, change: Change<'_>) -> bool {
        let Wish { disable, healthy } = if change.origin.is_some() { self.origin } else { self.pool };
        !disable && healthy.is_none_or(|healthy| healthy == (change.verdict() == Verdict::Up))
    }
}

impl Wish {
    /// What a filter says of a kind.
    fn of(filter: &Table, kind: &str) -> Self {
        let Some(Value::Table(wish)) = filter.value(kind) else { return Self::default() };
        let says = |key: &str| match wish.value(key) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        };
        Self { disable: says("disable").unwrap_or(false), healthy: says("healthy") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{OriginEvent, PoolEvent};
    use crate::model::id::PoolId;
    use crate::model::stamp::UnixMicros;
    use crate::model::tree::Node;

    /// A wish as it is kept; what is not given is left out.
    fn kept_wish(disable: Option<bool>, healthy: Option<bool>) -> Node {
        let given = [("disable", disable), ("healthy", healthy)];
        let entries = given.into_iter().filter_map(|(key, value)| Some((key, Node::built(Value::Bool(value?)))));
        Node::built(Value::Table(entries.fold(Table::default(), |table, (key, node)| table.with(key, node))))
    }

    #[test]
    fn what_a_pool_says_decides() {
        use Verdict::{Down, Up};
        let event = |verdict| PoolEvent {
            at: UnixMicros::default(),
            pool: PoolId::declared("p"),
            name: "p".to_owned(),
            from: Verdict::Unknown,
            verdict,
            minimum_origins: 1,
            origins: vec![OriginEvent {
                name: "o".to_owned(),
                address: [192, 0, 2, 1].into(),
                ip: Some([192, 0, 2, 1].into()),
                enabled: true,
                from: Verdict::Unknown,
                verdict,
                reason: None,
                count: 1,
                latency: None,
            }],
        };
        let filters = [
            (Table::default(), "P+ P- O+ O-"),
            (Table::default().with("pool", kept_wish(Some(true), None)), "O+ O-"),
            (Table::default().with("origin", kept_wish(None, Some(false))), "P+ P- O-"),
            (
                Table::default()
                    .with("pool", kept_wish(Some(false), Some(true)))
                    .with("origin", Node::built(Value::Null)),
                "P+ O+ O-",
            ),
            (Table::default().with("origin", kept_wish(Some(true), Some(false))), "P+ P-"),
        ];
        for (filter, expected) in filters {
            let kept = Kept::new(Table::default().with("notification_filter", Node::built(Value::Table(filter))));
            let filter = NotificationFilter::of(&kept);
            let mut wanted = Vec::new();
            for (kind, is_origin) in [("P", false), ("O", true)] {
                for (sign, verdict) in [("+", Up), ("-", Down)] {
                    let event = event(verdict);
                    let change = event.changes().find(|change| change.origin.is_some() == is_origin).unwrap();
                    wanted.extend(filter.wants(change).then(|| format!("{kind}{sign}")));
                }
            }
            assert_eq!(wanted.join(" "), expected);
        }
        assert_eq!(NotificationFilter::of(&Kept::default()), NotificationFilter::default());
    }
}
