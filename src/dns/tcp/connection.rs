//! One connection: queries in, answers out in the same order, each behind two octets of length (RFC 1035 §4.2.2).
//!
//! It reads while it writes, answers all that has come in one go, and writes those answers together (RFC 7766 §6.2.1.1
//! wants pipelining, §8 wants a length and its message in one segment). Buffers grow on demand and go when they are
//! empty, so an idle connection holds two or three kilobytes.
//!
//! A query that somebody else answers has the connection to itself: what follows it waits, is not read, and is answered
//! after its last message. Its messages come through a short queue, so a slow reader holds up whoever makes them.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Desk, Shared};
use crate::dns::engine::Client;
use crate::dns::transport::{Back, PassedOn, Responder, unix_time};
use crate::wire::query::HEADER_OCTETS;

/// Octets of the length before a message.
const PREFIX_OCTETS: usize = 2;
/// Octets of the largest message: what the length can say.
const MESSAGE_OCTETS_MAX: usize = 65_535;
/// Octets of queries that may wait: the largest message fits, so that reading never stops in the middle of one.
const QUERIES_OCTETS_MAX: usize = PREFIX_OCTETS + MESSAGE_OCTETS_MAX;
/// Octets of answers that may wait before no more queries are read or answered; the last answer may go beyond.
const ANSWERS_OCTETS_MAX: usize = 64 << 10;
/// Octets of an empty buffer that are kept: one ordinary message, so that a query at a time allocates nothing.
const KEPT_OCTETS: usize = 512;
/// Messages that may wait in the queue of whoever answers elsewhere; a transfer's have 16 KiB.
const ELSEWHERE_MAX: usize = 4;
/// How long a client has to take the last answers and close, once we have closed our side: some round trips.
const LINGER: Duration = Duration::from_millis(500);

thread_local! {
    /// What is read, and then what is answered; never held across an await. One for each thread, not each connection.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; QUERIES_OCTETS_MAX].into_boxed_slice());
}

/// Whether more queries are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Input {
    /// The client may send more.
    Open,
    /// The client has closed its side: it waits for the answers (RFC 7766 §6.2.4 calls it a half close).
    Ended,
    /// We want no more, whatever the client sends: it sent garbage, or the server stops.
    Closed,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// All is answered and written.
    Done,
    /// The client sends or is idle for too long.
    Silent,
    /// The client takes no answers.
    Stuck,
    /// The connection is gone.
    Broken,
}

/// One connection.
pub(super) struct Connection<R> {
    /// The connection itself.
    stream: TcpStream,
    /// Who asks.
    client: Client,
    /// Limits and responders.
    shared: Arc<Shared<R>>,
    /// Whether more queries are wanted.
    input: Input,
    /// What was read and not answered; begins with a length.
    queries: Vec<u8>,
    /// What waits to be written.
    answers: Vec<u8>,
    /// Where the messages of an answer come from that is made elsewhere.
    elsewhere: Option<mpsc::Receiver<Vec<u8>>>,
    /// Octets ever written.
    written: u64,
    /// When the client is idle for too long: nothing waits here.
    idle_by: Option<Instant>,
    /// When the message that has begun must be complete.
    message_by: Option<Instant>,
    /// When octets up to a count must have been written. The limit is for what waited when it was set, and not for
    /// any progress: a client that takes one octet a second does not hold on to a buffer for ever.
    flush_by: Option<(Instant, u64)>,
}

impl<R: Responder> Connection<R> {
    /// A new connection.
    pub(super) const fn new(stream: TcpStream, client: Client, shared: Arc<Shared<R>>) -> Self {
        Self {
            stream,
            client,
            shared,
            input: Input::Open,
            queries: Vec::new(),
            answers: Vec::new(),
            elsewhere: None,
            written: 0,
            idle_by: None,
            message_by: None,
            flush_by: None,
        }
    }

