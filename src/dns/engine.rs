//! The engine: a query's octets in, an answer's octets out. Every transport calls it.
//!
//! It is total: any octets in, an answer or silence out. It takes no lock, allocates nothing, awaits nothing, logs
//! nothing and does not panic. Time and chance come in as arguments, so every answer can be reproduced.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use crate::config::Policy;
use crate::config::guard::CookieSecret;
use crate::dns::ahead::{self, Ahead};
use crate::dns::chaos;
use crate::dns::cookie::{self, Checked, Standing};
use crate::dns::respond::{Answer, respond};
use crate::dns::rrl::{Bucket, Network, RateLimiter, ResponseClass};
use crate::dns::transport::{PassedOn, PassingOn};
use crate::model::limits::UDP_PAYLOAD_MIN;
use crate::model::rrset::Rtype;
use crate::steering::table::RecordTable;
use crate::telemetry::series::{SeriesId, ZoneOutcome};
use crate::telemetry::{Code, Counters, QTYPES};
use crate::wire::message::{COOKIE_OCTETS, ExtendedError, Message, Opt, put_error};
use crate::wire::name::HashedName;
use crate::wire::query::{CLASS_CH, CLASS_IN, Edns, OPCODE_NOTIFY, Query, Rcode, Unanswerable};

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

/// A moment, as milliseconds of Unix time. Transports look at the clock once a batch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// The moment in seconds, as cookies have it: it comes round, which serial number arithmetic expects.
    #[expect(clippy::cast_possible_truncation, reason = "RFC 9018 §4.3 wants 32 bits")]
    const fn seconds(self) -> u32 {
        (self.0 / 1000) as u32
    }
}

/// What to send back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Octets of the answer at the start of the buffer; 0 means that nothing is sent.
    pub len: usize,
    /// Whether somebody else has to answer, who may take long or sign: the buffer has what to say if nobody can.
    pub passed_on: bool,
    /// What the COOKIE option of that answer says, if it has one.
    pub cookie: Option<[u8; COOKIE_OCTETS]>,
}

impl Reply {
    /// An answer of `len` octets.
    pub const fn of(len: usize) -> Self {
        Self { len, passed_on: false, cookie: None }
    }
}

/// What all engines of a process have and no reload changes.
#[derive(Debug)]
pub struct Fittings {
    /// What has been sent to whom.
    pub limiter: RateLimiter,
    /// Makes server cookies if the policy has no secret.
    pub cookie_secret: CookieSecret,
    /// How long a connection may stay without a query, which clients may ask.
    pub tcp_idle_timeout: Duration,
}

/// What all workers share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The live record table.
    table: Arc<ArcSwap<RecordTable>>,
    /// What a reload may change.
    policy: Arc<ArcSwap<Policy>>,
    /// What no reload changes.
    fittings: Arc<Fittings>,
    /// Where queries go that are not answered here.
    queues: Option<PassingOn>,
}

impl Engine {
    /// An engine that answers from `table` under `policy`.
    pub const fn new(table: Arc<ArcSwap<RecordTable>>, policy: Arc<ArcSwap<Policy>>, fittings: Arc<Fittings>) -> Self {
        Self { table, policy, fittings, queues: None }
    }

    /// An engine that has transfers, NOTIFY and whatever is signed answered at the end of `queues`. Without one, transfers
    /// are refused, and signatures are not looked at.
    #[must_use]
    pub fn passing_on(self, queues: PassingOn) -> Self {
        Self { queues: Some(queues), ..self }
    }

    /// The engine of one worker, which counts into `counters`.
    pub fn worker(&self, counters: Arc<Counters>) -> Worker {
        Worker {
            desk: Desk {
                table: Cache::new(Arc::clone(&self.table)),
                policy: Cache::new(Arc::clone(&self.policy)),
                fittings: Arc::clone(&self.fittings),
                queues: self.queues.clone(),
                counters,
                target: HashedName::default(),
            },
            ahead: Ahead::default(),
        }
    }
}

/// The engine of one worker: a thread's or a connection's own.
pub struct Worker {
    /// What it works with.
    desk: Desk,
    /// For queries that nobody has looked ahead at, reused from query to query.
    ahead: Ahead,
}

