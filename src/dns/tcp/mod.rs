//! DNS over TCP (RFC 7766), on the async runtime.
//!
//! A task for each listener accepts, a task for each connection serves. Whoever awaits [`TcpServer::serve`] owns them
//! all: it returns when the last connection is closed, and dropping it closes them at once. Deliberately absent: TLS,
//! and what an answer says.

mod admission;
mod connection;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::admission::Admission;
use self::connection::Connection;
use crate::dns::engine::{Client, Transport};
use crate::dns::transport::{Random, Responder, Stopwatch};
use crate::telemetry::Counters;

/// Pause after a failure to accept that will last, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A trouble that has not shown for so long is over, and worth a line when it comes back.
const TROUBLE_OVER: Duration = Duration::from_mins(1);

/// What clients may use. The caps hold over all listeners together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpLimits {
    /// Open connections in all.
    pub connections_max: usize,
    /// Open connections of one /24 (IPv4) or /56 (IPv6).
    pub connections_per_prefix_max: usize,
    /// How long a connection may wait between messages.
    pub idle_timeout: Duration,
    /// How long a message may take from its first octet to its last.
    pub read_timeout: Duration,
    /// How long a client may take to read the answers that wait.
    pub write_timeout: Duration,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self {
            // At most 200 KB each while busy: 800 MB at the very worst, a few megabytes if idle.
            connections_max: 4_096,
            // A large resolver farm behind one prefix needs some dozens; one attacker must not get all.
            connections_per_prefix_max: 256,
            // RFC 7766 §6.2.3 wants "the order of a few seconds"; long enough for a resolver to use it again.
            idle_timeout: Duration::from_secs(10),
            // Some retransmissions of one segment.
            read_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
        }
    }
}

/// Serves DNS on any number of listeners.
#[derive(Debug)]
pub struct TcpServer<R> {
    /// What all connections share.
    shared: Arc<Shared<R>>,
}

impl<R> Clone for TcpServer<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<R: Responder> TcpServer<R> {
    /// Counts connections in `counters`. `worker` makes a responder, and the counters that only it and its user write;
    /// it is called once for each thread that answers at the same time, not for each connection.
    pub fn new(
        limits: TcpLimits,
        counters: Arc<Counters>,
        worker: impl Fn() -> (R, Arc<Counters>) + Send + Sync + 'static,
    ) -> Self {
        let admission = Arc::new(Admission::new(limits.connections_max, limits.connections_per_prefix_max));
        let worker = Box::new(worker);
        Self { shared: Arc::new(Shared { limits, counters, admission, worker, desks: Mutex::default() }) }
    }

    /// Open connections of all listeners.
    pub fn connections(&self) -> usize {
        self.shared.admission.total()
    }

    /// Accepts and serves until `stop`, then has the connections answer what they have read, and returns when the last
    /// one is closed. Fails only if `listener` is no use at all.
    pub async fn serve(&self, listener: std::net::TcpListener, stop: CancellationToken) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let mut connections = JoinSet::new();
        let mut stopped = pin!(stop.cancelled());
        let (mut refusing, mut failing) = (Trouble::default(), Trouble::default());
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(ended) = connections.join_next() => {
                    report_panic(&ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, source)) => self.admit(stream, source, &mut connections, &stop, &mut refusing),
                // That client has gone; the next one waits already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if failing.begins(Instant::now()) {
                        tracing::warn!(%error, "cannot accept TCP connections; trying on");
                    }
                    tokio::select! {
                        () = &mut stopped => break,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
        drop(listener);
        while let Some(ended) = connections.join_next().await {
            report_panic(&ended);
        }
        Ok(())
    }

    /// Starts to serve a new connection, or closes it if there are too many.
    fn admit(
        &self,
        stream: TcpStream,
        source: SocketAddr,
        connections: &mut JoinSet<()>,
        stop: &CancellationToken,
        refusing: &mut Trouble,
    ) {
        let permit = match self.shared.admission.admit(source.ip()) {
            Ok(permit) => permit,
            Err(refusal) => {
                self.shared.counters.tcp_refused.increment_shared();
                if refusing.begins(Instant::now()) {
                    tracing::warn!(client = %source.ip(), cap = ?refusal, "too many TCP connections; refusing new ones");
                }
                return;
            }
        };
        self.shared.counters.tcp_accepted.increment_shared();
        // Answers are written whole: waiting to fill a segment only delays them. If this fails, they are later.
        stream.set_nodelay(true).ok();
        let client = Client { address: source.ip().to_canonical(), transport: Transport::Tcp };
        let connection = Connection::new(stream, client, Arc::clone(&self.shared));
        // A token of its own: the listener's has one lock, which all connections would take for every message.
        let stop = stop.child_token();
        connections.spawn(async move {
            connection.run(stop).await;
            drop(permit);
        });
    }
}

/// A panic ends one connection and nothing else, but somebody should look.
fn report_panic(ended: &Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a TCP connection panicked");
    }
}

/// What all connections share.
struct Shared<R> {
    /// What clients may use.
    limits: TcpLimits,
    /// Where connections count; several threads write.
    counters: Arc<Counters>,
    /// Who may connect.
    admission: Arc<Admission>,
    /// Makes what a new desk needs.
    worker: Box<dyn Fn() -> (R, Arc<Counters>) + Send + Sync>,
    /// Desks that nobody sits at: as many as threads ever answered at the same time.
    desks: Mutex<Vec<Desk<R>>>,
}

impl<R> fmt::Debug for Shared<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// All that one thread at a time needs to answer.
struct Desk<R> {
    /// Who answers.
    responder: R,
    /// Where it counts; whoever sits at the desk is the only writer.
    counters: Arc<Counters>,
    /// Its random numbers.
    random: Random,
    /// Times some answers.
    stopwatch: Stopwatch,
}

impl<R: Responder> Shared<R> {
    /// Has `work` done at a free desk.
    fn at_desk<T>(&self, work: impl FnOnce(&mut Desk<R>) -> T) -> T {
        let free = self.desks.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut desk = free.unwrap_or_else(|| {
            let (responder, counters) = (self.worker)();
            Desk { responder, counters, random: Random::new(), stopwatch: Stopwatch::default() }
        });
        let done = work(&mut desk);
        self.desks.lock().unwrap_or_else(PoisonError::into_inner).push(desk);
        done
    }
}

/// Something that goes wrong again and again, and is worth one line.
#[derive(Debug, Default)]
struct Trouble(Option<Instant>);

impl Trouble {
    /// Notes that it happens now; whether it is new.
    fn begins(&mut self, now: Instant) -> bool {
        self.0.replace(now).is_none_or(|last| now.duration_since(last) >= TROUBLE_OVER)
    }
}

#[cfg(test)]
mod tests;
