//! JSON text to tree and back.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::model::tree::{Entry, Node, Table, Value};
use crate::spec::toml_text::SyntaxFault;

/// Whole numbers up to this are the same as numbers with a fraction, which have 53 bits.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Parses a JSON document. How deep it nests is bounded by the reader, to 128; how long it is, by whoever took it.
pub fn parse(text: &[u8]) -> Result<Node, SyntaxFault> {
    serde_json::from_slice(text).map_err(|error| {
        let lines = text.split_inclusive(|octet| *octet == b'\n').take(error.line().saturating_sub(1));
        let start = lines.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
        let start = start.min(text.len());
        SyntaxFault { span: start..start, why: error.to_string() }
    })
}

/// Writes a value.
pub fn render(node: &Node) -> Vec<u8> {
    // Only a map with keys that are no texts, or a writer, could fail.
    serde_json::to_vec(node).unwrap_or_default()
}

/// A number as a tree has it: whole ones are whole however they are written, since JSON knows no difference.
pub fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
        // Whole and in range, so the conversion is exact.
        #[expect(clippy::cast_possible_truncation)]
        return Value::Int(value as i64);
    }
    Value::Float(value)
}

/// What a PATCH asks for, to be parsed as a whole: `current`, with each entry of `body` in the place of its own. What is
/// null goes back to its default.
pub fn patch(current: &Table, body: &Table) -> Table {
    let new = body.entries().iter().filter(|entry| current.entry(&entry.key).is_none());
    let kept = current.entries().iter().map(|entry| body.entry(&entry.key).unwrap_or(entry));
    kept.chain(new).cloned().collect()
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => match number(*value) {
                Value::Int(value) => serializer.serialize_i64(value),
                _ => serializer.serialize_f64(*value),
            },
            Value::String(text) | Value::Other(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items),
            Value::Table(table) => table.serialize(serializer),
        }
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries().len()))?;
        for entry in self.entries() {
            map.serialize_entry(&entry.key, &entry.node)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Self::built)
    }
}

/// Makes values of what the reader finds.
struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::Other(value.to_string()), Value::Int))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        while let Some((key, node)) = map.next_entry::<String, Node>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            entries.push(Entry { key: key.into(), key_span: 0..0, node });
        }
        Ok(Value::Table(entries.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_is_kept_and_whole_numbers_are_whole() {
        let text = br#"{"z":1.0,"a":[true,null,-0.0,0.07,"x\n"],"b":{"d":18446744073709551615,"c":1e3}}"#;
        let node = parse(text).unwrap();
        let shown = r#"{"z":1,"a":[true,null,0,0.07,"x\n"],"b":{"d":"18446744073709551615","c":1000}}"#;
        assert_eq!(String::from_utf8(render(&node)).unwrap(), shown);
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        let deep = "[".repeat(10_000);
        for (text, start) in [("{\n  \"a\": }", 9), ("", 0), ("{\"a\":1,\"a\":2}", 12), (&deep, 127), ("[1e999]", 5)] {
            let fault = parse(text.as_bytes()).unwrap_err();
            assert_eq!(fault.span.start, start, "{text:.40}: {}", fault.why);
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    proptest! {
        #[test]
        fn numbers_come_back_as_they_were(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let node = Node::built(number(value));
            prop_assert_eq!(parse(&render(&node)).unwrap(), node);
        }

        #[test]
        fn any_octets_are_a_tree_or_a_fault(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Err(fault) = parse(&octets) {
                prop_assert!(fault.span.start <= octets.len());
            }
        }
    }
}