/// What a worker works with.
struct Desk {
    /// The table, kept between queries until it changes.
    table: Cache<Arc<ArcSwap<RecordTable>>, Arc<RecordTable>>,
    /// The policy, likewise.
    policy: Cache<Arc<ArcSwap<Policy>>, Arc<Policy>>,
    /// What no reload changes.
    fittings: Arc<Fittings>,
    /// Where queries go that are not answered here.
    queues: Option<PassingOn>,
    /// Where this worker counts.
    counters: Arc<Counters>,
    /// The target of a CNAME, reused from query to query.
    target: HashedName,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// What is known of a query before its name is looked up.
struct Asking<'a> {
    /// Who asks, and over what.
    client: &'a Client,
    /// When.
    now: UnixTime,
    /// What a reload may change.
    policy: &'a Policy,
    /// What no reload changes.
    fittings: &'a Fittings,
    /// Where it is counted.
    counters: &'a Counters,
    /// Whether the client has shown that the address is its own.
    is_known: bool,
    /// The client's network, if it has been looked for.
    network: Option<Network>,
}

/// What rate limits leave of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Passage {
    /// All of it.
    Whole,
    /// Its head, which has the client come again over TCP.
    Truncated,
    /// Nothing.
    Nothing,
}

impl Worker {
    /// Looks ahead at UDP queries, at most a batch, and who asks; what it finds goes into `batch`, in their order. It
    /// changes no answer, only when memory is there and when work is done.
    pub fn look_ahead<'q>(&mut self, queries: impl Iterator<Item = (&'q [u8], IpAddr)>, batch: &mut [Ahead]) {
        let Desk { table, policy, fittings, .. } = &mut self.desk;
        let (table, rrl) = (table.load(), &policy.load().rrl);
        let mut count = 0;
        for (ahead, (query, client)) in batch.iter_mut().zip(queries) {
            ahead.is_read = false;
            if table.has_large_zone() {
                ahead.read(query);
            }
            ahead.network = rrl.enabled.then(|| fittings.limiter.look_ahead(client, rrl));
            count += 1;
        }
        if table.has_large_zone() {
            ahead::prefetch_names(table, batch.get_mut(..count).unwrap_or_default());
        }
    }

    /// Answers `query`, which came at `now`, into `out`. `random` decides what is left to chance. Counts what it answers;
    /// the transport counts what came and went.
    pub fn answer(&mut self, query: &[u8], client: &Client, now: UnixTime, random: u64, out: &mut [u8]) -> Reply {
        let Self { desk, ahead } = self;
        ahead.read(query);
        ahead.network = None;
        desk.answer(query, ahead, client, now, random, out)
    }

    /// As [`Worker::answer`], given what looking ahead at this query has found.
    pub fn answer_ahead(
        &mut self,
        query: &[u8],
        ahead: &mut Ahead,
        client: &Client,
        now: UnixTime,
        random: u64,
        out: &mut [u8],
    ) -> Reply {
        let Self { desk, ahead: own } = self;
        let ahead = if ahead.is_read {
            ahead
        } else {
            own.read(query);
            own.network = ahead.network;
            own
        };
        desk.answer(query, ahead, client, now, random, out)
    }

    /// Passes a query on; whether that was possible.
    pub(super) fn pass_on(&self, query: PassedOn) -> bool {
        let Desk { queues, counters, .. } = &self.desk;
        let sent = queues.as_ref().is_some_and(|queues| queues.try_send(query));
        let counter = if sent { &counters.passed_on } else { &counters.pass_on_failed };
        counter.increment();
        sent
    }
}

