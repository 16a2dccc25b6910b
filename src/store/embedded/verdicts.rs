//! Verdicts that are kept over a restart. What they are worth depends on when the process that stood by them was last known
//! to run; that is one number for all of them, so that a verdict that stands is not written again and again.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::id::MonitorId;
use crate::model::limits::{VERDICT_LIFETIME_MAX, VERDICTS_KEPT_MAX};
use crate::model::stamp::UnixMicros;
use crate::model::target::{LeftVerdict, Standing, TargetKey};
use crate::model::verdict::FailReason;

/// By target: the number of the process that stood by it, since when it stands (0 is always), whether it is up, and in words
/// why it is not.
pub(super) const VERDICTS: TableDefinition<'static, &'static [u8], (u64, u64, bool, &'static str)> =
    TableDefinition::new("verdicts");
/// By the number of a process: when it was last known to run.
pub(super) const RUNS: TableDefinition<'static, u64, u64> = TableDefinition::new("runs");

/// What is to be kept of a target; none to forget it.
pub(super) type Change = (TargetKey, Option<Standing>);

/// Verdicts that are not on disk yet.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What changed, the last of each target.
    pub(super) by_target: HashMap<TargetKey, Option<Standing>>,
    /// When this process is known to run; none as long as nobody said so.
    pub(super) alive: Option<UnixMicros>,
}

impl Changes {
    /// Takes more in, as far as there is room.
    pub(super) fn add(&mut self, changes: impl Iterator<Item = Change>) {
        for (key, standing) in changes {
            if self.by_target.len() < VERDICTS_KEPT_MAX || self.by_target.contains_key(&key) {
                self.by_target.insert(key, standing);
            }
        }
    }

    /// Puts those before ours that could not be written.
    pub(super) fn put_back(&mut self, earlier: Self) {
        for (key, standing) in earlier.by_target {
            self.by_target.entry(key).or_insert(standing);
        }
        self.alive = self.alive.or(earlier.alive);
    }

    /// Writes them, as what the process of this number stands by.
    pub(super) fn write(&self, transaction: &WriteTransaction, run: u64) -> Result<(), redb::Error> {
        let Some(alive) = self.alive else { return Ok(()) };
        transaction.open_table(RUNS)?.insert(run, alive.0)?;
        if self.by_target.is_empty() {
            return Ok(());
        }
        let mut rows = transaction.open_table(VERDICTS)?;
        for (key, standing) in &self.by_target {
            let octets = row_key(key);
            match standing {
                Some(Standing { is_up, since, reason }) => {
                    let since = since.map_or(0, |since| since.0);
                    let reason = reason.map_or("", FailReason::words);
                    rows.insert(octets.as_slice(), (run, since, *is_up, reason))?;
                }
                None => drop(rows.remove(octets.as_slice())?),
            }
        }
        Ok(())
    }
}

/// Reads what earlier processes left behind, and forgets what is of no use to anybody. Gives the number of this process as well.
pub(super) fn load(transaction: &WriteTransaction, now: UnixMicros) -> Result<(u64, Vec<LeftVerdict>), redb::Error> {
    let mut runs = transaction.open_table(RUNS)?;
    let mut young = BTreeMap::new();
    let mut run = 1;
    for entry in runs.iter()? {
        let (number, alive) = entry?;
        run = number.value().saturating_add(1);
        let age = now.0.checked_sub(alive.value());
        // A time to come says that the clock was set: nobody knows how old that is.
        if age.is_some_and(|age| u128::from(age) < VERDICT_LIFETIME_MAX.as_micros()) {
            young.insert(number.value(), UnixMicros(alive.value()));
        }
    }
    runs.retain(|number, _| young.contains_key(&number))?;
    let mut left = Vec::new();
    transaction.open_table(VERDICTS)?.retain(|key, (run, since, is_up, reason)| {
        let found = young.get(&run).zip(target(key));
        let is_known = found.is_some();
        left.extend(found.map(|(alive, key)| {
            let since = (since > 0).then_some(UnixMicros(since));
            // The words of a version that knew another reason are none.
            let reason = FailReason::ALL.into_iter().find(|known| known.words() == reason);
            LeftVerdict { key, standing: Standing { is_up, since, reason }, alive: *alive }
        }));
        is_known
    })?;
    Ok((run, left))
}

/// A target as a key: the monitor's id, the length of the address and the address, then the host after a mark, if there is one.
fn row_key(key: &TargetKey) -> Vec<u8> {
    let TargetKey { address, monitor, host } = key;
    let mut octets = monitor.bits().to_be_bytes().to_vec();
    match address {
        IpAddr::V4(address) => octets.extend([4].into_iter().chain(address.octets())),
        IpAddr::V6(address) => octets.extend([16].into_iter().chain(address.octets())),
    }
    if let Some(host) = host {
        octets.push(b'@');
        octets.extend(host.as_bytes());
    }
    octets
}

/// The target that a key names.
fn target(octets: &[u8]) -> Option<TargetKey> {
    let (monitor, rest) = octets.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first()?;
    let (address, rest) = rest.split_at_checked(usize::from(*length))?;
    let address = match *length {
        4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
    };
    let host = match rest.split_first() {
        None => None,
        Some((b'@', host)) => Some(Arc::from(std::str::from_utf8(host).ok()?)),
        Some(_) => return None,
    };
    Some(TargetKey { address, monitor: MonitorId::random(u128::from_be_bytes(*monitor)), host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_target_and_no_other() {
        let mut all = Vec::new();
        for address in ["192.0.2.1", "2001:db8::1", "::", "0.0.0.0"] {
            for host in [None, Some(""), Some("@"), Some("www.example.com")] {
                for monitor in [0, 7, u128::MAX] {
                    let monitor = MonitorId::random(monitor);
                    all.push(TargetKey { address: address.parse().unwrap(), monitor, host: host.map(Arc::from) });
                }
            }
        }
        let mut keys: Vec<Vec<u8>> = all.iter().map(row_key).collect();
        for (key, octets) in all.iter().zip(&keys) {
            assert_eq!(target(octets).as_ref(), Some(key));
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all.len());
        for cut in [0, 15, 16, 17, 20] {
            assert_eq!(target(&row_key(&all[0])[..cut]), None, "{cut}");
        }
    }
}
