//! JSON as the common tree.

use serde_json::Value as Json;

use crate::model::tree::{Node, Table, Value};

/// Reads a text.
pub fn parse(octets: &[u8]) -> Result<Node, String> {
    serde_json::from_slice::<Json>(octets).map(node).map_err(|error| error.to_string())
}

/// A value of JSON as a node.
fn node(json: Json) -> Node {
    Node::built(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(float)) => Value::Float(float),
            (None, None) => Value::Other(number.to_string()),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::Array(items.into_iter().map(node).collect()),
        Json::Object(entries) => Value::Table(
            entries.into_iter().fold(Table::default(), |table, (key, value)| table.with(&key, node(value))),
        ),
    })
}
