//! Monitors as the original's clients write and read them.

use crate::model::id::MonitorId;
use crate::model::inventory::Inventory;
use crate::model::monitor::Monitor;
use crate::model::stamp::Stamp;
use crate::model::tree::{Entry, Node, Table, Value};
use crate::spec::fault::{Fault, Faults, Place};
use crate::spec::fields::{Path, Spot};
use crate::spec::identity::Identity;
use crate::spec::monitor::{build, parse};
use crate::spec::time;

/// Keys that the original always has, with what they say where they do not apply.
const ALWAYS: [(&str, Empty); 9] = [
    ("method", Empty::Text),
    ("path", Empty::Text),
    ("port", Empty::None),
    ("header", Empty::None),
    ("expected_codes", Empty::Text),
    ("expected_body", Empty::Text),
    ("follow_redirects", Empty::False),
    ("allow_insecure", Empty::False),
    ("probe_zone", Empty::Text),
];

/// What stands for nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// The key is left out.
    None,
    /// An empty text.
    Text,
    /// No.
    False,
}

/// Parses the body of a request; the monitor gets `id`.
pub fn parse_json(body: &Node, id: MonitorId, _: &Inventory, faults: &mut Faults) -> Option<Monitor> {
    let before = faults.len();
    let body = applicable(body, faults);
    let spot = Spot { source: 0, path: &Path::ROOT, node: &body };
    parse(spot, Identity::Known(id), faults).filter(|_| faults.len() == before)
}

/// A body without what does not apply to its type: clients send all keys whatever the type. Warns of what somebody may
/// have meant.
fn applicable(body: &Node, faults: &mut Faults) -> Node {
    let Value::Table(table) = &body.value else { return body.clone() };
    let kind = match table.value("type") {
        Some(Value::String(kind)) => kind.as_str(),
        _ => "http",
    };
    let applies = |key: &str| match key {
        "probe_zone" => false,
        "allow_insecure" => kind == "https",
        "method" | "path" | "header" | "expected_codes" | "expected_body" | "follow_redirects" => kind != "tcp",
        _ => true,
    };
    let mut kept = Vec::with_capacity(table.entries().len());
    for entry in table.entries() {
        if applies(&entry.key) && !(is_default(&entry.key, &entry.node)) {
            kept.push(entry.clone());
        } else if !stands_for_nothing(&entry.node) {
            let at = Place { source: 0, span: entry.key_span.clone() };
            let why = match entry.key.as_str() {
                "probe_zone" => "it has no effect here and is ignored".to_owned(),
                _ => format!("it does not apply to type {kind:?} and is ignored"),
            };
            faults.warn(Fault::new(at, Path::ROOT.key(&entry.key), why).found(entry.node.shown()));
        }
    }
    Node { span: body.span.clone(), value: Value::Table(kept.into_iter().collect()) }
}

/// Whether an empty text says that the default holds.
fn is_default(key: &str, node: &Node) -> bool {
    let keys = ["name", "type", "method", "path", "expected_codes"];
    keys.contains(&key) && matches!(&node.value, Value::String(text) if text.is_empty())
}

/// Whether a value is what clients send for what they do not set, or the original gives back.
fn stands_for_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::String(text) => matches!(text.as_str(), "" | "GET" | "connection_established" | "/" | "200"),
        Value::Table(table) => table.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Builds a monitor for a response.
pub fn build_json(monitor: &Monitor, stamp: &Stamp<MonitorId>) -> Table {
    let table = Table::default()
        .with("id", Node::text(monitor.id.to_string()))
        .with("created_on", time::build(stamp.created))
        .with("modified_on", time::build(stamp.modified));
    build_fields(monitor).into_iter().fold(table, |table, entry| table.with(&entry.key, entry.node))
}