    /// Serves the client until it closes, fails or is too slow, or until `stop`: then what has been read completely is
    /// still answered.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        match self.serve(&stop).await {
            End::Done => self.close().await,
            End::Silent => self.shared.counters.tcp_timed_out.increment_shared(),
            End::Stuck => {
                self.shared.counters.tcp_timed_out.increment_shared();
                // Otherwise the kernel would keep the answers and try for minutes. If it fails, it does.
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).ok();
            }
            End::Broken => {}
        }
    }

    /// Reads, answers and writes.
    async fn serve(&mut self, stop: &CancellationToken) -> End {
        let mut stopped = pin!(stop.cancelled());
        let mut timer = pin!(sleep_until(Instant::now() + self.shared.limits.idle_timeout));
        loop {
            self.respond();
            // While complete queries wait, so do answers.
            if self.input != Input::Open && self.answers.is_empty() && self.elsewhere.is_none() {
                return End::Done;
            }
            let now = Instant::now();
            let (deadline, end) = self.deadline(now);
            if deadline <= now {
                return end;
            }
            // A timer that fires too early is only set again; setting it for every message would cost more.
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                () = &mut stopped, if self.input == Input::Open => self.input = Input::Closed,
                result = poll_fn(|context| self.poll_progress(context)) => if result.is_err() {
                    return End::Broken;
                },
                () = &mut timer => {}
            }
        }
    }

    /// Answers what has come completely, unless too many answers wait.
    fn respond(&mut self) {
        let is_busy = self.elsewhere.is_some() || self.answers.len() >= ANSWERS_OCTETS_MAX;
        if is_busy || split_message(&self.queries).is_none() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let rest = shared.at_desk(|desk| SCRATCH.with_borrow_mut(|out| self.respond_at(desk, out)));
        self.queries.drain(..self.queries.len().saturating_sub(rest));
        shrink(&mut self.queries);
        // What is left, if anything, is a new message, which came with the last octets read.
        self.message_by = None;
        self.idle_by = None;
    }

    /// As [`Connection::respond`], and gives the number of octets that are left.
    fn respond_at(&mut self, desk: &mut Desk<R>, out: &mut [u8]) -> usize {
        let mut rest = self.queries.as_slice();
        let now = unix_time();
        while self.elsewhere.is_none()
            && self.answers.len() < ANSWERS_OCTETS_MAX
            && let Some((query, following)) = split_message(rest)
        {
            desk.counters.tcp_received.increment();
            if query.len() < HEADER_OCTETS {
                // No DNS: what follows is not worth a guess.
                desk.counters.silent.increment();
                self.input = Input::Closed;
                return 0;
            }
            rest = following;
            let room = out.get_mut(..MESSAGE_OCTETS_MAX).unwrap_or_default();
            let random = desk.random.next();
            let answer = || desk.responder.respond(query, &self.client, now, random, room);
            let reply = desk.stopwatch.time(&desk.counters, answer);
            if reply.passed_on {
                let (back, elsewhere) = mpsc::channel(ELSEWHERE_MAX);
                let source = self.stream.peer_addr().unwrap_or_else(|_| (self.client.address, 0).into());
                let passed_on = PassedOn { query: query.to_vec(), source, cookie: reply.cookie, back: Back::Tcp(back) };
                if desk.responder.pass_on(passed_on) {
                    self.elsewhere = Some(elsewhere);
                    continue;
                }
            }
            let answer = room.get(..reply.len).unwrap_or_default();
            if put_message(&mut self.answers, answer) {
                desk.counters.tcp_sent.increment();
            }
        }
        rest.len()
    }

    /// Takes what is made elsewhere, as far as there is room for it. The last message has come when the sender is gone.
    fn poll_elsewhere(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut progress = Poll::Pending;
        while self.answers.len() < ANSWERS_OCTETS_MAX
            && let Some(elsewhere) = &mut self.elsewhere
            && let Poll::Ready(message) = elsewhere.poll_recv(context)
        {
            progress = Poll::Ready(());
            let Some(message) = message else {
                self.elsewhere = None;
                break;
            };
            if put_message(&mut self.answers, &message) {
                self.shared.counters.tcp_sent.increment_shared();
            }
        }
        progress
    }

    /// Whether there is room for more queries, and use for them.
    fn wants_queries(&self) -> bool {
        let is_free = self.elsewhere.is_none();
        is_free
            && self.input == Input::Open
            && self.queries.len() < QUERIES_OCTETS_MAX
            && self.answers.len() < ANSWERS_OCTETS_MAX
    }

    /// The next time limit, and what it means to reach it.
    fn deadline(&mut self, now: Instant) -> (Instant, End) {
        let limits = &self.shared.limits;
        if self.answers.is_empty() {
            self.flush_by = None;
        } else if self.flush_by.is_none_or(|(_, octets)| self.written >= octets) {
            self.flush_by = Some((now + limits.write_timeout, self.written + self.answers.len() as u64));
        }
        if self.queries.is_empty() || !self.wants_queries() {
            // While we do not read, the rest of a message cannot come.
            self.message_by = None;
        } else {
            self.message_by.get_or_insert(now + limits.read_timeout);
        }
        if self.queries.is_empty() && self.answers.is_empty() && self.elsewhere.is_none() {
            self.idle_by.get_or_insert(now + limits.idle_timeout);
        } else {
            self.idle_by = None;
        }
        let silent = self.message_by.or(self.idle_by).map(|by| (by, End::Silent));
        let stuck = self.flush_by.map(|(by, _)| (by, End::Stuck));
        let first = silent.into_iter().chain(stuck).min_by_key(|(by, _)| *by);
        first.unwrap_or((now + limits.idle_timeout, End::Silent))
    }

    /// Writes and reads what is possible now; waits if that is nothing.
    fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut progress = self.poll_elsewhere(context).map(Ok);
        if !self.answers.is_empty()
            && let Poll::Ready(count) = Pin::new(&mut self.stream).poll_write(context, &self.answers)?
        {
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.answers.drain(..count);
            shrink(&mut self.answers);
            self.written += count as u64;
            progress = Poll::Ready(Ok(()));
        }
        if self.wants_queries()
            && let Poll::Ready(()) = self.poll_queries(context)?
        {
            progress = Poll::Ready(Ok(()));
        }
        progress
    }

    /// Reads what is there, as far as there is room for it.
    fn poll_queries(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = QUERIES_OCTETS_MAX.saturating_sub(self.queries.len());
            let mut read = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                self.input = Input::Ended;
            }
            self.queries.extend_from_slice(read.filled());
            Poll::Ready(Ok(()))
        })
    }

    /// Closes so that the client gets every answer: queries that we have not read would make the kernel reset the
    /// connection, and the client's kernel forget what it has not read yet.
    async fn close(mut self) {
        if self.stream.shutdown().await.is_err() || self.input == Input::Ended || self.written == 0 {
            return;
        }
        self.input = Input::Open;
        let ended = async {
            while self.input == Input::Open && poll_fn(|context| self.poll_queries(context)).await.is_ok() {
                self.queries.clear();
            }
        };
        // Late or not, it is closed now.
        timeout(LINGER, ended).await.ok();
    }
}

