//! Looking ahead at a batch of queries, so that memory is on its way when they are answered.
//!
//! In a zone that is larger than the caches, finding a name means waiting for memory twice: for the name's place in the
//! table, and for its records. Each query of a batch alone would wait for both; asked for ahead, they all come at once.
//! Where all zones are small, nothing is done.

use crate::dns::io::{BATCH, prefetch, prefetch_value};
use crate::steering::lookup::{Sought, seek};
use crate::steering::table::RecordTable;
use crate::wire::name::LowerName;
use crate::wire::query::HEADER_OCTETS;

/// Asks for what answering `queries` will need, of at most [`BATCH`] of them. `name` is room for a name.
pub fn look_ahead<'q>(table: &RecordTable, queries: impl Iterator<Item = &'q [u8]>, name: &mut LowerName) {
    if !table.has_large_zone() {
        return;
    }
    let mut sought: [Option<Sought<'_>>; BATCH] = [None; BATCH];
    for (place, query) in sought.iter_mut().zip(queries) {
        let question = query.get(HEADER_OCTETS..).unwrap_or_default();
        // What is no query is found out when it is answered.
        let Ok(_) = name.read(question) else { continue };
        if let Some(next) = seek(table, name)
            && let Some(home) = next.home()
        {
            prefetch_value(home);
            *place = Some(next);
        }
    }
    for node in sought.iter().flatten().filter_map(Sought::likely) {
        prefetch(node.owner().as_octets());
        if let Some(slot) = node.slot() {
            prefetch_value(slot);
        }
    }
}
