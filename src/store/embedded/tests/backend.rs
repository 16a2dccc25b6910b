//! A file in memory that outlives its database and can be told to fail.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};

use crate::store::embedded::disk::{FORMATS, Opener};
use crate::store::embedded::{EmbeddedStore, OpenError};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Trouble {
    /// Nothing.
    None,
    /// Nothing can be written.
    Full,
    /// What is written is there, and the disk says that it is not.
    Sync,
}

/// The file.
#[derive(Clone, Debug, Default)]
pub(super) struct Medium {
    /// Its contents.
    contents: Arc<Mutex<Vec<u8>>>,
    /// What goes wrong with it, as a number.
    trouble: Arc<AtomicU8>,
}

impl Medium {
    /// A store in it.
    pub(super) fn open(&self) -> Result<EmbeddedStore, OpenError> {
        EmbeddedStore::open_with(self.opener(), FORMATS, "medium".as_ref())
    }

    /// The file as it is at this moment: what a process that is killed now leaves behind.
    pub(super) fn copy(&self) -> Self {
        let contents = self.contents.lock().unwrap().clone();
        Self { contents: Arc::new(Mutex::new(contents)), trouble: Arc::default() }
    }

    /// What opens a database in it.
    pub(super) fn opener(&self) -> Opener {
        let medium = self.clone();
        Box::new(move |_| Database::builder().create_with_backend(medium.clone()))
    }

    /// Has something go wrong from now on.
    pub(super) fn set(&self, trouble: Trouble) {
        self.trouble.store(trouble as u8, Ordering::SeqCst);
    }

    /// An error, if this is what goes wrong.
    fn fail(&self, trouble: Trouble, kind: io::ErrorKind) -> io::Result<()> {
        if self.trouble.load(Ordering::SeqCst) == trouble as u8 { Err(kind.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        Ok(self.contents.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let contents = self.contents.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let from = contents.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(from);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fail(Trouble::Full, io::ErrorKind::StorageFull)?;
        self.contents.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fail(Trouble::Full, io::ErrorKind::StorageFull)?;
        self.fail(Trouble::Sync, io::ErrorKind::StorageFull)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.fail(Trouble::Full, io::ErrorKind::StorageFull)?;
        let mut contents = self.contents.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        contents.get_mut(start..start + data.len()).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        Ok(())
    }
}
