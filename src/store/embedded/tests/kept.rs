//! What stands beside the inventory: audit log, events, tokens, serials, and copies of it all.

use super::backend::Medium;
use super::*;
use crate::model::event::OriginEvent;
use crate::model::id::PoolId;
use crate::model::inventory::{Author, Expected, Generation};
use crate::model::stamp::UnixMicros;
use crate::model::token::Access;
use crate::model::verdict::{FailReason, Verdict};
use crate::store::embedded::disk::Scrutiny;
use crate::store::embedded::journal::AUDIT;
use crate::store::sample::{commit, create_zone, load_balancer, pool};

const ANYTHING: AuditQuery = AuditQuery {
    since: None,
    until: None,
    object: None,
    author: None,
    before: None,
    skip: 0,
    limit: 100,
    whole: false,
};

fn author(name: &str) -> Author {
    Author { name: name.into(), address: Some([192, 0, 2, 1].into()) }
}

fn by(name: &str, changes: Vec<Change>) -> Commit {
    Commit { author: Some(author(name)), ..commit(changes.into_iter().map(|change| (change, Expected::Anything))) }
}

fn token(number: u128, name: &str) -> Token {
    Token {
        id: TokenId::random(number),
        name: name.into(),
        digest: [7; 32],
        access: Access::Edit,
        pool: Some(PoolId::random(1)),
        created: UnixMicros(5),
        expires: Some(UnixMicros(9)),
    }
}

fn event(pool: u128, at: u64, origins: &[(&str, Verdict)]) -> PoolEvent {
    let origin = |(name, verdict): &(&str, Verdict)| OriginEvent {
        name: (*name).to_owned(),
        address: [192, 0, 2, 1].into(),
        ip: Some([192, 0, 2, 1].into()),
        enabled: true,
        from: Verdict::Unknown,
        verdict: *verdict,
        reason: (*verdict == Verdict::Down).then_some(FailReason::TcpTimeout),
        count: 2,
        latency: Some(Duration::from_micros(1_250)),
    };
    let is_up = origins.iter().any(|(_, verdict)| *verdict == Verdict::Up);
    PoolEvent {
        at: UnixMicros(at),
        pool: PoolId::random(pool),
        name: format!("p{pool}"),
        from: Verdict::Unknown,
        verdict: if is_up { Verdict::Up } else { Verdict::Down },
        minimum_origins: 1,
        origins: origins.iter().map(origin).collect(),
    }
}

/// Waits until an event is on disk.
async fn wait_for_event(store: &EmbeddedStore, number: u64) {
    store.last_event().wait_for(|last| *last >= number).await.unwrap();
}

#[tokio::test]
async fn the_audit_log_says_who_changed_what() {
    let store = EmbeddedStore::in_memory().unwrap();
    let put = |address| Change::PutPool(pool(1, address));
    store.commit(by("anna", vec![put(1), Change::PutPool(pool(2, 1)), create_zone(0)])).await.unwrap();
    store.commit(by("anna", vec![Change::PutLoadBalancer(load_balancer(9, 1, 2))])).await.unwrap();
    store.commit(by("bert", vec![put(2)])).await.unwrap();
    // The server itself is no author.
    store.commit(put(4)).await.unwrap();
    // What refers to a pool changes with it, and that is said as well.
    let last = store.commit(by("bert", vec![Change::Delete(ObjectId::Pool(PoolId::random(2)))])).await.unwrap();
    let refused = store.commit(by("bert", vec![Change::Delete(ObjectId::Pool(PoolId::random(1)))])).await;
    assert!(refused.is_err());
    let all = store.audit(ANYTHING).await.unwrap();
    let said: Vec<_> =
        all.iter().map(|entry| (entry.author.name.as_str(), entry.action, entry.name.as_str())).collect();
    let expected = [
        ("bert", Action::Update, "l9.example.com"),
        ("bert", Action::Delete, "p2"),
        ("bert", Action::Update, "p1"),
        ("anna", Action::Create, "l9.example.com"),
        ("anna", Action::Create, "p2"),
        ("anna", Action::Create, "p1"),
        ("anna", Action::Create, "example.com"),
    ];
    assert_eq!(said, expected);
    assert_eq!(all[1].generation, last.generation);
    assert!(all[1].before.is_some() && all[1].after.is_none());
    let (before, after) = (all[2].before.as_ref().unwrap(), all[2].after.as_ref().unwrap());
    assert!(before.contains("192.0.2.1") && after.contains("192.0.2.2"), "{before} {after}");
    let count = async |query| store.audit(query).await.unwrap().len();
    assert_eq!(count(AuditQuery { author: Some("anna".into()), ..ANYTHING }).await, 4);
    assert_eq!(count(AuditQuery { object: Some(PoolId::random(1).to_string()), ..ANYTHING }).await, 2);
    assert_eq!(count(AuditQuery { since: Some(all[0].at), until: Some(all[0].at), ..ANYTHING }).await, 2);
    assert_eq!(count(AuditQuery { until: Some(UnixMicros(1)), ..ANYTHING }).await, 0);
    let page = store.audit(AuditQuery { limit: 2, before: Some(all[1].number), ..ANYTHING }).await.unwrap();
    assert_eq!(page, all[2..4]);
    let page = store.audit(AuditQuery { skip: 1, limit: 2, author: Some("anna".into()), ..ANYTHING }).await.unwrap();
    assert_eq!(page, all[4..6]);
}

