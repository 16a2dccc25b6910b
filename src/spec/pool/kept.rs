//! What pools and origins of the original have beyond what answers depend on here.

use crate::model::kept::Kept;
use crate::model::tree::Value;
use crate::spec::fields::Fields;
use crate::spec::kept::{Absent, Field, Shape, parse as parse_kept};
use crate::spec::references::AnyId;

/// The original's regions.
pub(in crate::spec) const REGIONS: [&str; 13] =
    ["WNAM", "ENAM", "WEU", "EEU", "NSAM", "SSAM", "OC", "ME", "NAF", "SAF", "SAS", "SEAS", "NEAS"];
/// What can be checked from: regions, and two words more.
const CHECK_REGIONS: &[&str] = &[
    "WNAM",
    "ENAM",
    "WEU",
    "EEU",
    "NSAM",
    "SSAM",
    "OC",
    "ME",
    "NAF",
    "SAF",
    "SAS",
    "SEAS",
    "NEAS",
    "ALL_REGIONS",
    "CHINA",
];

/// Who is told of what.
const FILTER: &[Field] =
    &[Field::new("disable", Shape::Bool, Absent::Bool(false)), Field::new("healthy", Shape::Bool, Absent::Null)];

/// What a pool has.
pub(super) const POOL: &[Field] = &[
    Field::new("check_regions", Shape::List(&Shape::Word(CHECK_REGIONS), 0, 15), Absent::Null),
    Field::new("health_sources", Shape::List(&Shape::Word(&["regional", "global"]), 2, 2), Absent::Null),
    Field::omitted("latitude", Shape::Number(-90.0, 90.0)),
    Field::omitted("longitude", Shape::Number(-180.0, 180.0)),
    Field::new(
        "load_shedding",
        Shape::Object(&[
            Field::new("default_percent", Shape::Number(0.0, 100.0), Absent::Int(0)),
            Field::new("default_policy", Shape::Word(&["random", "hash"]), Absent::Text("random")),
            Field::new("session_percent", Shape::Number(0.0, 100.0), Absent::Int(0)),
            Field::new("session_policy", Shape::Word(&["hash"]), Absent::Text("hash")),
        ]),
        Absent::Table,
    ),
    Field::new(
        "origin_steering",
        Shape::Object(&[Field::new(
            "policy",
            Shape::Word(&["random", "hash", "least_outstanding_requests", "least_connections"]),
            Absent::Text("random"),
        )]),
        Absent::Table,
    ),
    Field::new("notification_email", Shape::Text(1_024), Absent::Text("")),
    Field::new(
        "notification_filter",
        Shape::Object(&[
            Field::new("pool", Shape::Object(FILTER), Absent::Null),
            Field::new("origin", Shape::Object(FILTER), Absent::Null),
        ]),
        Absent::Null,
    ),
    Field::new("networks", Shape::List(&Shape::Text(255), 0, 64), Absent::List),
];

/// What an origin has.
pub(super) const ORIGIN: &[Field] = &[
    Field::new("port", Shape::Int(0, 65_535), Absent::Int(0)),
    Field::new("flatten_cname", Shape::Bool, Absent::Bool(true)),
    Field::omitted("virtual_network_id", Shape::Text(36)),
];

/// Why a key of a pool has no effect; none if it has one.
fn warning(key: &str) -> Option<&'static str> {
    Some(match key {
        "notification_filter" => return None,
        "check_regions" | "health_sources" => "kept, and without effect: all probes come from this server",
        "latitude" | "longitude" => "kept, and without effect: proximity steering is not built yet",
        "load_shedding" => "kept, and without effect: load shedding is not built yet",
        "origin_steering" => "kept, and without effect: every answer has origins in proportion to their weights",
        "notification_email" => "kept, and without effect: there is no mail from here; see `[[webhooks]]`",
        _ => "kept, and without effect on answers of DNS",
    })
}

/// Parses what a pool has.
pub(super) fn parse(fields: &mut Fields<'_, '_, '_>) -> Option<Kept> {
    let kept = parse_kept(fields, POOL, &AnyId, warning)?;
    let given = |key: &str| kept.table().and_then(|table| table.value(key));
    for (one, other) in [("latitude", "longitude"), ("longitude", "latitude")] {
        if given(one).is_some() && given(other).is_none() {
            let fault = fields.fault_at(one, format!("a place has a latitude and a longitude; `{other}` is missing"));
            fields.faults.push(fault);
            return None;
        }
    }
    let first_source = given("health_sources").and_then(|sources| match sources {
        Value::Array(sources) => sources.first(),
        _ => None,
    });
    let has_regions = matches!(given("check_regions"), Some(Value::Array(regions)) if !regions.is_empty());
    let Some(first) = first_source else { return Some(kept) };
    let why = if first.value != Value::String("regional".to_owned()) {
        "allowed: [\"regional\", \"global\"], or nothing"
    } else if !has_regions {
        "regional health needs `check_regions`"
    } else {
        return Some(kept);
    };
    let fault = fields.fault_at("health_sources", why);
    fields.faults.push(fault);
    None
}

/// Parses what an origin has.
pub(super) fn parse_origin(fields: &mut Fields<'_, '_, '_>) -> Option<Kept> {
    parse_kept(fields, ORIGIN, &AnyId, warning)
}
