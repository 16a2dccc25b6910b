//! Pools as the original's clients write and read them.

use crate::model::id::PoolId;
use crate::model::inventory::Inventory;
use crate::model::pool::{Origin, Pool};
use crate::model::stamp::{Disabled, Stamp, UnixMicros};
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Path, Spot};
use crate::spec::identity::Identity;
use crate::spec::kept::build_json as build_kept;
use crate::spec::pool::kept::{ORIGIN, POOL};
use crate::spec::pool::{build_plain_origin, parse};
use crate::spec::references::Known;
use crate::spec::value::build_duration;
use crate::spec::{schema, time};

/// Parses the body of a request; the pool gets `id`, and its monitor or monitor group is one of the inventory's.
pub fn parse_json(body: &Node, id: PoolId, inventory: &Inventory, faults: &mut Faults) -> Option<Pool> {
    let spot = Spot { source: 0, path: &Path::ROOT, node: body };
    let before = faults.len();
    parse(spot, Identity::Known(id), &Known(inventory), &Known(inventory), faults).filter(|_| faults.len() == before)
}

/// Builds a pool for a response, all but its health.
pub fn build_json(pool: &Pool, stamp: &Stamp<PoolId>) -> Table {
    let table = Table::default()
        .with("id", Node::text(pool.id.to_string()))
        .with("created_on", time::build(stamp.created))
        .with("modified_on", time::build(stamp.modified));
    build_fields(table, pool, &stamp.disabled)
}

/// JSON Schema of the keys of a pool that are kept.
pub fn kept_properties() -> Table {
    schema::properties(POOL)
}

/// JSON Schema of the keys of an origin that are kept.
pub fn kept_origin_properties() -> Table {
    schema::properties(ORIGIN)
}

/// Builds what a pool says, and since when it is disabled.
pub(in crate::spec) fn build_fields(table: Table, pool: &Pool, disabled: &Disabled) -> Table {
    let Pool { id: _, name, description, enabled, minimum_origins, slow_start, monitor, monitor_group, origins, kept } =
        pool;
    let table = table
        .with("name", Node::text(name))
        .with("description", Node::text(description))
        .with("enabled", Node::built(Value::Bool(*enabled)));
    let mut table = with_disabled(table, disabled.whole()).with("minimum_origins", Node::int(*minimum_origins));
    // The original has no such key: it is shown where somebody has set it.
    if !slow_start.is_zero() {
        table = table.with("slow_start", build_duration(*slow_start));
    }
    if let Some(monitor) = monitor {
        table = table.with("monitor", Node::text(monitor.to_string()));
    }
    if let Some(group) = monitor_group {
        table = table.with("monitor_group", Node::text(group.to_string()));
    }
    let build = |origin: &Origin| {
        let table = with_disabled(build_plain_origin(origin), disabled.origin(&origin.name));
        Node::built(Value::Table(build_kept(table, &origin.kept, ORIGIN)))
    };
    build_kept(table, kept, POOL).with("origins", Node::built(Value::Array(origins.iter().map(build).collect())))
}

/// Says since when something is disabled.
fn with_disabled(table: Table, since: Option<UnixMicros>) -> Table {
    match since {
        Some(since) => table.with("disabled_at", time::build(since)),
        None => table,
    }
}
