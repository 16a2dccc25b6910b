//! Reading tables: which keys one may have, where a value stands, and the faults of both.

use std::fmt;

use crate::model::tree::{Node, Table, Value, shown_text};
use crate::spec::fault::{Fault, Faults, Place};

/// A key that a table may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// Whether it must be there.
    pub need: Need,
}

/// Whether a key must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// It must.
    Required,
    /// Without it a default holds, which can also be written.
    Defaulted,
    /// Without it something is absent that no value stands for.
    Optional,
    /// It must be there in TOML; in JSON there is a default.
    Declared,
    /// Optional, and for programs and for what is not built yet: listed behind what is allowed.
    Kept,
    /// The server sets it. Programs send it back, and it does not matter what it says.
    ReadOnly,
    /// We know what it would mean and do not do it yet: says what to do instead.
    Unsupported(&'static str),
}

/// A key that must be there.
pub const fn required(name: &'static str) -> Key {
    Key { name, need: Need::Required }
}

/// A key with a default that can be written.
pub const fn defaulted(name: &'static str) -> Key {
    Key { name, need: Need::Defaulted }
}

/// A key without which something is absent.
pub const fn optional(name: &'static str) -> Key {
    Key { name, need: Need::Optional }
}

/// A key that must be there in TOML.
pub const fn declared(name: &'static str) -> Key {
    Key { name, need: Need::Declared }
}

/// A key that is known, and listed behind what is allowed.
pub const fn kept(name: &'static str) -> Key {
    Key { name, need: Need::Kept }
}

/// A key that the server sets.
pub const fn read_only(name: &'static str) -> Key {
    Key { name, need: Need::ReadOnly }
}

/// The way from a document's root to a value. Steps live on the stack and become text only for a fault.
#[derive(Clone, Copy)]
pub struct Path<'p> {
    /// The way to what contains it; none for the root.
    parent: Option<&'p Self>,
    /// The last step.
    step: Step<'p>,
}

/// One step of a path.
#[derive(Clone, Copy)]
enum Step<'p> {
    /// Nowhere: the root itself.
    Root,
    /// Into a table.
    Key(&'p str),
    /// Into an array.
    Index(usize),
}

impl Path<'_> {
    /// The path of a document's root.
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Root };
}

impl<'p> Path<'p> {
    /// The path of the value of `key`.
    #[must_use]
    pub const fn key(&'p self, key: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    /// The path of an item.
    #[must_use]
    pub const fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            fmt::Display::fmt(parent, f)?;
        }
        let is_bare = |key: &str| {
            key.len() <= 64 && key.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'))
        };
        let is_first = self.parent.is_none_or(|parent| matches!(parent.step, Step::Root));
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => {
                f.write_str(if is_first { "" } else { "." })?;
                if is_bare(key) { f.write_str(key) } else { f.write_str(&shown_text(key)) }
            }
        }
    }
}

/// A value, and how to name it in a fault.
#[derive(Clone, Copy)]
pub struct Spot<'p, 't> {
    /// Index of its document.
    pub source: usize,
    /// Its path.
    pub path: &'p Path<'p>,
    /// The value.
    pub node: &'t Node,
}

