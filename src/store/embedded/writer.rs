//! The one writer: takes commits in the order in which they come, has those that come together share a transaction, and
//! says of each when it is on disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use redb::WriteTransaction;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::model::id::TokenId;
use crate::model::inventory::{Author, Change, Commit, Inventory, Step};
use crate::model::limits::{COMMITS_PER_TRANSACTION_MAX, STORE_LAZY_INTERVAL, STORE_RETRY_INTERVAL};
use crate::model::token::Token;
use crate::store::embedded::audit::Occasion;
use crate::store::embedded::disk::{Disk, META, reason};
use crate::store::embedded::events;
use crate::store::embedded::journal::{Entry, Journal};
use crate::store::embedded::load::GENERATION;
use crate::store::embedded::rows::{TOKENS, Touched};
use crate::store::embedded::tokens::{self, TokenError};
use crate::store::embedded::waiting::{SERIALS, Taken, Waiting};
use crate::store::{CommitError, now};

/// Who has an object of the API go that a file declares from now on.
const CONFIGURATION: &str = "the configuration";

/// What the writer is asked for.
pub(super) enum Request {
    /// A commit.
    Commit(Commit, oneshot::Sender<Result<Arc<Inventory>, CommitError>>, OwnedSemaphorePermit),
    /// A token comes, or another in its place; somebody makes it.
    PutToken(Token, Author, oneshot::Sender<Result<(), TokenError>>, OwnedSemaphorePermit),
    /// A token goes; somebody revokes it.
    RemoveToken(TokenId, Author, oneshot::Sender<Result<(), TokenError>>, OwnedSemaphorePermit),
    /// Something waits to go along with a transaction, within some time.
    Waits(Duration),
    /// To end, once what came before is done.
    Stop,
}

/// What the writer has to say, to whom, once it is on disk.
enum Answer {
    /// Of a commit.
    Commit(oneshot::Sender<Result<Arc<Inventory>, CommitError>>, Result<Arc<Inventory>, CommitError>),
    /// Of a token.
    Token(oneshot::Sender<Result<(), TokenError>>, Result<(), TokenError>),
}

/// Changes that share a transaction.
struct Batch {
    /// The inventory after them.
    inventory: Arc<Inventory>,
    /// The tokens after them.
    tokens: Arc<[Token]>,
    /// What they touch.
    touched: Touched,
    /// What the audit log says of them.
    audit: Vec<Entry>,
    /// What to say of each.
    answers: Vec<Answer>,
    /// Whether meanwhile something came that waits to go along with a transaction, be it this one; within what time.
    something_waits: Option<Duration>,
}

/// The writer's end of what it shares with the store.
pub(super) struct Writer {
    /// What it is asked for.
    pub(super) requests: Receiver<Request>,
    /// Where it writes; or why there is no such place.
    pub(super) disk: Arc<Result<Disk, String>>,
    /// The inventory that everybody sees.
    pub(super) inventory: watch::Sender<Arc<Inventory>>,
    /// The tokens.
    pub(super) tokens: watch::Sender<Arc<[Token]>>,
    /// The number of the last event that is on disk.
    pub(super) last_event: watch::Sender<u64>,
    /// What goes along with a transaction.
    pub(super) waiting: Arc<Waiting>,
    /// The audit log.
    pub(super) audit: Journal,
    /// The events.
    pub(super) events: Journal,
    /// The number of this process among those that had the store.
    pub(super) run: u64,
    /// What transactions touched that failed: it is not known what of it is on disk, so the next one writes it anew.
    pub(super) doubt: Option<Touched>,
    /// When the next transaction is due that nobody waits for.
    pub(super) due: Option<Instant>,
}

impl Writer {
    /// Does what it is asked for, until it is asked to stop.
    pub(super) fn run(mut self) {
        let mut next = None;
        loop {
            let request = match next.take() {
                Some(request) => request,
                None => match self.wait() {
                    Ok(request) => request,
                    Err(RecvTimeoutError::Timeout) => {
                        self.write_waiting();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                },
            };
            match request {
                Request::Stop => break,
                Request::Waits(within) => self.plan(within),
                Request::Commit(commit, answer, _permit) if !needs_disk(&commit) => {
                    // Nobody listens any more: it is made all the same.
                    drop(answer.send(self.commit_in_memory(commit)));
                }
                first => next = self.write_batch(first),
            }
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.write_waiting();
            }
        }
        self.write_waiting();
    }

