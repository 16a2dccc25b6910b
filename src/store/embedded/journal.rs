//! A journal: rows in the order in which they came, under numbers that never come again, pruned when there are too many.
//!
//! What goes is the oldest of whoever has most. So nobody who writes much pushes out what others did: they lose what they
//! wrote themselves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use redb::{ReadableTable, TableDefinition, WriteTransaction};

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
pub(super) struct Journal {
    /// Its table.
    table: Entries,
    /// How much is kept.
    bounds: Bounds,
    /// The number of the next entry.
    pub(super) next: u64,
    /// Its entries by who wrote them.
    writers: BTreeMap<Arc<str>, Written>,
    /// All of them together.
    total: Bounds,
    /// What has changed since it was last known to be on disk.
    pending: Pending,
}

/// What one writer wrote.
#[derive(Debug, Default)]
struct Written {
    /// Number and length of each entry, the oldest first.
    entries: VecDeque<(u64, u64)>,
    /// All lengths together.
    octets: u64,
}

/// What can be taken back.
#[derive(Debug, Default)]
struct Pending {
    /// Who wrote entries that are new.
    added: Vec<Arc<str>>,
    /// Entries that are gone: who wrote them, number and length.
    removed: Vec<(Arc<str>, u64, u64)>,
}

/// An entry that has no number yet.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// When.
    pub(super) at: UnixMicros,
    /// What, as JSON.
    pub(super) text: Vec<u8>,
    /// Who wrote it, if that matters to who loses what.
    pub(super) writer: String,
}

impl Journal {
    /// A journal without entries.
    pub(super) fn empty(table: Entries, bounds: Bounds) -> Self {
        let total = Bounds { entries: 0, octets: 0 };
        Self { table, bounds, next: 1, writers: BTreeMap::new(), total, pending: Pending::default() }
    }

    /// Looks at all entries of a journal; `writer` says who wrote each.
    pub(super) fn load(
        table: Entries,
        bounds: Bounds,
        transaction: &WriteTransaction,
        writer: impl Fn(&[u8]) -> String,
    ) -> Result<Self, redb::Error> {
        let mut journal = Self::empty(table, bounds);
        let rows = transaction.open_table(table)?;
        for entry in rows.iter()? {
            let (number, value) = entry?;
            let (_, text) = value.value();
            journal.next = number.value();
            journal.add(&writer(text), octets(text));
        }
        journal.keep();
        Ok(journal)
    }

