//! Copies of transferred zones on disk, so that a restart without a primary serves what was served before.
//!
//! A file has a head, which says when a primary last confirmed the zone, and a body with the zone and a digest. The head
//! is written in place, the file as a whole beside its place and then renamed: what is read is old or new, never half. A
//! file that is not as it was written is no copy; the zone is transferred anew. A copy goes when its zone is no longer
//! transferred.

mod name;
mod sweep;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::model::id::ZoneId;
use crate::model::limits::{COPIES_MAX, COPY_OCTETS_MAX};
use crate::model::name::Name;
use crate::model::rrset::{Record, RecordRef, Rtype};
use crate::model::zone::Zone;
use crate::model::zone::builder::ZoneBuilder;
pub(super) use crate::transfer::secondary::copy::sweep::sweep;
use crate::transfer::secondary::timers::Moment;

/// What a file begins with; the last octet is the form's version.
const MAGIC: [u8; 8] = *b"pooldns\x01";
/// Octets of the head: magic, seconds since 1970, and the start of their digest.
const HEAD_OCTETS: usize = 24;
/// Octets of the digest at the end.
const DIGEST_OCTETS: usize = 32;

/// Why a copy cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The folder cannot be made or written.
    #[error(
        "cannot keep copies of zones in {}: {cause}; make the folder writable for the server's user, or set [store] \
         path to another one", path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file that is not as it was written.
    #[error("{}: the copy is damaged ({why}); it is ignored", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
}

/// The folder of all copies.
#[derive(Debug)]
pub struct Copies {
    /// The folder.
    folder: PathBuf,
    /// Bounds how many are read and written at one time.
    permits: Arc<Semaphore>,
}

impl Copies {
    /// Copies in the folder `zones` of a store, which is made if it does not exist.
    pub fn open(store: &Path) -> Result<Self, CopyError> {
        let folder = folder_of(store);
        let failed = |cause| CopyError::Folder { path: folder.clone(), cause };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // Better to hear of it at the start than with the first transfer.
        let probe = folder.join(".writable");
        File::create(&probe).and_then(|_| std::fs::remove_file(&probe)).map_err(failed)?;
        Ok(Self { folder, permits: Arc::new(Semaphore::new(COPIES_MAX)) })
    }

    /// Reads the copy of a zone; none if there is none.
    pub async fn read(&self, id: ZoneId, apex: &Name) -> Result<Option<(Zone, Moment)>, CopyError> {
        let (path, apex) = (self.path(apex), apex.clone());
        self.on_disk(move || read(&path, id, apex)).await
    }

    /// Keeps a zone that a primary has confirmed at a moment.
    pub async fn write(&self, zone: Arc<Zone>, confirmed: Moment) -> Result<(), CopyError> {
        let path = self.path(zone.apex());
        self.on_disk(move || write(&path, &zone, confirmed).map_err(|cause| CopyError::File { path, cause })).await
    }

    /// Notes that a primary has confirmed what the copy holds.
    pub async fn confirm(&self, apex: &Name, confirmed: Moment) -> Result<(), CopyError> {
        let path = self.path(apex);
        let write_head = move || {
            let file = OpenOptions::new().write(true).open(&path);
            let written = file.and_then(|file| {
                file.write_all_at(&head(confirmed), 0)?;
                file.sync_data()
            });
            written.map_err(|cause| CopyError::File { path, cause })
        };
        self.on_disk(write_head).await
    }

    /// Removes the copy of a zone; says whether there was one.
    pub async fn remove(&self, apex: &Name) -> Result<bool, CopyError> {
        let path = self.path(apex);
        let remove = move || match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(CopyError::File { path, cause }),
        };
        self.on_disk(remove).await
    }

    /// The file of a zone.
    fn path(&self, apex: &Name) -> PathBuf {
        self.folder.join(name::file_name(apex))
    }

    /// Does something that blocks, when it is its turn.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
    ) -> Result<T, CopyError> {
        // It is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let failed =
            |cause: tokio::task::JoinError| CopyError::Folder { path: self.folder.clone(), cause: cause.into() };
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(failed)?
    }
}

/// The folder of copies in a store.
fn folder_of(store: &Path) -> PathBuf {
    store.join("zones")
}