#[tokio::test]
async fn events_are_found_by_what_is_asked_and_numbers_outlive_restarts() {
    let medium = Medium::default();
    let store = medium.open().unwrap();
    let first = event(1, 10, &[("a", Verdict::Up), ("b", Verdict::Down)]);
    let second = event(2, 20, &[("a", Verdict::Down), ("b", Verdict::Unknown)]);
    let mut last = store.last_event();
    store.append_events(vec![first.clone(), second.clone()]);
    last.changed().await.unwrap();
    assert_eq!(*last.borrow(), 2);
    let last = EventQuery::last;
    let cases = [
        (last(9), vec![1, 2]),
        (last(1), vec![2]),
        (last(0), vec![]),
        (EventQuery { after: Some(0), ..last(1) }, vec![1]),
        (EventQuery { after: Some(2), ..last(9) }, vec![]),
        (EventQuery { since: Some(UnixMicros(11)), ..last(9) }, vec![2]),
        (EventQuery { until: Some(UnixMicros(10)), ..last(9) }, vec![1]),
        (EventQuery { pool: Some(PoolId::random(2)), ..last(9) }, vec![2]),
        (EventQuery { pool_name: Some("p1".into()), ..last(9) }, vec![1]),
        (EventQuery { pool_healthy: Some(false), ..last(9) }, vec![2]),
        (EventQuery { origin_healthy: Some(true), ..last(9) }, vec![1]),
        (EventQuery { origin_name: Some("b".into()), origin_healthy: Some(true), ..last(9) }, vec![]),
        (EventQuery { origin_name: Some("a".into()), origin_healthy: Some(false), ..last(9) }, vec![2]),
        (EventQuery { origin_name: Some("c".into()), ..last(9) }, vec![]),
    ];
    for (query, expected) in cases {
        let found = store.events(query.clone()).await.unwrap();
        assert_eq!(found.iter().map(|event| event.number).collect::<Vec<_>>(), expected, "{query:?}");
    }
    drop(store);
    let store = medium.open().unwrap();
    let kept: Vec<_> = store.events(last(9)).await.unwrap().into_iter().map(|kept| kept.event).collect();
    assert_eq!(kept, [first.clone(), second]);
    store.append_events(vec![first.clone()]);
    wait_for_event(&store, 3).await;
    assert_eq!(store.events(last(1)).await.unwrap(), [KeptEvent { number: 3, event: first }]);
    assert_eq!(store.lost_events(), 0);
}

#[tokio::test]
async fn events_go_along_with_a_commit_and_are_written_when_the_store_goes() {
    let medium = Medium::default();
    let store = medium.open().unwrap();
    store.append_events(vec![event(1, 10, &[])]);
    store.keep_serial(ZoneId::random(1), 4_000_000_000);
    store.commit(Change::PutPool(pool(1, 1))).await.unwrap();
    assert_eq!(*store.last_event().borrow(), 1);
    store.append_events(vec![event(2, 10, &[])]);
    store.keep_serial(ZoneId::random(2), 1);
    store.keep_serial(ZoneId::random(1), 5);
    drop(store);
    let store = medium.open().unwrap();
    assert_eq!(*store.last_event().borrow(), 2);
    assert_eq!(store.serials(), BTreeMap::from([(ZoneId::random(1), 5), (ZoneId::random(2), 1)]));
}

#[tokio::test]
async fn tokens_are_kept_and_have_names_of_their_own() {
    let medium = Medium::default();
    let store = medium.open().unwrap();
    store.put_token(token(1, "one"), author("anna")).await.unwrap();
    store.put_token(token(2, "two"), author("anna")).await.unwrap();
    assert_eq!(store.put_token(token(3, "two"), author("anna")).await, Err(TokenError::NameTaken("two".into())));
    let renamed = Token { access: Access::Read, pool: None, expires: None, ..token(2, "second") };
    store.put_token(renamed.clone(), author("anna")).await.unwrap();
    store.remove_token(TokenId::random(1), author("anna")).await.unwrap();
    assert_eq!(
        store.remove_token(TokenId::random(1), author("anna")).await,
        Err(TokenError::NotFound(TokenId::random(1)))
    );
    store.put_token(token(4, "one"), author("anna")).await.unwrap();
    let live = store.tokens();
    assert_eq!(*live, [renamed, token(4, "one")]);
    drop(store);
    assert_eq!(medium.open().unwrap().tokens(), live);
}

