//! What of monitors is secret: values of header fields, which may let somebody in elsewhere. Whoever may edit everything sees
//! them; all others see that there is one.

use serde_json::Value as Json;

use crate::api::v4::error::ApiError;
use crate::model::tree::{Entry, Node, Table, Value};

/// What stands in the place of a value.
pub const HIDDEN: &str = "(hidden)";
/// The key of a monitor that has its header.
const HEADER: &str = "header";
/// Fields whose values let nobody in.
const OPEN: [&str; 8] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-type",
    "host",
    "user-agent",
];

/// Whether the values of a field are secret.
fn is_secret(field: &str) -> bool {
    !OPEN.iter().any(|open| field.eq_ignore_ascii_case(open))
}

/// A monitor as it is shown, with its secrets hidden.
pub fn hidden(monitor: &Table) -> Table {
    let field = |entry: &Entry| match &entry.node.value {
        Value::Array(values) if is_secret(&entry.key) => {
            let values = values.iter().map(|_| Node::text(HIDDEN)).collect();
            Entry { node: Node::built(Value::Array(values)), ..entry.clone() }
        }
        _ => entry.clone(),
    };
    let entry = |entry: &Entry| match &entry.node.value {
        Value::Table(header) if entry.key == HEADER => {
            let header = header.entries().iter().map(field).collect();
            Entry { node: Node::built(Value::Table(header)), ..entry.clone() }
        }
        _ => entry.clone(),
    };
    monitor.entries().iter().map(entry).collect()
}

/// The same of a monitor in the audit log.
pub fn hide(monitor: &mut Json) {
    let Some(Json::Object(header)) = monitor.get_mut(HEADER) else { return };
    for (_, values) in header.iter_mut().filter(|(field, _)| is_secret(field)) {
        let count = values.as_array().map_or(1, Vec::len);
        *values = vec![HIDDEN; count].into();
    }
}

/// Whether a body has something in it that was hidden from whoever wrote it.
pub fn has_hidden(body: &Node) -> bool {
    let Value::Table(monitor) = &body.value else { return false };
    let Some(Value::Table(header)) = monitor.value(HEADER) else { return false };
    let mut found = false;
    header.texts(&mut |text| found |= text == HIDDEN);
    found
}

/// A body without its header, if something in that was hidden: then the header stays as it is.
pub fn without_hidden(body: Table) -> Table {
    let node = Node::built(Value::Table(body.clone()));
    if has_hidden(&node) { body.without(HEADER) } else { body }
}

/// Refuses a body with something in it that was hidden: the secret would be lost.
pub fn check_whole(body: &Node) -> Result<(), ApiError> {
    if !has_hidden(body) {
        return Ok(());
    }
    let text = format!(
        "header: a value is {HIDDEN:?}, which stands for one that was hidden; say the real one, or leave the header out of a PATCH"
    );
    Err(ApiError::invalid(text).at("/header"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::json_text;

    #[test]
    fn secrets_are_hidden_and_what_is_hidden_is_known_again() {
        let text = r#"{"type":"http","header":{"Host":["a.example"],"authorization":["Bearer x","y"],"X-Key":["k"]}}"#;
        let node = json_text::parse(text.as_bytes()).unwrap();
        assert!(check_whole(&node).is_ok());
        let Value::Table(monitor) = node.value else { panic!("it is no table") };
        let shown = Node::built(Value::Table(hidden(&monitor)));
        let expected = r#"{"type":"http","header":{"Host":["a.example"],"authorization":["(hidden)","(hidden)"],"X-Key":["(hidden)"]}}"#;
        assert_eq!(String::from_utf8(json_text::render(&shown)).unwrap(), expected);
        assert!(check_whole(&shown).is_err());
        let mut json: Json = serde_json::from_str(text).unwrap();
        hide(&mut json);
        assert_eq!(json, serde_json::from_str::<Json>(expected).unwrap());
        let Value::Table(shown) = shown.value else { panic!("it is no table") };
        assert!(without_hidden(shown).value("header").is_none());
        assert!(without_hidden(monitor).value("header").is_some());
    }
}
