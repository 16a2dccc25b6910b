//! What is opened, what is refused, and what is set aside.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::backend::Medium;
use super::*;
use crate::model::id::PoolId;
use crate::store::embedded::disk::{META, Scrutiny};
use crate::store::embedded::rows::{POOLS, RECORDS};
use crate::store::sample::{address_record, create_zone, pool};

/// Writes something behind the store's back.
fn write(medium: &Medium, write: impl FnOnce(&WriteTransaction)) {
    let database = medium.opener()(Scrutiny::Whole).unwrap();
    let transaction = database.begin_write().unwrap();
    write(&transaction);
    transaction.commit().unwrap();
}

/// In format 0, pools were called groups.
fn rename(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let groups = rows::Rows("groups").definition();
    let old = transaction.open_table(groups)?;
    let mut new = transaction.open_table(POOLS.definition())?;
    for entry in old.iter()? {
        let (key, text) = entry?;
        new.insert(key.value(), text.value())?;
    }
    drop(old);
    transaction.delete_table(groups)?;
    Ok(())
}

/// Does something, and fails.
fn fail(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    rename(transaction)?;
    Err(redb::Error::Corrupted("on purpose".into()))
}

#[tokio::test]
async fn a_store_is_made_for_its_owner_alone_and_has_one_process() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = EmbeddedStore::open(&folder).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
    let second = EmbeddedStore::open(&folder).err().unwrap();
    assert!(matches!(second, OpenError::InUse(_)), "{second}");
    assert!(second.to_string().starts_with("another pooldns has the store "), "{second}");
    drop(store);
    EmbeddedStore::open(&folder).unwrap();
    let deep = EmbeddedStore::open(&parent.path().join("a/b")).err().unwrap();
    assert!(matches!(deep, OpenError::Folder { .. }), "{deep}");
}

#[tokio::test]
async fn a_newer_format_and_what_is_not_ours_are_refused() {
    let medium = Medium::default();
    medium.open().unwrap();
    let set = |format: u64| {
        write(&medium, |transaction| {
            transaction.open_table(META).unwrap().insert("format", format).unwrap();
        });
    };
    set(2);
    let newer = medium.open().err().unwrap();
    assert!(matches!(newer, OpenError::Newer { found: 2, known: 1, .. }), "{newer}");
    set(0);
    let older = medium.open().err().unwrap();
    assert!(matches!(older, OpenError::Older { found: 0, known: 1, .. }), "{older}");
    write(&medium, |transaction| {
        transaction.open_table(META).unwrap().remove("format").unwrap();
    });
    let damaged = medium.open().err().unwrap().to_string();
    assert!(damaged.contains("table meta: format is missing"), "{damaged}");

    let foreign = Medium::default();
    write(&foreign, |transaction| {
        transaction.open_table(TableDefinition::<u64, u64>::new("other")).unwrap().insert(1, 1).unwrap();
    });
    let foreign = foreign.open().err().unwrap();
    assert!(matches!(foreign, OpenError::Foreign(_)), "{foreign}");
}

