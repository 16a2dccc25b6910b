//! Turns: whoever edits an object waits for those who are editing it. Otherwise all of them would read one revision and
//! write at one time, and all but one would have worked in vain.

use std::collections::BTreeSet;

use tokio::sync::{Mutex, MutexGuard};

use crate::model::id::ObjectId;
use crate::model::inventory::{Expected, Step};

/// Places where one waits. Two objects have the same one by chance: then their writers wait for each other, which is slow
/// and not wrong.
const PLACES: u128 = 1 << 12;

/// Places, one for each object, as good as.
#[derive(Debug)]
pub struct Turns(Box<[Mutex<()>]>);

/// What a change has to itself while it is made.
#[derive(Debug)]
pub struct Turn<'t> {
    /// Its places.
    places: BTreeSet<usize>,
    /// The same, held.
    _held: Vec<MutexGuard<'t, ()>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// The places of a change: those of the objects of which it expects a revision.
    pub fn places(steps: &[Step]) -> BTreeSet<usize> {
        let edited = steps.iter().filter(|step| matches!(step.expected, Expected::At(_)));
        edited.filter_map(|step| step.change.object()).map(place).collect()
    }

    /// The turn at some places, if nobody has one of them.
    pub fn try_take(&self, places: &BTreeSet<usize>) -> Option<Turn<'_>> {
        let held: Option<Vec<_>> = self.at(places).map(|place| place.try_lock().ok()).collect();
        held.map(|held| Turn { places: places.clone(), _held: held })
    }

    /// The turn at some places, once those who came before have had theirs.
    pub async fn take(&self, places: BTreeSet<usize>) -> Turn<'_> {
        let mut held = Vec::with_capacity(places.len());
        // In ascending order, as everybody does: so nobody waits for somebody who waits for them.
        for place in self.at(&places) {
            held.push(place.lock().await);
        }
        Turn { places, _held: held }
    }

    /// The places with these numbers.
    fn at(&self, places: &BTreeSet<usize>) -> impl Iterator<Item = &Mutex<()>> {
        places.iter().filter_map(|place| self.0.get(*place))
    }
}

impl Turn<'_> {
    /// Whether it has all of these places.
    pub fn has(&self, places: &BTreeSet<usize>) -> bool {
        self.places.is_superset(places)
    }
}

/// The place of an object.
fn place(object: ObjectId) -> usize {
    let bits = match object {
        ObjectId::Zone(id) => id.bits(),
        ObjectId::Record(_, id) => id.bits(),
        ObjectId::Monitor(id) => id.bits(),
        ObjectId::MonitorGroup(id) => id.bits(),
        ObjectId::Pool(id) | ObjectId::Levers(id) => id.bits(),
        ObjectId::LoadBalancer(id) => id.bits(),
    };
    usize::try_from(bits % PLACES).unwrap_or_default()
}
