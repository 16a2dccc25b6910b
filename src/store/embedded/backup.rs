//! A copy of the store while it runs.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use redb::{Database, Key, ReadTransaction, ReadableTable, TableDefinition, TableError, Value, WriteTransaction};

use crate::store::embedded::disk::{META, Scrutiny, opener, sync_folder};
use crate::store::embedded::journal::{AUDIT, EVENTS};
use crate::store::embedded::rows::{LOAD_BALANCERS, MONITORS, POOLS, RECORDS, TOKENS, ZONES};
use crate::store::embedded::waiting::SERIALS;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Its place is taken.
    #[error("{0} exists already: a backup overwrites nothing")]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("cannot write the backup {file}: {why}")]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The store itself cannot be read.
    #[error("the store cannot be read: {0}")]
    Read(String),
}

/// Writes what a snapshot has to a new file: all of it, or the file is not there.
pub(super) fn copy(snapshot: &ReadTransaction, file: &Path) -> Result<(), BackupError> {
    let write = |why: String| BackupError::Write { file: file.to_owned(), why };
    // The name is taken before anything is written, and gets its contents as a whole.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(BackupError::Exists(file.to_owned())),
        Err(error) => return Err(write(error.to_string())),
    }
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let done = write_all(snapshot, &partial).map_err(|error| error.to_string()).and_then(|()| {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        fs::rename(&partial, file).and_then(|()| sync_folder(folder)).map_err(|error| error.to_string())
    });
    done.map_err(|why| {
        // What is left of it is nothing that anybody wants; that it cannot be removed changes nothing.
        drop(fs::remove_file(&partial));
        drop(fs::remove_file(file));
        write(why)
    })
}

/// Writes every table to a database of its own.
fn write_all(snapshot: &ReadTransaction, partial: &Path) -> Result<(), redb::Error> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial)?;
    let database: Database = opener(partial)(Scrutiny::AfterCrash)?;
    let transaction = database.begin_write()?;
    copy_table(snapshot, &transaction, META)?;
    for rows in [ZONES, RECORDS, MONITORS, POOLS, LOAD_BALANCERS, TOKENS] {
        copy_table(snapshot, &transaction, rows.definition())?;
    }
    copy_table(snapshot, &transaction, AUDIT)?;
    copy_table(snapshot, &transaction, EVENTS)?;
    copy_table(snapshot, &transaction, SERIALS)?;
    transaction.commit()?;
    Ok(database.close()?)
}

/// Writes a table.
fn copy_table<K: Key + 'static, V: Value + 'static>(
    snapshot: &ReadTransaction,
    transaction: &WriteTransaction,
    table: TableDefinition<'static, K, V>,
) -> Result<(), redb::Error> {
    let from = match snapshot.open_table(table) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        from => from?,
    };
    let mut to = transaction.open_table(table)?;
    for entry in from.iter()? {
        let (key, value) = entry?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}
