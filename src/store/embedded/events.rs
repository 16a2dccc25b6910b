//! Events of pools that are kept, and what finds them again.

use std::net::IpAddr;
use std::time::Duration;

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

/// An event as it is kept. What came later is absent in the rows of earlier versions.
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
    /// What held before, in a word.
    from: Option<String>,
    /// What holds now, in a word.
    verdict: Option<String>,
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
    /// Its verdict before, in a word, if it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Why it is down, in words.
    reason: Option<String>,
    /// How many outcomes changed the verdict.
    #[serde(default, skip_serializing_if = "is_zero")]
    count: u32,
    /// How long the probe took that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<u64>,
}

/// Whether there is nothing to write.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
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
            origin.has_changed()
                && origin_name.as_ref().is_none_or(|name| origin.name == *name)
                && origin_healthy.is_none_or(|healthy| (origin.verdict == Verdict::Up) == healthy)
        };
        since.is_none_or(|since| event.at >= since)
            && until.is_none_or(|until| event.at <= until)
            && pool.is_none_or(|pool| event.pool == pool)
            && pool_name.as_ref().is_none_or(|name| event.name == *name)
            && pool_healthy.is_none_or(|healthy| event.is_healthy() == healthy)
            && (origin_name.is_none() && origin_healthy.is_none() || event.origins.iter().any(origin_fits))
    }
}

/// An event as an entry.
pub(super) fn entry(event: &PoolEvent) -> Entry {
    let PoolEvent { at, pool, name, from, verdict, minimum_origins, origins } = event;
    let origin = |origin: &OriginEvent| {
        let OriginEvent { name, address, ip, enabled, from, verdict, reason, count, latency } = origin;
        OriginRow {
            name: name.clone(),
            address: address.to_string(),
            ip: ip.filter(|_| address.ip().is_none()),
            enabled: *enabled,
            verdict: verdict.word().to_owned(),
            changed: origin.has_changed(),
            from: origin.has_changed().then(|| from.word().to_owned()),
            reason: reason.map(|reason| reason.words().to_owned()),
            count: *count,
            latency_us: latency.and_then(|latency| u64::try_from(latency.as_micros()).ok()),
        }
    };
    let row = EventRow {
        pool: pool.to_string(),
        name: name.clone(),
        healthy: event.is_healthy(),
        changed: event.health_changed(),
        from: Some(from.word().to_owned()),
        verdict: Some(verdict.word().to_owned()),
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

/// The number of the oldest event.
pub(super) fn oldest(transaction: &ReadTransaction) -> Result<Option<u64>, redb::Error> {
    Ok(transaction.open_table(EVENTS)?.first()?.map(|(number, _)| number.value()))
}

/// Reads an event.
fn read(at: UnixMicros, text: &[u8]) -> Option<PoolEvent> {
    let EventRow { pool, name, healthy, changed, from, verdict, minimum_origins, origins } =
        serde_json::from_slice(text).ok()?;
    let verdict = verdict.map_or(if healthy { Verdict::Up } else { Verdict::Down }, |word| read_verdict(&word));
    let from = match from {
        Some(word) => read_verdict(&word),
        None if !changed => verdict,
        // What is not healthy now and changed was healthy; what it was else, an earlier version did not keep.
        None if healthy => Verdict::Unknown,
        None => Verdict::Up,
    };
    let origins = origins.into_iter().map(read_origin).collect::<Option<_>>()?;
    Some(PoolEvent { at, pool: PoolId::parse(&pool)?, name, from, verdict, minimum_origins, origins })
}

/// Reads an origin of an event.
fn read_origin(row: OriginRow) -> Option<OriginEvent> {
    let OriginRow { name, address, ip, enabled, verdict, changed, from, reason, count, latency_us } = row;
    let address = match address.parse() {
        Ok(address) => Address::Ip(address),
        Err(_) => Address::Host(Name::parse(&address, None).ok()?),
    };
    let ip = address.ip().or(ip);
    let verdict = read_verdict(&verdict);
    let from = if changed { from.map_or(Verdict::Unknown, |word| read_verdict(&word)) } else { verdict };
    let reason = reason.map(|words| FailReason::ALL.into_iter().find(|known| known.words() == words));
    // The words of a version that knew another reason.
    let reason = reason.map(|reason| reason.unwrap_or(FailReason::Other));
    let latency = latency_us.map(Duration::from_micros);
    Some(OriginEvent { name, address, ip, enabled, from, verdict, reason, count, latency })
}

/// Reads the word of a verdict.
fn read_verdict(word: &str) -> Verdict {
    [Verdict::Up, Verdict::Down].into_iter().find(|known| known.word() == word).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_earlier_versions_are_read() {
        let row = r#"{"pool":"0123456789abcdef0123456789abcdef","name":"web","healthy":false,"changed":true,
            "minimum_origins":1,"origins":[
            {"name":"a","address":"192.0.2.1","enabled":true,"verdict":"down","changed":true,"reason":"TCP Timeout"},
            {"name":"b","address":"192.0.2.2","enabled":true,"verdict":"up","changed":false,"reason":null}]}"#;
        let event = read(UnixMicros(7), row.as_bytes()).unwrap();
        assert_eq!((event.from, event.verdict, event.health_changed()), (Verdict::Up, Verdict::Down, true));
        let told: Vec<_> = event.origins.iter().map(|it| (it.has_changed(), it.from, it.verdict, it.count)).collect();
        assert_eq!(told, [(true, Verdict::Unknown, Verdict::Down, 0), (false, Verdict::Up, Verdict::Up, 0)]);
        let healthy = row.replace(r#""healthy":false"#, r#""healthy":true"#);
        let event = read(UnixMicros(7), healthy.as_bytes()).unwrap();
        assert_eq!((event.from, event.verdict, event.health_changed()), (Verdict::Unknown, Verdict::Up, true));
        let same = row.replace(r#"false,"changed":true,"#, r#"false,"changed":false,"#);
        assert!(!read(UnixMicros(7), same.as_bytes()).unwrap().health_changed());
        let host = row.replace("192.0.2.2", r#"app.example.net","ip":"192.0.2.9"#);
        let event = read(UnixMicros(7), host.as_bytes()).unwrap();
        let places: Vec<_> = event.origins.iter().map(|it| (it.address.to_string(), it.ip)).collect();
        let expected = [("192.0.2.1", [192, 0, 2, 1]), ("app.example.net", [192, 0, 2, 9])];
        assert_eq!(places, expected.map(|(address, ip)| (address.to_owned(), Some(ip.into()))));
        assert_eq!(read(event.at, &entry(&event).text), Some(event));
    }
}
