//! A journal: rows in the order in which they came, under numbers that never come again, the oldest pruned.

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use crate::model::limits::{AUDIT_ENTRIES_MAX, AUDIT_OCTETS_MAX, EVENTS_KEPT_MAX, EVENTS_OCTETS_MAX};
use crate::model::stamp::UnixMicros;

/// A table of entries: microseconds of Unix time, and a JSON text, by number.
pub(super) type Entries = TableDefinition<'static, u64, (u64, &'static [u8])>;

/// The audit log.
pub(super) const AUDIT: Entries = TableDefinition::new("audit");
/// Events of pools.
pub(super) const EVENTS: Entries = TableDefinition::new("events");

/// How much of a journal is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Entries.
    pub(super) entries: u64,
    /// Octets of their texts.
    pub(super) octets: u64,
}

/// Of the audit log.
pub(super) const AUDIT_BOUNDS: Bounds = Bounds { entries: AUDIT_ENTRIES_MAX as u64, octets: AUDIT_OCTETS_MAX };
/// Of the events.
pub(super) const EVENT_BOUNDS: Bounds = Bounds { entries: EVENTS_KEPT_MAX as u64, octets: EVENTS_OCTETS_MAX };

/// What is known of a journal without a look into it.
#[derive(Clone, Copy)]
pub(super) struct Journal {
    /// Its table.
    table: Entries,
    /// How much is kept.
    bounds: Bounds,
    /// The number of the next entry.
    pub(super) next: u64,
    /// How many entries there are.
    entries: u64,
    /// Octets of their texts.
    octets: u64,
}

/// An entry that has no number yet.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// When.
    pub(super) at: UnixMicros,
    /// What, as JSON.
    pub(super) text: Vec<u8>,
}

impl Journal {
    /// A journal without entries.
    pub(super) const fn empty(table: Entries, bounds: Bounds) -> Self {
        Self { table, bounds, next: 1, entries: 0, octets: 0 }
    }

    /// Looks at all entries of a journal.
    pub(super) fn load(table: Entries, bounds: Bounds, transaction: &WriteTransaction) -> Result<Self, redb::Error> {
        let rows = transaction.open_table(table)?;
        let mut journal = Self { entries: rows.len()?, ..Self::empty(table, bounds) };
        for entry in rows.iter()? {
            let (number, value) = entry?;
            journal.next = number.value().saturating_add(1);
            journal.octets += octets(value.value().1);
        }
        Ok(journal)
    }

    /// The journal after entries, of which the oldest may go at once.
    pub(super) fn append(mut self, transaction: &WriteTransaction, entries: &[Entry]) -> Result<Self, redb::Error> {
        if entries.is_empty() {
            return Ok(self);
        }
        let mut rows = transaction.open_table(self.table)?;
        for Entry { at, text } in entries {
            rows.insert(self.next, (at.0, text.as_slice()))?;
            self.next = self.next.saturating_add(1);
            self.entries += 1;
            self.octets += octets(text);
        }
        // The newest stays however long it is: its number is where the next one comes from.
        while self.entries > 1 && (self.entries > self.bounds.entries || self.octets > self.bounds.octets) {
            let Some((_, oldest)) = rows.pop_first()? else { break };
            self.entries = self.entries.saturating_sub(1);
            self.octets = self.octets.saturating_sub(octets(oldest.value().1));
        }
        Ok(self)
    }

    /// Takes out what a transaction may have left of which it is not known whether it failed.
    pub(super) fn cut(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        transaction.open_table(self.table)?.retain_in(self.next.., |_, _| false)?;
        Ok(())
    }
}

/// The length of a text.
fn octets(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use redb::{Database, ReadableDatabase, backends::InMemoryBackend};

    use super::*;

    #[test]
    fn the_oldest_go_and_no_number_comes_again() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let bounds = Bounds { entries: 3, octets: 10 };
        let entry = |text: &[u8]| Entry { at: UnixMicros(7), text: text.to_vec() };
        let append = |journal: Journal, texts: &[&[u8]]| {
            let transaction = database.begin_write().unwrap();
            let entries: Vec<Entry> = texts.iter().map(|text| entry(text)).collect();
            let journal = journal.append(&transaction, &entries).unwrap();
            transaction.commit().unwrap();
            journal
        };
        let numbers = || -> Vec<u64> {
            let rows = database.begin_read().unwrap().open_table(EVENTS).unwrap();
            rows.iter().unwrap().map(|entry| entry.unwrap().0.value()).collect()
        };
        let journal = append(Journal::empty(EVENTS, bounds), &[b"1", b"2", b"3", b"4"]);
        assert_eq!((numbers(), journal.next), (vec![2, 3, 4], 5));
        // Nine octets leave room for one more.
        let journal = append(journal, &[b"123456789"]);
        assert_eq!(numbers(), [4, 5]);
        let transaction = database.begin_write().unwrap();
        let loaded = Journal::load(EVENTS, bounds, &transaction).unwrap();
        assert_eq!((loaded.next, loaded.entries, loaded.octets), (journal.next, journal.entries, journal.octets));
        drop(transaction);
        let emptied = append(loaded, &[b"longer than all that is kept"]);
        assert_eq!((numbers(), emptied.next), (vec![6], 7));
    }
}
