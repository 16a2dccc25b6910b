//! Pools and origins as they are shown: what they say, and whether they are healthy.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::api::v4::health::{OriginStanding, PoolStanding};
use crate::health::schedule::Assigned;
use crate::model::id::PoolId;
use crate::model::pool::Pool;
use crate::model::stamp::Stamp;
use crate::model::tree::{Node, Table, Value};
use crate::spec::pool::build_json;

/// The key of a pool that holds its origins.
pub const ORIGINS: &str = "origins";

/// A pool as it is shown.
#[derive(Debug)]
pub struct ShownPool {
    /// What it says.
    said: Table,
    /// Whether it is healthy.
    standing: PoolStanding,
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
}

impl ShownPool {
    /// A pool.
    pub fn of(pool: &Arc<Pool>, stamp: &Stamp<PoolId>, assigned: &Assigned) -> Self {
        let probed = assigned.pools.find(pool.id).map(Arc::as_ref);
        let standing = PoolStanding::of(pool, probed);
        let seen = standing.digest(pool);
        Self { said: build_json(pool, stamp), standing, seen }
    }

    /// What differs when its health is shown in another way.
    pub const fn seen(&self) -> Option<u32> {
        self.seen
    }

    /// An origin by its place in the pool.
    pub fn origin(&self, index: usize) -> Option<ShownOrigin<'_>> {
        let Some(Value::Array(origins)) = self.said.value(ORIGINS) else { return None };
        shown_origin(origins.get(index)?, self.standing.origins.get(index)?)
    }
}

/// An origin with its health.
fn shown_origin<'s>(node: &'s Node, standing: &'s OriginStanding) -> Option<ShownOrigin<'s>> {
    let Value::Table(said) = &node.value else { return None };
    Some(ShownOrigin { said, standing })
}

impl Serialize for ShownPool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { said, standing, seen: _ } = self;
        let mut map = serializer.serialize_map(None)?;
        for entry in said.entries() {
            match &entry.node.value {
                Value::Array(origins) if entry.key == ORIGINS => {
                    let shown = origins.iter().zip(&standing.origins);
                    let shown: Vec<_> = shown.filter_map(|(node, origin)| shown_origin(node, origin)).collect();
                    map.serialize_entry(&entry.key, &shown)?;
                }
                _ => map.serialize_entry(&entry.key, &entry.node)?,
            }
        }
        map.serialize_entry("healthy", &standing.healthy)?;
        map.end()
    }
}

impl Serialize for ShownOrigin<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { said, standing: OriginStanding { healthy, reason, .. } } = self;
        let mut map = serializer.serialize_map(None)?;
        for entry in said.entries() {
            map.serialize_entry(&entry.key, &entry.node)?;
        }
        map.serialize_entry("healthy", healthy)?;
        map.serialize_entry("failure_reason", reason)?;
        map.end()
    }
}
