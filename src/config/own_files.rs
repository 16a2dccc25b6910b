//! Tests of the files in `config/`: they load, and the example has every key with its default.

use std::path::Path as FilePath;

use crate::config::api::{API_KEYS, API_ZONES_KEYS};
use crate::config::guard::{COOKIES_KEYS, RRL_KEYS};
use crate::config::health_guard::HEALTH_GUARD_KEYS;
use crate::config::settings::{HEALTH_KEYS, LOG_KEYS, SERVER_KEYS, STORE_KEYS, TCP_KEYS};
use crate::config::webhooks::WEBHOOK_KEYS;
use crate::config::{Configuration, MAIN_KEYS, Policy, Settings, load, load_text};
use crate::model::tree::{Entry, Node, Table, Value};
use crate::spec::declared::ARRAYS;
use crate::spec::fields::{Key, Need};
use crate::spec::{header, hosting, key, load_balancer, monitor, monitor_group, pool, toml_text, zone};

/// The text of the example.
const EXAMPLE: &str = include_str!("../../config/example.toml");

/// Loads a file of `config/`.
fn load_own(name: &str) -> Configuration {
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    let configuration = load(&path).unwrap_or_else(|report| panic!("{report}"));
    assert!(configuration.warnings.is_empty(), "{}", configuration.warnings);
    configuration
}

/// The keys of the table at a path, and whether keys at that path are free.
fn keys_of(path: &str) -> Option<&'static [Key]> {
    Some(match path {
        "" => MAIN_KEYS,
        ".server" => SERVER_KEYS,
        ".tcp" => TCP_KEYS,
        ".cookies" => COOKIES_KEYS,
        ".rrl" => RRL_KEYS,
        ".health" => HEALTH_KEYS,
        ".health.guard" => HEALTH_GUARD_KEYS,
        ".store" => STORE_KEYS,
        ".api" => API_KEYS,
        ".api.zones" => API_ZONES_KEYS,
        ".log" => LOG_KEYS,
        ".webhooks" => WEBHOOK_KEYS,
        ".keys" => key::KEYS,
        ".zones" => zone::KEYS,
        ".zones.notify" | ".zones.primaries" => hosting::PEER_KEYS,
        ".zones.allow_transfer" => hosting::TRANSFER_RULE_KEYS,
        ".monitors" => monitor::KEYS,
        ".monitor_groups" => monitor_group::KEYS,
        ".monitor_groups.members" => monitor_group::DECLARED_MEMBER_KEYS,
        ".pools" => pool::KEYS,
        ".pools.origins" => pool::ORIGIN_KEYS,
        ".pools.origins.header" => pool::HEADER_KEYS,
        ".load_balancers" => load_balancer::KEYS,
        _ => return None,
    })
}

/// Calls `visit` with path and table of every table of a tree.
fn walk(path: &str, table: &Table, visit: &mut impl FnMut(&str, &Table)) {
    visit(path, table);
    for Entry { key, key_span: _, node } in table.entries() {
        let nodes = if let Value::Array(items) = &node.value { items } else { std::slice::from_ref(node) };
        for node in nodes {
            if let Value::Table(table) = &node.value {
                walk(&format!("{path}.{key}"), table, visit);
            }
        }
    }
}

/// The tree with a key left out of every table at a path; monitors of other types than the default keep their `type`.
fn without(at: &str, path: &str, table: &Table, key: &str) -> Table {
    let node = |entry: &Entry| {
        let path = format!("{path}.{}", entry.key);
        let inner = |node: &Node| match &node.value {
            Value::Table(table) => Node::built(Value::Table(without(at, &path, table, key))),
            _ => node.clone(),
        };
        match &entry.node.value {
            Value::Array(items) => Node::built(Value::Array(items.iter().map(inner).collect())),
            _ => inner(&entry.node),
        }
    };
    let is_needed =
        |entry: &Entry| at == ".monitors" && key == "type" && entry.node.value != Value::String("http".into());
    let kept = table.entries().iter().filter(|entry| path != at || entry.key != key || is_needed(entry));
    kept.fold(Table::default(), |table, entry| table.with(entry.key.clone(), node(entry)))
}

