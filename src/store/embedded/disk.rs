//! The database under the store: opened, opened again after an error, brought to our format, and copied.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableHandle,
    WriteTransaction,
};

use crate::model::limits::STORE_CACHE_OCTETS;

/// Numbers of the store itself, by name.
pub(super) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
/// The key of the format's version in [`META`].
const FORMAT: &str = "format";

/// A step from one format to the next.
pub(super) type Migration = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The formats that can be read.
#[derive(Clone, Copy)]
pub(super) struct Formats {
    /// The oldest.
    pub(super) oldest: u64,
    /// From it to the next one, and so on to the one that is written.
    pub(super) migrations: &'static [Migration],
}

/// The formats of this version. A new one is a step at the end.
pub(super) const FORMATS: Formats = Formats { oldest: 1, migrations: &[] };

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be made.
    #[error("cannot make the store's folder {folder}: {why}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Another process has it.
    #[error("another pooldns has the store {0} open: stop it first, or go through its control socket")]
    InUse(PathBuf),
    /// A later version wrote it.
    #[error("the store {file} has format {found}, this pooldns knows none above {known}: start a newer one")]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u64,
        /// The newest that we know.
        known: u64,
    },
    /// An earlier version wrote it that is too old.
    #[error(
        "the store {file} has format {found}, this pooldns knows none below {known}: open it with an older one first"
    )]
    Older {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u64,
        /// The oldest that we know.
        known: u64,
    },
    /// It is a database of something else.
    #[error("{0} is not a store of pooldns: name another folder as [store] path")]
    Foreign(PathBuf),
    /// It is damaged.
    #[error("the store {file} is damaged: {why}. Put a backup in its place; moved away, it is made anew and empty")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The system refuses something else.
    #[error("cannot open the store {file}: {why}")]
    Refused {
        /// The file.
        file: PathBuf,
        /// What the system says.
        why: String,
    },
}

/// How much a database is looked at before it is trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scrutiny {
    /// As a whole: somebody else may have had it.
    Whole,
    /// What a crash can have left behind.
    AfterCrash,
}

/// What opens the database.
pub(super) type Opener = Box<dyn Fn(Scrutiny) -> Result<Database, DatabaseError> + Send + Sync>;

/// The database, as long as there is one. After an error redb lets nothing through, so it is closed and opened again.
pub(super) struct Disk {
    /// It; none after an error.
    database: RwLock<Option<Database>>,
    /// What opens it again.
    opener: Opener,
}

impl Disk {
    /// Opens it.
    pub(super) fn open(opener: Opener) -> Result<Self, DatabaseError> {
        Ok(Self { database: RwLock::new(Some(opener(Scrutiny::Whole)?)), opener })
    }

    /// A snapshot to read from.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, redb::Error> {
        self.ensure_open()?;
        match &*self.database.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => Ok(database.begin_read()?),
            None => Err(redb::Error::DatabaseClosed),
        }
    }

    /// Has `write` write, and keeps it: when this returns, all of it is on disk, or an error says that it is not known
    /// to be.
    pub(super) fn write<T, E>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<T, E>,
        fault: impl Fn(redb::Error) -> E,
    ) -> Result<T, E> {
        self.ensure_open().map_err(&fault)?;
        let written = self.try_write(write, fault);
        if written.is_err() {
            self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        }
        written
    }

    /// Has `write` write in one transaction; an error takes all of it back.
    fn try_write<T, E>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<T, E>,
        fault: impl Fn(redb::Error) -> E,
    ) -> Result<T, E> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(redb::Error::DatabaseClosed).map_err(&fault)?;
        let transaction = database.begin_write().map_err(|error| fault(error.into()))?;
        let written = write(&transaction)?;
        transaction.commit().map_err(|error| fault(error.into()))?;
        Ok(written)
    }

    /// Opens the database again if an error closed it.
    fn ensure_open(&self) -> Result<(), redb::Error> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            *database = Some((self.opener)(Scrutiny::AfterCrash)?);
        }
        Ok(())
    }
}

/// Makes the store's folder and its file, readable for their owner alone, where they are missing.
pub(super) fn make(folder: &Path, file: &Path) -> Result<(), OpenError> {
    if !folder.is_dir() {
        let made = DirBuilder::new().mode(0o700).create(folder);
        made.map_err(|why| OpenError::Folder { folder: folder.to_owned(), why })?;
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match created {
        // A file is there after a crash only if its folder says so.
        Ok(_) => sync_folder(folder).map_err(|why| refused(file, &why)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(why) => Err(refused(file, &why)),
    }
}

/// What opens a database in a file.
pub(super) fn opener(file: &Path) -> Opener {
    let file = file.to_owned();
    Box::new(move |scrutiny| {
        Database::builder()
            .set_cache_size(STORE_CACHE_OCTETS)
            .set_check_integrity_on_open(scrutiny == Scrutiny::Whole)
            .create(&file)
    })
}

/// Brings a database to the newest of `formats`, and says what else is wrong with it.
pub(super) fn bring_up(transaction: &WriteTransaction, formats: Formats, file: &Path) -> Result<(), OpenError> {
    let fault = |error: redb::Error| fault(file, error);
    let tables: Vec<String> = match transaction.list_tables() {
        Ok(tables) => tables.map(|table| table.name().to_owned()).collect(),
        Err(error) => return Err(fault(error.into())),
    };
    if !tables.is_empty() && !tables.iter().any(|table| table == META.name()) {
        return Err(OpenError::Foreign(file.to_owned()));
    }
    let known = formats.oldest + formats.migrations.len() as u64;
    let mut meta = transaction.open_table(META).map_err(|error| fault(error.into()))?;
    let found = meta.get(FORMAT).map_err(|error| fault(error.into()))?.map(|format| format.value());
    let found = match found {
        Some(found) => found,
        None if tables.is_empty() => known,
        None => {
            let why = format!("table {}: {FORMAT} is missing", META.name());
            return Err(OpenError::Damaged { file: file.to_owned(), why });
        }
    };
    if found > known {
        return Err(OpenError::Newer { file: file.to_owned(), found, known });
    }
    let Some(done) = found.checked_sub(formats.oldest) else {
        return Err(OpenError::Older { file: file.to_owned(), found, known: formats.oldest });
    };
    meta.insert(FORMAT, known).map_err(|error| fault(error.into()))?;
    drop(meta);
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    formats.migrations.iter().skip(done).try_for_each(|migrate| migrate(transaction)).map_err(fault)
}

/// What an error says of a store.
pub(super) fn fault(file: &Path, error: redb::Error) -> OpenError {
    let file = file.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => OpenError::InUse(file),
        redb::Error::Corrupted(why) => OpenError::Damaged { file, why },
        // redb says so of a file that is none of its own.
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            OpenError::Damaged { file, why: error.to_string() }
        }
        error @ (redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }) => OpenError::Damaged { file, why: error.to_string() },
        error => OpenError::Refused { file, why: error.to_string() },
    }
}

/// The system refuses something about a file.
fn refused(file: &Path, why: &io::Error) -> OpenError {
    OpenError::Refused { file: file.to_owned(), why: why.to_string() }
}

/// Has a folder's entries on disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// An error as a reason, in words that say what to do where that is known.
pub(super) fn reason(error: &redb::Error) -> String {
    match error {
        redb::Error::Io(error) if error.kind() == io::ErrorKind::StorageFull => {
            "no space is left on its disk: free some".to_owned()
        }
        redb::Error::Io(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            "its disk is read-only: mount it writable".to_owned()
        }
        error => error.to_string(),
    }
}
