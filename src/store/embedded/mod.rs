//! A store in one file, which keeps what the API made: acknowledged means on disk.
//!
//! # What is kept
//!
//! The file is `pooldns.redb` in the store's folder, readable for its owner alone. One process has it; a second one is
//! refused. Its tables:
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format`, `generation` | the version of this layout; the last generation |
//! | `zones`, `monitors`, `monitor_groups`, `pools`, `load_balancers` | the id, 16 octets | the object with its stamp, as `spec::row` writes it |
//! | `levers` | id of the pool, which may be declared | the levers that are pulled |
//! | `records` | id of the zone, id of the record | the record |
//! | `tokens` | the id | name, digest, access and times, as JSON |
//! | `audit`, `events` | a number that only grows | time, and what happened as JSON |
//! | `serials` | id of the zone | the serial that its SOA record had last |
//! | `verdicts` | what is probed: id of the monitor, address, host | the last verdict: by which process, since when, why |
//! | `runs` | the number of a process that had the store | when it last said that it ran |
//!
//! Ids are big-endian. What configuration files declare is not kept: the files are. An object that contradicts them is
//! set aside by the inventory and keeps its row, so that it is there again once they no longer do.
//!
//! # What a commit is
//!
//! One thread writes, and it alone makes the inventory. It takes the commits that wait, makes them one after another, and
//! writes the rows of all objects that they touch, with what the audit log says of them, in *one* transaction. Only when
//! that is on disk everybody sees the inventory, and each commit is answered with the inventory right after it. A commit
//! of many steps is there as a whole or not at all, after any crash. A row always says what the inventory does: it is
//! derived from it, not from the commit, so rows of a pool's referrers follow when the pool goes.
//!
//! Commits that change nothing that is kept (declared objects, transferred zones) need no transaction and wait for none,
//! unless one is being written when they come. The generation that they make, events of pools, and serials go along with
//! the next transaction, or get one of their own within a second: a crash may lose that second of them. Since the generation
//! is kept, a revision of an object of the API never comes again.
//!
//! Verdicts go along as well, and wait for no more than 50 ms: a crash may lose what changed in them, and as they are the first
//! that the next process answers from, that has to be little. What stands is not written again. A process says now and then
//! that it runs, and that is how old all verdicts are that it stood by. Those of earlier processes are theirs until a probe of
//! the new one agrees, so that nothing grows young by restarts alone.
//!
//! # What the audit log says
//!
//! Each object and token that somebody changes, with its [`Author`], in the transaction that changes it: what the API does,
//! an import, a token made or revoked. A zone that comes, changes or goes as a whole is one entry, without its records.
//! What changes no row is not in it: declared and transferred objects, what is set aside and comes back, a token's expiry,
//! a backup. Nor are events and serials, which nobody makes.
//!
//! # When the disk fails
//!
//! The commits that share the transaction are all refused ([`CommitError::Unavailable`]), the inventory stays as it was
//! before them, and DNS goes on. It is then not known what of them is on disk. So the database is opened anew, and the
//! next transaction, which the next commit brings or else a timer, first writes anew whatever they touched. If the process
//! ends before that, such a commit may turn up after the restart: as a whole.
//!
//! Without a folder ([`EmbeddedStore::unavailable`]) changes through the API are refused with the reason, and all else works.
//!
//! # What is pruned
//!
//! Of audit log and events the oldest entries, beyond a number and an amount (`model::limits`), in the transaction that
//! adds others; of the audit log, the oldest of whoever has most, so that nobody pushes out what others did. Serials of zones that
//! are gone stay, for a zone may come back. Verdicts go with their targets; those of a process
//! that ended an hour ago, or by a clock that has been set back since, go when the store is opened. Nothing else.
//!
//! # What is refused
//!
//! A file of a newer format, of something else, or damaged: the error says which. A format that is older is brought to ours
//! in one transaction, step by step. A new table needs no format of its own: a version that does not know it leaves it alone. A row that cannot be read refuses nothing: it stays as it is, is listed
//! ([`EmbeddedStore::unreadable`]), and the object is not served; of a zone with such a record the rest is.

mod audit;
mod backup;
mod disk;
mod events;
mod journal;
mod load;
mod rows;
mod tokens;
mod verdicts;
mod waiting;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redb::backends::InMemoryBackend;
use redb::{Database, ReadTransaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use self::audit::{Action, AuditEntry, AuditQuery, Subject};
pub use self::backup::BackupError;
pub use self::disk::OpenError;
use self::disk::{Disk, FORMATS, Formats, Opener, bring_up, fault, reason};
pub use self::events::{EventQuery, KeptEvent};
use self::load::Contents;
pub use self::load::Unreadable;
pub use self::tokens::TokenError;
use self::waiting::Waiting;
use self::writer::{Request, Writer};
use crate::model::event::PoolEvent;
use crate::model::id::{TokenId, ZoneId};
use crate::model::inventory::{Author, Change, Commit, Inventory};
use crate::model::limits::{COMMITS_QUEUED_MAX, STORE_LOOKS_MAX};
use crate::model::stamp::UnixMicros;
use crate::model::target::{LeftVerdict, Standing, TargetKey};
use crate::model::token::Token;
use crate::store::{CommitError, InventoryStore};

/// The file in the store's folder.
const FILE: &str = "pooldns.redb";
/// Why nothing is answered any more. It takes a fault of ours; the process ends soon, since whoever follows the inventory
/// hears of it.
const ENDED: &str = "the store's writer has ended";

/// An inventory whose objects of the API are kept in a file.
pub struct EmbeddedStore {
    /// To the writer.
    requests: mpsc::Sender<Request>,
    /// Who may ask it for something.
    permits: Arc<Semaphore>,
    /// The inventory.
    inventory: watch::Receiver<Arc<Inventory>>,
    /// The tokens.
    tokens: watch::Receiver<Arc<[Token]>>,
    /// The number of the last event.
    last_event: watch::Receiver<u64>,
    /// What goes along with a transaction.
    waiting: Arc<Waiting>,
    /// Where it is kept, for those who look back.
    disk: Arc<Result<Disk, String>>,
    /// Who may look back.
    looks: Arc<Semaphore>,
    /// Rows that could not be read.
    unreadable: Arc<[Unreadable]>,
    /// The writer, until it is joined.
    writer: Option<JoinHandle<()>>,
}

/// Why nothing can be looked up.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the store cannot be read: {0}")]
pub struct ReadError(String);

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store in a folder, and makes it if it is missing. Blocks for as long as it takes to read all of it.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let file = folder.join(FILE);
        disk::make(folder, &file)?;
        Self::open_with(disk::opener(&file), FORMATS, &file)
    }

    /// Whether there is a store in a folder. One that we may not look at is there, and opening it will say what is wrong.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).try_exists().unwrap_or(true)
    }

    /// A store that forgets when it goes: for tests, and in everything else like one in a file.
    pub fn in_memory() -> Result<Self, OpenError> {
        let opener: Opener = Box::new(|_| Database::builder().create_with_backend(InMemoryBackend::new()));
        Self::open_with(opener, FORMATS, Path::new("in memory"))
    }

    /// A store that keeps nothing, for `reason`: what the API makes is refused.
    pub fn unavailable(reason: String) -> Self {
        Self::start(Err(reason), Contents::none())
    }

    /// Opens what `opener` does.
    fn open_with(opener: Opener, formats: Formats, file: &Path) -> Result<Self, OpenError> {
        let disk = Disk::open(opener).map_err(|error| fault(file, error.into()))?;
        let contents = disk.write(
            |transaction| {
                bring_up(transaction, formats, file)?;
                Contents::load(transaction, file)
            },
            |error| fault(file, error),
        )?;
        Ok(Self::start(Ok(disk), contents))
    }

    /// Starts the writer.
    fn start(disk: Result<Disk, String>, contents: Contents) -> Self {
        let Contents { generation, objects, tokens, serials, unreadable, audit, events, run, left } = contents;
        let empty = Inventory::default();
        // Taking in what was kept contradicts nothing.
        let restored = empty.apply(Change::Restore { generation, objects }).unwrap_or(empty);
        let (requests, asked) = mpsc::channel();
        let (inventory, seen_inventory) = watch::channel(Arc::new(restored));
        let (tokens, seen_tokens) = watch::channel(Arc::from(tokens));
        let (last_event, seen_last_event) = watch::channel(events.next - 1);
        let waiting = Arc::new(Waiting::new(serials, left));
        let disk = Arc::new(disk);
        let writer = Writer {
            requests: asked,
            disk: Arc::clone(&disk),
            inventory,
            tokens,
            last_event,
            waiting: Arc::clone(&waiting),
            audit,
            events,
            run,
            doubt: None,
            due: None,
        };
        // Without a thread nothing can be written; requests are then answered as if it had ended.
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || writer.run());
        Self {
            requests,
            permits: Arc::new(Semaphore::new(COMMITS_QUEUED_MAX)),
            inventory: seen_inventory,
            tokens: seen_tokens,
            last_event: seen_last_event,
            waiting,
            disk,
            looks: Arc::new(Semaphore::new(STORE_LOOKS_MAX)),
            unreadable: unreadable.into(),
            writer: thread.ok(),
        }
    }

    /// Rows that could not be read when the store was opened.
    pub fn unreadable(&self) -> Arc<[Unreadable]> {
        Arc::clone(&self.unreadable)
    }

    /// The tokens now.
    pub fn tokens(&self) -> Arc<[Token]> {
        Arc::clone(&self.tokens.borrow())
    }

    /// Keeps a token, in the place of the one with its id if there is one. Returns once it is on disk, and in the audit log.
    pub async fn put_token(&self, token: Token, author: Author) -> Result<(), TokenError> {
        let ask = |answer, permit| Request::PutToken(token, author, answer, permit);
        self.ask(ask).await.unwrap_or_else(|| Err(TokenError::Unavailable(ENDED.to_owned())))
    }

    /// Forgets a token. Returns once it is gone from disk, and the audit log says so.
    pub async fn remove_token(&self, id: TokenId, author: Author) -> Result<(), TokenError> {
        let ask = |answer, permit| Request::RemoveToken(id, author, answer, permit);
        self.ask(ask).await.unwrap_or_else(|| Err(TokenError::Unavailable(ENDED.to_owned())))
    }

    /// Keeps events, in order. They are on disk within about a second; waits for nothing. Beyond
    /// [`EVENTS_QUEUED_MAX`](crate::model::limits::EVENTS_QUEUED_MAX) that wait they are lost, and counted.
    pub fn append_events(&self, events: Vec<PoolEvent>) {
        if !events.is_empty() {
            self.announce(self.waiting.push_events(events));
        }
    }

    /// How many events were lost because there was no room for them, or no disk.
    pub fn lost_events(&self) -> u64 {
        self.waiting.lost()
    }

    /// Counts events that were lost on their way here.
    pub fn lose_events(&self, count: usize) {
        self.waiting.lose(count);
    }

    /// The number of the oldest event that is still on disk; none if there is none.
    pub async fn oldest_event(&self) -> Result<Option<u64>, ReadError> {
        self.look(|transaction, _| events::oldest(transaction)).await
    }

    /// The number of the last event that is on disk, now and whenever it grows.
    pub fn last_event(&self) -> watch::Receiver<u64> {
        let mut last_event = self.last_event.clone();
        last_event.mark_unchanged();
        last_event
    }

    /// Events that are on disk, newest last.
    pub async fn events(&self, query: EventQuery) -> Result<Vec<KeptEvent>, ReadError> {
        self.look(move |snapshot, gone| events::find(snapshot, &query, gone)).await
    }

    /// Entries of the audit log, newest first.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, ReadError> {
        self.look(move |snapshot, gone| audit::find(snapshot, &query, gone)).await
    }

    /// Keeps the serial that a zone's SOA record has. It is on disk within about a second; waits for nothing.
    pub fn keep_serial(&self, zone: ZoneId, serial: u32) {
        self.announce(self.waiting.put_serial(zone, serial));
    }

    /// The last serial of each zone that has had one.
    pub fn serials(&self) -> BTreeMap<ZoneId, u32> {
        self.waiting.serials()
    }

    /// Keeps verdicts of targets, or forgets those with none, and says that all others of this process stood at `alive`. They are
    /// on disk within some 50 ms, or, if only that was said, within about a second; waits for nothing.
    pub fn keep_verdicts(&self, changes: Vec<(TargetKey, Option<Standing>)>, alive: UnixMicros) {
        self.announce(self.waiting.put_verdicts(changes, alive));
    }

    /// The verdicts that earlier processes left behind. Whoever asks first has them.
    pub fn take_left_verdicts(&self) -> Vec<LeftVerdict> {
        self.waiting.take_left()
    }

    /// Writes a copy of everything acknowledged so far to a new file, which is a store's file like ours. Verdicts are not in it:
    /// they are of this place and this minute.
    pub async fn backup(&self, file: PathBuf) -> Result<(), BackupError> {
        let disk = Arc::clone(&self.disk);
        let copied = tokio::task::spawn_blocking(move || {
            let snapshot = snapshot(&disk).map_err(|ReadError(why)| BackupError::Read(why))?;
            backup::copy(&snapshot, &file)
        });
        copied.await.unwrap_or_else(|error| Err(BackupError::Read(error.to_string())))
    }

    /// Looks something up in a snapshot, off the async runtime, and with few others at one time. Whoever goes away has it end.
    async fn look<T: Send + 'static>(
        &self,
        find: impl FnOnce(&ReadTransaction, &CancellationToken) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (disk, gone) = (Arc::clone(&self.disk), CancellationToken::new());
        let permit = Arc::clone(&self.looks).acquire_owned().await;
        let permit = permit.map_err(|error| ReadError(error.to_string()))?;
        let _gone = gone.clone().drop_guard();
        let found = tokio::task::spawn_blocking(move || {
            let found = find(&snapshot(&disk)?, &gone).map_err(|error| ReadError(reason(&error)));
            drop(permit);
            found
        });
        found.await.unwrap_or_else(|error| Err(ReadError(error.to_string())))
    }

    /// Asks the writer for something; none if it has ended.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>, OwnedSemaphorePermit) -> Request) -> Option<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer, permit)).ok()?;
        answered.await.ok()
    }

    /// Tells the writer, if need be, within what time to write. One that has ended is missed by others first.
    fn announce(&self, within: Option<Duration>) {
        if let Some(within) = within {
            drop(self.requests.send(Request::Waits(within)));
        }
    }
}

/// A snapshot to look things up in.
fn snapshot(disk: &Result<Disk, String>) -> Result<ReadTransaction, ReadError> {
    let disk = disk.as_ref().map_err(|why| ReadError(why.clone()))?;
    disk.begin_read().map_err(|error| ReadError(reason(&error)))
}

impl InventoryStore for EmbeddedStore {
    fn load(&self) -> Arc<Inventory> {
        Arc::clone(&self.inventory.borrow())
    }

    async fn commit(&self, commit: impl Into<Commit> + Send) -> Result<Arc<Inventory>, CommitError> {
        let commit = commit.into();
        let ask = |answer, permit| Request::Commit(commit, answer, permit);
        self.ask(ask).await.unwrap_or_else(|| Err(CommitError::Unavailable(ENDED.to_owned())))
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Inventory>> {
        let mut inventory = self.inventory.clone();
        inventory.mark_unchanged();
        inventory
    }
}

/// What was handed over is written before the store goes.
impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        drop(self.requests.send(Request::Stop));
        if let Some(writer) = self.writer.take() {
            // It has told of a panic itself.
            drop(writer.join());
        }
    }
}

#[cfg(test)]
mod tests;
