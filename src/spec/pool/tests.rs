//! Tests of pools in JSON, and of what they keep.

use super::*;
use crate::model::id::PoolId;
use crate::model::inventory::{Change, Inventory};
use crate::model::monitor::{Check, Monitor};
use crate::model::stamp::{Disabled, Provenance, Revision, Stamp, UnixMicros};
use crate::spec::dialect::Dialect;
use crate::spec::fault::Severity;
use crate::spec::fields::Path;
use crate::spec::references::AnyId;
use crate::spec::{json_text, toml_text};

/// The id of all tests.
const ID: PoolId = PoolId::random(0xab);
/// The id of the only monitor.
const MONITOR: MonitorId = MonitorId::random(0xcd);
/// An origin, and nothing more.
const BARE: &str = r#"{"name":"p","origins":[{"name":"o","address":"192.0.2.1"}]}"#;

/// An inventory with a monitor.
fn inventory() -> Inventory {
    let monitor = Monitor {
        id: MONITOR,
        name: "m".to_owned(),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::Tcp { port: 1 },
        source_address: None,
        timeout: Duration::from_secs(1),
        retries: 0,
        interval: Duration::from_secs(5),
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    };
    Inventory::default().apply(Change::PutMonitor(monitor)).unwrap()
}

/// Parses a body; what it is warned of comes with it.
fn parsed(text: &str) -> Result<(Pool, String), String> {
    let mut faults = Faults::of(Dialect::Json);
    let body = json_text::parse(text.as_bytes()).unwrap();
    let pool = parse_json(&body, ID, &inventory(), &mut faults);
    let [wrong, warned] = [Severity::Fault, Severity::Warning]
        .map(|severity| faults.listed(severity).kept().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    pool.map(|pool| (pool, warned)).ok_or(wrong)
}

/// The table of a response.
fn table(pool: &Pool) -> Table {
    let disabled = Disabled::new(
        (!pool.enabled).then_some(UnixMicros(5)),
        pool.origins.iter().filter(|one| !one.enabled).map(|one| (one.name.clone(), UnixMicros(6))).collect(),
    );
    let (created, modified, revision) = (UnixMicros(1), UnixMicros(2), Revision(1));
    build_json(pool, &Stamp { id: ID, provenance: Provenance::Stored, created, modified, revision, disabled })
}

/// A response.
fn shown(pool: &Pool) -> String {
    String::from_utf8(json_text::render(&Node::built(Value::Table(table(pool))))).unwrap()
}

#[test]
fn a_bare_pool_is_given_back_complete() {
    let (pool, warned) = parsed(BARE).unwrap();
    assert_eq!(warned, "");
    let expected = concat!(
        r#"{"id":"000000000000000000000000000000ab","created_on":"1970-01-01T00:00:00.000001Z","#,
        r#""modified_on":"1970-01-01T00:00:00.000002Z","name":"p","description":"","enabled":true,"minimum_origins":1,"#,
        r#""check_regions":null,"health_sources":null,"load_shedding":{"default_percent":0,"default_policy":"random","#,
        r#""session_percent":0,"session_policy":"hash"},"origin_steering":{"policy":"random"},"notification_email":"","#,
        r#""notification_filter":null,"networks":[],"origins":[{"name":"o","address":"192.0.2.1","enabled":true,"#,
        r#""weight":1,"port":0,"flatten_cname":true}]}"#
    );
    assert_eq!(shown(&pool), expected);
    assert_eq!(parsed(expected), Ok((pool, String::new())));
}

#[test]
fn everything_that_is_given_is_given_back() {
    let text = r#"{"name":"p","description":"d","enabled":false,"minimum_origins":0,
        "monitor":"000000000000000000000000000000cd","monitor_group":"","check_regions":["WEU"],
        "health_sources":["regional","global"],"latitude":52.37,"longitude":-4.0,
        "load_shedding":{"default_percent":5,"default_policy":"","session_percent":0},"origin_steering":null,
        "notification_email":"a@example.com","notification_filter":{"pool":{"disable":true},"origin":null},
        "healthy":true,"created_on":"never",
        "origins":[{"name":"z","address":"192.0.2.1","enabled":false,"weight":0.29,"port":8080,
        "header":{"Host":["a.example"]},"virtual_network_id":"v","failure_reason":"x"},
        {"name":"a","address":"2001:db8::1"}]}"#;
    let (pool, warned) = parsed(text).unwrap();
    assert!(warned.lines().all(|line| line.contains(": kept, and without effect")), "{warned}");
    assert_eq!(warned.lines().count(), 8, "{warned}");
    let shown = shown(&pool);
    for part in [
        r#""disabled_at":"1970-01-01T00:00:00.000005Z","minimum_origins":0,"monitor":"000000000000000000000000000000cd""#,
        r#""check_regions":["WEU"],"health_sources":["regional","global"],"latitude":52.37,"longitude":-4,"#,
        r#""load_shedding":{"default_percent":5,"default_policy":"random","session_percent":0,"session_policy":"hash"}"#,
        r#""notification_filter":{"pool":{"disable":true,"healthy":null},"origin":null}"#,
        r#""origins":[{"name":"z","address":"192.0.2.1","enabled":false,"weight":0.29,"header":{"Host":["a.example"]},"disabled_at":"1970-01-01T00:00:00.000006Z","port":8080,"flatten_cname":true,"virtual_network_id":"v"},{"name":"a","#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(parsed(&shown).unwrap().0, pool);
}

#[test]
fn a_patch_changes_what_it_names_and_null_is_the_default() {
    let (pool, _) =
        parsed(&BARE.replace("\"name\":\"p\"", r#""name":"p","description":"d","networks":["n"]"#)).unwrap();
    let body = json_text::parse(br#"{"enabled":false,"networks":null}"#).unwrap();
    let Value::Table(body) = body.value else { panic!() };
    let patched = Node::built(Value::Table(json_text::patch(&table(&pool), &body)));
    let patched = parse_json(&patched, ID, &inventory(), &mut Faults::of(Dialect::Json)).unwrap();
    assert_eq!(patched, Pool { enabled: false, kept: crate::model::kept::Kept::default(), ..pool });
}

#[test]
fn faults_have_their_paths() {
    let with = |more: &str| BARE.replace("\"name\":\"p\"", &format!("\"name\":\"p\",{more}"));
    for (text, why) in [
        ("[]".to_owned(), "found an empty array; allowed: a table"),
        (with(r#""monitor":"m""#), "monitor: found \"m\"; no monitor has this id"),
        (with(r#""monitor_group":"g""#), "monitor_group: found \"g\"; no monitor group has this id"),
        (with(r#""latitude":1"#), "latitude: a place has a latitude and a longitude; `longitude` is missing"),
        (with(r#""latitude":91,"longitude":0"#), "latitude: found 91; allowed: a number from -90 to 90"),
        (with(r#""health_sources":["regional","global"]"#), "health_sources: regional health needs `check_regions`"),
        (
            with(r#""health_sources":["global","regional"]"#),
            "health_sources: allowed: [\"regional\", \"global\"], or nothing",
        ),
        (with(r#""check_regions":["WEU","WEU"]"#), "check_regions[1]: found \"WEU\"; it is in the list already"),
        (
            with(r#""load_shedding":{"default_percent":101}"#),
            "load_shedding.default_percent: found 101; allowed: a number",
        ),
        (
            with(r#""origin_steering":{"policy":"rand"}"#),
            "origin_steering.policy: found \"rand\"; allowed: \"random\", ",
        ),
        (
            BARE.replace("\"name\":\"o\"", r#""name":"o","port":65536"#),
            "origins[0].port: found 65536; allowed: a whole",
        ),
    ] {
        let found = parsed(&text).unwrap_err();
        assert!(found.starts_with(why), "{text}: {found}");
    }
}

#[test]
fn toml_knows_what_is_kept_and_says_what_the_server_sets() {
    let parse_toml = |text: &str| {
        let node = Node::built(Value::Table(toml_text::parse(text).unwrap()));
        let mut faults = Faults::default();
        let spot = Spot { source: 0, path: &Path::ROOT, node: &node };
        let pool = parse(spot, Identity::Declared, &AnyId, &AnyId, &mut faults);
        (pool, faults)
    };
    let origins = "name = 'p'\norigins = [{ name = 'o', address = '192.0.2.1' }]\n";
    let (pool, faults) = parse_toml(&format!("{origins}id = '{ID}'\nlatitude = 1.5\nlongitude = 2"));
    let pool = pool.unwrap();
    assert_eq!((pool.id, faults.listed(Severity::Warning).len()), (ID, 2));
    assert_eq!(parse_toml(&toml_text::render(&build(&pool, None, None))).0, Some(pool));
    for (more, why) in [
        ("created_on = 'x'", "created_on: the server sets this key; leave it out"),
        ("id = 'AB'", "id: found \"AB\"; allowed: an id of 32 hexadecimal digits, the letters small"),
    ] {
        let (_, faults) = parse_toml(&format!("{origins}{more}"));
        assert_eq!(faults.kept()[0].to_string(), why);
    }
}