impl<'t> Spot<'_, 't> {
    /// Where it stands.
    pub fn place(&self) -> Place {
        Place { source: self.source, span: self.node.span.clone() }
    }

    /// An item or entry of it.
    pub const fn inner<'q>(&self, path: &'q Path<'q>, node: &'t Node) -> Spot<'q, 't> {
        Spot { source: self.source, path, node }
    }

    /// Another value in its place.
    #[must_use]
    pub const fn with_node<'u>(&self, node: &'u Node) -> Spot<'_, 'u> {
        Spot { source: self.source, path: self.path, node }
    }

    /// A fault here that `why` tells whole.
    pub fn fault(&self, why: impl Into<String>) -> Fault {
        Fault::new(self.place(), self.path, why)
    }

    /// A fault here: what was found, and what is allowed.
    pub fn not_allowed(&self, allowed: impl fmt::Display) -> Fault {
        self.fault(format!("allowed: {allowed}")).found(self.node.shown())
    }

    /// The text that it is.
    pub fn text(&self, faults: &mut Faults) -> Option<&'t str> {
        match &self.node.value {
            Value::String(text) => Some(text),
            _ => self.refuse("a text in quotes", faults),
        }
    }

    /// The items of the array that it is.
    pub fn items(&self, faults: &mut Faults) -> Option<&'t [Node]> {
        match &self.node.value {
            Value::Array(items) => Some(items),
            _ => self.refuse("an array", faults),
        }
    }

    /// The table that it is.
    pub fn table(&self, faults: &mut Faults) -> Option<&'t Table> {
        match &self.node.value {
            Value::Table(table) => Some(table),
            _ => self.refuse("a table", faults),
        }
    }

    /// Adds a fault: what was found, and what is allowed.
    pub fn refuse<T>(&self, allowed: impl fmt::Display, faults: &mut Faults) -> Option<T> {
        faults.push(self.not_allowed(allowed));
        None
    }

    /// Adds a fault that `why` tells, after what was found.
    pub fn reject<T>(&self, why: impl Into<String>, faults: &mut Faults) -> Option<T> {
        faults.push(self.fault(why).found(self.node.shown()));
        None
    }
}

/// What a table says for a key.
pub enum Given<T> {
    /// Nothing.
    Absent,
    /// Something faulty; the fault is among the others already.
    Faulty,
    /// This.
    Value(T),
}

impl<T> Given<T> {
    /// The value, or the default; none if it is faulty.
    pub fn or(self, default: T) -> Option<T> {
        match self {
            Self::Absent => Some(default),
            Self::Faulty => None,
            Self::Value(value) => Some(value),
        }
    }

    /// The value of a required key; none if it is faulty or missing, which is a fault already.
    pub fn required(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Faulty => None,
        }
    }

    /// The value, if there is one; none if it is faulty.
    pub fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Absent => Some(None),
            Self::Faulty => None,
            Self::Value(value) => Some(Some(value)),
        }
    }
}

/// A table that is being read.
pub struct Fields<'p, 't, 'f> {
    /// The table's place.
    pub spot: Spot<'p, 't>,
    /// Its entries.
    table: &'t Table,
    /// Where faults go.
    pub faults: &'f mut Faults,
}

impl<'p, 't, 'f> Fields<'p, 't, 'f> {
    /// Opens a value as a table with these keys; unknown and missing ones are faults.
    pub fn open(spot: Spot<'p, 't>, keys: &[Key], faults: &'f mut Faults) -> Option<Self> {
        let table = spot.table(faults)?;
        check_keys(&spot, table, keys, faults);
        Some(Self { spot, table, faults })
    }

    /// The value of a key, if it is given.
    pub fn node(&self, key: &str) -> Option<&'t Node> {
        let node = &self.table.entry(key)?.node;
        (node.value != Value::Null).then_some(node)
    }

    /// Reads the value of a key.
    pub fn read<T>(&mut self, key: &str, read: impl FnOnce(Spot<'_, 't>, &mut Faults) -> Option<T>) -> Given<T> {
        let Some(node) = self.node(key) else { return Given::Absent };
        let path = self.spot.path.key(key);
        read(self.spot.inner(&path, node), self.faults).map_or(Given::Faulty, Given::Value)
    }

    /// Reads the value of a key; in JSON, an empty text stands for none.
    pub fn read_set<T>(&mut self, key: &str, read: impl FnOnce(Spot<'_, 't>, &mut Faults) -> Option<T>) -> Given<T> {
        if self.faults.is_json() && self.node(key).is_some_and(is_empty) {
            return Given::Absent;
        }
        self.read(key, read)
    }

    /// A fault at the value of a key, or, where it is not given, at the table.
    pub fn fault_at(&self, key: &str, why: impl Into<String>) -> Fault {
        let node = self.node(key).unwrap_or(self.spot.node);
        self.spot.inner(&self.spot.path.key(key), node).fault(why)
    }
}