    /// Adds entries, for which others may go at once. Until [`Self::keep`] it can be taken back.
    pub(super) fn append(&mut self, transaction: &WriteTransaction, entries: &[Entry]) -> Result<(), redb::Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut rows = transaction.open_table(self.table)?;
        for Entry { at, text, writer } in entries {
            rows.insert(self.next, (at.0, text.as_slice()))?;
            self.add(writer, octets(text));
        }
        while let Some(number) = self.remove_one() {
            rows.remove(number)?;
        }
        Ok(())
    }

    /// What was added is on disk.
    pub(super) fn keep(&mut self) {
        self.pending = Pending::default();
    }

    /// Takes back what was added since, and what went for it.
    pub(super) fn take_back(&mut self) {
        let Pending { added, removed } = std::mem::take(&mut self.pending);
        for (writer, number, octets) in removed.into_iter().rev() {
            let written = self.writers.entry(writer).or_default();
            written.entries.push_front((number, octets));
            written.octets += octets;
            self.total = Bounds { entries: self.total.entries + 1, octets: self.total.octets + octets };
        }
        for writer in added {
            let last = self.writers.get_mut(&writer).and_then(|written| {
                let (_, octets) = written.entries.pop_back()?;
                written.octets = written.octets.saturating_sub(octets);
                Some(octets)
            });
            self.next = self.next.saturating_sub(1);
            self.forget(&writer, last.unwrap_or_default());
        }
    }

    /// Takes out what a transaction may have left of which it is not known whether it failed.
    pub(super) fn cut(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        transaction.open_table(self.table)?.retain_in(self.next.., |_, _| false)?;
        Ok(())
    }

    /// Notes the next entry.
    fn add(&mut self, writer: &str, octets: u64) {
        let known = self.writers.get_key_value(writer).map(|(writer, _)| Arc::clone(writer));
        let writer = known.unwrap_or_else(|| Arc::from(writer));
        let written = self.writers.entry(Arc::clone(&writer)).or_default();
        written.entries.push_back((self.next, octets));
        written.octets += octets;
        self.total = Bounds { entries: self.total.entries + 1, octets: self.total.octets + octets };
        self.next = self.next.saturating_add(1);
        self.pending.added.push(writer);
    }

    /// Notes that an entry goes, if one has to, and gives its number. The newest stays however long it is: its number is where
    /// the next one comes from.
    fn remove_one(&mut self) -> Option<u64> {
        let too_many = self.total.entries > self.bounds.entries;
        if !too_many && self.total.octets <= self.bounds.octets {
            return None;
        }
        let newest = self.next.saturating_sub(1);
        let losing = self
            .writers
            .iter_mut()
            .filter(|(_, written)| written.entries.front().is_some_and(|(number, _)| *number != newest));
        let weight = |written: &Written| if too_many { written.entries.len() as u64 } else { written.octets };
        let (writer, written) = losing.max_by_key(|(_, written)| weight(written))?;
        let (number, octets) = written.entries.pop_front()?;
        written.octets = written.octets.saturating_sub(octets);
        let writer = Arc::clone(writer);
        self.forget(&writer, octets);
        self.pending.removed.push((writer, number, octets));
        Some(number)
    }

    /// Notes that an entry is no longer among those of a writer, who may have none left.
    fn forget(&mut self, writer: &Arc<str>, octets: u64) {
        self.total.entries = self.total.entries.saturating_sub(1);
        self.total.octets = self.total.octets.saturating_sub(octets);
        if self.writers.get(writer).is_some_and(|written| written.entries.is_empty()) {
            self.writers.remove(writer);
        }
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

    /// A database in memory.
    fn database() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    /// Adds texts of a writer, for good or not.
    fn append(database: &Database, journal: &mut Journal, writer: &str, texts: &[&[u8]], commits: bool) {
        let transaction = database.begin_write().unwrap();
        let entry = |text: &&[u8]| Entry { at: UnixMicros(7), text: text.to_vec(), writer: writer.to_owned() };
        let entries: Vec<Entry> = texts.iter().map(entry).collect();
        journal.append(&transaction, &entries).unwrap();
        if commits {
            transaction.commit().unwrap();
            journal.keep();
        } else {
            drop(transaction);
            journal.take_back();
        }
    }

    /// The numbers on disk.
    fn numbers(database: &Database) -> Vec<u64> {
        let rows = database.begin_read().unwrap().open_table(EVENTS).unwrap();
        rows.iter().unwrap().map(|entry| entry.unwrap().0.value()).collect()
    }

    /// All that is known of a journal.
    fn known(journal: &Journal) -> String {
        let Journal { table: _, bounds: _, next, writers, total, pending } = journal;
        format!("{next} {writers:?} {total:?} {pending:?}")
    }

    #[test]
    fn the_oldest_go_and_no_number_comes_again() {
        let database = database();
        let bounds = Bounds { entries: 3, octets: 10 };
        let mut journal = Journal::empty(EVENTS, bounds);
        append(&database, &mut journal, "", &[b"1", b"2", b"3", b"4"], true);
        assert_eq!((numbers(&database), journal.next), (vec![2, 3, 4], 5));
        // Nine octets leave room for one more.
        append(&database, &mut journal, "", &[b"123456789"], true);
        assert_eq!(numbers(&database), [4, 5]);
        let before = known(&journal);
        append(&database, &mut journal, "other", &[b"12", b"3"], false);
        append(&database, &mut journal, "", &[b"123456789"], false);
        assert_eq!((known(&journal), numbers(&database)), (before.clone(), vec![4, 5]));
        let transaction = database.begin_write().unwrap();
        let mut loaded = Journal::load(EVENTS, bounds, &transaction, |_| String::new()).unwrap();
        assert_eq!(known(&loaded), before);
        drop(transaction);
        append(&database, &mut loaded, "", &[b"longer than all that is kept"], true);
        assert_eq!((numbers(&database), loaded.next), (vec![6], 7));
    }

    #[test]
    fn whoever_writes_much_pushes_out_nobody_else() {
        let database = database();
        let mut journal = Journal::empty(EVENTS, Bounds { entries: 6, octets: 100 });
        append(&database, &mut journal, "quiet", &[b"1", b"2"], true);
        for _ in 0..50 {
            append(&database, &mut journal, "loud", &[b"3", b"4"], true);
        }
        assert_eq!(numbers(&database), [1, 2, 99, 100, 101, 102]);
        append(&database, &mut journal, "loud", &[&[b'5'; 90], &[b'6'; 97]], true);
        assert_eq!(numbers(&database), [1, 2, 104]);
        // Even if nothing else is left of theirs: the newest stays.
        append(&database, &mut journal, "louder", &[&[b'7'; 200]], true);
        assert_eq!(numbers(&database), [105]);
    }
}