#[tokio::test]
async fn the_audit_log_says_who_made_and_revoked_a_token_and_nothing_that_opens() {
    let medium = Medium::default();
    let store = medium.open().unwrap();
    let first = store.commit(by("anna", vec![Change::PutPool(pool(1, 1))])).await.unwrap();
    store.put_token(token(5, "ci"), author("anna")).await.unwrap();
    assert!(store.put_token(token(6, "ci"), author("bert")).await.is_err());
    // Another digest is another token, though nobody sees a difference.
    store.put_token(Token { digest: [8; 32], ..token(5, "ci") }, author("bert")).await.unwrap();
    store.put_token(Token { digest: [8; 32], ..token(5, "ci") }, author("bert")).await.unwrap();
    store.remove_token(TokenId::random(5), author("bert")).await.unwrap();
    assert!(store.remove_token(TokenId::random(5), author("anna")).await.is_err());
    drop(store);

    let store = medium.open().unwrap();
    let id = TokenId::random(5).to_string();
    let found = store.audit(AuditQuery { object: Some(id), ..ANYTHING }).await.unwrap();
    let said: Vec<_> = found.iter().map(|entry| (entry.author.name.as_str(), entry.action)).collect();
    assert_eq!(said, [("bert", Action::Revoke), ("bert", Action::Update), ("anna", Action::Create)]);
    for entry in &found {
        assert_eq!((entry.subject, entry.name.as_str()), (Subject::Token(TokenId::random(5)), "ci"));
        assert_eq!((entry.author.address, entry.generation), (author("").address, first.generation));
    }
    let shown = r#"{"name":"ci","access":"edit","pool":"00000000000000000000000000000001","created":"1970-01-01T00:00:00.000005Z","expires":"1970-01-01T00:00:00.000009Z"}"#;
    let values: Vec<_> = found.iter().map(|entry| (entry.before.as_deref(), entry.after.as_deref())).collect();
    assert_eq!(values, [(Some(shown), None), (Some(shown), Some(shown)), (None, Some(shown))]);
    assert_eq!(store.audit(AuditQuery { author: Some("anna".into()), ..ANYTHING }).await.unwrap().len(), 2);
}

#[tokio::test]
async fn entries_of_earlier_versions_are_read_and_those_of_later_ones_left_out() {
    let medium = Medium::default();
    drop(medium.open().unwrap());
    let earlier = r#"{"author":"anna","address":"192.0.2.1","action":"create","kind":"pool","id":"00000000000000000000000000000001","zone":null,"name":"p1","before":null,"after":"{}","generation":3}"#;
    let later = earlier.replace("create", "merge");
    let stranger = earlier.replace("pool", "team");
    let database = medium.opener()(Scrutiny::Whole).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut rows = transaction.open_table(AUDIT).unwrap();
    for (number, text) in (1..).zip([earlier, &later, &stranger]) {
        rows.insert(number, (7, text.as_bytes())).unwrap();
    }
    drop(rows);
    transaction.commit().unwrap();
    drop(database);

    let store = medium.open().unwrap();
    store.put_token(token(1, "ci"), author("anna")).await.unwrap();
    let found = store.audit(ANYTHING).await.unwrap();
    assert_eq!(found.iter().map(|entry| entry.number).collect::<Vec<_>>(), [4, 1]);
    let expected = AuditEntry {
        number: 1,
        at: UnixMicros(7),
        author: author("anna"),
        action: Action::Create,
        subject: Subject::Object(ObjectId::Pool(PoolId::random(1))),
        name: "p1".into(),
        before: None,
        after: Some("{}".into()),
        shortened: false,
        generation: Generation(3),
    };
    assert_eq!(found[1], expected);
}

#[tokio::test]
async fn a_backup_is_a_store_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path()).unwrap();
    store.commit(by("anna", vec![create_zone(0), Change::PutPool(pool(1, 1))])).await.unwrap();
    let live = store.commit(Change::PutLoadBalancer(load_balancer(1, 1, 2))).await.unwrap();
    store.put_token(token(1, "one"), author("anna")).await.unwrap();
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let file = other.join(FILE);
    store.backup(file.clone()).await.unwrap();
    store.commit(Change::PutPool(pool(2, 1))).await.unwrap();
    assert!(matches!(store.backup(file).await, Err(BackupError::Exists(_))));
    let copy = EmbeddedStore::open(&other).unwrap();
    assert_eq!(rows_of(&copy.load()), rows_of(&live));
    assert_eq!(copy.tokens(), store.tokens());
    assert_eq!(copy.audit(ANYTHING).await.unwrap(), store.audit(ANYTHING).await.unwrap());
    let names: Vec<_> = std::fs::read_dir(&other).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [FILE]);
    let nowhere = store.backup(folder.path().join("nowhere/file")).await;
    assert!(matches!(nowhere, Err(BackupError::Write { .. })));
}
