//! The common tree: what a document says before anybody knows what it means. TOML and JSON both become one, so that one
//! parse code serves both.

use std::borrow::Cow;
use std::ops::Range;

/// A value and where it stands in its document.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Octets of the document; empty in a tree that was built.
    pub span: Range<usize>,
    /// What stands there.
    pub value: Value,
}

/// What a document can say.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Nothing, on purpose; counts as not given.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    String(String),
    /// Values in order.
    Array(Vec<Node>),
    /// Values by key.
    Table(Table),
    /// Something that none of our keys takes, as it is to be shown: a date, or a number beyond 64 bits.
    Other(String),
}

/// Values by key, in the order in which they stand in the document. Keys are unique.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Table(Vec<Entry>);

/// A key and its value.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The key: most are ours, and part of the program.
    pub key: Cow<'static, str>,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// The value.
    pub node: Node,
}

// Numbers of documents are finite or never kept, so equality is total where it matters.
impl Eq for Node {}
impl Eq for Table {}

/// Characters of a text that a message repeats; the rest tells nobody anything.
const SHOWN_CHARS_MAX: usize = 60;

impl Node {
    /// A value that stands nowhere yet.
    pub const fn built(value: Value) -> Self {
        Self { span: 0..0, value }
    }

    /// A text that stands nowhere yet.
    pub fn text(text: impl Into<String>) -> Self {
        Self::built(Value::String(text.into()))
    }

    /// A whole number that stands nowhere yet.
    pub fn int(number: impl Into<i64>) -> Self {
        Self::built(Value::Int(number.into()))
    }

    /// The same value as if it stood nowhere: for comparing what documents say, not where.
    #[must_use]
    pub fn unplaced(self) -> Self {
        Self::built(match self.value {
            Value::Array(items) => Value::Array(items.into_iter().map(Self::unplaced).collect()),
            Value::Table(table) => Value::Table(table.unplaced()),
            value => value,
        })
    }

    /// The same with other texts, keys too, where `other` gives one.
    fn with_texts(&self, other: &dyn Fn(&str) -> Option<String>) -> Self {
        let value = match &self.value {
            Value::String(text) => Value::String(other(text).unwrap_or_else(|| text.clone())),
            Value::Array(items) => Value::Array(items.iter().map(|item| item.with_texts(other)).collect()),
            Value::Table(table) => Value::Table(table.with_texts(other)),
            value => value.clone(),
        };
        Self { span: self.span.clone(), value }
    }

    /// All texts in it: itself, items, and the keys and values of tables.
    pub fn texts<'n>(&'n self, found: &mut dyn FnMut(&'n str)) {
        match &self.value {
            Value::String(text) => found(text),
            Value::Array(items) => items.iter().for_each(|item| item.texts(found)),
            Value::Table(table) => table.texts(found),
            _ => {}
        }
    }

    /// The value as a message shows it: short, on one line, without control characters.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::String(text) => shown_text(text),
            Value::Array(items) if items.is_empty() => "an empty array".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(text) => text.clone(),
        }
    }
}

/// A text in quotes, escaped and cut.
pub fn shown_text(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

impl Table {
    /// The entry of a key. Tables are short, so this looks at each.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The value of a key; one that is null counts as not given.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.node.value).filter(|value| **value != Value::Null)
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same entries as if they stood nowhere.
    #[must_use]
    pub fn unplaced(self) -> Self {
        let unplaced = |Entry { key, key_span: _, node }| Entry { key, key_span: 0..0, node: node.unplaced() };
        self.0.into_iter().map(unplaced).collect()
    }

    /// The same with other texts, keys too, where `other` gives one.
    #[must_use]
    pub fn with_texts(&self, other: &dyn Fn(&str) -> Option<String>) -> Self {
        let renamed = |entry: &Entry| Entry {
            key: other(&entry.key).map_or_else(|| entry.key.clone(), Cow::Owned),
            key_span: entry.key_span.clone(),
            node: entry.node.with_texts(other),
        };
        self.0.iter().map(renamed).collect()
    }

    /// All texts in it, keys too.
    pub fn texts<'n>(&'n self, found: &mut dyn FnMut(&'n str)) {
        for entry in &self.0 {
            found(&entry.key);
            entry.node.texts(found);
        }
    }

    /// This table with one more entry at its end.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, node: Node) -> Self {
        self.0.push(Entry { key: key.into(), key_span: 0..0, node });
        self
    }

    /// This table without a key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.0.retain(|entry| entry.key != key);
        self
    }
}

impl FromIterator<Entry> for Table {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_shows_is_short_and_harmless() {
        for (value, shown) in [
            (Value::Null, "null"),
            (Value::Float(1.0), "1.0"),
            (Value::Int(-3), "-3"),
            (Value::String("a\u{1b}[31m\n".into()), r#""a\u{1b}[31m\n""#),
            (Value::Array(vec![]), "an empty array"),
            (Value::Table(Table::default()), "a table"),
        ] {
            assert_eq!(Node::built(value).shown(), shown);
        }
        assert_eq!(Node::text("ü".repeat(100)).shown(), format!("\"{}\"...", "ü".repeat(60)));
    }
}
