//! TOML text to tree and back.

use std::fmt::Write as _;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::model::tree::{Entry, Node, Table, Value};

/// Why a text is not TOML.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyntaxFault {
    /// Where.
    pub span: Range<usize>,
    /// What is wrong there.
    pub why: String,
}

/// Texts up to this long are read again for all their syntax faults; of longer ones, which may be no TOML at all and
/// would give a fault for each octet, we name the first.
const ALL_FAULTS_OCTETS_MAX: usize = 256 << 10;
/// Syntax faults that are named: after some of them the rest is noise that follows from those before.
const SYNTAX_FAULTS_MAX: usize = 20;

/// Parses a TOML document.
pub fn parse(text: &str) -> Result<Table, Vec<SyntaxFault>> {
    match DeTable::parse(text) {
        Ok(table) => Ok(table_of(table.into_inner())),
        Err(first) if text.len() > ALL_FAULTS_OCTETS_MAX => Err(vec![syntax_fault(&first)]),
        Err(first) => {
            let (_, errors) = DeTable::parse_recoverable(text);
            let mut faults: Vec<SyntaxFault> = errors.iter().map(syntax_fault).collect();
            faults.sort_by_key(|fault| fault.span.start);
            // A second fault on one line nearly always follows from the first.
            faults.dedup_by(|later, earlier| same_line(text, earlier.span.start, later.span.start));
            faults.truncate(SYNTAX_FAULTS_MAX);
            if faults.is_empty() {
                faults.push(syntax_fault(&first));
            }
            Err(faults)
        }
    }
}

/// Whether no line ends between two offsets.
fn same_line(text: &str, from: usize, to: usize) -> bool {
    text.as_bytes().get(from..to).is_none_or(|between| !between.contains(&b'\n'))
}

/// One error of the reader.
fn syntax_fault(error: &toml::de::Error) -> SyntaxFault {
    SyntaxFault { span: error.span().unwrap_or(0..0), why: error.message().to_owned() }
}

/// A table in the document's order; the reader sorts by key.
fn table_of(table: DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_span: key.span(),
            key: key.into_inner().into_owned().into(),
            node: node_of(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries.into_iter().collect()
}

/// A value with its place.
fn node_of(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => int_of(&number).map_or_else(|| Value::Other(number.to_string()), Value::Int),
        DeValue::Float(number) => float_of(number.as_str()),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(when) => Value::Other(when.to_string()),
        DeValue::Array(items) => Value::Array(items.into_iter().map(node_of).collect()),
        DeValue::Table(table) => Value::Table(table_of(table)),
    };
    Node { span, value }
}

/// A whole number, if it has at most 64 bits.
fn int_of(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A number with a fraction.
fn float_of(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::Other(text.to_owned()), Value::Float)
}

/// Writes a document: plain values first, then tables, then arrays of tables, so that no value lands in the table of
/// the one before.
pub fn render(root: &Table) -> String {
    let mut text = String::new();
    for entry in root.entries().iter().filter(|entry| !is_sectioned(&entry.node)) {
        render_entry(&mut text, entry);
    }
    for entry in root.entries() {
        match &entry.node.value {
            Value::Table(table) => render_section(&mut text, "[", &entry.key, "]", table),
            Value::Array(items) if is_sectioned(&entry.node) => {
                for table in items.iter().filter_map(as_table) {
                    render_section(&mut text, "[[", &entry.key, "]]", table);
                }
            }
            _ => {}
        }
    }
    text
}

/// The table that a node is.
const fn as_table(node: &Node) -> Option<&Table> {
    match &node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

/// Whether a value of the root has headers of its own.
fn is_sectioned(node: &Node) -> bool {
    match &node.value {
        Value::Table(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(|item| as_table(item).is_some()),
        _ => false,
    }
}

/// A header and the entries under it, one a line.
fn render_section(text: &mut String, open: &str, key: &str, close: &str, table: &Table) {
    text.push('\n');
    text.push_str(open);
    render_key(text, key);
    text.push_str(close);
    text.push('\n');
    for entry in table.entries() {
        render_entry(text, entry);
    }
}

/// `key = value` on one line; an array of texts or tables has one a line.
fn render_entry(text: &mut String, entry: &Entry) {
    if matches!(entry.node.value, Value::Null) {
        return;
    }
    render_key(text, &entry.key);
    text.push_str(" = ");
    match &entry.node.value {
        Value::Array(items) if items.len() > 1 => {
            text.push_str("[\n");
            for item in items {
                text.push_str("  ");
                render_value(text, item);
                text.push_str(",\n");
            }
            text.push(']');
        }
        _ => render_value(text, &entry.node),
    }
    text.push('\n');
}

/// A key, bare if it can be.
fn render_key(text: &mut String, key: &str) {
    let bare = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'-';
    if !key.is_empty() && key.bytes().all(bare) {
        text.push_str(key);
    } else {
        render_string(text, key);
    }
}

/// A value on one line.
fn render_value(text: &mut String, node: &Node) {
    match &node.value {
        // TOML has no null; keys that have it are left out above.
        Value::Null => {}
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => text.push_str(&value.to_string()),
        Value::Float(value) => text.push_str(&format!("{value:?}").to_ascii_lowercase()),
        Value::String(value) => render_string(text, value),
        Value::Other(value) => text.push_str(value),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                render_value(text, item);
            }
            text.push(']');
        }
        Value::Table(table) => {
            text.push_str("{ ");
            for (index, entry) in table.entries().iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                render_key(text, &entry.key);
                text.push_str(" = ");
                render_value(text, &entry.node);
            }
            text.push_str(" }");
        }
    }
}

