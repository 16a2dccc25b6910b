//! Monitors as the original's clients write and read them.

use crate::model::id::MonitorId;
use crate::model::inventory::Inventory;
use crate::model::monitor::{Check, Monitor};
use crate::model::stamp::Stamp;
use crate::model::tree::{Entry, Node, Table, Value};
use crate::spec::fault::{Fault, Faults, Place};
use crate::spec::fields::{Path, Spot};
use crate::spec::identity::Identity;
use crate::spec::monitor::handshake::{self, KnownFiles};
use crate::spec::monitor::kind::{self, Kind};
use crate::spec::monitor::{build, parse};
use crate::spec::time;

/// Keys that the original always has, with what they say where they do not apply.
const ALWAYS: [(&str, Empty); 8] = [
    ("method", Empty::Text),
    ("path", Empty::Text),
    ("port", Empty::None),
    ("header", Empty::None),
    ("expected_codes", Empty::Text),
    ("expected_body", Empty::Text),
    ("follow_redirects", Empty::False),
    ("allow_insecure", Empty::False),
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

/// Parses the body of a request; the monitor gets `id`. It names no files, but for those that the monitor of this id has.
pub fn parse_json(body: &Node, id: MonitorId, inventory: &Inventory, faults: &mut Faults) -> Option<Monitor> {
    let before = faults.len();
    let body = applicable(body, faults);
    let spot = Spot { source: 0, path: &Path::ROOT, node: &body };
    let mut files = KnownFiles(inventory.monitors.find(id).and_then(|monitor| Some(&monitor.check.tls()?.files)));
    parse(spot, Identity::Known(id), &mut files, faults).filter(|_| faults.len() == before)
}

/// A body without what does not apply to its type: clients send all keys whatever the type. Warns of what somebody may
/// have meant.
fn applicable(body: &Node, faults: &mut Faults) -> Node {
    let Value::Table(table) = &body.value else { return body.clone() };
    let kind = match table.value("type") {
        Some(Value::String(word)) if !word.is_empty() => Kind::of_word(word),
        _ => Some(kind::HTTP),
    };
    // What does not apply to a type that there is not is of no interest.
    let Some(kind) = kind else { return body.clone() };
    let has_no_handshake = kind == Kind::Grpc && table.value("tls") != Some(&Value::Bool(true));
    let mut kept = Vec::with_capacity(table.entries().len());
    for entry in table.entries() {
        let key = entry.key.as_ref();
        let is_moot = has_no_handshake && handshake::KEYS.contains(&key);
        if kind.has(key) && !is_moot {
            if !is_default(key, &entry.node) {
                kept.push(entry.clone());
            }
        } else if !stands_for_nothing(&entry.node) {
            let at = Place { source: 0, span: entry.key_span.clone() };
            let without = if is_moot { " without `tls`" } else { "" };
            let why = format!("it does not apply to type {:?}{without} and is ignored", kind.word());
            faults.warn(Fault::new(at, Path::ROOT.key(key), why).found(entry.node.shown()));
        }
    }
    Node { span: body.span.clone(), value: Value::Table(kept.into_iter().collect()) }
}

/// Keys for which an empty text says that the default holds, or that there is nothing.
const EMPTY_IS_DEFAULT: [&str; 13] = [
    "name",
    "type",
    "method",
    "path",
    "expected_codes",
    "ca_file",
    "client_certificate",
    "client_key",
    "server_name",
    "query_name",
    "query_type",
    "expected_rcode",
    "source_address",
];

/// Whether an empty text says that the default holds.
fn is_default(key: &str, node: &Node) -> bool {
    EMPTY_IS_DEFAULT.contains(&key) && matches!(&node.value, Value::String(text) if text.is_empty())
}

/// Whether a value is what clients send for what they do not set, or we or the original give back.
fn stands_for_nothing(node: &Node) -> bool {
    const DEFAULTS: [&str; 6] = ["GET", "connection_established", "/", "200", "A", "NOERROR"];
    kind::is_nothing(node) || matches!(&node.value, Value::String(text) if DEFAULTS.contains(&text.as_str()))
}

/// Builds a monitor for a response.
pub fn build_json(monitor: &Monitor, stamp: &Stamp<MonitorId>) -> Table {
    let table = Table::default()
        .with("id", Node::text(monitor.id.to_string()))
        .with("created_on", time::build(stamp.created))
        .with("modified_on", time::build(stamp.modified));
    build_fields(monitor).into_iter().fold(table, |table, entry| table.with(entry.key, entry.node))
}

/// Builds what a monitor says, in the original's order and with all that the original always has.
fn build_fields(monitor: &Monitor) -> Vec<Entry> {
    let built = build(monitor);
    let is_unset = |entry: &Entry| match entry.key.as_ref() {
        "id" => true,
        // Without a name it is called by its id.
        "name" => entry.node.value == Value::String(monitor.id.to_string()),
        // The original leaves these out when nobody set them.
        "port" | "consecutive_up" | "consecutive_down" => entry.node.value == Value::Int(0),
        // It is not the original's, which has no such types.
        "certificate_days_min" if matches!(monitor.check, Check::Http(_)) => entry.node.value == Value::Int(0),
        _ => false,
    };
    let mut all: Vec<Entry> = built.entries().iter().filter(|entry| !is_unset(entry)).cloned().collect();
    for (key, empty) in ALWAYS {
        if built.entry(key).is_some() {
            continue;
        }
        let value = match empty {
            Empty::None => continue,
            Empty::Text if key == "method" && matches!(monitor.check, Check::Tcp { .. }) => {
                Value::String("connection_established".to_owned())
            }
            Empty::Text => Value::String(String::new()),
            Empty::False => Value::Bool(false),
        };
        all.push(Entry { key: key.into(), key_span: 0..0, node: Node::built(value) });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::Change;
    use crate::model::monitor::{ClientFiles, TlsFiles};
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

    #[test]
    fn every_type_comes_back_the_same_with_what_it_has() {
        for (text, parts) in [
            (r#"{"type":"udp_icmp","port":53}"#, vec![r#""type":"udp_icmp""#, r#""port":53"#, r#""method":"""#]),
            (r#"{"type":"icmp_ping","port":0}"#, vec![r#""type":"icmp_ping""#, r#""path":"""#]),
            (r#"{"type":"smtp","port":25,"probe_zone":"example.com"}"#, vec![r#""probe_zone":"example.com""#]),
            (
                r#"{"type":"dns","query_name":"a.example","query_type":"","source_address":""}"#,
                vec![
                    r#""port":53"#,
                    r#""query_name":"a.example""#,
                    r#""query_type":"A""#,
                    r#""expected_rcode":"NOERROR""#,
                ],
            ),
            (
                r#"{"type":"tls","server_name":"","certificate_days_min":0,"source_address":"192.0.2.1","ca_file":""}"#,
                vec![r#""port":443"#, r#""certificate_days_min":0"#, r#""source_address":"192.0.2.1""#],
            ),
            (r#"{"type":"grpc","tls":true,"allow_insecure":true}"#, vec![r#""tls":true"#, r#""allow_insecure":true"#]),
            (r#"{"type":"https","certificate_days_min":9}"#, vec![r#""certificate_days_min":9"#]),
        ] {
            let (monitor, warned) = parsed(text).unwrap();
            assert_eq!(warned, "", "{text}");
            let text = shown(&monitor);
            assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}: {text}");
            assert_eq!(parsed(&text), Ok((monitor, String::new())));
        }
        let text = shown(&parsed(r#"{"type":"https"}"#).unwrap().0);
        assert!(!text.contains("certificate_days_min"), "not the original's: {text}");
        let (_, warned) = parsed(r#"{"type":"grpc","allow_insecure":true}"#).unwrap();
        assert!(warned.ends_with("it does not apply to type \"grpc\" without `tls` and is ignored"), "{warned}");
    }

    #[test]
    fn files_of_the_server_are_those_that_the_configuration_names() {
        let body = r#"{"type":"tls","ca_file":"/a.pem","client_certificate":"/c.pem","client_key":"/k.pem"}"#;
        let wrong = parsed(body).unwrap_err();
        assert!(wrong.starts_with("ca_file: found \"/a.pem\"; a file of the server can be named in its"), "{wrong}");
        assert!(wrong.contains("\nclient_certificate: found \"/c.pem\"; a file of the server"), "{wrong}");

        let mut monitor = parsed(r#"{"type":"tls"}"#).unwrap().0;
        let Check::Tls(tls) = &mut monitor.check else { panic!("it is another check") };
        let client = ClientFiles { certificate: "/c.pem".into(), key: "/k.pem".into() };
        tls.terms.files = TlsFiles { authorities: Some("/a.pem".into()), client: Some(client) };
        let inventory = Inventory::default().apply(Change::PutMonitor(monitor.clone())).unwrap();
        let mut faults = Faults::of(Dialect::Json);
        let again = json_text::parse(shown(&monitor).as_bytes()).unwrap();
        assert_eq!(parse_json(&again, ID, &inventory, &mut faults), Some(monitor), "{faults:?}");
        let other = json_text::parse(body.replace("/k.pem", "/l.pem").as_bytes()).unwrap();
        assert_eq!(parse_json(&other, ID, &inventory, &mut faults), None);
    }
}