/// The head of a file.
fn head(confirmed: Moment) -> [u8; HEAD_OCTETS] {
    let mut head = [0; HEAD_OCTETS];
    let ([magic, seconds, digest], _) = head.as_chunks_mut::<8>() else { return head };
    *magic = MAGIC;
    *seconds = confirmed.as_secs().to_be_bytes();
    let hash = Sha256::new().chain_update(MAGIC).chain_update(*seconds).finalize();
    if let Some(start) = hash.first_chunk::<8>() {
        *digest = *start;
    }
    head
}

/// Writes a copy beside its place and renames it.
fn write(path: &Path, zone: &Zone, confirmed: Moment) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = BufWriter::with_capacity(1 << 16, File::create(&beside)?);
    file.write_all(&head(confirmed))?;
    let mut digest = Sha256::new();
    let mut octets = Vec::with_capacity(1 << 10);
    put_name(&mut octets, zone.apex());
    for owner in zone.owners() {
        for record in owner.records() {
            put_record(&mut octets, &record);
        }
        digest.update(&octets);
        file.write_all(&octets)?;
        octets.clear();
    }
    file.write_all(&digest.finalize())?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The new name has to outlive a loss of power as well.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Appends a name with its length in front.
fn put_name(octets: &mut Vec<u8>, name: &Name) {
    octets.push(u8::try_from(name.wire().len()).unwrap_or(u8::MAX));
    octets.extend_from_slice(name.wire());
}

/// Appends a record.
fn put_record(octets: &mut Vec<u8>, record: &Record) {
    let Record { owner, rtype, ttl, rdata } = record;
    put_name(octets, owner);
    octets.extend_from_slice(&rtype.0.to_be_bytes());
    octets.extend_from_slice(&ttl.to_be_bytes());
    octets.extend_from_slice(&u16::try_from(rdata.len()).unwrap_or(u16::MAX).to_be_bytes());
    octets.extend_from_slice(rdata);
}

/// Reads a copy; none if there is none.
fn read(path: &Path, id: ZoneId, apex: Name) -> Result<Option<(Zone, Moment)>, CopyError> {
    let failed = |cause| CopyError::File { path: path.to_owned(), cause };
    let damaged = |why| CopyError::Damaged { path: path.to_owned(), why };
    let mut octets = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(file) => {
            let length = file.metadata().map_err(failed)?.len();
            if length > COPY_OCTETS_MAX {
                return Err(damaged("it is too large"));
            }
            octets.reserve(usize::try_from(length).unwrap_or(0));
            file.take(COPY_OCTETS_MAX).read_to_end(&mut octets).map_err(failed)?;
        }
    }
    let (confirmed, mut zone) = parse(&octets, ZoneBuilder::new(id, apex)).map_err(damaged)?;
    drop(octets);
    let zone = zone.finish().map_err(|_| damaged("it holds no zone"))?;
    Ok(Some((zone, confirmed)))
}

/// Reads the octets of a copy into a zone.
fn parse(octets: &[u8], mut zone: ZoneBuilder) -> Result<(Moment, ZoneBuilder), &'static str> {
    let (confirmed, rest) = read_head(octets)?;
    let (body, digest) = rest.split_last_chunk::<DIGEST_OCTETS>().ok_or("it is too short")?;
    if Sha256::digest(body).as_slice() != digest {
        return Err("its digest is another one");
    }
    let (name, mut rest) = split_name(body).ok_or("it has no name")?;
    if name != *zone.apex() {
        return Err("it is of another zone");
    }
    while !rest.is_empty() {
        let (owner, RecordRef { rtype, ttl, rdata }, after) = split_record(rest).ok_or("a record is broken")?;
        zone.add(&owner, rtype, ttl, rdata);
        rest = after;
    }
    Ok((confirmed, zone))
}

/// Reads the head of a copy; gives when it was confirmed, and what follows.
fn read_head(octets: &[u8]) -> Result<(Moment, &[u8]), &'static str> {
    let (start, rest) = octets.split_first_chunk::<HEAD_OCTETS>().ok_or("it is too short")?;
    let ([magic, seconds, _], _) = start.as_chunks::<8>() else { return Err("it is too short") };
    let confirmed = Duration::from_secs(u64::from_be_bytes(*seconds));
    if *magic != MAGIC {
        return Err("it is of another form");
    }
    if head(confirmed) != *start {
        return Err("its head has changed");
    }
    Ok((confirmed, rest))
}

