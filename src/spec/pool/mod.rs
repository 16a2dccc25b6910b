//! `[[pools]]` and their origins: parse and build.

mod json;
mod kept;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) use self::json::build_fields;
pub use self::json::{build_json, kept_origin_properties, kept_properties, parse_json};
pub(in crate::spec) use self::kept::REGIONS;
use crate::model::id::{MonitorGroupId, MonitorId, PoolId};
use crate::model::limits::{NAME_CHARS_MAX, ORIGINS_PER_POOL_MAX, SLOW_START_MAX};
use crate::model::name::Name;
use crate::model::pool::{Address, Origin, Pool, Weight, unusable};
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::{Faults, Place};
use crate::spec::fields::{Fields, Key, Spot, defaulted, kept, optional, read_only, required};
use crate::spec::header;
use crate::spec::identity::{self, Identity};
use crate::spec::kept::build_toml;
use crate::spec::references::References;
use crate::spec::value::{boolean, build_duration, description, duration, integer, label};

/// The keys of a pool.
pub const KEYS: &[Key] = &[
    required("name"),
    defaulted("description"),
    defaulted("enabled"),
    defaulted("minimum_origins"),
    defaulted("slow_start"),
    optional("monitor"),
    optional("monitor_group"),
    required("origins"),
    kept("id"),
    kept("check_regions"),
    kept("health_sources"),
    kept("latitude"),
    kept("longitude"),
    kept("load_shedding"),
    kept("origin_steering"),
    kept("notification_email"),
    optional("notification_filter"),
    kept("networks"),
    read_only("created_on"),
    read_only("modified_on"),
    read_only("disabled_at"),
    read_only("healthy"),
    read_only("lever"),
];

/// The keys of an origin.
pub const ORIGIN_KEYS: &[Key] = &[
    required("name"),
    required("address"),
    optional("probe_address"),
    defaulted("enabled"),
    defaulted("weight"),
    optional("header"),
    kept("port"),
    kept("flatten_cname"),
    kept("virtual_network_id"),
    read_only("disabled_at"),
    read_only("healthy"),
    read_only("failure_reason"),
    read_only("lever"),
];

/// The only header field of an origin.
pub const HEADER_KEYS: &[Key] = &[optional("Host")];

/// The original's default.
const MINIMUM_ORIGINS_DEFAULT: u32 = 1;

/// Parses a pool; its monitor is one of `monitors`, or its monitor group one of `groups`.
pub fn parse(
    spot: Spot<'_, '_>,
    identity: Identity<PoolId>,
    monitors: &dyn References<MonitorId>,
    groups: &dyn References<MonitorGroupId>,
    faults: &mut Faults,
) -> Option<Pool> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    let name = fields.read("name", parse_name).required();
    let description = fields.read("description", description).or(String::new());
    let enabled = fields.read("enabled", boolean).or(true);
    let minimum_origins = fields.read("minimum_origins", integer(0, u32::MAX)).or(MINIMUM_ORIGINS_DEFAULT);
    let slow_start = fields.read("slow_start", duration(Duration::ZERO, SLOW_START_MAX)).or(Duration::ZERO);
    let monitor = fields.read_set("monitor", |spot, faults| monitors.resolve(spot, faults)).optional();
    let monitor_group = fields.read_set("monitor_group", |spot, faults| groups.resolve(spot, faults)).optional();
    if matches!((&monitor, &monitor_group), (Some(Some(_)), Some(Some(_)))) {
        let how = if fields.faults.is_json() { "set the other one to null" } else { "leave one of them out" };
        let fault = fields.fault_at("monitor_group", format!("a pool has a monitor or a monitor group; {how}"));
        fields.faults.push(fault);
    }
    let origins = fields.read("origins", parse_origins).required();
    if let (Some(minimum), Some(origins)) = (minimum_origins, &origins)
        && u32::try_from(origins.len()).is_ok_and(|origins| minimum > origins)
    {
        let why = format!("found {minimum}; the pool has {} origins and could never be healthy", origins.len());
        let fault = fields.fault_at("minimum_origins", why);
        fields.faults.push(fault);
    }
    let kept = kept::parse(&mut fields);
    let name = name?;
    Some(Pool {
        id: identity.id(&name, &mut fields)?,
        name,
        description: description?,
        enabled: enabled?,
        minimum_origins: minimum_origins?,
        slow_start: slow_start?,
        monitor: monitor?,
        monitor_group: monitor_group?,
        origins: origins?,
        kept: kept?,
    })
}

