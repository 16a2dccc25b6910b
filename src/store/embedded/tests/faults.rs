//! Disks that are full or lie.

use super::backend::{Medium, Trouble};
use super::*;
use crate::model::id::PoolId;
use crate::model::inventory::Author;
use crate::model::token::Access;
use crate::model::verdict::Verdict;
use crate::store::sample::{declared, pool};

fn somebody() -> Author {
    Author { name: "somebody".into(), address: None }
}

fn put(number: u128) -> Commit {
    Commit { author: Some(somebody()), ..Commit::from(Change::PutPool(pool(number, 1))) }
}

fn event(number: u128) -> PoolEvent {
    PoolEvent {
        at: UnixMicros(5),
        pool: PoolId::random(number),
        name: format!("p{number}"),
        from: Verdict::Down,
        verdict: Verdict::Up,
        minimum_origins: 1,
        origins: vec![],
    }
}

/// The names of what the audit log says was changed, oldest first.
async fn audited(store: &EmbeddedStore) -> Vec<String> {
    let query = AuditQuery {
        since: None,
        until: None,
        object: None,
        author: None,
        before: None,
        skip: 0,
        limit: 100,
        whole: false,
    };
    store.audit(query).await.unwrap().into_iter().rev().map(|entry| entry.name).collect()
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_is_refused_and_dns_goes_on() {
    for trouble in [Trouble::Full, Trouble::Sync] {
        let medium = Medium::default();
        let store = medium.open().unwrap();
        store.commit(put(1)).await.unwrap();
        let mut seen = store.subscribe();
        medium.set(trouble);
        for _ in 0..3 {
            let Err(CommitError::Unavailable(why)) = store.commit(put(2)).await else { panic!("{trouble:?}") };
            assert!(why.contains("no space") || why.contains("I/O"), "{why}");
        }
        assert!(!seen.has_changed().unwrap());
        store.append_events(vec![event(2)]);
        // Declared objects come and go meanwhile.
        let after = store.commit(Change::Declare(declared(&[7]))).await.unwrap();
        assert!(seen.borrow_and_update().pools.len() == 2 && after.pools.len() == 2);
        medium.set(Trouble::None);
        store.commit(put(3)).await.unwrap();
        assert_eq!(audited(&store).await, ["p1", "p3"]);
        let events = store.events(EventQuery::last(9)).await.unwrap();
        assert_eq!(events, [KeptEvent { number: 1, event: event(2) }]);
        let live = store.load();
        drop(store);
        let again = medium.open().unwrap();
        assert_eq!(rows_of(&again.load()), rows_of(&live), "{trouble:?}");
        assert_eq!(again.load().generation, live.generation);
        assert_eq!(audited(&again).await, ["p1", "p3"]);
        again.commit(put(4)).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_and_what_the_log_says_of_it_are_there_together_or_not_at_all() {
    let token = |number: u128| Token {
        id: TokenId::random(number),
        name: format!("t{number}"),
        digest: [7; 32],
        access: Access::Read,
        pool: None,
        created: UnixMicros(5),
        expires: None,
    };
    for trouble in [Trouble::Full, Trouble::Sync] {
        let medium = Medium::default();
        let store = medium.open().unwrap();
        store.put_token(token(1), somebody()).await.unwrap();
        medium.set(trouble);
        for refused in
            [store.put_token(token(2), somebody()).await, store.remove_token(TokenId::random(1), somebody()).await]
        {
            assert!(matches!(refused, Err(TokenError::Unavailable(_))), "{trouble:?}: {refused:?}");
        }
        medium.set(Trouble::None);
        store.put_token(token(3), somebody()).await.unwrap();
        drop(store);
        let again = medium.open().unwrap();
        assert_eq!(*again.tokens(), [token(1), token(3)], "{trouble:?}");
        assert_eq!(audited(&again).await, ["t1", "t3"], "{trouble:?}");
    }
}

#[tokio::test]
async fn without_a_folder_the_api_is_refused_and_dns_goes_on() {
    let store = EmbeddedStore::unavailable("there is no folder".into());
    store.commit(Change::Declare(declared(&[7]))).await.unwrap();
    let refused = store.commit(put(1)).await;
    assert_eq!(refused.unwrap_err(), CommitError::Unavailable("there is no folder".into()));
    assert_eq!((store.load().pools.len(), store.load().generation.0), (1, 2));
    store.append_events(vec![event(1)]);
    store.keep_serial(ZoneId::random(1), 7);
    assert_eq!(store.serials(), BTreeMap::from([(ZoneId::random(1), 7)]));
    assert!(store.events(EventQuery::last(1)).await.unwrap_err().to_string().contains("there is no folder"));
}
