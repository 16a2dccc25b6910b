//! What a store has kept, read at its start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use redb::{ReadableTable, WriteTransaction};

use crate::model::dns_record::DnsRecord;
use crate::model::id::{ObjectId, TokenId, ZoneId};
use crate::model::inventory::{Generation, IdMap, Stored, StoredObject, ZoneRecords};
use crate::model::target::LeftVerdict;
use crate::model::token::Token;
use crate::spec::row::{self, RowKind};
use crate::store::embedded::audit;
use crate::store::embedded::disk::{META, OpenError, fault};
use crate::store::embedded::journal::{AUDIT, AUDIT_BOUNDS, EVENT_BOUNDS, EVENTS, Journal};
use crate::store::embedded::rows::{
    LEVERS, LOAD_BALANCERS, MONITOR_GROUPS, MONITORS, POOLS, RECORDS, Rows, TOKENS, ZONES, key,
};
use crate::store::embedded::waiting::SERIALS;
use crate::store::embedded::{tokens, verdicts};
use crate::store::now;

/// The key of the generation in [`META`].
pub(super) const GENERATION: &str = "generation";

/// A row that says nothing that we understand. It stays as it is, octet for octet, and nothing of it is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// Its table.
    pub table: &'static str,
    /// Its key, in hexadecimal digits: the object's id, after its zone's id if it is a record.
    pub key: String,
    /// Why it is not understood.
    pub why: String,
}

/// All that a store has kept.
pub(super) struct Contents {
    /// The last generation that it knows.
    pub(super) generation: Generation,
    /// The objects.
    pub(super) objects: Vec<Stored>,
    /// The tokens.
    pub(super) tokens: Vec<Token>,
    /// Serials of zones.
    pub(super) serials: BTreeMap<ZoneId, u32>,
    /// What it does not understand.
    pub(super) unreadable: Vec<Unreadable>,
    /// The audit log.
    pub(super) audit: Journal,
    /// The events.
    pub(super) events: Journal,
    /// The number of this process among those that had the store.
    pub(super) run: u64,
    /// Verdicts that earlier ones left behind.
    pub(super) left: Vec<LeftVerdict>,
}

impl Contents {
    /// Nothing: what a store without a file has kept.
    pub(super) fn none() -> Self {
        Self {
            generation: Generation::default(),
            objects: vec![],
            tokens: vec![],
            serials: BTreeMap::new(),
            unreadable: vec![],
            audit: Journal::empty(AUDIT, AUDIT_BOUNDS),
            events: Journal::empty(EVENTS, EVENT_BOUNDS),
            run: 1,
            left: vec![],
        }
    }

    /// Reads everything, and makes the tables that are missing.
    pub(super) fn load(transaction: &WriteTransaction, file: &Path) -> Result<Self, OpenError> {
        let mut contents = Self::none();
        contents.read(transaction).map_err(|(table, error)| match fault(file, error) {
            OpenError::Damaged { file, why } => OpenError::Damaged { file, why: format!("table {table}: {why}") },
            OpenError::Refused { file, why } => OpenError::Refused { file, why: format!("table {table}: {why}") },
            other => other,
        })?;
        Ok(contents)
    }

    /// Reads everything; an error is a table's.
    fn read(&mut self, transaction: &WriteTransaction) -> Result<(), (&'static str, redb::Error)> {
        let generation = || -> Result<u64, redb::Error> {
            Ok(transaction.open_table(META)?.get(GENERATION)?.map_or(0, |generation| generation.value()))
        };
        self.generation = Generation(generation().map_err(|error| ("meta", error))?);
        self.objects = self.read_objects(transaction, ZONES, RowKind::Zone)?;
        self.read_records(transaction)?;
        for (rows, kind) in [
            (MONITORS, RowKind::Monitor),
            (MONITOR_GROUPS, RowKind::MonitorGroup),
            (POOLS, RowKind::Pool),
            (LOAD_BALANCERS, RowKind::LoadBalancer),
            (LEVERS, RowKind::Levers),
        ] {
            let objects = self.read_objects(transaction, rows, kind)?;
            self.objects.extend(objects);
        }
        self.tokens = self.read_rows(transaction, TOKENS, |key, text| tokens::parse(token_id(key)?, text))?;
        self.serials = serials(transaction).map_err(|error| ("serials", error))?;
        self.audit =
            Journal::load(AUDIT, AUDIT_BOUNDS, transaction, audit::writer).map_err(|error| ("audit", error))?;
        self.events =
            Journal::load(EVENTS, EVENT_BOUNDS, transaction, |_| String::new()).map_err(|error| ("events", error))?;
        (self.run, self.left) = verdicts::load(transaction, now()).map_err(|error| ("verdicts", error))?;
        Ok(())
    }