#[tokio::test]
async fn older_formats_are_brought_to_ours_step_by_step() {
    const OLDER: Formats = Formats { oldest: 0, migrations: &[rename] };
    let medium = Medium::default();
    let store = medium.open().unwrap();
    let live = store.commit(Change::PutPool(pool(1, 1))).await.unwrap();
    let row = rows::row(&live, ObjectId::Pool(PoolId::random(1))).unwrap();
    drop(store);
    let in_format_0 = || {
        let medium = Medium::default();
        write(&medium, |transaction| {
            transaction.open_table(META).unwrap().insert("format", 0).unwrap();
            let mut groups = transaction.open_table(rows::Rows("groups").definition()).unwrap();
            groups.insert(rows::key(ObjectId::Pool(PoolId::random(1))).as_slice(), row.as_slice()).unwrap();
        });
        medium
    };
    let older = in_format_0();
    for _ in 0..2 {
        let store = EmbeddedStore::open_with(older.opener(), OLDER, "medium".as_ref()).unwrap();
        assert_eq!(rows_of(&store.load()), rows_of(&live));
    }
    // It is now one that knows nothing of format 0.
    older.open().unwrap();

    let failing = Formats { oldest: 0, migrations: &[fail] };
    let untouched = in_format_0();
    let failed = EmbeddedStore::open_with(untouched.opener(), failing, "medium".as_ref()).err().unwrap();
    assert!(failed.to_string().contains("on purpose"), "{failed}");
    let store = EmbeddedStore::open_with(untouched.opener(), OLDER, "medium".as_ref()).unwrap();
    assert_eq!(rows_of(&store.load()), rows_of(&live));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_listed_and_stays_as_it_is() {
    let medium = Medium::default();
    let store = medium.open().unwrap();
    for change in [create_zone(1), Change::PutRecord(address_record(1, 1, 1)), Change::PutPool(pool(2, 1))] {
        store.commit(change).await.unwrap();
    }
    let live = store.load();
    drop(store);
    let own = rows::key(ObjectId::Pool(PoolId::random(2)));
    let lost = rows::key(ObjectId::Pool(PoolId::random(3)));
    let stray = [[9; 16], [1; 16]].concat();
    let record = rows::row(&live, ObjectId::Record(ZoneId::random(1), address_record(1, 1, 1).id)).unwrap();
    write(&medium, |transaction| {
        let mut pools = transaction.open_table(POOLS.definition()).unwrap();
        let row = pools.get(own.as_slice()).unwrap().unwrap().value().to_vec();
        pools.insert(&b"short"[..], &b"{"[..]).unwrap();
        pools.insert(lost.as_slice(), row.as_slice()).unwrap();
        transaction.open_table(RECORDS.definition()).unwrap().insert(stray.as_slice(), record.as_slice()).unwrap();
    });
    for _ in 0..2 {
        let store = medium.open().unwrap();
        assert_eq!(rows_of(&store.load()), rows_of(&live));
        let unreadable = store.unreadable();
        let listed: Vec<_> = unreadable.iter().map(|row| (row.table, row.key.as_str())).collect();
        let hex = |key: &[u8]| data_encoding::HEXLOWER.encode(key);
        let (stray, lost, short) = (hex(&stray), hex(&lost), hex(b"short"));
        assert_eq!(listed, [("records", stray.as_str()), ("pools", lost.as_str()), ("pools", short.as_str())]);
        store.commit(Change::PutPool(pool(2, 1))).await.unwrap();
        store.commit(Change::Delete(ObjectId::Pool(PoolId::random(2)))).await.unwrap();
        store.commit(Change::PutPool(pool(2, 1))).await.unwrap();
        let again = store.load();
        assert_eq!(again.pools.len(), 1);
        drop(store);
        write(&medium, |transaction| {
            let pools = transaction.open_table(POOLS.definition()).unwrap();
            assert_eq!(pools.get(&b"short"[..]).unwrap().unwrap().value(), b"{");
            let row = rows::row(&live, ObjectId::Pool(PoolId::random(2))).unwrap();
            drop(pools);
            let mut pools = transaction.open_table(POOLS.definition()).unwrap();
            pools.insert(own.as_slice(), row.as_slice()).unwrap();
        });
    }
}

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = EmbeddedStore::open(folder.path()).unwrap();
    for number in 0..200 {
        runtime.block_on(store.commit(Change::PutPool(pool(number, 1)))).unwrap();
    }
    let live = rows_of(&store.load());
    drop(store);
    let file = folder.path().join(FILE);
    let good = fs::read(&file).unwrap();
    for round in 0..100_u64 {
        // Somewhere else each time, the first pages among it, where the headers are.
        let place = if round < 20 { round * 37 } else { round * 7_919 * 61 % good.len() as u64 };
        fs::write(&file, &good).unwrap();
        let octet = good[usize::try_from(place).unwrap()];
        fs::File::options().write(true).open(&file).unwrap().write_all_at(&[!octet; 8], place).unwrap();
        match EmbeddedStore::open(folder.path()) {
            Ok(store) => assert_eq!(rows_of(&store.load()), live, "octet {place}"),
            Err(error) => assert!(error.to_string().contains(FILE), "octet {place}: {error}"),
        }
    }
}
