//! Live names that a transferred zone delegates or redirects. The zone is its primaries' word, so it wins: such a name is
//! not served from its pools, and that is said once.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::{info, warn};

use crate::model::id::LoadBalancerId;
use crate::model::inventory::Inventory;
use crate::model::load_balancer::LoadBalancer;
use crate::model::name::Name;
use crate::steering::table::{RecordTable, Slot};
use crate::telemetry::series::SeriesId;

/// Names that one log line tells; their number is told as well.
const TOLD: usize = 3;

/// The load balancers whose names are delegated or redirected.
#[derive(Debug, Default)]
pub(super) struct CoveredNames {
    /// All of them.
    covered: HashSet<LoadBalancerId>,
    /// Names that have become covered since the last report, each with the owner of the records that cover it.
    lost: Vec<(Name, Name)>,
    /// Names that are covered no longer.
    regained: Vec<Name>,
}

impl CoveredNames {
    /// Makes a load balancer's name live in its zone, unless the zone has given it away.
    pub(super) fn set_live(
        &mut self,
        table: &mut RecordTable,
        inventory: &Inventory,
        load_balancer: &LoadBalancer,
        slot: Option<Arc<Slot>>,
        series: SeriesId,
    ) {
        let LoadBalancer { id, name, .. } = load_balancer;
        let Some(zone) = inventory.zone_of(name) else { return };
        let cover = zone.cover_of(name);
        // A slot below a cut would give its addresses as glue.
        table.set_live(zone.apex(), name, slot.filter(|_| cover.is_none()), series);
        match cover {
            Some((owner, _)) if self.covered.insert(*id) => self.lost.push((name.clone(), owner)),
            None if self.covered.remove(id) => self.regained.push(name.clone()),
            _ => {}
        }
    }

    /// Forgets a load balancer that is gone or disabled.
    pub(super) fn forget(&mut self, id: LoadBalancerId) {
        self.covered.remove(&id);
    }

    /// Says what has become covered, and what is served again.
    pub(super) fn report(&mut self) {
        let (lost, regained) = (std::mem::take(&mut self.lost), std::mem::take(&mut self.regained));
        if let Some((_, cover)) = lost.first() {
            let load_balancers = words(lost.iter().map(|(name, _)| name));
            warn!(
                load_balancers, %cover, names = lost.len(),
                "load balancers are NOT SERVED: their transferred zone delegates or redirects their names"
            );
        }
        if !regained.is_empty() {
            let load_balancers = words(regained.iter());
            info!(
                load_balancers,
                names = regained.len(),
                "load balancers are served again: their zone no longer covers them"
            );
        }
    }
}

/// The first names, for a log line.
fn words<'n>(names: impl Iterator<Item = &'n Name>) -> String {
    names.take(TOLD).map(Name::to_string).collect::<Vec<_>>().join(" ")
}
