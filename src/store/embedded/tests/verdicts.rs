//! Verdicts of processes that have ended.

use std::time::Duration;

use redb::ReadableTableMetadata;

use super::backend::{Medium, Trouble};
use super::*;
use crate::model::id::MonitorId;
use crate::model::limits::{STORE_LAZY_INTERVAL, STORE_PROMPT_INTERVAL, VERDICT_LIFETIME_MAX};
use crate::model::verdict::FailReason;
use crate::store::embedded::verdicts::VERDICTS;
use crate::store::now;
use crate::store::sample::pool;

const UP: Standing = Standing { is_up: true, since: Some(UnixMicros(7)), reason: None };
const DOWN: Standing = Standing { is_up: false, since: None, reason: Some(FailReason::HttpTimeout) };

/// A target.
fn key(number: u8, host: Option<&str>) -> TargetKey {
    let address = [192, 0, 2, number].into();
    TargetKey { address, monitor: MonitorId::declared("m"), host: host.map(Arc::from) }
}

/// So long before this moment.
fn ago(time: Duration) -> UnixMicros {
    UnixMicros(now().0 - u64::try_from(time.as_micros()).unwrap())
}

/// What a store that is opened now was left: targets with their verdicts and how long ago somebody stood by them, in order.
fn left(medium: &Medium) -> Vec<(TargetKey, Standing, UnixMicros)> {
    let mut left = medium.open().unwrap().take_left_verdicts();
    left.sort_by_key(|left| left.key.address);
    left.into_iter().map(|LeftVerdict { key, standing, alive }| (key, standing, alive)).collect()
}

#[test]
fn each_process_stands_by_what_it_has_said_itself() {
    let (medium, [a, b, c]) = (Medium::default(), [key(1, None), key(2, Some("www.example.com")), key(3, None)]);
    let (first, second) = (ago(Duration::from_secs(30)), ago(Duration::from_secs(20)));
    let store = medium.open().unwrap();
    assert_eq!(store.take_left_verdicts(), []);
    store.keep_verdicts(vec![(a.clone(), Some(UP)), (b.clone(), Some(UP)), (c.clone(), Some(UP))], UnixMicros(1));
    store.keep_verdicts(vec![(b.clone(), Some(DOWN)), (c, None)], UnixMicros(2));
    store.keep_verdicts(vec![], first);
    drop(store);

    let store = medium.open().unwrap();
    assert_eq!(store.take_left_verdicts().len(), 2);
    assert_eq!(store.take_left_verdicts(), [], "they are taken");
    drop(store);
    assert_eq!(left(&medium), [(a.clone(), UP, first), (b.clone(), DOWN, first)]);

    // Another one runs, and has looked at one of them only.
    let store = medium.open().unwrap();
    store.keep_verdicts(vec![(a.clone(), Some(DOWN))], second);
    drop(store);
    assert_eq!(left(&medium), [(a, DOWN, second), (b, DOWN, first)]);
}

#[test]
fn what_is_too_old_or_of_a_time_to_come_goes() {
    let second = Duration::from_secs(1);
    for (alive, stays) in [
        (ago(VERDICT_LIFETIME_MAX / 2), true),
        (ago(VERDICT_LIFETIME_MAX + second), false),
        (UnixMicros(now().0 + 3_600_000_000), false),
        (UnixMicros(0), false),
    ] {
        let medium = Medium::default();
        let store = medium.open().unwrap();
        store.keep_verdicts(vec![(key(1, None), Some(UP))], alive);
        drop(store);
        assert_eq!(left(&medium).len(), usize::from(stays), "{alive:?}");
        let store = medium.open().unwrap();
        let rows = snapshot(&store.disk).unwrap().open_table(VERDICTS).unwrap().len().unwrap();
        assert_eq!(rows, u64::from(stays), "{alive:?}");
        // A number that is free again is nobody's who could be mistaken for this one.
        store.keep_verdicts(vec![], now());
        drop(store);
        assert_eq!(left(&medium).len(), usize::from(stays), "{alive:?}");
    }
}

#[test]
fn a_change_waits_less_than_what_stands() {
    let waiting = Waiting::new(BTreeMap::new(), vec![]);
    let change = || vec![(key(1, None), Some(UP))];
    assert_eq!(waiting.put_verdicts(vec![], now()), Some(STORE_LAZY_INTERVAL));
    assert_eq!(waiting.put_verdicts(vec![], now()), None, "the writer knows");
    assert_eq!(waiting.put_verdicts(change(), now()), Some(STORE_PROMPT_INTERVAL), "it knows of later only");
    assert_eq!(waiting.put_verdicts(change(), now()), None);
    assert_eq!(waiting.put_serial(ZoneId::random(1), 7), None);
    waiting.take();
    assert_eq!(waiting.put_serial(ZoneId::random(1), 8), Some(STORE_LAZY_INTERVAL));
}

#[test]
fn a_process_that_is_killed_leaves_what_was_on_disk() {
    let medium = Medium::default();
    let store = medium.open().unwrap();
    for number in 0..40 {
        let standing = if number % 2 == 0 { UP } else { DOWN };
        store.keep_verdicts(vec![(key(1, None), Some(standing)), (key(2, None), Some(UP))], now());
        // As the file is at some moment; in the end it has the last word.
        let found = left(&medium.copy());
        assert!(matches!(found.len(), 0 | 2), "both or none: {found:?}");
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while left(&medium.copy()).first().map(|(_, standing, _)| *standing) != Some(DOWN) {
        assert!(tokio::time::Instant::now() < deadline, "it is not on disk");
    }
}

#[tokio::test]
async fn what_a_full_disk_did_not_take_is_written_later_unless_it_changed_meanwhile() {
    let medium = Medium::default();
    let store = medium.open().unwrap();
    let put = |number| Change::PutPool(pool(number, 1));
    medium.set(Trouble::Full);
    store.keep_verdicts(vec![(key(1, None), Some(UP)), (key(2, None), Some(UP))], now());
    assert!(store.commit(put(1)).await.is_err());
    store.keep_verdicts(vec![(key(2, None), Some(DOWN))], now());
    medium.set(Trouble::None);
    store.commit(put(2)).await.unwrap();
    let found = left(&medium.copy());
    assert_eq!(found.iter().map(|(_, standing, _)| *standing).collect::<Vec<_>>(), [UP, DOWN]);
}

#[test]
fn without_a_folder_there_are_no_verdicts() {
    let store = EmbeddedStore::unavailable("there is no folder".into());
    store.keep_verdicts(vec![(key(1, None), Some(UP))], now());
    assert_eq!(store.take_left_verdicts(), []);
}
