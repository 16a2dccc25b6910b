//! DNS over UDP: one thread and one socket for each core, outside the async runtime.
//!
//! A thread receives a batch, answers it, sends the answers, and so on until it is stopped; no probe, API call or
//! disk write can delay it. Deliberately absent: rate limits and what an answer says; the engine has them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::dns::ahead::Ahead;
use crate::dns::engine::{Client, Transport};
use crate::dns::io::{Batch, answer_from_asked_address, ignore_path_mtu};
use crate::dns::listen::BindError;
use crate::dns::transport::{Back, PassedOn, Random, Responder, Stopwatch, UdpBack, unix_time};
use crate::telemetry::Counters;

/// Octets of a socket's buffers that we ask for; the kernel gives what `net.core.rmem_max` and `wmem_max` allow.
/// A burst of a second's queries on a busy core has to wait somewhere while the thread is not scheduled.
const SOCKET_BUFFER_OCTETS: usize = 4 << 20;
/// Batches answered after a stop, if the senders never pause: more than a socket's buffer holds.
const BATCHES_DRAINED_MAX: usize = 1_024;
/// Receive errors in a row after which a thread pauses between tries.
const ERRORS_BEFORE_PAUSE: u32 = 16;
/// That pause: a socket that only gives errors must not eat a core.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Bound sockets that share one address and port, one for each thread to be.
#[derive(Debug)]
pub struct UdpSockets {
    /// The address that they share.
    address: SocketAddr,
    /// The sockets.
    sockets: Vec<UdpSocket>,
}

impl UdpSockets {
    /// Binds `threads` sockets to `listen`. With port 0, the kernel chooses one port for all.
    pub fn bind(listen: SocketAddr, threads: NonZeroUsize) -> Result<Self, BindError> {
        Self::open(listen, threads).map_err(|source| BindError::new(listen, Transport::Udp, source))
    }

    /// As [`UdpSockets::bind`], with the kernel's errors.
    ///
    /// The first socket is bound alone, and only then allows others to join. `SO_REUSEPORT` from the start would also
    /// let a second server of the same user in, which would steal part of the queries.
    fn open(listen: SocketAddr, threads: NonZeroUsize) -> io::Result<Self> {
        let first = new_socket(listen)?;
        first.bind(&listen.into())?;
        if threads.get() > 1 {
            first.set_reuse_port(true)?;
        }
        let first = UdpSocket::from(first);
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        while sockets.len() < threads.get() {
            let socket = new_socket(listen)?;
            socket.set_reuse_port(true)?;
            socket.bind(&address.into())?;
            sockets.push(socket.into());
        }
        for socket in &sockets {
            ignore_path_mtu(socket)?;
            if address.ip().is_unspecified() {
                answer_from_asked_address(socket)?;
            }
        }
        Ok(Self { address, sockets })
    }

    /// The address in fact.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts a thread for each socket. `worker` makes its responder, and the counters that only this thread writes.
    pub fn spawn<R: Responder>(self, mut worker: impl FnMut() -> (R, Arc<Counters>)) -> io::Result<UdpWorkers> {
        let mut workers = UdpWorkers { stop: Arc::default(), sockets: Vec::new(), threads: Vec::new() };
        for (number, socket) in self.sockets.into_iter().enumerate() {
            let socket = Arc::new(socket);
            let (responder, counters) = worker();
            let (stop, stopwatch) = (Arc::clone(&workers.stop), Stopwatch::default());
            let serving = Serving { socket: Arc::clone(&socket), stop, responder, counters, stopwatch };
            let thread = thread::Builder::new().name(format!("udp-{}-{number}", self.address.port()));
            workers.sockets.push(socket);
            // If this fails, dropping `workers` stops those before.
            workers.threads.push(thread.spawn(move || serving.run())?);
        }
        Ok(workers)
    }
}

/// A socket with its options, not yet bound.
fn new_socket(listen: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    if listen.is_ipv6() {
        // IPv4 has sockets of its own: mapped addresses would confuse access lists, limits and packet information.
        socket.set_only_v6(true)?;
    }
    // Smaller buffers only lose more in a burst: no reason not to start.
    socket.set_recv_buffer_size(SOCKET_BUFFER_OCTETS).ok();
    socket.set_send_buffer_size(SOCKET_BUFFER_OCTETS).ok();
    Ok(socket)
}

/// Threads that serve. Dropping it stops them, but only [`UdpWorkers::join`] waits.
#[derive(Debug)]
pub struct UdpWorkers {
    /// Set when they are to stop.
    stop: Arc<AtomicBool>,
    /// Their sockets, to wake them.
    sockets: Vec<Arc<UdpSocket>>,
    /// The threads.
    threads: Vec<JoinHandle<()>>,
}