impl Desk {
    /// Answers `query`, of which `ahead` knows the name.
    fn answer(
        &mut self,
        query: &[u8],
        ahead: &mut Ahead,
        client: &Client,
        now: UnixTime,
        random: u64,
        out: &mut [u8],
    ) -> Reply {
        debug_assert!(ahead.is_about(query), "another query was looked at");
        let Self { table, policy, fittings, queues, counters, target } = self;
        let (is_known, network) = (client.transport == Transport::Tcp, ahead.network);
        let mut asking = Asking { client, now, policy: policy.load(), fittings, counters, is_known, network };
        let parsed = match Query::parse(query, ahead.name_octets()) {
            Ok(parsed) => parsed,
            Err(Unanswerable::Silent) => {
                counters.silent.increment();
                return Reply::of(0);
            }
            Err(Unanswerable::Error(header, rcode)) => {
                if asking.limit(asking.bucket(), ResponseClass::Error, random) == Passage::Nothing {
                    return Reply::of(0);
                }
                asking.count(rcode, (SeriesId::NONE, ZoneOutcome::Error));
                return Reply::of(put_error(out, header, rcode));
            }
        };
        let (opt, fault) = parsed.edns.map_or((None, None), |edns| {
            let (opt, fault) = asking.options(&edns, parsed.question);
            (Some(opt), fault)
        });
        let bucket = asking.bucket();
        if queues.is_some() && is_passed_on(&parsed) {
            // What it comes to is not known yet, and mostly an error: it counts as one, and slips like one.
            if asking.limit(bucket, ResponseClass::Error, random) == Passage::Nothing {
                return Reply::of(0);
            }
            // RFC 7873 §5.2: who sends a cookie gets one, whoever answers.
            let cookie = opt.and_then(|opt| opt.cookie);
            return Reply { len: put_error(out, parsed.header, Rcode::ServFail), passed_on: true, cookie };
        }
        let size = size_limit(client.transport, &parsed, asking.policy);
        let kept = opt.as_ref().map_or(0, Opt::octets);
        let Some(mut message) = Message::start(out, size, parsed.question, kept) else {
            counters.silent.increment();
            return Reply::of(0);
        };
        let answer = if let Some(rcode) = refusal(&parsed, fault) {
            Answer::error(rcode)
        } else if parsed.question.is_empty() {
            // A request for a cookie, which is in OPT.
            Answer::error(Rcode::NoError)
        } else if parsed.qclass == CLASS_CH {
            chaos::respond(&mut message, ahead.name(), parsed.qtype, asking.policy)
        } else {
            count_qtype(counters, parsed.qtype);
            let table = table.load();
            let names = (ahead.qname(table.hashing()), target);
            respond(table, &mut message, &parsed, names, client, random, counters)
        };
        let Answer { rcode, authoritative, mut truncated, error, zone } = answer;
        let class = class_of(&answer, message.answer_count());
        match asking.limit(bucket, class, random) {
            Passage::Whole => {}
            Passage::Truncated => truncated |= class != ResponseClass::Error,
            Passage::Nothing => return Reply::of(0),
        }
        asking.count(rcode, (zone, outcome_of(class, rcode)));
        if truncated {
            counters.truncated.increment();
            message.clear(true);
        }
        let opt = opt.map(|opt| Opt { error, ..opt });
        Reply::of(message.finish(parsed.header, rcode, authoritative, opt))
    }
}

/// Whether a query is answered elsewhere: what needs many messages, a clock, or a key.
///
/// Rate limits see these queries as errors, before anybody knows their answers, so over UDP none may be worth forging an
/// address for. An answer to NOTIFY, a refused transfer and a signature that does not hold repeat the question, and at most
/// an Extended DNS Error and our half of a cookie come on top. IXFR gives those who may transfer the SOA record alone (RFC 1995 §2), and AXFR does
/// not exist over UDP (RFC 5936 §4.2). A query whose signature holds comes back to an engine without it, and there its
/// answer counts as what it is.
fn is_passed_on(query: &Query<'_>) -> bool {
    let edns_is_ours = query.edns.is_none_or(|edns| edns.version == 0);
    let is_transfer = query.qclass == CLASS_IN && matches!(query.qtype, Rtype::AXFR | Rtype::IXFR);
    match query.header.opcode {
        0 => query.is_signed || is_transfer && edns_is_ours,
        OPCODE_NOTIFY => true,
        _ => false,
    }
}

