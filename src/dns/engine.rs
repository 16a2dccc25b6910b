//! The engine: a query's octets in, an answer's octets out. Every transport calls it.
//!
//! It is total: any octets in, an answer or silence out. It takes no lock, allocates nothing, awaits nothing, logs
//! nothing and does not panic. Chance comes in as an argument, so every answer can be reproduced.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use crate::config::Policy;
use crate::dns::respond::{Answer, respond};
use crate::dns::{ahead, chaos};
use crate::model::limits::UDP_PAYLOAD_MIN;
use crate::model::rrset::Rtype;
use crate::steering::table::RecordTable;
use crate::telemetry::Counters;
use crate::wire::message::{ExtendedError, Message, Opt, put_error};
use crate::wire::name::LowerName;
use crate::wire::query::{CLASS_CH, CLASS_IN, Query, Rcode, Unanswerable};

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

/// What all workers share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The live record table.
    table: Arc<ArcSwap<RecordTable>>,
    /// What a reload may change.
    policy: Arc<ArcSwap<Policy>>,
}

impl Engine {
    /// An engine that answers from `table` under `policy`.
    pub const fn new(table: Arc<ArcSwap<RecordTable>>, policy: Arc<ArcSwap<Policy>>) -> Self {
        Self { table, policy }
    }

    /// The engine of one worker, which counts into `counters`.
    pub fn worker(&self, counters: Arc<Counters>) -> Worker {
        Worker {
            table: Cache::new(Arc::clone(&self.table)),
            policy: Cache::new(Arc::clone(&self.policy)),
            counters,
            qname: LowerName::default(),
            target: LowerName::default(),
        }
    }
}

/// The engine of one worker: a thread's or a connection's own.
pub struct Worker {
    /// The table, kept between queries until it changes.
    table: Cache<Arc<ArcSwap<RecordTable>>, Arc<RecordTable>>,
    /// The policy, likewise.
    policy: Cache<Arc<ArcSwap<Policy>>, Arc<Policy>>,
    /// Where this worker counts.
    counters: Arc<Counters>,
    /// The question's name, reused from query to query.
    qname: LowerName,
    /// The target of a CNAME, likewise.
    target: LowerName,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    /// Tells of the queries that come next, at most a batch. It changes no answer, only when memory is there.
    pub fn look_ahead<'q>(&mut self, queries: impl Iterator<Item = &'q [u8]>) {
        ahead::look_ahead(self.table.load(), queries, &mut self.target);
    }

    /// Answers `query` into `out`. `random` decides what is left to chance. Counts what it answers; the transport
    /// counts what came and went.
    pub fn answer(&mut self, query: &[u8], client: &Client, random: u64, out: &mut [u8]) -> Reply {
        let policy = self.policy.load();
        let parsed = match Query::parse(query, &mut self.qname) {
            Ok(parsed) => parsed,
            Err(Unanswerable::Silent) => {
                self.counters.silent.increment();
                return Reply { len: 0 };
            }
            Err(Unanswerable::Error(header, rcode)) => {
                count_rcode(&self.counters, rcode);
                return Reply { len: put_error(out, header, rcode) };
            }
        };
        let size = size_limit(client.transport, &parsed, policy);
        let Some(mut message) = Message::start(out, size, parsed.question, parsed.edns.is_some()) else {
            self.counters.silent.increment();
            return Reply { len: 0 };
        };
        let answer = if let Some(rcode) = refusal(&parsed) {
            Answer::error(rcode)
        } else if parsed.qclass == CLASS_CH {
            chaos::respond(&mut message, &self.qname, parsed.qtype, policy)
        } else {
            let names = (&mut self.qname, &mut self.target);
            respond(self.table.load(), &mut message, &parsed, names, client.transport, random, &self.counters)
        };
        let Answer { rcode, authoritative, truncated, error } = answer;
        count_rcode(&self.counters, rcode);
        if truncated {
            self.counters.truncated.increment();
            message.clear(true);
        }
        let opt = parsed.edns.map(|edns| Opt { udp_payload: policy.udp_payload_max, dnssec_ok: edns.dnssec_ok, error });
        Reply { len: message.finish(parsed.header, rcode, authoritative, opt) }
    }
}

/// Largest answer for this client.
fn size_limit(transport: Transport, query: &Query<'_>, policy: &Policy) -> usize {
    match (transport, query.edns) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        // RFC 1035 §4.2.1: 512 octets without EDNS.
        (Transport::Udp, None) => usize::from(UDP_PAYLOAD_MIN),
        // RFC 6891 §6.2.3: values below 512 are taken as 512. RFC 9715 §3.1: stay below what fragments.
        (Transport::Udp, Some(edns)) => usize::from(edns.udp_payload.max(UDP_PAYLOAD_MIN).min(policy.udp_payload_max)),
    }
}

/// What is refused whatever the name.
fn refusal(query: &Query<'_>) -> Option<Rcode> {
    if query.header.opcode != 0 {
        return Some(Rcode::NotImp);
    }
    // RFC 6891 §6.1.3: a version we do not speak.
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return Some(Rcode::BadVers);
    }
    match (query.qclass, query.qtype) {
        // Obsolete (RFC 1035 §3.2.3).
        (_, Rtype::MAILA | Rtype::MAILB) => Some(Rcode::NotImp),
        // Zone transfer is not offered.
        (_, Rtype::AXFR | Rtype::IXFR) => Some(Rcode::Refused),
        (_, Rtype::ANY) if query.qclass == CLASS_IN => None,
        // RFC 6895 §3.1: other types of this range exist in messages only.
        (_, qtype) if qtype.is_meta() && qtype != Rtype::ANY && qtype.0 != 0 => Some(Rcode::FormErr),
        (CLASS_IN | CLASS_CH, _) => None,
        _ => Some(Rcode::Refused),
    }
}

/// Counts an answer by its code.
fn count_rcode(counters: &Counters, rcode: Rcode) {
    let counter = match rcode {
        Rcode::NoError => &counters.noerror,
        Rcode::FormErr => &counters.formerr,
        Rcode::ServFail => &counters.servfail,
        Rcode::NxDomain => &counters.nxdomain,
        Rcode::NotImp => &counters.notimp,
        Rcode::Refused => &counters.refused,
        Rcode::YxDomain => &counters.yxdomain,
        Rcode::BadVers => &counters.badvers,
    };
    counter.increment();
}

/// Extended DNS Errors that live names give (RFC 8914 §4).
pub(crate) mod extended_errors {
    use super::ExtendedError;

    /// Origins have not been probed yet.
    pub(crate) const NOT_READY: ExtendedError = ExtendedError { code: 14, text: "origins have not been probed yet" };
    /// The fallback pool answers.
    pub(crate) const FALLBACK: ExtendedError = ExtendedError { code: 0, text: "no usable pool: fallback pool" };
    /// The fallback pool answers whatever its health.
    pub(crate) const LAST_RESORT: ExtendedError =
        ExtendedError { code: 0, text: "no healthy origin: fallback pool unchecked" };
    /// Nothing answers.
    pub(crate) const EXHAUSTED: ExtendedError = ExtendedError { code: 0, text: "no usable pool" };
}
