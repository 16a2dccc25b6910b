//! What every store does, whatever it keeps: one case each, for all stores.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::model::id::PoolId;
use crate::model::inventory::{Change, Contradiction, Expected, Generation};
use crate::store::sample::{commit, declared, declared_pool, pool};
use crate::store::{CommitError, InventoryStore};

/// Tests a store that `make` makes.
macro_rules! battery {
    ($make:expr) => {
        $crate::store::battery::battery!($make;
            a_commit_is_seen_and_a_contradiction_changes_nothing
            a_commit_of_many_steps_is_made_as_a_whole_or_not_at_all
            each_commit_is_answered_with_the_inventory_right_after_it
            of_writers_who_expect_the_same_revision_exactly_one_wins
        );
    };
    ($make:expr; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::store::battery::$case($make).await;
        }
    )*};
}

pub(super) use battery;

pub(super) async fn a_commit_is_seen_and_a_contradiction_changes_nothing(store: impl InventoryStore) {
    let mut seen = store.subscribe();
    let first = store.commit(Change::Declare(declared(&[1]))).await.unwrap();
    assert!(seen.has_changed().unwrap());
    assert_eq!(seen.borrow_and_update().pools.len(), 1);
    assert!(!store.subscribe().has_changed().unwrap());
    let twice = store.commit(Change::Declare(declared(&[1, 1]))).await;
    assert!(matches!(twice, Err(CommitError::Contradiction(Contradiction::NotUnique { .. }))));
    assert_eq!(store.load().generation, first.generation);
    assert!(!seen.has_changed().unwrap());
}

pub(super) async fn a_commit_of_many_steps_is_made_as_a_whole_or_not_at_all(store: impl InventoryStore) {
    let put = |number| (Change::PutPool(pool(number, 1)), Expected::Absent);
    store.commit(commit([put(1), put(2)])).await.unwrap();
    let refused = store.commit(commit([put(3), put(1)])).await;
    assert!(matches!(refused, Err(CommitError::Contradiction(Contradiction::Exists(_)))));
    let inventory = store.load();
    let there = [1, 2, 3].map(|number| inventory.pools.find(PoolId::random(number)).is_some());
    assert_eq!((there, inventory.pools.len()), ([true, true, false], 2));
}

pub(super) async fn each_commit_is_answered_with_the_inventory_right_after_it(store: impl InventoryStore) {
    store.commit(Change::Declare(declared(&[]))).await.unwrap();
    let before = store.load().generation;
    let store = Arc::new(store);
    let mut writers = JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            // Every fifth declares something, which a store that keeps things treats in another way.
            if number % 5 == 0 {
                return store.commit(Change::Declare(declared(&[1000 + number]))).await.unwrap();
            }
            let after = store.commit(Change::PutPool(pool(number, 1))).await.unwrap();
            assert!(after.pools.find(PoolId::random(number)).is_some());
            after
        });
    }
    let mut generations: Vec<Generation> = writers.join_all().await.iter().map(|after| after.generation).collect();
    generations.sort_unstable();
    let expected: Vec<Generation> = (1..=50).map(|more| Generation(before.0 + more)).collect();
    assert_eq!(generations, expected);
    // Forty of the API, and what was declared last.
    assert_eq!(store.load().pools.len(), 41);
    assert_eq!(store.load().generation, *expected.last().unwrap());
}

pub(super) async fn of_writers_who_expect_the_same_revision_exactly_one_wins(store: impl InventoryStore) {
    let made = store.commit(commit([(Change::PutPool(pool(1, 1)), Expected::Absent)])).await.unwrap();
    let revision = made.stamps.pools.find(PoolId::random(1)).unwrap().revision;
    let store = Arc::new(store);
    let mut writers = JoinSet::new();
    for address in 10..30 {
        let store = Arc::clone(&store);
        let step = (Change::PutPool(pool(1, address)), Expected::At(revision));
        writers.spawn(async move { store.commit(commit([step])).await.map(|_| address) });
    }
    let (won, lost): (Vec<_>, Vec<_>) = writers.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 19));
    let stale = |error: &CommitError| matches!(error, CommitError::Contradiction(Contradiction::Stale { .. }));
    assert!(lost.iter().all(|lost| lost.as_ref().is_err_and(stale)));
    let winner = pool(1, *won[0].as_ref().unwrap());
    assert_eq!(**store.load().pools.find(winner.id).unwrap(), winner);
    assert!(store.load().pools.find(declared_pool(1).id).is_none());
}