impl<'a> Asking<'a> {
    /// What the answer's OPT record says, and what is wrong with the query's options.
    fn options(&mut self, edns: &Edns<'_>, question: &[u8]) -> (Opt<'a>, Option<Rcode>) {
        let policy = self.policy;
        let mut opt = Opt { udp_payload: policy.udp_payload_max, dnssec_ok: edns.dnssec_ok, ..Opt::default() };
        let mut fault = None;
        // RFC 5001 §2.1: only who asks is told.
        if edns.options.nsid && !policy.nsid.is_empty() {
            opt.nsid = Some(policy.nsid.as_bytes());
        }
        // RFC 7828 §3.3.1: over UDP the option is ignored.
        if let Some(data) = edns.options.keepalive
            && self.client.transport == Transport::Tcp
        {
            // RFC 7828 §3.2.1: clients send it empty.
            fault = (!data.is_empty()).then_some(Rcode::FormErr);
            let units = self.fittings.tcp_idle_timeout.as_millis() / 100;
            opt.keepalive = Some(u16::try_from(units).unwrap_or(u16::MAX));
        }
        if let Some(data) = edns.options.cookie
            && policy.cookies.enabled
        {
            match self.check_cookie(data) {
                Ok(Checked { standing, reply }) => {
                    opt.cookie = Some(reply);
                    // RFC 7873 §5.4: who asks for a cookie alone is told that the one it has is not good.
                    if question.is_empty() && standing == Standing::Invalid {
                        fault = Some(Rcode::BadCookie);
                    }
                }
                // RFC 7873 §5.2.2.
                Err(cookie::Malformed) => fault = Some(Rcode::FormErr),
            }
        } else if question.is_empty() {
            // RFC 9619 §4: without cookies, no question is no query.
            fault = Some(Rcode::FormErr);
        }
        (opt, fault)
    }

    /// Checks a cookie, and counts it.
    fn check_cookie(&mut self, data: &[u8]) -> Result<Checked, cookie::Malformed> {
        let own = std::slice::from_ref(&self.fittings.cookie_secret);
        let secrets = Some(self.policy.cookies.secrets.as_slice()).filter(|secrets| !secrets.is_empty());
        let checked = cookie::check(data, self.client.address, self.now.seconds(), secrets.unwrap_or(own))?;
        match checked.standing {
            Standing::New => self.counters.cookies_new.increment(),
            Standing::Invalid => self.counters.cookies_invalid.increment(),
            Standing::Valid => {
                self.counters.cookies_valid.increment();
                self.is_known = true;
            }
        }
        Ok(checked)
    }

    /// Where the client's answers are counted; none if they are not. To be asked for before the answer is made: the table
    /// is larger than caches, and memory takes its time.
    fn bucket(&self) -> Option<Bucket<'a>> {
        let rrl = &self.policy.rrl;
        let address = self.client.address;
        if self.is_known || !rrl.enabled || rrl.exempt.iter().any(|network| network.contains(&address)) {
            return None;
        }
        self.fittings.limiter.bucket(address, rrl, self.network)
    }

    /// Counts an answer by its code, and by its zone.
    fn count(&self, rcode: Rcode, (zone, outcome): (SeriesId, ZoneOutcome)) {
        let codes = match self.client.transport {
            Transport::Udp => &self.counters.udp_codes,
            Transport::Tcp => &self.counters.tcp_codes,
        };
        codes.count(match rcode {
            Rcode::NoError => Code::NoError,
            Rcode::FormErr => Code::FormErr,
            Rcode::ServFail => Code::ServFail,
            Rcode::NxDomain => Code::NxDomain,
            Rcode::NotImp => Code::NotImp,
            Rcode::Refused => Code::Refused,
            Rcode::YxDomain => Code::YxDomain,
            Rcode::BadVers => Code::BadVers,
            Rcode::BadCookie => Code::BadCookie,
        });
        self.counters.named.count_zone(zone, outcome);
    }

    /// What rate limits leave of an answer.
    fn limit(&self, bucket: Option<Bucket<'_>>, class: ResponseClass, random: u64) -> Passage {
        let rrl = &self.policy.rrl;
        if bucket.is_none_or(|bucket| bucket.admits(class, self.now.0, rrl.rate)) {
            return Passage::Whole;
        }
        if rrl.log_only {
            self.counters.rrl_log_only.increment();
            return Passage::Whole;
        }
        // The lower bits have chosen among answers.
        if rrl.slip > 0 && (random >> 32).is_multiple_of(u64::from(rrl.slip)) {
            self.counters.rrl_slipped.increment();
            return Passage::Truncated;
        }
        self.counters.rrl_dropped.increment();
        Passage::Nothing
    }
}