    /// Waits for a request, or until a transaction is due.
    fn wait(&self) -> Result<Request, RecvTimeoutError> {
        match self.due {
            Some(due) => self.requests.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => self.requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// Has a transaction be due within some time. While the disk fails, it is left alone until its next try.
    fn plan(&mut self, within: Duration) {
        let at = Instant::now() + within;
        if self.due.is_none_or(|due| at < due && self.doubt.is_none()) {
            self.due = Some(at);
        }
    }

    /// Makes a commit that changes nothing that is kept, but for the generation, and for what files take over.
    fn commit_in_memory(&mut self, commit: Commit) -> Result<Arc<Inventory>, CommitError> {
        let before = Arc::clone(&self.inventory.borrow());
        let at = now();
        let declares = |step: &Step| matches!(step.change, Change::Declare(_) | Change::DeclareSettingAside(_));
        let declares = commit.steps.iter().any(declares);
        let inventory = Arc::new(before.commit(commit, at)?);
        self.inventory.send_replace(Arc::clone(&inventory));
        self.plan(STORE_LAZY_INTERVAL);
        let adopted = if declares { inventory.adopted_since(&before) } else { vec![] };
        if !adopted.is_empty() {
            // Their rows go. If that fails now, the next transaction does it; until then a restart finds them adopted again.
            let touched = Touched::of(adopted);
            let author = Author { name: CONFIGURATION.to_owned(), address: None };
            let occasion = Occasion { author: &author, at, generation: inventory.generation };
            let entries = occasion.of_commit(&touched, &before, &inventory);
            let tokens = Arc::clone(&self.tokens.borrow());
            drop(self.write(&inventory, &tokens, touched, &entries));
        }
        Ok(inventory)
    }

    /// Makes a change, and those that wait behind it, in one transaction. Returns the first that does not belong to it.
    fn write_batch(&mut self, first: Request) -> Option<Request> {
        let mut batch = Batch {
            inventory: Arc::clone(&self.inventory.borrow()),
            tokens: Arc::clone(&self.tokens.borrow()),
            touched: Touched::default(),
            audit: vec![],
            answers: vec![],
            something_waits: None,
        };
        let mut next = Some(first);
        while let Some(request) = next.take() {
            next = batch.add(request);
            if next.is_some() || batch.answers.len() >= COMMITS_PER_TRANSACTION_MAX {
                break;
            }
            next = self.requests.try_recv().ok();
        }
        let Batch { inventory, tokens, touched, audit, answers, something_waits } = batch;
        if let Some(within) = something_waits {
            self.plan(within);
        }
        let written = if touched.is_empty() { Ok(()) } else { self.write(&inventory, &tokens, touched, &audit) };
        if written.is_ok() {
            let changed = inventory.generation != self.inventory.borrow().generation;
            if changed {
                self.inventory.send_replace(inventory);
            }
            self.tokens.send_if_modified(|before| {
                !Arc::ptr_eq(before, &tokens) && {
                    *before = tokens;
                    true
                }
            });
        }
        for answer in answers {
            answer.give(written.as_ref().err());
        }
        next
    }

    /// Writes what waits to go along with a transaction, as if somebody had asked for one.
    fn write_waiting(&mut self) {
        if self.due.take().is_some() {
            let inventory = Arc::clone(&self.inventory.borrow());
            let tokens = Arc::clone(&self.tokens.borrow());
            // What fails is tried again later.
            drop(self.write(&inventory, &tokens, Touched::default(), &[]));
        }
    }

    /// Has the disk say what `inventory` and `tokens` do, as far as they differ, and takes along what waits.
    fn write(
        &mut self,
        inventory: &Inventory,
        tokens: &[Token],
        touched: Touched,
        audit: &[Entry],
    ) -> Result<(), String> {
        let disk = Arc::clone(&self.disk);
        let disk = match &*disk {
            Ok(disk) => disk,
            Err(why) => {
                self.waiting.lose(self.waiting.take().events.len());
                return Err(why.clone());
            }
        };
        let was_failing = self.doubt.is_some();
        let mut all = touched;
        if let Some(doubt) = self.doubt.take() {
            all.extend(doubt);
        }
        let taken = self.waiting.take();
        let write = |transaction: &WriteTransaction| {
            if was_failing {
                self.audit.cut(transaction)?;
                self.events.cut(transaction)?;
            }
            all.write(transaction, inventory)?;
            write_tokens(transaction, &all, tokens)?;
            transaction.open_table(META)?.insert(GENERATION, inventory.generation.0)?;
            write_serials(transaction, &taken)?;
            taken.verdicts.write(transaction, self.run)?;
            let events: Vec<Entry> = taken.events.iter().map(events::entry).collect();
            self.audit.append(transaction, audit)?;
            self.events.append(transaction, &events)
        };
        match disk.write(write, |error| error) {
            Ok(()) => {
                self.audit.keep();
                self.events.keep();
                self.due = None;
                let last = self.events.next - 1;
                self.last_event.send_if_modified(|before| std::mem::replace(before, last) != last);
                if was_failing {
                    info!("the store can be written again");
                }
                Ok(())
            }
            Err(error) => {
                let why = reason(&error);
                if !was_failing {
                    warn!(why, "the store cannot be written: changes through the API are refused");
                }
                self.audit.take_back();
                self.events.take_back();
                self.waiting.put_back(taken);
                self.doubt = Some(all);
                self.due = Some(Instant::now() + STORE_RETRY_INTERVAL);
                Err(why)
            }
        }
    }
}

impl Batch {
    /// Takes a request in, or returns it if it does not belong here.
    fn add(&mut self, request: Request) -> Option<Request> {
        match request {
            Request::Commit(commit, answer, _permit) if needs_disk(&commit) => {
                let made = self.commit(commit);
                self.answers.push(Answer::Commit(answer, made));
                None
            }
            Request::PutToken(token, author, answer, _permit) => {
                let id = token.id;
                let made = tokens::put(&self.tokens, token);
                self.change_tokens(id, &author, made, answer);
                None
            }
            Request::RemoveToken(id, author, answer, _permit) => {
                let made = tokens::remove(&self.tokens, id);
                self.change_tokens(id, &author, made, answer);
                None
            }
            Request::Waits(within) => {
                self.something_waits = Some(self.something_waits.map_or(within, |known| known.min(within)));
                None
            }
            other => Some(other),
        }
    }

    /// Makes a commit.
    fn commit(&mut self, commit: Commit) -> Result<Arc<Inventory>, CommitError> {
        let at = now();
        let author = commit.author.clone();
        let mut touched = Touched::by(&commit);
        let after = Arc::new(self.inventory.commit(commit, at)?);
        touched.follow(&self.inventory, &after);
        if let Some(author) = author {
            let occasion = Occasion { author: &author, at, generation: after.generation };
            self.audit.extend(occasion.of_commit(&touched, &self.inventory, &after));
        }
        self.touched.extend(touched);
        self.inventory = Arc::clone(&after);
        Ok(after)
    }

    /// Takes a change of tokens in, and says who made it.
    fn change_tokens(
        &mut self,
        id: TokenId,
        author: &Author,
        made: Result<Arc<[Token]>, TokenError>,
        answer: oneshot::Sender<Result<(), TokenError>>,
    ) {
        let made = made.map(|tokens| {
            let before = std::mem::replace(&mut self.tokens, tokens);
            let [was, is] = [&before, &self.tokens].map(|tokens| tokens.iter().find(|token| token.id == id));
            let occasion = Occasion { author, at: now(), generation: self.inventory.generation };
            self.audit.extend(occasion.of_token(was, is));
            self.touched.tokens.insert(id);
        });
        self.answers.push(Answer::Token(answer, made));
    }
}

impl Answer {
    /// Says it, or why nothing came of it. Whoever does not listen any more has changed something all the same.
    fn give(self, failure: Option<&String>) {
        match (self, failure) {
            (Self::Commit(answer, made), None) => drop(answer.send(made)),
            (Self::Commit(answer, _), Some(why)) => drop(answer.send(Err(CommitError::Unavailable(why.clone())))),
            (Self::Token(answer, made), None) => drop(answer.send(made)),
            (Self::Token(answer, _), Some(why)) => drop(answer.send(Err(TokenError::Unavailable(why.clone())))),
        }
    }
}

/// Whether a commit changes something that is kept.
fn needs_disk(commit: &Commit) -> bool {
    commit.steps.iter().any(|step| step.change.object().is_some())
}

/// Has the rows of touched tokens say what `tokens` do.
fn write_tokens(transaction: &WriteTransaction, touched: &Touched, tokens: &[Token]) -> Result<(), redb::Error> {
    if touched.tokens.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(TOKENS.definition())?;
    for id in &touched.tokens {
        let key = id.bits().to_be_bytes();
        match tokens.iter().find(|token| token.id == *id) {
            Some(token) => drop(table.insert(key.as_slice(), tokens::build(token).as_slice())?),
            None => drop(table.remove(key.as_slice())?),
        }
    }
    Ok(())
}

/// Writes serials.
fn write_serials(transaction: &WriteTransaction, taken: &Taken) -> Result<(), redb::Error> {
    if taken.serials.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(SERIALS)?;
    for (zone, serial) in &taken.serials {
        table.insert(zone.bits().to_be_bytes().as_slice(), *serial)?;
    }
    Ok(())
}
