//! `[[monitor_groups]]`: parse and build. Members name their monitor in TOML as `monitor`, in JSON as the original does.

use crate::model::id::{MonitorGroupId, MonitorId};
use crate::model::inventory::Inventory;
use crate::model::limits::MEMBERS_PER_GROUP_MAX;
use crate::model::monitor_group::{GroupMember, MonitorGroup};
use crate::model::stamp::{Stamp, UnixMicros};
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Path, Spot, declared, defaulted, kept, read_only, required};
use crate::spec::identity::{self, Identity};
use crate::spec::references::{Known, References};
use crate::spec::time;
use crate::spec::value::{boolean, description, label};

/// The keys of a monitor group.
pub const KEYS: &[Key] = &[
    declared("name"),
    defaulted("description"),
    required("members"),
    kept("id"),
    read_only("created_on"),
    read_only("modified_on"),
];

/// The keys of a member in JSON.
pub const MEMBER_KEYS: &[Key] = &member_keys(MONITOR_ID);
/// The keys of a member in TOML.
pub const DECLARED_MEMBER_KEYS: &[Key] = &member_keys(MONITOR);

/// The key of a member's monitor in TOML, where objects are named as people call them.
const MONITOR: &str = "monitor";
/// The same in JSON: the original's.
const MONITOR_ID: &str = "monitor_id";

/// The keys of a member, with that of its monitor.
const fn member_keys(monitor: &'static str) -> [Key; 6] {
    [
        required(monitor),
        defaulted("enabled"),
        defaulted("must_be_healthy"),
        defaulted("monitoring_only"),
        read_only("created_at"),
        read_only("updated_at"),
    ]
}

/// Parses a monitor group; its members are some of `monitors`. They have no times yet.
pub fn parse(
    spot: Spot<'_, '_>,
    identity: Identity<MonitorGroupId>,
    monitors: &dyn References<MonitorId>,
    faults: &mut Faults,
) -> Option<MonitorGroup> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    let name = identity.name(fields.read_set("name", label));
    let description = fields.read("description", description).or(String::new());
    let members = fields.read("members", |spot, faults| parse_members(spot, monitors, faults)).required();
    let name = name?;
    let id = identity.id(&name, &mut fields)?;
    let group = MonitorGroup { id, name, description: description?, members: members? };
    if !group.has_votes() {
        let why = "no member has a vote, so that all origins count as healthy whatever probes find";
        let warning = fields.fault_at("members", why);
        fields.faults.warn(warning);
    }
    Some(group)
}

/// Reads the members of a group: at least one, monitors unique.
fn parse_members(
    spot: Spot<'_, '_>,
    monitors: &dyn References<MonitorId>,
    faults: &mut Faults,
) -> Option<Vec<GroupMember>> {
    let items = spot.items(faults)?;
    if !(1..=MEMBERS_PER_GROUP_MAX).contains(&items.len()) {
        let why = format!("there are {}; allowed: 1 to {MEMBERS_PER_GROUP_MAX} members", items.len());
        faults.push(spot.fault(why));
        return None;
    }
    let mut members: Vec<GroupMember> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = spot.path.index(index);
        let spot = spot.inner(&path, item);
        let Some(member) = parse_member(spot, monitors, faults) else { continue };
        if members.iter().any(|other| other.monitor == member.monitor) {
            faults.push(spot.fault("another member of the group is this monitor"));
        }
        members.push(member);
    }
    (members.len() == items.len()).then_some(members)
}

/// Parses a member.
fn parse_member(spot: Spot<'_, '_>, monitors: &dyn References<MonitorId>, faults: &mut Faults) -> Option<GroupMember> {
    let (keys, monitor) = if faults.is_json() { (MEMBER_KEYS, MONITOR_ID) } else { (DECLARED_MEMBER_KEYS, MONITOR) };
    let mut fields = Fields::open(spot, keys, faults)?;
    let monitor = fields.read(monitor, |spot, faults| monitors.resolve(spot, faults)).required();
    let enabled = fields.read("enabled", boolean).or(true);
    let must_be_healthy = fields.read("must_be_healthy", boolean).or(false);
    let monitoring_only = fields.read("monitoring_only", boolean).or(false);
    Some(GroupMember {
        monitor: monitor?,
        enabled: enabled?,
        must_be_healthy: must_be_healthy?,
        monitoring_only: monitoring_only?,
        created: UnixMicros::default(),
        updated: UnixMicros::default(),
    })
}

/// Parses the body of a request; the group gets `id`, and its members are monitors of the inventory's.
pub fn parse_json(body: &Node, id: MonitorGroupId, inventory: &Inventory, faults: &mut Faults) -> Option<MonitorGroup> {
    let spot = Spot { source: 0, path: &Path::ROOT, node: body };
    let before = faults.len();
    parse(spot, Identity::Known(id), &Known(inventory), faults).filter(|_| faults.len() == before)
}

/// Builds a monitor group; `monitor_name` gives the names of monitors.
pub fn build(group: &MonitorGroup, monitor_name: impl Fn(MonitorId) -> String) -> Table {
    let MonitorGroup { id, name, description, members } = group;
    let table = Table::default().with("name", Node::text(name)).with("description", Node::text(description));
    let build = |member: &GroupMember| {
        let table = Table::default().with(MONITOR, Node::text(monitor_name(member.monitor)));
        Node::built(Value::Table(with_role(table, member)))
    };
    let members = members.iter().map(build).collect();
    identity::build(table, *id, name).with("members", Node::built(Value::Array(members)))
}

/// Builds a monitor group for a response.
pub fn build_json(group: &MonitorGroup, stamp: &Stamp<MonitorGroupId>) -> Table {
    let table = Table::default()
        .with("id", Node::text(group.id.to_string()))
        .with("created_on", time::build(stamp.created))
        .with("modified_on", time::build(stamp.modified));
    with_said(table, group, |table, member| {
        table.with("created_at", time::build(member.created)).with("updated_at", time::build(member.updated))
    })
}

/// Builds what a monitor group says, without any times.
pub(super) fn build_fields(group: &MonitorGroup) -> Table {
    with_said(Table::default(), group, |table, _| table)
}

/// Adds what a group says, and what `more` adds to each member.
fn with_said(table: Table, group: &MonitorGroup, more: impl Fn(Table, &GroupMember) -> Table) -> Table {
    let MonitorGroup { id, name, description, members } = group;
    // Without a name it is called by its id.
    let table = if *name == id.to_string() { table } else { table.with("name", Node::text(name)) };
    let build = |member: &GroupMember| {
        let table = Table::default().with(MONITOR_ID, Node::text(member.monitor.to_string()));
        Node::built(Value::Table(more(with_role(table, member), member)))
    };
    let members = members.iter().map(build).collect();
    table.with("description", Node::text(description)).with("members", Node::built(Value::Array(members)))
}

/// Adds what a group says of a member.
fn with_role(table: Table, member: &GroupMember) -> Table {
    let GroupMember { monitor: _, enabled, must_be_healthy, monitoring_only, created: _, updated: _ } = member;
    let yes_or_no = |value: &bool| Node::built(Value::Bool(*value));
    table
        .with("enabled", yes_or_no(enabled))
        .with("must_be_healthy", yes_or_no(must_be_healthy))
        .with("monitoring_only", yes_or_no(monitoring_only))
}