/// A basic string.
fn render_string(text: &mut String, value: &str) {
    text.push('"');
    for char in value.chars() {
        match char {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            char if char.is_control() => {
                // Writing to a string cannot fail.
                let _infallible = write!(text, "\\u{:04X}", u32::from(char));
            }
            char => text.push(char),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tree without its places.
    fn unplaced(table: &Table) -> Table {
        let node = |node: &Node| {
            Node::built(match &node.value {
                Value::Array(items) => Value::Array(items.iter().map(unplaced_node).collect()),
                Value::Table(table) => Value::Table(unplaced(table)),
                value => value.clone(),
            })
        };
        table.entries().iter().fold(Table::default(), |all, entry| all.with(entry.key.clone(), node(&entry.node)))
    }

    /// A value without its places.
    fn unplaced_node(node: &Node) -> Node {
        let table = unplaced(&Table::default().with("x", node.clone()));
        table.entry("x").unwrap().node.clone()
    }

    #[test]
    fn order_and_places_are_the_documents() {
        let text =
            "z = 1\na = \"x\"\n[[pools]]\nname = 'p'\n[server]\nb.c = [true, 0x10]\nt = { y = 1.5, d = 1979-05-27 }\n";
        let root = parse(text).unwrap();
        let keys: Vec<&str> = root.entries().iter().map(|entry| entry.key.as_ref()).collect();
        assert_eq!(keys, ["z", "a", "pools", "server"]);
        let at = |node: &Node| text.get(node.span.clone()).unwrap().to_owned();
        assert_eq!(at(&root.entry("a").unwrap().node), "\"x\"");
        let Value::Array(pools) = &root.entry("pools").unwrap().node.value else { panic!() };
        assert_eq!(at(&pools[0]), "[[pools]]");
        let Value::Table(server) = &root.entry("server").unwrap().node.value else { panic!() };
        assert_eq!(at(&root.entry("server").unwrap().node), "[server]");
        assert_eq!(at(&server.entry("t").unwrap().node), "{ y = 1.5, d = 1979-05-27 }");
    }

    #[test]
    fn several_syntax_faults_at_once() {
        let faults = parse("a = \nb = 1\nc = [1,\nd = \"x\ne = 2").unwrap_err();
        assert!(faults.len() > 1, "{faults:?}");
        assert_eq!(faults[0].span.start, 4);
    }

    fn value() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1.0e9..1.0e9).prop_map(Value::Float),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_map(Node::built).prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| Node::built(Value::Array(items))),
                table(inner).prop_map(|table| Node::built(Value::Table(table))),
            ]
        })
    }

    fn table(inner: impl Strategy<Value = Node>) -> impl Strategy<Value = Table> {
        let keys = prop_oneof!["[a-z_]{1,5}", any::<String>()];
        prop::collection::hash_map(keys, inner, 0..4)
            .prop_map(|map| map.into_iter().fold(Table::default(), |table, (key, node)| table.with(key, node)))
    }

    /// Plain values before tables, as rendering orders them.
    fn in_order(table: &Table) -> Vec<(String, Node)> {
        let mut all: Vec<(String, Node)> =
            table.entries().iter().map(|e| (e.key.to_string(), e.node.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    proptest! {
        #[test]
        fn what_is_rendered_parses_back(root in table(value())) {
            let text = render(&root);
            let back = parse(&text).map_err(|faults| TestCaseError::fail(format!("{faults:?} in {text}")))?;
            prop_assert_eq!(in_order(&unplaced(&back)), in_order(&root), "{}", text);
        }

        #[test]
        fn any_text_is_a_tree_or_has_faults(text in any::<String>()) {
            if let Err(faults) = parse(&text) {
                prop_assert!(!faults.is_empty());
            }
        }
    }
}
