//! What all transports need: somebody who answers, time and random numbers for them, and a way to have queries answered
//! elsewhere.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::dns::ahead::Ahead;
use crate::dns::engine::{Client, Reply, UnixTime, Worker};
use crate::dns::io::{Asked, send_from};
use crate::telemetry::Counters;
use crate::telemetry::histogram::ENGINE_BOUNDS;
use crate::wire::message::COOKIE_OCTETS;

/// Turns a query's bytes into an answer's. The engine does; tests have simpler ones.
pub trait Responder: Send + 'static {
    /// Answers `query` into `out`. Total: any bytes in, an answer or silence out. `random` decides what is left to chance.
    fn respond(&mut self, query: &[u8], client: &Client, now: UnixTime, random: u64, out: &mut [u8]) -> Reply;

    /// Passes on a query whose [`Reply`] says so; whether that was possible. Never waits.
    fn pass_on(&mut self, _query: PassedOn) -> bool {
        false
    }

    /// Looks ahead at the queries that come next, at most a batch, and who asks; what it finds goes into `batch`, in
    /// their order, and comes back with each query.
    fn look_ahead<'q>(&mut self, _queries: impl Iterator<Item = (&'q [u8], IpAddr)>, _batch: &mut [Ahead]) {}

    /// As [`Responder::respond`], given what looking ahead at this query has found.
    fn respond_ahead(
        &mut self,
        query: &[u8],
        _ahead: &mut Ahead,
        client: &Client,
        now: UnixTime,
        random: u64,
        out: &mut [u8],
    ) -> Reply {
        self.respond(query, client, now, random, out)
    }
}

impl Responder for Worker {
    fn respond(&mut self, query: &[u8], client: &Client, now: UnixTime, random: u64, out: &mut [u8]) -> Reply {
        self.answer(query, client, now, random, out)
    }

    fn pass_on(&mut self, query: PassedOn) -> bool {
        Self::pass_on(self, query)
    }

    fn look_ahead<'q>(&mut self, queries: impl Iterator<Item = (&'q [u8], IpAddr)>, batch: &mut [Ahead]) {
        Self::look_ahead(self, queries, batch);
    }

    fn respond_ahead(
        &mut self,
        query: &[u8],
        ahead: &mut Ahead,
        client: &Client,
        now: UnixTime,
        random: u64,
        out: &mut [u8],
    ) -> Reply {
        self.answer_ahead(query, ahead, client, now, random, out)
    }
}

/// A queue of queries that are answered elsewhere. It is bounded, and who would have to wait answers SERVFAIL instead.
pub type PassedOnSender = mpsc::Sender<PassedOn>;

/// Where queries go that are answered elsewhere: a queue for each transport. Sources of datagrams can be forged, so whatever
/// comes as datagrams must not keep those out who have a connection.
#[derive(Clone, Debug)]
pub struct PassingOn {
    /// What came over UDP.
    pub udp: PassedOnSender,
    /// What came over TCP.
    pub tcp: PassedOnSender,
}

impl PassingOn {
    /// Puts a query into the queue of its transport, if there is room.
    pub(super) fn try_send(&self, query: PassedOn) -> bool {
        let queue = match query.back {
            Back::Udp(_) => &self.udp,
            Back::Tcp(_) => &self.tcp,
        };
        queue.try_send(query).is_ok()
    }
}

/// A query that somebody else answers, and how.
#[derive(Debug)]
pub struct PassedOn {
    /// The query.
    pub query: Vec<u8>,
    /// Where it came from.
    pub source: SocketAddr,
    /// What the COOKIE option of the answer says, if it has one.
    pub cookie: Option<[u8; COOKIE_OCTETS]>,
    /// Where the answer goes.
    pub back: Back,
}

/// Where an answer goes.
#[derive(Debug)]
pub enum Back {
    /// Over the socket that the query came by: one message.
    Udp(UdpBack),
    /// Over the connection that the query came by: messages in this order, the last one when this is dropped. What is
    /// asked after it waits. Who sends waits for a slow reader; when the connection ends, sending fails.
    Tcp(mpsc::Sender<Vec<u8>>),
}