/// Splits a name off.
fn split_name(octets: &[u8]) -> Option<(Name, &[u8])> {
    let (length, rest) = octets.split_first()?;
    let (wire, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((Name::from_wire(wire)?, rest))
}

/// Splits a record off.
fn split_record(octets: &[u8]) -> Option<(Name, RecordRef<'_>, &[u8])> {
    let (owner, rest) = split_name(octets)?;
    let ([t0, t1, a, b, c, d, l0, l1], rest) = rest.split_first_chunk::<8>()?;
    let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
    let (rtype, ttl) = (Rtype(u16::from_be_bytes([*t0, *t1])), u32::from_be_bytes([*a, *b, *c, *d]));
    Some((owner, RecordRef { rtype, rdata, ttl }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::secondary::stream::soa;

    fn apex() -> Name {
        Name::parse("example.com", None).unwrap()
    }

    fn id() -> ZoneId {
        ZoneId::declared("example.com")
    }

    fn zone(serial: u32) -> Arc<Zone> {
        let record = |owner: &str, rtype, rdata: &[u8]| Record {
            owner: Name::parse(owner, Some(&apex())).unwrap(),
            rtype,
            ttl: 60,
            rdata: rdata.to_vec(),
        };
        let records = vec![
            soa(&apex(), serial),
            record("@", Rtype::NS, b"\0"),
            record("*.w", Rtype(65_280), b""),
            record("a", Rtype::A, &[192, 0, 2, 1]),
            record("a", Rtype::A, &[192, 0, 2, 2]),
        ];
        Arc::new(Zone::try_new(id(), apex(), records).unwrap())
    }

    #[tokio::test]
    async fn what_is_kept_comes_back_with_the_time_of_its_confirmation() {
        let folder = tempfile::tempdir().unwrap();
        let copies = Copies::open(folder.path()).unwrap();
        assert!(copies.read(id(), &apex()).await.unwrap().is_none());
        let seconds = Duration::from_secs;
        for serial in [1, 2] {
            copies.write(zone(serial), seconds(1000)).await.unwrap();
            let (found, confirmed) = copies.read(id(), &apex()).await.unwrap().unwrap();
            assert_eq!((found, confirmed), ((*zone(serial)).clone(), seconds(1000)));
        }
        copies.confirm(&apex(), seconds(2000)).await.unwrap();
        let (found, confirmed) = copies.read(id(), &apex()).await.unwrap().unwrap();
        assert_eq!((found.soa().serial, confirmed), (2, seconds(2000)));
        let other = Name::parse("example.net", None).unwrap();
        std::fs::copy(copies.path(&apex()), copies.path(&other)).unwrap();
        assert!(matches!(copies.read(id(), &other).await, Err(CopyError::Damaged { .. })));
        assert!(copies.remove(&apex()).await.unwrap() && !copies.remove(&apex()).await.unwrap());
        assert!(copies.read(id(), &apex()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_damaged_copy_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let copies = Copies::open(folder.path()).unwrap();
        copies.write(zone(1), Duration::from_secs(1000)).await.unwrap();
        let path = copies.path(&apex());
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(copies.read(id(), &apex()).await, Err(CopyError::Damaged { .. })), "octet {at}");
            std::fs::write(&path, &good[..at]).unwrap();
            assert!(matches!(copies.read(id(), &apex()).await, Err(CopyError::Damaged { .. })), "{at} octets");
        }
    }

    #[tokio::test]
    async fn the_start_names_old_copies_anew_and_removes_those_of_zones_that_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        sweep(folder.path(), &[]);
        let copies = Copies::open(folder.path()).unwrap();
        let before = copies.folder.join(name::file_name_before(&apex()));
        copies.write(zone(1), Duration::from_secs(1000)).await.unwrap();
        std::fs::rename(copies.path(&apex()), &before).unwrap();
        // Not ours: by what is in it, by its name, or by neither.
        let others = ["example.net.copy", "notes", "example.com.zone"].map(|name| copies.folder.join(name));
        let [text, notes, elsewhere] = &others;
        std::fs::write(text, "$ORIGIN example.net.").unwrap();
        std::fs::copy(&before, notes).unwrap();
        std::fs::copy(&before, elsewhere).unwrap();
        sweep(folder.path(), &[apex()]);
        assert!(!before.exists());
        assert_eq!(copies.read(id(), &apex()).await.unwrap().unwrap().0.soa().serial, 1);
        sweep(folder.path(), &[Name::parse("example.net", None).unwrap()]);
        assert!(copies.read(id(), &apex()).await.unwrap().is_none());
        assert!(others.iter().all(|other| other.exists()));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Copies::open(&file).unwrap_err();
        assert!(error.to_string().contains("[store] path"), "{error}");
    }
}
