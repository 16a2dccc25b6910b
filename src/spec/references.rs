//! How objects name others: in TOML by name, in JSON by id.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::model::id::{MonitorGroupId, MonitorId, PoolId};
use crate::model::inventory::Inventory;
use crate::spec::declared::Extent;
use crate::spec::fault::Faults;
use crate::spec::fields::Spot;
use crate::spec::identity::Id;

/// Who knows the objects of a kind that others can name.
pub trait References<I> {
    /// Reads what names an object and gives its id.
    fn resolve(&self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<I>;
}

/// The objects of one kind that documents declare, by name.
pub struct Names<'t, I> {
    /// What an object of the kind is called.
    kind: &'static str,
    /// Ids by names as written.
    ids: HashMap<&'t str, I>,
    /// Whether there may be others.
    extent: Extent,
    /// All ids, once somebody asks for one.
    known: OnceCell<HashSet<I>>,
}

impl<'t, I: Id> Names<'t, I> {
    /// The objects of a kind.
    pub(super) fn new(kind: &'static str, ids: HashMap<&'t str, I>, extent: Extent) -> Self {
        Self { kind, ids, extent, known: OnceCell::new() }
    }

    /// The id that a text writes, if an object has it and none has that name.
    fn by_id(&self, text: &str) -> Option<I> {
        let id = I::of_text(text)?;
        self.known.get_or_init(|| self.ids.values().copied().collect()).contains(&id).then_some(id)
    }
}

impl<I: Id> References<I> for Names<'_, I> {
    fn resolve(&self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<I> {
        let text = spot.text(faults)?;
        if let Some(id) = self.ids.get(text).copied().or_else(|| self.by_id(text)) {
            return Some(id);
        }
        if self.extent == Extent::Partial {
            return Some(I::of_text(text).unwrap_or_else(|| I::of_name(text)));
        }
        let kind = self.kind;
        let suggestion = match self.ids.len() {
            0 => Some(format!("no {kind} is declared; add one in [[{}s]]", kind.replace(' ', "_"))),
            _ => faults.nearest(text, self.ids.keys().copied()),
        };
        faults.push(spot.fault(format!("no {kind} has this name")).found(spot.node.shown()).suggest(suggestion));
        None
    }
}

/// The objects of an inventory, by id.
#[derive(Clone, Copy)]
pub struct Known<'i>(pub &'i Inventory);

impl Known<'_> {
    /// Reads an id for which `exists` holds.
    fn resolve_id<I: Id>(
        spot: Spot<'_, '_>,
        kind: &str,
        exists: impl FnOnce(I) -> bool,
        faults: &mut Faults,
    ) -> Option<I> {
        let id = I::of_text(spot.text(faults)?).filter(|id| exists(*id));
        id.or_else(|| spot.reject(format!("no {kind} has this id"), faults))
    }
}

impl References<MonitorId> for Known<'_> {
    fn resolve(&self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<MonitorId> {
        Self::resolve_id(spot, "monitor", |id| self.0.monitors.find(id).is_some(), faults)
    }
}

impl References<MonitorGroupId> for Known<'_> {
    fn resolve(&self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<MonitorGroupId> {
        Self::resolve_id(spot, "monitor group", |id| self.0.monitor_groups.find(id).is_some(), faults)
    }
}

impl References<PoolId> for Known<'_> {
    fn resolve(&self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<PoolId> {
        Self::resolve_id(spot, "pool", |id| self.0.pools.find(id).is_some(), faults)
    }
}

/// Whatever an id names: for what was checked when it was written.
#[derive(Clone, Copy)]
pub struct AnyId;

impl<I: Id> References<I> for AnyId {
    fn resolve(&self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<I> {
        super::identity::parse(spot, faults)
    }
}