impl UdpWorkers {
    /// Has each thread answer what its socket holds already, and end. Does not wait.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        for socket in &self.sockets {
            // Linux says ENOTCONN, but wakes whoever waits for a datagram, now and from now on.
            SockRef::from(&**socket).shutdown(std::net::Shutdown::Read).ok();
        }
    }

    /// Waits for the threads. Blocks: not for async tasks.
    pub fn join(mut self) {
        for thread in self.threads.drain(..) {
            // A thread catches its panics.
            thread.join().ok();
        }
    }
}

impl Drop for UdpWorkers {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One thread's own.
struct Serving<R> {
    /// Where queries come from and answers go to.
    socket: Arc<UdpSocket>,
    /// Whether to stop.
    stop: Arc<AtomicBool>,
    /// Who answers.
    responder: R,
    /// Where this thread counts.
    counters: Arc<Counters>,
    /// Times some answers.
    stopwatch: Stopwatch,
}

impl<R: Responder> Serving<R> {
    /// Serves until stopped.
    fn run(mut self) {
        let mut batch = Batch::new();
        let mut ahead = Ahead::batch();
        let mut random = Random::new();
        // Without the thread, its share of the queries would vanish in a socket that nobody reads: a panic, which must
        // not happen, costs one batch instead.
        while panic::catch_unwind(AssertUnwindSafe(|| self.serve(&mut batch, &mut ahead, &mut random))).is_err() {
            tracing::error!("a UDP thread panicked; it goes on with the next batch");
        }
    }

    /// Receives, answers and sends until stopped.
    fn serve(&mut self, batch: &mut Batch, ahead: &mut [Ahead], random: &mut Random) {
        let mut errors = 0;
        let mut batches_left = BATCHES_DRAINED_MAX;
        while batches_left > 0 {
            if self.stop.load(Ordering::Acquire) {
                batches_left -= 1;
            }
            match batch.receive(&self.socket) {
                Ok(received) => {
                    errors = 0;
                    self.counters.udp_received.add(received.datagrams);
                    self.counters.silent.add(received.dropped);
                    if received.shut_down {
                        return;
                    }
                }
                Err(error) => {
                    errors += 1;
                    self.pause(errors, &error);
                    continue;
                }
            }
            self.respond(batch, ahead, random);
            let sent = batch.send(&self.socket);
            self.counters.udp_sent.add(sent.sent);
            self.counters.udp_send_failed.add(sent.failed);
        }
    }

    /// Answers a batch. `ahead` is room for what looking ahead at it finds.
    fn respond(&mut self, batch: &mut Batch, ahead: &mut [Ahead], random: &mut Random) {
        self.responder.look_ahead(batch.queries(), ahead);
        let mut ahead = ahead.iter_mut();
        let now = unix_time();
        batch.respond(|query, source, asked, out| {
            let ahead = ahead.next();
            // Nobody listens on port 0: the source is forged, and an answer could only feed a loop.
            if source.port() == 0 {
                self.counters.silent.increment();
                return 0;
            }
            let client = Client { address: source.ip(), transport: Transport::Udp };
            let random = random.next();
            let answer = || match ahead {
                Some(ahead) => self.responder.respond_ahead(query, ahead, &client, now, random, out),
                None => self.responder.respond(query, &client, now, random, out),
            };
            let reply = self.stopwatch.time(&self.counters, answer);
            if !reply.passed_on {
                return reply.len;
            }
            let back = Back::Udp(UdpBack { socket: Arc::clone(&self.socket), client: source, asked });
            let passed_on =
                self.responder.pass_on(PassedOn { query: query.to_vec(), source, cookie: reply.cookie, back });
            if passed_on { 0 } else { reply.len }
        });
    }

