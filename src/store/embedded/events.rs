//! Events of pools that are kept, and what finds them again.

use std::net::IpAddr;

use redb::{ReadTransaction, ReadableTable};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::model::event::{OriginEvent, PoolEvent};
use crate::model::id::PoolId;
use crate::model::name::Name;
use crate::model::pool::Address;
use crate::model::stamp::UnixMicros;
use crate::model::verdict::{FailReason, Verdict};
use crate::store::embedded::journal::{EVENTS, Entry};

/// An event with its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptEvent {
    /// Its number; later events have higher ones, over restarts too.
    pub number: u64,
    /// It.
    pub event: PoolEvent,
}

/// Which events somebody wants to see. All that is given has to hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventQuery {
    /// From then on.
    pub since: Option<UnixMicros>,
    /// Until then, and then too.
    pub until: Option<UnixMicros>,
    /// Of this pool.
    pub pool: Option<PoolId>,
    /// Of a pool that had this name.
    pub pool_name: Option<String>,
    /// Whether the pool is healthy.
    pub pool_healthy: Option<bool>,
    /// With an origin of this name that changed.
    pub origin_name: Option<String>,
    /// With an origin that came to be healthy, or not; if a name is asked for as well, the one with that name.
    pub origin_healthy: Option<bool>,
    /// With higher numbers than this: for those who follow.
    pub after: Option<u64>,
    /// Without `after`: so many of the last are left out.
    pub skip: usize,
    /// At most so many: the first after `after`, or, without it, the last of all.
    pub limit: usize,
}

/// An event as it is kept.
#[derive(Serialize, Deserialize)]
struct EventRow {
    /// The pool's id.
    pool: String,
    /// Its name.
    name: String,
    /// Whether it is healthy.
    healthy: bool,
    /// Whether that changed.
    changed: bool,
    /// How many healthy origins it needs.
    minimum_origins: u32,
    /// Its origins.
    origins: Vec<OriginRow>,
}

/// An origin as it is kept.
#[derive(Serialize, Deserialize)]
struct OriginRow {
    /// Its name.
    name: String,
    /// Where it is, as it is written.
    address: String,
    /// The address that changed; absent where it is the one that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    /// Whether it is enabled.
    enabled: bool,
    /// Its verdict, in a word.
    verdict: String,
    /// Whether that changed.
    changed: bool,
    /// Why it is down, in words.
    reason: Option<String>,
}

impl EventQuery {
    /// All events, the last `limit` of them.
    pub const fn last(limit: usize) -> Self {
        Self {
            since: None,
            until: None,
            pool: None,
            pool_name: None,
            pool_healthy: None,
            origin_name: None,
            origin_healthy: None,
            after: None,
            skip: 0,
            limit,
        }
    }

    /// Whether an event is wanted.
    fn wants(&self, event: &PoolEvent) -> bool {
        let Self {
            since,
            until,
            pool,
            pool_name,
            pool_healthy,
            origin_name,
            origin_healthy,
            after: _,
            skip: _,
            limit: _,
        } = self;
        let origin_fits = |origin: &OriginEvent| {
            origin.changed
                && origin_name.as_ref().is_none_or(|name| origin.name == *name)
                && origin_healthy.is_none_or(|healthy| (origin.verdict == Verdict::Up) == healthy)
        };
        since.is_none_or(|since| event.at >= since)
            && until.is_none_or(|until| event.at <= until)
            && pool.is_none_or(|pool| event.pool == pool)
            && pool_name.as_ref().is_none_or(|name| event.name == *name)
            && pool_healthy.is_none_or(|healthy| event.healthy == healthy)
            && (origin_name.is_none() && origin_healthy.is_none() || event.origins.iter().any(origin_fits))
    }
}

/// An event as an entry.
pub(super) fn entry(event: &PoolEvent) -> Entry {
    let PoolEvent { at, pool, name, healthy, changed, minimum_origins, origins } = event;
    let origin = |origin: &OriginEvent| {
        let OriginEvent { name, address, ip, enabled, verdict, changed, reason } = origin;
        OriginRow {
            name: name.clone(),
            address: address.to_string(),
            ip: ip.filter(|_| address.ip().is_none()),
            enabled: *enabled,
            verdict: verdict.word().to_owned(),
            changed: *changed,
            reason: reason.map(|reason| reason.words().to_owned()),
        }
    };
    let row = EventRow {
        pool: pool.to_string(),
        name: name.clone(),
        healthy: *healthy,
        changed: *changed,
        minimum_origins: *minimum_origins,
        origins: origins.iter().map(origin).collect(),
    };
    Entry { at: *at, text: serde_json::to_vec(&row).unwrap_or_default(), writer: String::new() }
}

/// The events that somebody wants to see, newest last, unless they are `gone`. One that cannot be read is left out.
pub(super) fn find(
    transaction: &ReadTransaction,
    query: &EventQuery,
    gone: &CancellationToken,
) -> Result<Vec<KeptEvent>, redb::Error> {
    let rows = transaction.open_table(EVENTS)?;
    let wanted = |entry: Result<_, redb::StorageError>| -> Option<Result<KeptEvent, redb::Error>> {
        let (number, value): (redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, (u64, &[u8])>) = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error.into())),
        };
        let (at, text) = value.value();
        let event = read(UnixMicros(at), text).filter(|event| query.wants(event))?;
        Some(Ok(KeptEvent { number: number.value(), event }))
    };
    if let Some(after) = query.after {
        let rows = rows.range(after.saturating_add(1)..)?.take_while(|_| !gone.is_cancelled());
        return rows.filter_map(wanted).take(query.limit).collect();
    }
    let rows = rows.iter()?.rev().take_while(|_| !gone.is_cancelled());
    let mut found: Vec<KeptEvent> =
        rows.filter_map(wanted).skip(query.skip).take(query.limit).collect::<Result<_, redb::Error>>()?;
    found.reverse();
    Ok(found)
}

/// Reads an event.
fn read(at: UnixMicros, text: &[u8]) -> Option<PoolEvent> {
    let EventRow { pool, name, healthy, changed, minimum_origins, origins } = serde_json::from_slice(text).ok()?;
    let origin = |row: OriginRow| {
        let OriginRow { name, address, ip, enabled, verdict, changed, reason } = row;
        let address = match address.parse() {
            Ok(address) => Address::Ip(address),
            Err(_) => Address::Host(Name::parse(&address, None).ok()?),
        };
        let known = [Verdict::Up, Verdict::Down].into_iter().find(|known| known.word() == verdict);
        let reason = reason.map(|words| FailReason::ALL.into_iter().find(|known| known.words() == words));
        Some(OriginEvent {
            name,
            ip: address.ip().or(ip),
            address,
            enabled,
            verdict: known.unwrap_or_default(),
            changed,
            // The words of a version that knew another reason.
            reason: reason.map(|reason| reason.unwrap_or(FailReason::Other)),
        })
    };
    let origins = origins.into_iter().map(origin).collect::<Option<_>>()?;
    Some(PoolEvent { at, pool: PoolId::parse(&pool)?, name, healthy, changed, minimum_origins, origins })
}