/// Adds a fault for each unknown, unsupported and missing key of a table. In JSON, an unknown key is only warned of.
pub fn check_keys(spot: &Spot<'_, '_>, table: &Table, keys: &[Key], faults: &mut Faults) {
    let is_json = faults.is_json();
    for entry in table.entries() {
        let fault = |why: &str| {
            let at = Place { source: spot.source, span: entry.key_span.clone() };
            Fault::new(at, spot.path.key(&entry.key), why)
        };
        match keys.iter().find(|key| key.name == entry.key).map(|key| key.need) {
            Some(Need::Unsupported(_)) if is_empty(&entry.node) => {}
            Some(Need::Unsupported(why)) => faults.push(fault(why)),
            Some(Need::ReadOnly) if !is_json => faults.push(fault("the server sets this key; leave it out")),
            Some(_) => {}
            None => {
                let settable = keys.iter().filter(|key| !matches!(key.need, Need::Unsupported(_) | Need::ReadOnly));
                let nearest = faults.nearest(&entry.key, settable.clone().map(|key| key.name));
                if is_json {
                    faults.warn(fault("unknown key; it is ignored").suggest(nearest));
                    continue;
                }
                let (kept, all): (Vec<&Key>, Vec<&Key>) = settable.partition(|key| key.need == Need::Kept);
                let [kept, all] =
                    [kept, all].map(|keys| keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", "));
                let also = if kept.is_empty() { String::new() } else { format!("; also taken: {kept}") };
                faults.push(fault(&format!("unknown key; allowed: {all}{also}")).suggest(nearest));
            }
        }
    }
    let is_required = |key: &&Key| key.need == Need::Required || key.need == Need::Declared && !is_json;
    for key in keys.iter().filter(is_required) {
        if table.entry(key.name).is_none_or(|entry| entry.node.value == Value::Null) {
            faults.push(Fault::new(spot.place(), spot.path.key(key.name), "it is missing and required"));
        }
    }
}

/// Whether a value is what clients send for what they do not set.
pub fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::dialect::Dialect;
    use crate::spec::fault::Severity;

    #[test]
    fn paths_read_like_the_document() {
        let pools = Path::ROOT.key("pools");
        let pool = pools.index(2);
        let origins = pool.key("origins");
        assert_eq!(origins.index(0).key("weight").to_string(), "pools[2].origins[0].weight");
        assert_eq!(pool.key("a b").to_string(), "pools[2].\"a b\"");
        assert_eq!(Path::ROOT.to_string(), "");
    }

    #[test]
    fn json_is_read_more_leniently_than_toml() {
        const KEYS: &[Key] = &[declared("name"), read_only("created_on"), kept("id"), defaulted("port")];
        let text = |text: &str| Node::text(text);
        let table = Table::default().with("created_on", text("x")).with("id", text("x")).with("prot", text("x"));
        let node = Node::built(Value::Table(table));
        let told = |dialect| {
            let (path, mut faults) = (Path::ROOT, Faults::of(dialect));
            Fields::open(Spot { source: 0, path: &path, node: &node }, KEYS, &mut faults).unwrap();
            [Severity::Fault, Severity::Warning].map(|severity| {
                faults.listed(severity).kept().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            })
        };
        let toml = "created_on: the server sets this key; leave it out\nprot: unknown key; allowed: name, port; also taken: id\n\
                    name: it is missing and required";
        assert_eq!(told(Dialect::Toml), [toml, ""]);
        assert_eq!(told(Dialect::Json), ["", "prot: unknown key; it is ignored"]);
    }
}