/// Where an answer over UDP goes.
#[derive(Clone, Debug)]
pub struct UdpBack {
    /// The socket.
    pub(super) socket: Arc<UdpSocket>,
    /// The client.
    pub(super) client: SocketAddr,
    /// The address that the client asked, if the socket has several.
    pub(super) asked: Option<Asked>,
}

impl UdpBack {
    /// Sends the answer, from the address that was asked. It never waits; an answer that the kernel will not take is
    /// lost, as datagrams may be.
    pub fn send(&self, answer: &[u8]) -> io::Result<()> {
        send_from(&self.socket, answer, self.client, self.asked)
    }
}

/// What the clock shows. Before 1970 it shows nothing useful, and is taken as that.
pub(crate) fn unix_time() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Random numbers of one thread: `SplitMix64`. They spread load and guard nothing.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A sequence of its own, seeded from what the standard library seeds its hash tables with.
    pub(super) fn new() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }

    /// The next number.
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// One answer in so many is timed: reading the clock twice costs as much as a part of an answer.
const TIMED_ONE_IN: u32 = 1_024;

/// Says which answers are timed. The first one is, so that a quiet server shows something.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopwatch {
    /// Answers until the next one that is timed.
    left: u32,
}

impl Stopwatch {
    /// Does `work`, and takes in how long it took if it is its turn.
    pub(super) fn time<T>(&mut self, counters: &Counters, work: impl FnOnce() -> T) -> T {
        if self.left > 0 {
            self.left -= 1;
            return work();
        }
        self.left = TIMED_ONE_IN - 1;
        let began = Instant::now();
        let done = work();
        counters.took.observe(began.elapsed(), &ENGINE_BOUNDS);
        done
    }
}

/// Responders for the transports' own tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::telemetry::histogram::Observed;

    /// Says back what it hears; nothing if the first octet is `SILENT`.
    pub(in crate::dns) struct Echo;

    /// First octet of a message that gets no answer.
    pub(in crate::dns) const SILENT: u8 = 0xff;

    impl Responder for Echo {
        fn respond(&mut self, query: &[u8], _: &Client, _: UnixTime, _: u64, out: &mut [u8]) -> Reply {
            if query.first() == Some(&SILENT) {
                return Reply::of(0);
            }
            let len = query.len().min(out.len());
            out[..len].copy_from_slice(&query[..len]);
            Reply::of(len)
        }
    }

    #[test]
    fn what_waits_over_udp_keeps_nobody_out_over_tcp() {
        let (udp, mut datagrams) = mpsc::channel(1);
        let (tcp, mut streams) = mpsc::channel(1);
        let queues = PassingOn { udp, tcp };
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let source = socket.local_addr().unwrap();
        let over_udp = |number: u8| {
            let back = Back::Udp(UdpBack { socket: Arc::clone(&socket), client: source, asked: None });
            PassedOn { query: vec![number], source, cookie: None, back }
        };
        let over_tcp =
            |number: u8| PassedOn { query: vec![number], source, cookie: None, back: Back::Tcp(mpsc::channel(1).0) };
        let sent = [over_udp(1), over_udp(2), over_tcp(3), over_tcp(4)].map(|query| queues.try_send(query));
        assert_eq!(sent, [true, false, true, false]);
        let heard = [&mut datagrams, &mut streams].map(|queue| queue.try_recv().unwrap().query);
        assert_eq!(heard, [[1], [3]]);
    }

    #[test]
    fn one_answer_in_many_is_timed() {
        let (counters, mut watch) = (Counters::default(), Stopwatch::default());
        let count = || Observed::of(&counters.took, &ENGINE_BOUNDS).count;
        for number in 0..2_049_u32 {
            assert_eq!(watch.time(&counters, || number), number);
            assert_eq!(count(), u64::from(number / 1_024) + 1);
        }
    }

    #[test]
    fn random_numbers_differ() {
        let (mut one, mut two) = (Random::new(), Random::new());
        let numbers = [one.next(), one.next(), two.next(), two.next()];
        let distinct: std::collections::HashSet<u64> = numbers.into_iter().collect();
        assert_eq!(distinct.len(), numbers.len());
    }
}
