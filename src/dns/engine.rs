//! The engine: a query's bytes in, an answer's bytes out. (Stub; the real one is being written.)

use std::net::IpAddr;
use std::sync::Arc;

use crate::telemetry::Counters;

/// Who asks, and over what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    /// Source address of the query.
    pub address: IpAddr,
    /// How the query came.
    pub transport: Transport,
}

/// How a query came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Datagrams: answers have a size limit.
    Udp,
    /// Streams: answers may have 65,535 octets.
    Tcp,
}

/// What to send back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Octets of the answer at the start of the buffer; 0 means that nothing is sent.
    pub len: usize,
}

/// Shared by all workers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Engine {}

impl Engine {
    /// The engine of one worker, which counts into `counters`.
    pub fn worker(&self, counters: Arc<Counters>) -> Worker {
        Worker { counters }
    }
}

/// The engine of one worker: a thread's or a connection's own.
#[derive(Debug)]
pub struct Worker {
    /// Where this worker counts.
    counters: Arc<Counters>,
}

impl Worker {
    /// Answers `query` into `out`. Total: any bytes in, an answer or silence out; no allocation, lock, await or panic.
    /// `random` decides what is left to chance. Counts rcodes itself; the transport counts what it received and sent.
    pub fn answer(&mut self, query: &[u8], client: &Client, random: u64, out: &mut [u8]) -> Reply {
        let _ = (query, client, random, out);
        self.counters.silent.increment();
        Reply { len: 0 }
    }
}
