//! What the original's objects have and no answer depends on here yet: checked when it comes in, kept, and given back.

use crate::model::tree::{Entry, Node, Table, Value};

/// Keys of load balancers that have lists of pools by place.
pub const POOL_MAPS: [&str; 3] = ["region_pools", "country_pools", "pop_pools"];
/// The key that has weights of pools, in a table of their own.
const STEERING: &str = "random_steering";
/// Keys under which pools matter whatever the steering policy.
pub const POOL_RULES: [&str; 2] = ["rules", "pool_sets"];

/// Keys with their values, in the form in which `spec` wrote them: checked, without those that have their default.
/// Most objects have none, and then it costs a pointer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept(Option<Box<Table>>);

impl Kept {
    /// Keeps the entries of a table.
    pub fn new(table: Table) -> Self {
        Self((!table.is_empty()).then(|| Box::new(table.unplaced())))
    }

    /// The entries; none if there is nothing.
    pub fn table(&self) -> Option<&Table> {
        self.0.as_deref()
    }

    /// The same without a pool, by its id, where maps name it: its place in their lists, and its weight. A list that is left
    /// empty goes with its key. What rules and pool sets say stays, for without the pool they would say something else.
    #[must_use]
    pub fn without_pool(&self, pool: &str) -> Self {
        self.table().map_or_else(Self::default, |table| {
            let entries = table.entries().iter().filter_map(|entry| without_pool(entry, pool));
            Self::new(entries.collect())
        })
    }

    /// Whether what stands under a key mentions a text.
    pub fn mentions_under(&self, key: &str, text: &str) -> bool {
        let mut found = false;
        if let Some(entry) = self.table().and_then(|table| table.entry(key)) {
            entry.node.texts(&mut |other| found |= other == text);
        }
        found
    }

    /// Whether a text stands in it anywhere, as a key or a value: so are pools named by their ids.
    pub fn mentions(&self, text: &str) -> bool {
        let mut found = false;
        if let Some(table) = self.table() {
            table.texts(&mut |other| found |= other == text);
        }
        found
    }
}

/// An entry of a load balancer without a pool; none if that leaves nothing of it.
fn without_pool(entry: &Entry, pool: &str) -> Option<Entry> {
    let Value::Table(inner) = &entry.node.value else { return Some(entry.clone()) };
    let left: Table = match entry.key.as_ref() {
        key if POOL_MAPS.contains(&key) => inner.entries().iter().filter_map(|list| without_item(list, pool)).collect(),
        STEERING => inner.entries().iter().filter_map(|weights| without_weight(weights, pool)).collect(),
        _ => return Some(entry.clone()),
    };
    (!left.is_empty()).then(|| Entry { node: Node::built(Value::Table(left)), ..entry.clone() })
}

/// A list without an item; none if it was the last.
fn without_item(list: &Entry, item: &str) -> Option<Entry> {
    let Value::Array(items) = &list.node.value else { return Some(list.clone()) };
    let is_other = |other: &&Node| !matches!(&other.value, Value::String(text) if text == item);
    let left: Vec<Node> = items.iter().filter(is_other).cloned().collect();
    (!left.is_empty()).then(|| Entry { node: Node::built(Value::Array(left)), ..list.clone() })
}

/// Weights without one; none if it was the last.
fn without_weight(weights: &Entry, pool: &str) -> Option<Entry> {
    let Value::Table(all) = &weights.node.value else { return Some(weights.clone()) };
    let left = all.clone().without(pool);
    (!left.is_empty()).then(|| Entry { node: Node::built(Value::Table(left)), ..weights.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_at_any_depth_as_keys_and_values() {
        let inner = Table::default().with("deep", Node::built(Value::Array(vec![Node::text("value")])));
        let kept = Kept::new(Table::default().with("outer", Node::built(Value::Table(inner))));
        for (text, found) in [("outer", true), ("deep", true), ("value", true), ("valu", false)] {
            assert_eq!(kept.mentions(text), found, "{text}");
        }
        assert!(!Kept::default().mentions("outer"));
        assert_eq!(Kept::new(Table::default()), Kept::default());
    }

    #[test]
    fn a_pool_is_taken_out_of_maps_and_of_nothing_else() {
        let list = |pools: &[&str]| Node::built(Value::Array(pools.iter().copied().map(Node::text).collect()));
        let table = |entries: &[(&'static str, Node)]| {
            let entries = entries.iter().cloned();
            Node::built(Value::Table(entries.fold(Table::default(), |table, (key, node)| table.with(key, node))))
        };
        let rules = list(&["p"]);
        let all = [
            ("region_pools", table(&[("WEU", list(&["p", "q"])), ("EEU", list(&["p"]))])),
            ("pop_pools", table(&[("FRA", list(&["p"]))])),
            (
                "random_steering",
                table(&[("default_weight", Node::int(1)), ("pool_weights", table(&[("p", Node::int(1))]))]),
            ),
            ("session_affinity_attributes", table(&[("headers", list(&["p"]))])),
            ("rules", rules.clone()),
        ];
        let left = [
            ("region_pools", table(&[("WEU", list(&["q"]))])),
            ("random_steering", table(&[("default_weight", Node::int(1))])),
            ("session_affinity_attributes", table(&[("headers", list(&["p"]))])),
            ("rules", rules),
        ];
        let kept = |entries: &[(&'static str, Node)]| match table(entries).value {
            Value::Table(table) => Kept::new(table),
            _ => Kept::default(),
        };
        assert_eq!(kept(&all).without_pool("p"), kept(&left));
        assert!(kept(&all).mentions_under("rules", "p") && !kept(&all).mentions_under("rules", "q"));
    }
}