    /// Reads the objects of one kind.
    fn read_objects(
        &mut self,
        transaction: &WriteTransaction,
        rows: Rows,
        kind: RowKind,
    ) -> Result<Vec<Stored>, (&'static str, redb::Error)> {
        self.read_rows(transaction, rows, |row_key, text| {
            let stored = row::parse(kind, text)?;
            if key(stored.object.id()) != row_key {
                return Err(format!("it says that its id is {}", stored.object.id()));
            }
            Ok(stored)
        })
    }

    /// Reads the records of the zones that are there, which have none yet.
    fn read_records(&mut self, transaction: &WriteTransaction) -> Result<(), (&'static str, redb::Error)> {
        let mut by_zone: BTreeMap<ZoneId, IdMap<DnsRecord>> = BTreeMap::new();
        for stored in &self.objects {
            if let StoredObject::Zone(hosting, _) = &stored.object {
                by_zone.insert(hosting.id, IdMap::default());
            }
        }
        let records = self.read_rows(transaction, RECORDS, |row_key, text| {
            let record = row::parse_record(text)?;
            let object = ObjectId::Record(record.zone, record.id);
            if key(object) != row_key {
                return Err(format!("it says that its id is {}, in zone {}", record.id, record.zone));
            }
            if by_zone.contains_key(&record.zone) { Ok(record) } else { Err("its zone is not there".to_owned()) }
        })?;
        for record in records {
            if let Some(records) = by_zone.get_mut(&record.zone) {
                records.put(record);
            }
        }
        for stored in &mut self.objects {
            if let StoredObject::Zone(hosting, records) = &mut stored.object {
                let all = by_zone.remove(&hosting.id).unwrap_or_default();
                *records = Arc::new(ZoneRecords { id: hosting.id, records: all });
            }
        }
        Ok(())
    }

    /// Reads the rows of a table; what `parse` does not understand is noted.
    fn read_rows<T>(
        &mut self,
        transaction: &WriteTransaction,
        rows: Rows,
        parse: impl Fn(&[u8], &[u8]) -> Result<T, String>,
    ) -> Result<Vec<T>, (&'static str, redb::Error)> {
        let table = rows.0;
        let mut all = Vec::new();
        let unreadable = &mut self.unreadable;
        let mut read = || -> Result<(), redb::Error> {
            for entry in transaction.open_table(rows.definition())?.iter()? {
                let (key, text) = entry?;
                match parse(key.value(), text.value()) {
                    Ok(one) => all.push(one),
                    Err(why) => {
                        let key = data_encoding::HEXLOWER.encode(key.value());
                        unreadable.push(Unreadable { table, key, why });
                    }
                }
            }
            Ok(())
        };
        read().map_err(|error| (table, error))?;
        Ok(all)
    }
}

/// Reads the serials.
fn serials(transaction: &WriteTransaction) -> Result<BTreeMap<ZoneId, u32>, redb::Error> {
    let mut all = BTreeMap::new();
    for entry in transaction.open_table(SERIALS)?.iter()? {
        let (zone, serial) = entry?;
        if let Ok(octets) = zone.value().try_into() {
            all.insert(ZoneId::random(u128::from_be_bytes(octets)), serial.value());
        }
    }
    Ok(all)
}

/// The token that a key names.
fn token_id(key: &[u8]) -> Result<TokenId, String> {
    let octets = key.try_into().map_err(|_| "its key is not 16 octets long".to_owned())?;
    Ok(TokenId::random(u128::from_be_bytes(octets)))
}