    /// After the `errors`-th error in a row: goes on at once with those that pass, as memory that is short or an ICMP
    /// error of an earlier answer, and more slowly with those that stay.
    fn pause(&self, errors: u32, error: &io::Error) {
        if errors < ERRORS_BEFORE_PAUSE {
            return;
        }
        if errors == ERRORS_BEFORE_PAUSE {
            tracing::warn!(address = ?self.socket.local_addr().ok(), %error, "cannot receive; trying on");
        }
        thread::park_timeout(ERROR_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::sync::mpsc;

    use crate::dns::engine::{Reply, UnixTime};
    use crate::dns::io::DATAGRAM_OCTETS_MAX;
    use crate::dns::transport::PassedOnSender;
    use crate::dns::transport::testing::{Echo, SILENT};
    use crate::telemetry::Registry;

    use super::*;

    /// Longer than anything here should take.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Sockets on a port of the kernel's choice.
    fn sockets(address: impl Into<IpAddr>, threads: usize) -> UdpSockets {
        UdpSockets::bind((address.into(), 0).into(), NonZeroUsize::new(threads).unwrap()).unwrap()
    }

    /// Threads that echo, and their counters.
    fn spawn(sockets: UdpSockets) -> (UdpWorkers, Vec<Arc<Counters>>) {
        let mut all = Vec::new();
        let workers = sockets.spawn(|| {
            all.push(Registry::default().worker());
            (Echo, Arc::clone(all.last().unwrap()))
        });
        (workers.unwrap(), all)
    }

    /// A client that hears only what comes from `server`.
    fn client(server: impl Into<SocketAddr>) -> UdpSocket {
        let server = server.into();
        let local: IpAddr = if server.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let socket = UdpSocket::bind((local, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server).unwrap();
        socket
    }

    /// Sends `query` and waits for the echo.
    fn exchange(client: &UdpSocket, query: &[u8]) {
        client.send(query).unwrap();
        expect(client, query);
    }

    /// Waits for `answer`.
    fn expect(client: &UdpSocket, answer: &[u8]) {
        let mut heard = [0; DATAGRAM_OCTETS_MAX];
        let len = client.recv(&mut heard).unwrap();
        assert_eq!(&heard[..len], answer);
    }

    /// Joins, but not for ever.
    fn join(workers: UdpWorkers) {
        let (done, joined) = mpsc::channel();
        thread::spawn(move || {
            workers.join();
            done.send(()).unwrap();
        });
        joined.recv_timeout(Duration::from_secs(1)).expect("threads end within a second");
    }

    #[test]
    fn thousands_of_datagrams_from_many_sockets_are_answered_by_all_threads() {
        let (clients, rounds, window) = (64_u16, 20_u16, 4_u16);
        let sockets = sockets(Ipv4Addr::LOCALHOST, 2);
        let address = sockets.address();
        let (workers, counters) = spawn(sockets);
        let clients: Vec<_> = (0..clients).map(|number| (number, client(address))).collect();
        for round in 0..rounds {
            let message =
                |number: u16, turn: u16| [number.to_be_bytes(), round.to_be_bytes(), turn.to_be_bytes()].concat();
            for turn in 0..window {
                for (number, socket) in &clients {
                    socket.send(&message(*number, turn)).unwrap();
                }
            }
            for turn in 0..window {
                for (number, socket) in &clients {
                    expect(socket, &message(*number, turn));
                }
            }
        }
        workers.stop();
        join(workers);
        let sum = |pick: fn(&Counters) -> u64| counters.iter().map(|counters| pick(counters)).sum::<u64>();
        let all = 64 * 20 * 4;
        assert_eq!((sum(|c| c.udp_received.value()), sum(|c| c.udp_sent.value())), (all, all));
        assert_eq!(sum(|c| c.udp_send_failed.value()), 0);
        assert!(counters.iter().all(|counters| counters.udp_received.value() > 0), "each socket gets a share");
    }

    #[test]
    fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
        let sockets = sockets(Ipv4Addr::UNSPECIFIED, 2);
        let port = sockets.address().port();
        let (workers, _) = spawn(sockets);
        for asked in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 1, 2, 3]] {
            exchange(&client((asked, port)), b"who am I asking?");
        }
        workers.stop();
        join(workers);
    }

    #[expect(clippy::print_stderr, reason = "whoever reads the test's output should know")]
    #[test]
    fn ipv6_works_on_an_address_and_on_the_wildcard() {
        if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
            eprintln!("skipped: no IPv6 here");
            return;
        }
        for listen in [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED] {
            let sockets = sockets(listen, 2);
            let port = sockets.address().port();
            let (workers, _) = spawn(sockets);
            exchange(&client((Ipv6Addr::LOCALHOST, port)), b"six");
            workers.stop();
            join(workers);
        }
    }

    #[test]
    fn silence_and_oversize_do_not_disturb_the_rest() {
        let sockets = sockets(Ipv4Addr::LOCALHOST, 1);
        let client = client(sockets.address());
        client.send(&[SILENT; 12]).unwrap();
        client.send(&[1; DATAGRAM_OCTETS_MAX + 1]).unwrap();
        client.send(&[]).unwrap();
        client.send(&[2; DATAGRAM_OCTETS_MAX]).unwrap();
        client.send(b"last").unwrap();
        let (workers, counters) = spawn(sockets);
        expect(&client, &[2; DATAGRAM_OCTETS_MAX]);
        expect(&client, b"last");
        workers.stop();
        join(workers);
        assert_eq!((counters[0].udp_received.value(), counters[0].udp_sent.value()), (5, 2));
        assert_eq!(counters[0].silent.value(), 1, "the transport itself dropped one");
    }