/// The first message of `octets` without its length, and what follows; `None` if it is not complete.
fn split_message(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = octets.split_first_chunk::<PREFIX_OCTETS>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*prefix)))
}

/// Appends a message behind its length; whether there is one.
fn put_message(answers: &mut Vec<u8>, message: &[u8]) -> bool {
    let Ok(len @ 1..) = u16::try_from(message.len()) else { return false };
    answers.extend_from_slice(&len.to_be_bytes());
    answers.extend_from_slice(message);
    true
}

/// Gives back the memory of an empty buffer that was large.
fn shrink(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > KEPT_OCTETS {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split_where_their_length_says() {
        assert_eq!(split_message(b""), None);
        assert_eq!(split_message(b"\0"), None);
        assert_eq!(split_message(b"\0\x02a"), None);
        assert_eq!(split_message(b"\0\0"), Some((&b""[..], &b""[..])));
        assert_eq!(split_message(b"\0\x02abcd"), Some((&b"ab"[..], &b"cd"[..])));
    }

    #[test]
    fn large_buffers_are_freed_when_empty() {
        let (mut small, mut large) = (Vec::with_capacity(KEPT_OCTETS), vec![0; KEPT_OCTETS + 1]);
        shrink(&mut small);
        shrink(&mut large);
        assert_eq!((small.capacity(), large.len()), (KEPT_OCTETS, KEPT_OCTETS + 1));
        large.clear();
        shrink(&mut large);
        assert_eq!(large.capacity(), 0);
    }
}