/// Reads a pool's name: the original's characters.
fn parse_name(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<String> {
    let text = spot.text(faults)?;
    let legal = text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
    if legal && (1..=NAME_CHARS_MAX).contains(&text.len()) {
        return Some(text.to_owned());
    }
    spot.refuse(format_args!("1 to {NAME_CHARS_MAX} letters, digits, hyphens and underscores"), faults)
}

/// Reads the origins of a pool: at least one, names and addresses unique.
fn parse_origins(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Vec<Origin>> {
    let items = spot.items(faults)?;
    if items.is_empty() {
        faults.push(spot.fault("a pool has at least one origin"));
        return None;
    }
    if items.len() > ORIGINS_PER_POOL_MAX {
        faults.push(spot.fault(format!("{} origins; allowed: at most {ORIGINS_PER_POOL_MAX}", items.len())));
        return None;
    }
    let mut origins = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = spot.path.index(index);
        origins.extend(parse_origin(spot.inner(&path, item), faults));
    }
    check_unique(&spot, items, faults);
    (origins.len() == items.len()).then_some(origins)
}

/// Adds a fault for each name or address that another origin of the pool has already, also where something else is
/// wrong with one of them.
fn check_unique(spot: &Spot<'_, '_>, items: &[Node], faults: &mut Faults) {
    let (mut names, mut addresses) = (HashMap::new(), HashMap::new());
    for (index, item) in items.iter().enumerate() {
        let Value::Table(table) = &item.value else { continue };
        for key in ["name", "address"] {
            let Some(node) = table.entry(key).map(|entry| &entry.node) else { continue };
            let Value::String(text) = &node.value else { continue };
            // Addresses are equal by what they mean: 2001:db8::1 and 2001:DB8:0::1, a.example. and A.example.
            let meaning = text.parse::<IpAddr>().map_or_else(
                |_| Name::parse(text.strip_suffix('.').unwrap_or(text), None).ok().map(Address::Host),
                |address| Some(Address::Ip(address)),
            );
            let first = match meaning {
                _ if key == "name" => *names.entry(text).or_insert(node),
                Some(address) => *addresses.entry(address).or_insert(node),
                None => continue,
            };
            if !std::ptr::eq(first, node) {
                let path = spot.path.index(index);
                let fault =
                    spot.inner(&path.key(key), node).fault(format!("another origin of the pool has this {key}"));
                let first = Place { source: spot.source, span: first.span.clone() };
                faults.push(fault.found(node.shown()).first(first));
            }
        }
    }
}

/// Adds a fault for each origin whose host has the name of a load balancer: it would be answered from itself.
pub(in crate::spec) fn check_hosts(spot: &Spot<'_, '_>, live: &HashSet<Name>, faults: &mut Faults) {
    let Value::Table(pool) = &spot.node.value else { return };
    let Some(Value::Array(origins)) = pool.entry("origins").map(|entry| &entry.node.value) else { return };
    for (index, origin) in origins.iter().enumerate() {
        let Value::Table(origin) = &origin.value else { continue };
        let Some(node) = origin.entry("address").map(|entry| &entry.node) else { continue };
        let Value::String(text) = &node.value else { continue };
        if Name::parse(text, None).is_ok_and(|name| live.contains(&name)) {
            let path = spot.path.key("origins");
            let why = "a load balancer has this name, so its addresses would come from itself";
            faults.push(spot.inner(&path.index(index).key("address"), node).fault(why).found(node.shown()));
        }
    }
}

/// Parses an origin.
fn parse_origin(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Origin> {
    let mut fields = Fields::open(spot, ORIGIN_KEYS, faults)?;
    let name = fields.read("name", label).required();
    let address = fields.read("address", parse_address).required();
    let probe_address = fields.read("probe_address", parse_ip).optional();
    let enabled = fields.read("enabled", boolean).or(true);
    let weight = fields.read("weight", parse_weight).or(Weight::ONE);
    let host = fields.read("header", parse_header).or(Vec::new()).map(|hosts| hosts.into_iter().next());
    let kept = kept::parse_origin(&mut fields);
    Some(Origin {
        name: name?,
        address: address?,
        probe_address: probe_address?,
        enabled: enabled?,
        weight: weight?,
        host: host?,
        kept: kept?,
    })
}

/// Reads where an origin is: an address that can be answered and reached, or the name of a host.
fn parse_address(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Address> {
    let text = spot.text(faults)?;
    let name = text.strip_suffix('.').unwrap_or(text);
    // What ends in a number is an address or a mistake, never a name (RFC 1123 §2.1).
    let ends_in_number = name.rsplit('.').next().is_some_and(|label| label.bytes().all(|c| c.is_ascii_digit()));
    if text.contains([':', '%', '/']) || ends_in_number {
        return parse_ip(spot, faults).map(Address::Ip);
    }
    match Name::parse(name, None) {
        Ok(name_in_wire_form) if header::is_host_name(name) => Some(Address::Host(name_in_wire_form)),
        _ => spot.refuse("an IPv4 or IPv6 address, or the name of a host, such as \"app.example.net\"", faults),
    }
}

/// Reads an address that can be answered and reached.
fn parse_ip(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<IpAddr> {
    let text = spot.text(faults)?;
    match text.parse() {
        Ok(address) => match unusable(address) {
            None => Some(address),
            Some(why) => spot.reject(why, faults),
        },
        Err(_) if text.parse::<SocketAddr>().is_ok() => {
            spot.reject("allowed: an address without a port; the port to probe is the monitor's", faults)
        }
        Err(_) if text.contains('%') => {
            spot.reject("allowed: an address without a zone id; link-local addresses mean nothing to others", faults)
        }
        Err(_) => spot.refuse("an IPv4 or IPv6 address, such as \"192.0.2.1\" or \"2001:db8::1\"", faults),
    }
}

/// Reads a weight.
fn parse_weight(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Weight> {
    let weight = match spot.node.value {
        Value::Int(0) => Some(Weight::ZERO),
        Value::Int(1) => Some(Weight::ONE),
        Value::Float(value) => Weight::try_new(value),
        _ => None,
    };
    weight.or_else(|| spot.refuse("a number from 0 to 1 in steps of 0.01", faults))
}

/// Reads the header of an origin: the values of `Host`, at most one.
fn parse_header(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Vec<String>> {
    let mut fields = Fields::open(spot, HEADER_KEYS, faults)?;
    let host = fields.read("Host", |spot, faults| match spot.items(faults)? {
        [] => Some(Vec::new()),
        [one] => {
            let path = spot.path.index(0);
            header::host(spot.inner(&path, one), faults).map(|host| vec![host])
        }
        many => spot.reject(format!("allowed: an array of at most one text, not of {}", many.len()), faults),
    });
    host.or(Vec::new())
}

/// Builds a pool; `monitor` is the name of its monitor, `group` that of its monitor group.
pub fn build(pool: &Pool, monitor: Option<&str>, group: Option<&str>) -> Table {
    // Both are known by name outside.
    let Pool {
        id,
        name,
        description,
        enabled,
        minimum_origins,
        slow_start,
        monitor: _,
        monitor_group: _,
        origins,
        kept,
    } = pool;
    let origins = origins.iter().map(|origin| Node::built(Value::Table(build_origin(origin)))).collect();
    let table = Table::default()
        .with("name", Node::text(name))
        .with("description", Node::text(description))
        .with("enabled", Node::built(Value::Bool(*enabled)))
        .with("minimum_origins", Node::int(*minimum_origins))
        .with("slow_start", build_duration(*slow_start));
    let named = |table: Table, key: &'static str, name: Option<&str>| match name {
        Some(name) => table.with(key, Node::text(name)),
        None => table,
    };
    let table = named(named(table, "monitor", monitor), "monitor_group", group);
    let table = identity::build(table, *id, name);
    build_toml(table, kept, &|_| None).with("origins", Node::built(Value::Array(origins)))
}

/// Builds an origin.
fn build_origin(origin: &Origin) -> Table {
    let Origin { kept, .. } = origin;
    build_toml(build_plain_origin(origin), kept, &|_| None)
}

/// Builds what answers depend on.
fn build_plain_origin(origin: &Origin) -> Table {
    let Origin { name, address, probe_address, enabled, weight, host, kept: _ } = origin;
    let table = Table::default().with("name", Node::text(name)).with("address", Node::text(address.to_string()));
    let table = match probe_address {
        Some(probed) => table.with("probe_address", Node::text(probed.to_string())),
        None => table,
    };
    let table = table
        .with("enabled", Node::built(Value::Bool(*enabled)))
        .with("weight", Node::built(Value::Float(weight.value())));
    match host {
        Some(host) => table.with("header", header::build(&[("Host".to_owned(), vec![host.clone()])])),
        None => table,
    }
}

#[cfg(test)]
mod tests;