#[test]
fn the_default_configuration_is_sound() {
    let configuration = load_own("pooldns.toml");
    assert_eq!((&configuration.settings, &configuration.policy), (&Settings::default(), &Policy::default()));
    assert_eq!(configuration.declared.load_balancers.len(), 1);
    assert_eq!(configuration.files.len(), 1);
}

#[test]
fn the_demo_is_what_the_readme_says() {
    let Configuration { settings, declared, .. } = load_own("demo.toml");
    assert_eq!(settings.listen, ["127.0.0.1:5300".parse().unwrap()]);
    assert_eq!(settings.control, FilePath::new("/tmp/pooldns-demo.sock"));
    let addresses: Vec<String> = declared.pools[0].origins.iter().map(|origin| origin.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.11", "127.0.0.12", "127.0.0.13"]);
    assert_eq!(declared.monitors[0].timeout.as_millis(), 500);
    assert_eq!(
        (declared.load_balancers[0].name.to_string(), declared.load_balancers[0].ttl),
        ("www.example.com".into(), 5)
    );
}

#[test]
fn the_example_has_every_key() {
    let root = toml_text::parse(EXAMPLE).unwrap();
    let mut seen = Vec::new();
    walk("", &root, &mut |path, table| {
        seen.extend(table.entries().iter().map(|entry| format!("{path}.{}", entry.key)));
    });
    let mut paths = vec![String::new()];
    let tables =
        ["server", "tcp", "cookies", "rrl", "health", "health.guard", "store", "api", "api.zones", "log", "webhooks"];
    paths.extend(tables.iter().chain(&ARRAYS).map(|key| format!(".{key}")));
    paths.extend([
        ".monitor_groups.members".to_owned(),
        ".pools.origins".to_owned(),
        ".pools.origins.header".to_owned(),
    ]);
    for path in paths {
        for key in keys_of(&path).unwrap() {
            let is_there = seen.contains(&format!("{path}.{}", key.name));
            let in_comment = EXAMPLE.contains(&format!("\n# {} = ", key.name));
            let (live, commented) = match key.need {
                Need::Unsupported(_) | Need::ReadOnly => (false, false),
                // What has no effect would only be copied from there.
                Need::Kept => (false, true),
                // A file that somebody else has to make can only be named in a comment.
                Need::Optional => (is_there, !is_there),
                Need::Required | Need::Defaulted | Need::Declared => (true, false),
            };
            assert_eq!((is_there, in_comment || !commented), (live, true), "{path}.{}", key.name);
        }
    }
}

#[test]
fn the_examples_values_are_the_defaults() {
    let example = load_text("config/example.toml", EXAMPLE).unwrap();
    assert!(example.warnings.is_empty(), "{}", example.warnings);
    // A receiver has no default.
    assert_eq!(example.policy.webhooks.len(), 1);
    let policy = Policy { webhooks: vec![], ..example.policy.clone() };
    assert_eq!((&example.settings, &policy), (&Settings::default(), &Policy::default()));
    let root = toml_text::parse(EXAMPLE).unwrap();
    let mut compared = 0;
    walk("", &root, &mut |path, _| {
        for key in keys_of(path).unwrap_or_default().iter().filter(|key| key.need == Need::Defaulted) {
            let text = toml_text::render(&without(path, "", &root, key.name));
            let without = load_text("config/example.toml", &text)
                .unwrap_or_else(|report| panic!("{path}.{}: {report}", key.name));
            let said = |it: &Configuration| (it.settings.clone(), it.policy.clone(), it.declared.clone());
            assert_eq!(said(&without), said(&example), "{path}.{}", key.name);
            compared += 1;
        }
    });
    assert!(compared > 40, "{compared}");
}

#[test]
fn header_names_of_the_example_are_kept_in_order() {
    let example = load_text("config/example.toml", EXAMPLE).unwrap();
    let built = monitor::build(&example.declared.monitors[0]);
    let expected = [("Host", "www.example.com"), ("X-Probe", "pooldns")];
    let expected = expected.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    assert_eq!(built.entry("header").unwrap().node, header::build(&expected));
}

#[test]
fn the_readmes_configuration_is_sound() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let configuration = load_text("README.md", text).unwrap();
    assert_eq!(configuration.declared.pools.len(), 2);
    assert!(configuration.warnings.is_empty(), "{}", configuration.warnings);
}
