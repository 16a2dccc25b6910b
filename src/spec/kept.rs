//! Keys of the original that no answer depends on here yet, or never will: what they may hold is said by tables, so that
//! they are checked, kept in one form, and given back.
//!
//! The kept form has no nulls and nothing that says its default. Pools are in it by id.

use std::collections::HashSet;

use crate::model::id::PoolId;
use crate::model::kept::Kept;
use crate::model::tree::{Entry, Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Need, Spot, check_keys};
use crate::spec::identity::Id as _;
use crate::spec::json_text::number;
use crate::spec::references::References;
use crate::spec::value;

/// A key that is kept.
#[derive(Debug)]
pub(super) struct Field {
    /// The key.
    pub(super) name: &'static str,
    /// What it may hold.
    pub(super) shape: Shape,
    /// What holds without it.
    pub(super) absent: Absent,
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    /// Yes or no.
    Bool,
    /// A whole number within bounds.
    Int(i64, i64),
    /// A number within bounds.
    Number(f64, f64),
    /// A text of at most so many characters.
    Text(usize),
    /// One of some words. An empty text stands for none, as in the original.
    Word(&'static [&'static str]),
    /// A code of letters and digits in capitals: what it is a code for, and how many characters it has.
    Code(&'static str, std::ops::RangeInclusive<usize>),
    /// A pool.
    Pool,
    /// Different values in order: of which shape, how few, and how many.
    List(&'static Self, usize, usize),
    /// Values by key: the shape of keys, and of values.
    Map(&'static Self, &'static Self),
    /// A table with these keys.
    Object(&'static [Field]),
}

/// What holds without a key.
#[derive(Debug)]
pub(super) enum Absent {
    /// Nothing, and it is not given back.
    Omitted,
    /// Nothing, and it is given back as null.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A text.
    Text(&'static str),
    /// An empty list.
    List,
    /// A table in which everything has its default.
    Table,
}

/// Entries of one list or table; the original stops there as well.
const ENTRIES_MAX: usize = 1_000;

impl Field {
    /// A key with a default.
    pub(super) const fn new(name: &'static str, shape: Shape, absent: Absent) -> Self {
        Self { name, shape, absent }
    }

    /// A key that is given back as it was given, if it was.
    pub(super) const fn omitted(name: &'static str, shape: Shape) -> Self {
        Self::new(name, shape, Absent::Omitted)
    }

    /// The key as a reader of tables knows it.
    const fn key(&self) -> Key {
        Key { name: self.name, need: Need::Optional }
    }

    /// The kept form of what a table says for it; none if it says nothing but the default. An error is among the faults.
    fn read(&self, given: Option<Spot<'_, '_>>, pools: &dyn References<PoolId>, faults: &mut Faults) -> Read {
        let Some(spot) = given else { return Ok(None) };
        let is_unset = matches!(&spot.node.value, Value::String(text) if text.is_empty());
        if is_unset && matches!(self.shape, Shape::Word(_)) {
            return Ok(None);
        }
        let node = self.shape.read(spot, pools, faults).ok_or(Faulty)?;
        Ok((!self.is_default(&node)).then_some(node))
    }

    /// Whether a value in kept form is the default.
    fn is_default(&self, node: &Node) -> bool {
        match (&self.absent, &node.value) {
            (Absent::Bool(default), Value::Bool(value)) => default == value,
            (Absent::Int(default), Value::Int(value)) => default == value,
            (Absent::Text(default), Value::String(value)) => default == value,
            (Absent::List, Value::Array(items)) => items.is_empty(),
            (Absent::Table, Value::Table(table)) => table.is_empty(),
            _ => false,
        }
    }

    /// What is given back: everything, defaults too.
    fn complete(&self, kept: Option<&Node>) -> Option<Node> {
        if let Some(node) = kept {
            return Some(self.shape.complete(node));
        }
        Some(match &self.absent {
            Absent::Omitted => return None,
            Absent::Null => Node::built(Value::Null),
            Absent::Bool(default) => Node::built(Value::Bool(*default)),
            Absent::Int(default) => Node::int(*default),
            Absent::Text(default) => Node::text(*default),
            Absent::List => Node::built(Value::Array(vec![])),
            Absent::Table => self.shape.complete(&Node::built(Value::Table(Table::default()))),
        })
    }
}

/// A fault that is among the others already.
struct Faulty;

/// What is to be kept of a value, if anything.
type Read = Result<Option<Node>, Faulty>;

impl Shape {
    /// Reads a value into its kept form.
    fn read(&self, spot: Spot<'_, '_>, pools: &dyn References<PoolId>, faults: &mut Faults) -> Option<Node> {
        match self {
            Self::Bool => value::boolean(spot, faults).map(|value| Node::built(Value::Bool(value))),
            Self::Int(min, max) => value::integer(*min, *max)(spot, faults).map(Node::int),
            Self::Number(min, max) => {
                let found = match spot.node.value {
                    // Larger ones are out of all bounds that we have.
                    Value::Int(value) => i32::try_from(value).ok().map(f64::from),
                    Value::Float(value) => Some(value),
                    _ => None,
                };
                match found.filter(|value| (*min..=*max).contains(value)) {
                    Some(value) => Some(Node::built(number(value))),
                    None => spot.refuse(format_args!("a number from {min} to {max}"), faults),
                }
            }
            Self::Text(max) => {
                let text = spot.text(faults)?;
                if text.chars().count() > *max {
                    return spot.refuse(format_args!("a text of at most {max} characters"), faults);
                }
                Some(Node::text(text))
            }
            Self::Word(words) => {
                let text = spot.text(faults)?;
                if words.contains(&text) {
                    return Some(Node::text(text));
                }
                let all = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
                let nearest = faults.nearest(text, words.iter().copied());
                faults.push(spot.not_allowed(all).suggest(nearest));
                None
            }
            Self::Code(what, length) => {
                let text = spot.text(faults)?;
                let is_code = text.bytes().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit());
                if is_code && length.contains(&text.len()) {
                    return Some(Node::text(text));
                }
                spot.refuse(what, faults)
            }
            Self::Pool => pools.resolve(spot, faults).map(|id| Node::text(id.to_string())),
            Self::List(shape, min, max) => read_list(spot, shape, (*min, *max), pools, faults),
            Self::Map(key, value) => read_map(spot, key, value, pools, faults),
            Self::Object(fields) => {
                let table = spot.table(faults)?;
                check_keys(&spot, table, &fields.iter().map(Field::key).collect::<Vec<_>>(), faults);
                let before = faults.len();
                let mut kept = Table::default();
                for field in *fields {
                    let path = spot.path.key(field.name);
                    let given = table.entry(field.name).filter(|entry| entry.node.value != Value::Null);
                    let given = given.map(|entry| spot.inner(&path, &entry.node));
                    if let Ok(Some(node)) = field.read(given, pools, faults) {
                        kept = kept.with(field.name, node);
                    }
                }
                (faults.len() == before).then_some(Node::built(Value::Table(kept)))
            }
        }
    }

    /// A value in kept form with all defaults.
    fn complete(&self, node: &Node) -> Node {
        let value = match (self, &node.value) {
            (Self::Object(fields), Value::Table(table)) => {
                let complete = |field: &Field| {
                    let node = field.complete(table.entry(field.name).map(|entry| &entry.node))?;
                    Some(Entry { key: field.name.into(), key_span: 0..0, node })
                };
                Value::Table(fields.iter().filter_map(complete).collect())
            }
            (Self::List(shape, ..), Value::Array(items)) => {
                Value::Array(items.iter().map(|item| shape.complete(item)).collect())
            }
            (Self::Map(_, shape), Value::Table(table)) => {
                let entries = table.entries().iter();
                Value::Table(
                    entries.map(|entry| Entry { node: shape.complete(&entry.node), ..entry.clone() }).collect(),
                )
            }
            (_, value) => value.clone(),
        };
        Node::built(value)
    }
}

/// Reads a list; single values are in it once.
fn read_list(
    spot: Spot<'_, '_>,
    shape: &Shape,
    (min, max): (usize, usize),
    pools: &dyn References<PoolId>,
    faults: &mut Faults,
) -> Option<Node> {
    let items = spot.items(faults)?;
    if !(min..=max).contains(&items.len()) {
        faults.push(spot.fault(format!("there are {}; allowed: {min} to {max}", items.len())));
        return None;
    }
    let mut kept = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let path = spot.path.index(index);
        let item = spot.inner(&path, item);
        let Some(node) = shape.read(item, pools, faults) else { continue };
        if let Value::String(text) = &node.value
            && !seen.insert(text.clone())
        {
            faults.push(item.fault("it is in the list already").found(item.node.shown()));
            continue;
        }
        kept.push(node);
    }
    (kept.len() == items.len()).then_some(Node::built(Value::Array(kept)))
}

/// Reads values by key.
fn read_map(
    spot: Spot<'_, '_>,
    key: &Shape,
    value: &Shape,
    pools: &dyn References<PoolId>,
    faults: &mut Faults,
) -> Option<Node> {
    let entries = spot.table(faults)?.entries();
    if entries.len() > ENTRIES_MAX {
        faults.push(spot.fault(format!("there are {}; allowed: at most {ENTRIES_MAX}", entries.len())));
        return None;
    }
    let before = faults.len();
    let mut kept = Table::default();
    for entry in entries {
        let path = spot.path.key(&entry.key);
        let name = Node { span: entry.key_span.clone(), value: Value::String(entry.key.to_string()) };
        let name = key.read(spot.inner(&path, &entry.node).with_node(&name), pools, faults);
        let node = value.read(spot.inner(&path, &entry.node), pools, faults);
        let (Some(Value::String(name)), Some(node)) = (name.map(|name| name.value), node) else { continue };
        if kept.entry(&name).is_some() {
            faults.push(spot.inner(&path, &entry.node).fault("it is in the table already, by its other name"));
        }
        kept = kept.with(name, node);
    }
    (faults.len() == before).then_some(Node::built(Value::Table(kept)))
}

/// Reads everything in a table that is kept; warns of those that have no effect, in the words of `warning`.
pub(super) fn parse(
    fields: &mut Fields<'_, '_, '_>,
    kept: &[Field],
    pools: &dyn References<PoolId>,
    warning: impl Fn(&str) -> Option<&'static str>,
) -> Option<Kept> {
    let before = fields.faults.len();
    let mut table = Table::default();
    for field in kept {
        let node = fields.read(field.name, |spot, faults| field.read(Some(spot), pools, faults).ok()).or(None);
        let Some(Some(node)) = node else { continue };
        if let Some(why) = warning(field.name) {
            let fault = fields.fault_at(field.name, why);
            fields.faults.warn(fault);
        }
        table = table.with(field.name, node);
    }
    (fields.faults.len() == before).then(|| Kept::new(table))
}

/// Adds everything that is kept to a table of JSON, defaults too.
pub(super) fn build_json(table: Table, kept: &Kept, fields: &[Field]) -> Table {
    let given = |field: &Field| kept.table().and_then(|table| table.entry(field.name)).map(|entry| &entry.node);
    fields.iter().fold(table, |table, field| match field.complete(given(field)) {
        Some(node) => table.with(field.name, node),
        None => table,
    })
}

/// Adds what is kept to a table of TOML: only what differs from its default, and pools by name.
pub(super) fn build_toml<'n>(table: Table, kept: &Kept, pool_name: &dyn Fn(PoolId) -> Option<&'n str>) -> Table {
    let name = |text: &str| PoolId::of_text(text).and_then(pool_name).map(str::to_owned);
    let entries = kept.table().map(|table| table.with_texts(&name));
    entries
        .iter()
        .flat_map(Table::entries)
        .fold(table, |table, entry| table.with(entry.key.clone(), entry.node.clone()))
}
