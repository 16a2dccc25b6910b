//! Stands in for `spec::row` until that is there.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::model::dns_record::DnsRecord;
use crate::model::inventory::{Stored, StoredObject};

/// Kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowKind {
    /// Zone.
    Zone,
    /// Monitor.
    Monitor,
    /// Pool.
    Pool,
    /// Load balancer.
    LoadBalancer,
}

static ALL: LazyLock<Mutex<HashMap<String, Stored>>> = LazyLock::new(Mutex::default);
static RECORDS: LazyLock<Mutex<HashMap<String, DnsRecord>>> = LazyLock::new(Mutex::default);

pub(super) fn build(stored: &Stored) -> Vec<u8> {
    let mut stored = stored.clone();
    if let StoredObject::Zone(_, records) = &mut stored.object {
        let id = records.id;
        *records = std::sync::Arc::new(crate::model::inventory::ZoneRecords { id, records: Default::default() });
    }
    let text = format!("{stored:?}");
    ALL.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone(), stored);
    text.into_bytes()
}

pub(super) fn parse(_: RowKind, text: &[u8]) -> Result<Stored, String> {
    let text = String::from_utf8_lossy(text).into_owned();
    ALL.lock().unwrap_or_else(PoisonError::into_inner).get(&text).cloned().ok_or_else(|| "unknown".to_owned())
}

pub(super) fn build_record(record: &DnsRecord) -> Vec<u8> {
    let text = format!("{record:?}");
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone(), record.clone());
    text.into_bytes()
}

pub(super) fn parse_record(text: &[u8]) -> Result<DnsRecord, String> {
    let text = String::from_utf8_lossy(text).into_owned();
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner).get(&text).cloned().ok_or_else(|| "unknown".to_owned())
}