/// Builds what a monitor says, in the original's order and with all that the original always has.
fn build_fields(monitor: &Monitor) -> Vec<Entry> {
    let built = build(monitor);
    let is_unset = |entry: &Entry| match entry.key.as_str() {
        "id" => true,
        // Without a name it is called by its id.
        "name" => entry.node.value == Value::String(monitor.id.to_string()),
        // The original leaves these out when nobody set them.
        "port" | "consecutive_up" | "consecutive_down" => entry.node.value == Value::Int(0),
        _ => false,
    };
    let mut all: Vec<Entry> = built.entries().iter().filter(|entry| !is_unset(entry)).cloned().collect();
    for (key, empty) in ALWAYS {
        if built.entry(key).is_some() {
            continue;
        }
        let value = match empty {
            Empty::None => continue,
            Empty::Text if key == "method" && built.value("type") == Some(&Value::String("tcp".to_owned())) => {
                Value::String("connection_established".to_owned())
            }
            Empty::Text => Value::String(String::new()),
            Empty::False => Value::Bool(false),
        };
        all.push(Entry { key: key.to_owned(), key_span: 0..0, node: Node::built(value) });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stamp::{Disabled, Provenance, Revision, UnixMicros};
    use crate::spec::dialect::Dialect;
    use crate::spec::fault::Severity;
    use crate::spec::json_text;

    /// The id of all tests.
    const ID: MonitorId = MonitorId::random(0xab);

    /// Parses a body; what it is warned of comes with it.
    fn parsed(text: &str) -> Result<(Monitor, String), String> {
        let mut faults = Faults::of(Dialect::Json);
        let body = json_text::parse(text.as_bytes()).unwrap();
        let monitor = parse_json(&body, ID, &Inventory::default(), &mut faults);
        let [wrong, warned] = [Severity::Fault, Severity::Warning].map(|severity| {
            faults.listed(severity).kept().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        });
        monitor.map(|monitor| (monitor, warned)).ok_or(wrong)
    }

    /// A response.
    fn shown(monitor: &Monitor) -> String {
        let times = (UnixMicros(1), UnixMicros(2_000_000));
        let stamp = Stamp {
            id: ID,
            provenance: Provenance::Stored,
            created: times.0,
            modified: times.1,
            revision: Revision(1),
            disabled: Disabled::default(),
        };
        let table = build_json(monitor, &stamp);
        String::from_utf8(json_text::render(&Node::built(Value::Table(table)))).unwrap()
    }

    #[test]
    fn a_bare_monitor_is_given_back_complete_and_comes_back_the_same() {
        let (monitor, warned) = parsed("{}").unwrap();
        assert_eq!((monitor.name.as_str(), warned.as_str()), ("000000000000000000000000000000ab", ""));
        let text = shown(&monitor);
        for part in [
            r#"{"id":"000000000000000000000000000000ab","created_on":"1970-01-01T00:00:00.000001Z","modified_on":"1970-01-01T00:00:02.000000Z","#,
            r#""type":"http""#,
            r#""method":"GET""#,
            r#""path":"/""#,
            r#""timeout":5"#,
            r#""retries":2"#,
            r#""interval":60"#,
            r#""allow_insecure":false"#,
            r#""probe_zone":"""#,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for absent in [r#""name""#, r#""port""#, r#""header""#, r#""consecutive_up""#] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
        assert_eq!(parsed(&text), Ok((monitor, String::new())));
    }

    #[test]
    fn keys_of_other_types_are_ignored_and_told_if_they_say_something() {
        let text = r#"{"type":"tcp","port":25,"method":"connection_established","path":"","expected_codes":"","header":{},
            "follow_redirects":false,"allow_insecure":false,"expected_body":"","probe_zone":"","name":"n"}"#;
        let (monitor, warned) = parsed(text).unwrap();
        assert_eq!(warned, "");
        let text = shown(&monitor);
        assert!(text.contains(r#""method":"connection_established""#) && text.contains(r#""name":"n""#), "{text}");
        assert_eq!(parsed(&text), Ok((monitor, String::new())));
        let (_, warned) = parsed(r#"{"type":"tcp","port":25,"expected_body":"ok","prot":1}"#).unwrap();
        assert!(
            warned.contains("expected_body: found \"ok\"; it does not apply to type \"tcp\" and is ignored"),
            "{warned}"
        );
        assert!(warned.contains("prot: unknown key; it is ignored"), "{warned}");
        let wrong = parsed(r#"{"type":"https","timeout":61,"interval":"x"}"#).unwrap_err();
        assert!(wrong.starts_with("timeout: found 61; ") && wrong.contains("\ninterval: found \"x\"; "), "{wrong}");
    }
}