    #[test]
    fn what_is_answered_elsewhere_comes_from_the_address_that_was_asked() {
        /// Passes everything on.
        struct Passing(PassedOnSender);
        impl Responder for Passing {
            fn respond(&mut self, _: &[u8], _: &Client, _: UnixTime, _: u64, out: &mut [u8]) -> Reply {
                out[0] = b'!';
                Reply { passed_on: true, ..Reply::of(1) }
            }
            fn pass_on(&mut self, query: PassedOn) -> bool {
                self.0.try_send(query).is_ok()
            }
        }
        let (sender, mut queue) = tokio::sync::mpsc::channel(1);
        let sockets = sockets(Ipv4Addr::UNSPECIFIED, 1);
        let port = sockets.address().port();
        let workers = sockets.spawn(|| (Passing(sender.clone()), Arc::default())).unwrap();
        for asked in [[127, 0, 0, 1], [127, 1, 2, 3]] {
            // Connected: it hears nobody but whom it asked.
            let client = client((asked, port));
            client.send(b"who am I asking?").unwrap();
            let PassedOn { query, source, back, .. } = queue.blocking_recv().unwrap();
            assert_eq!((query.as_slice(), source), (&b"who am I asking?"[..], client.local_addr().unwrap()));
            let Back::Udp(back) = back else { panic!("it came over UDP") };
            back.send(b"me").unwrap();
            expect(&client, b"me");
        }
        // The queue has room for one.
        let client = client(([127, 0, 0, 1], port));
        client.send(b"1").unwrap();
        client.send(b"2").unwrap();
        expect(&client, b"!");
        workers.stop();
        join(workers);
    }

    #[test]
    fn stop_answers_what_waits_already() {
        let sockets = sockets(Ipv4Addr::LOCALHOST, 2);
        let clients: Vec<_> = (0..100_u8).map(|number| (number, client(sockets.address()))).collect();
        for (number, socket) in &clients {
            socket.send(&[*number; 40]).unwrap();
        }
        let (workers, _) = spawn(sockets);
        workers.stop();
        join(workers);
        for (number, socket) in &clients {
            expect(socket, &[*number; 40]);
        }
    }

    #[test]
    fn stop_wakes_threads_that_wait() {
        let sockets = sockets(Ipv4Addr::LOCALHOST, 4);
        let address = sockets.address();
        let (workers, _) = spawn(sockets);
        exchange(&client(address), b"awake");
        workers.stop();
        join(workers);
        // The port is free again.
        UdpSocket::bind(address).unwrap();
    }

    #[test]
    fn stop_does_not_wait_for_senders_to_pause() {
        let sockets = sockets(Ipv4Addr::LOCALHOST, 1);
        let address = sockets.address();
        let (workers, _) = spawn(sockets);
        let flooding = Arc::new(AtomicBool::new(true));
        let flood = thread::spawn({
            let (flooding, client) = (Arc::clone(&flooding), client(address));
            move || {
                while flooding.load(Ordering::Relaxed) {
                    // Fails once the port is closed.
                    client.send(&[SILENT; 40]).ok();
                }
            }
        });
        exchange(&client(address), b"busy");
        workers.stop();
        join(workers);
        flooding.store(false, Ordering::Relaxed);
        flood.join().unwrap();
    }

    #[test]
    fn a_panic_costs_a_batch_and_not_the_thread() {
        /// Panics when asked to.
        struct Fragile;
        impl Responder for Fragile {
            fn respond(&mut self, query: &[u8], client: &Client, now: UnixTime, random: u64, out: &mut [u8]) -> Reply {
                assert_ne!(query, b"panic", "as the test wants");
                Echo.respond(query, client, now, random, out)
            }
        }
        let sockets = sockets(Ipv4Addr::LOCALHOST, 1);
        let client = client(sockets.address());
        let workers = sockets.spawn(|| (Fragile, Arc::default())).unwrap();
        client.send(b"panic").unwrap();
        // Perhaps in the same batch, so perhaps lost; a later one is not.
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let answered = (0..20).any(|_| client.send(b"well?").is_ok() && client.recv(&mut [0; 5]).is_ok());
        assert!(answered);
        workers.stop();
        join(workers);
    }
}