/// The class of an answer with so many records in its answer section.
const fn class_of(answer: &Answer, answer_count: u16) -> ResponseClass {
    match answer.rcode {
        Rcode::NoError if answer_count > 0 || answer.truncated => ResponseClass::Answer,
        Rcode::NoError if !answer.authoritative => ResponseClass::Referral,
        Rcode::NoError | Rcode::NxDomain => ResponseClass::Negative,
        _ => ResponseClass::Error,
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

/// What is refused whatever the name; `fault` is what is wrong with the options.
fn refusal(query: &Query<'_>, fault: Option<Rcode>) -> Option<Rcode> {
    if query.header.opcode != 0 {
        return Some(Rcode::NotImp);
    }
    // RFC 6891 §6.1.3: a version we do not speak.
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return Some(Rcode::BadVers);
    }
    if fault.is_some() || query.question.is_empty() {
        return fault;
    }
    match (query.qclass, query.qtype) {
        // Obsolete (RFC 1035 §3.2.3).
        (_, Rtype::MAILA | Rtype::MAILB) => Some(Rcode::NotImp),
        // Of another class, or where nobody answers them.
        (_, Rtype::AXFR | Rtype::IXFR) => Some(Rcode::Refused),
        (_, Rtype::ANY) if query.qclass == CLASS_IN => None,
        // RFC 6895 §3.1: other types of this range exist in messages only.
        (_, qtype) if qtype.is_meta() && qtype != Rtype::ANY && qtype.0 != 0 => Some(Rcode::FormErr),
        (CLASS_IN | CLASS_CH, _) => None,
        _ => Some(Rcode::Refused),
    }
}

/// What an answer of a class and code is to its zone.
const fn outcome_of(class: ResponseClass, rcode: Rcode) -> ZoneOutcome {
    if matches!(rcode, Rcode::NxDomain) {
        return ZoneOutcome::NxDomain;
    }
    match class {
        ResponseClass::Answer => ZoneOutcome::Answer,
        ResponseClass::Negative => ZoneOutcome::NoData,
        ResponseClass::Referral => ZoneOutcome::Referral,
        ResponseClass::Error => ZoneOutcome::Error,
    }
}

/// Types that are told apart when questions are counted, in the order of [`QTYPES`], after the rest.
const TYPES: [Rtype; QTYPES.len() - 1] = [
    Rtype::A,
    Rtype::AAAA,
    Rtype::HTTPS,
    Rtype::NS,
    Rtype::SOA,
    Rtype::MX,
    Rtype::TXT,
    Rtype::SRV,
    Rtype::CAA,
    Rtype::DNSKEY,
    Rtype::ANY,
];

/// Counts a question by its type.
fn count_qtype(counters: &Counters, qtype: Rtype) {
    // Those that are asked for most come first; a jump to one of twelve places would take longer.
    let place = TYPES.iter().position(|known| *known == qtype).map_or(0, |place| place + 1);
    if let Some(counter) = counters.qtypes.get(place) {
        counter.increment();
    }
}

/// Extended DNS Errors that we give (RFC 8914 §4).
pub(crate) mod extended_errors {
    use super::ExtendedError;

    /// Origins have not been probed yet.
    pub(crate) const NOT_READY: ExtendedError = ExtendedError { code: 14, text: "origins have not been probed yet" };
    /// A zone that we are to be a secondary of.
    pub(crate) const NOT_TRANSFERRED: ExtendedError =
        ExtendedError { code: 14, text: "the zone has not been transferred yet" };
    /// A zone that no primary confirms.
    pub(crate) const EXPIRED: ExtendedError =
        ExtendedError { code: 24, text: "the zone has expired: no primary confirms it" };
    /// The fallback pool answers.
    pub(crate) const FALLBACK: ExtendedError = ExtendedError { code: 0, text: "no usable pool: fallback pool" };
    /// The fallback pool answers whatever its health.
    pub(crate) const LAST_RESORT: ExtendedError =
        ExtendedError { code: 0, text: "no healthy origin: fallback pool unchecked" };
    /// The client is in none of the zone's `allow_query` networks.
    pub(crate) const PROHIBITED: ExtendedError = ExtendedError { code: 18, text: "not for this client" };
    /// Nothing answers.
    pub(crate) const EXHAUSTED: ExtendedError = ExtendedError { code: 0, text: "no usable pool" };
}
