//! JSON Schema of keys that are kept, made from the tables that they are checked by.

use crate::model::tree::{Node, Table, Value};
use crate::spec::kept::{Absent, Field, Shape};

/// What an id is.
pub const ID_PATTERN: &str = "^[0-9a-f]{32}$";

/// The schemas of keys.
pub(super) fn properties(fields: &[Field]) -> Table {
    fields.iter().fold(Table::default(), |table, field| table.with(field.name, node(of_field(field))))
}

/// The schema of a key's value.
fn of_field(field: &Field) -> Table {
    let schema = of_shape(&field.shape);
    match &field.absent {
        Absent::Omitted => schema,
        Absent::Null => nullable(schema),
        Absent::Bool(default) => schema.with("default", Node::built(Value::Bool(*default))),
        Absent::Int(default) => schema.with("default", Node::int(*default)),
        Absent::Text(default) => schema.with("default", Node::text(*default)),
        Absent::List => schema.with("default", Node::built(Value::Array(vec![]))),
        Absent::Table => schema.with("default", node(Table::default())),
    }
}

/// The schema of a value.
fn of_shape(shape: &Shape) -> Table {
    match shape {
        Shape::Bool => typed("boolean"),
        Shape::Int(min, max) => typed("integer").with("minimum", Node::int(*min)).with("maximum", Node::int(*max)),
        Shape::Number(min, max) => {
            let bound = |value: &f64| Node::built(Value::Float(*value));
            typed("number").with("minimum", bound(min)).with("maximum", bound(max))
        }
        Shape::Text(max) => typed("string").with("maxLength", count(*max)),
        Shape::Word(words) => typed("string").with("enum", texts(words.iter().copied())),
        Shape::Code(what, length) => {
            let pattern = format!("^[A-Z0-9]{{{},{}}}$", length.start(), length.end());
            typed("string").with("description", Node::text(*what)).with("pattern", Node::text(pattern))
        }
        Shape::Pool => {
            let schema = typed("string").with("description", Node::text("the id of a pool"));
            schema.with("pattern", Node::text(ID_PATTERN))
        }
        Shape::List(item, min, max) => {
            let schema = typed("array").with("items", node(of_shape(item)));
            schema.with("minItems", count(*min)).with("maxItems", count(*max))
        }
        Shape::Map(key, value) => {
            let schema = typed("object").with("propertyNames", node(of_shape(key)));
            schema.with("additionalProperties", node(of_shape(value)))
        }
        Shape::Object(fields) => typed("object").with("properties", node(properties(fields))),
    }
}

/// A schema of one type.
fn typed(word: &str) -> Table {
    Table::default().with("type", Node::text(word))
}

/// The same, or null.
fn nullable(schema: Table) -> Table {
    let Some(Value::String(word)) = schema.value("type").cloned() else { return schema };
    let types = texts([word.as_str(), "null"]);
    schema.without("type").with("type", types)
}

/// A table as a value.
fn node(table: Table) -> Node {
    Node::built(Value::Table(table))
}

/// A list of texts.
fn texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Node {
    Node::built(Value::Array(texts.into_iter().map(Node::text).collect()))
}

/// A number of things.
fn count(count: usize) -> Node {
    Node::int(i64::try_from(count).unwrap_or(i64::MAX))
}
