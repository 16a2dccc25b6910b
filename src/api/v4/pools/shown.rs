//! Pools and origins as they are shown: what they say, and whether they are healthy.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::api::v4::health::{OriginStanding, PoolStanding};
use crate::health::schedule::Assigned;
use crate::model::id::PoolId;
use crate::model::inventory::Inventory;
use crate::model::lever::Levers;
use crate::model::pool::Pool;
use crate::model::stamp::Stamp;
use crate::model::tree::{Node, Table, Value};
use crate::spec::lever::build_json as build_lever;
use crate::spec::pool::build_json;
use crate::store::now;

/// The key of a pool that holds its origins.
pub const ORIGINS: &str = "origins";

/// A pool as it is shown.
#[derive(Debug)]
pub struct ShownPool {
    /// What it says.
    said: Table,
    /// Whether it is healthy.
    standing: PoolStanding,
    /// Its levers.
    levers: Option<Arc<Levers>>,
    /// What differs when its health is shown in another way.
    seen: Option<u32>,
}

/// An origin as it is shown.
#[derive(Debug)]
pub struct ShownOrigin<'s> {
    /// What it says.
    said: &'s Table,
    /// Whether it is healthy.
    standing: &'s OriginStanding,
    /// Its lever.
    lever: Option<Table>,
}

impl ShownPool {
    /// A pool.
    pub fn of(pool: &Arc<Pool>, stamp: &Stamp<PoolId>, assigned: &Assigned, inventory: &Inventory) -> Self {
        let probed = assigned.pools.find(pool.id).map(Arc::as_ref);
        let levers = inventory.levers.find(pool.id).cloned();
        let standing = PoolStanding::of(pool, probed, levers.as_deref());
        let seen = standing.digest(pool, levers.as_deref());
        Self { said: build_json(pool, stamp), standing, levers, seen }
    }

    /// The lever of an origin, or of the whole pool, that is in force.
    fn lever(&self, origin: Option<&str>) -> Option<Table> {
        self.levers.as_ref()?.in_force(origin, now()).map(build_lever)
    }

    /// What differs when its health is shown in another way.
    pub const fn seen(&self) -> Option<u32> {
        self.seen
    }

    /// An origin by its place in the pool.
    pub fn origin(&self, index: usize) -> Option<ShownOrigin<'_>> {
        let Some(Value::Array(origins)) = self.said.value(ORIGINS) else { return None };
        self.shown_origin(origins.get(index)?, self.standing.origins.get(index)?)
    }

    /// An origin with its health.
    fn shown_origin<'s>(&self, node: &'s Node, standing: &'s OriginStanding) -> Option<ShownOrigin<'s>> {
        let Value::Table(said) = &node.value else { return None };
        let lever = match said.value("name") {
            Some(Value::String(name)) => self.lever(Some(name)),
            _ => None,
        };
        Some(ShownOrigin { said, standing, lever })
    }
}

impl Serialize for ShownPool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { said, standing, levers: _, seen: _ } = self;
        let mut map = serializer.serialize_map(None)?;
        for entry in said.entries() {
            match &entry.node.value {
                Value::Array(origins) if entry.key == ORIGINS => {
                    let shown = origins.iter().zip(&standing.origins);
                    let shown: Vec<_> = shown.filter_map(|(node, origin)| self.shown_origin(node, origin)).collect();
                    map.serialize_entry(&entry.key, &shown)?;
                }
                _ => map.serialize_entry(&entry.key, &entry.node)?,
            }
        }
        map.serialize_entry("healthy", &standing.healthy)?;
        if let Some(lever) = self.lever(None) {
            map.serialize_entry("lever", &lever)?;
        }
        map.end()
    }
}

impl Serialize for ShownOrigin<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { said, standing: OriginStanding { healthy, reason, .. }, lever } = self;
        let mut map = serializer.serialize_map(None)?;
        for entry in said.entries() {
            map.serialize_entry(&entry.key, &entry.node)?;
        }
        map.serialize_entry("healthy", healthy)?;
        map.serialize_entry("failure_reason", reason)?;
        if let Some(lever) = lever {
            map.serialize_entry("lever", lever)?;
        }
        map.end()
    }
}
