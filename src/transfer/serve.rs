//! Answers what the engine passes on: zone transfers (RFC 5936, RFC 1995), and queries that are signed (RFC 8945).
//!
//! `hickory-server` dispatches, below our own sockets: requests are read by it and answers of one message go through
//! its [`ResponseHandler`]. What takes many messages is written by
//! `transfer::stream`, from records as they are stored.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_server::net::runtime::{Time, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Edns, Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::rdata::opt::EdnsOption;
use hickory_server::proto::rr::{DNSClass, RData, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::health::schedule::Assigned;
use crate::model::hosting::{Hosting, TransferRule};
use crate::model::limits::{TRANSFERS_MAX, TRANSFERS_PER_PEER_MAX, UDP_PAYLOAD_DEFAULT, UDP_PAYLOAD_MIN};
use crate::model::name::Name;
use crate::model::rrset::Rtype;
use crate::model::serial::is_newer;
use crate::steering::table::RecordTable;
use crate::telemetry::Counters;
use crate::transfer::exchange::{Exchange, Gone, Outlet, unix_now};
use crate::transfer::history::{Copy, Histories, NoCopy};
use crate::transfer::secondary::Notified;
use crate::transfer::stream::{Cookie, Stream, opt_record};
use crate::transfer::tsig::{self, Rejected, Verified};
use crate::wire::name::LowerName;
use crate::wire::query::{HEADER_OCTETS, option};

/// Response code NOTAUTH (RFC 8945 §3).
const NOTAUTH: u8 = 9;
/// Response code FORMERR.
const FORMERR: u8 = 1;
/// Refusals of one address and zone that are logged: the first one in a while. So many pairs are remembered.
const REFUSALS_REMEMBERED_MAX: usize = 1_000;
/// After so long all are forgotten: forged addresses must not silence the log for good.
const REFUSALS_REMEMBERED_FOR: Duration = Duration::from_hours(1);

/// Answers a query in full: octets in, octets out; 0 is silence.
pub type Ordinary = Box<dyn Fn(&[u8], IpAddr, bool, &mut [u8]) -> usize + Send + Sync>;

/// Takes a NOTIFY for a zone from an address, signed with the key of a name or not.
pub type NotifyListener = Box<dyn Fn(&Name, IpAddr, Option<&Name>) -> Notified + Send + Sync>;

/// Answers what the engine passes on.
pub struct Service {
    /// The inventory: who may transfer what, and keys.
    assigned: watch::Receiver<Arc<Assigned>>,
    /// Versions of zones.
    histories: Histories,
    /// Answers queries that are only signed. The flag says whether they came over a stream.
    ordinary: Ordinary,
    /// Hears of NOTIFY.
    notified: NotifyListener,
    /// Where transfers are counted.
    counters: Arc<Counters>,
    /// Transfers under way, by the client's address.
    transfers: Mutex<HashMap<IpAddr, usize>>,
    /// Refusals that have been logged.
    refusals: Mutex<Refusals>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

/// A transfer under way: it counts as long as this lives.
struct Permit<'s> {
    /// Where it is counted.
    service: &'s Service,
    /// The client.
    client: IpAddr,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut transfers = self.service.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = transfers.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                transfers.remove(&self.client);
            }
        }
    }
}

impl Service {
    /// A service for the zones of `table`. `ordinary` answers queries that are only signed.
    pub fn new(
        table: Arc<ArcSwap<RecordTable>>,
        assigned: watch::Receiver<Arc<Assigned>>,
        ordinary: Ordinary,
        notified: NotifyListener,
        counters: Arc<Counters>,
    ) -> Self {
        let (transfers, refusals) = (Mutex::default(), Mutex::new(Refusals::new(Instant::now())));
        Self { assigned, histories: Histories::new(table), ordinary, notified, counters, transfers, refusals }
    }

    /// Answers a request from `source`, with a cookie if that has sent one.
    pub async fn answer(self: Arc<Self>, request: Vec<u8>, source: SocketAddr, cookie: Option<Cookie>, outlet: Outlet) {
        let assigned = Arc::clone(&self.assigned.borrow());
        let now = unix_now();
        let is_signed = tsig::is_signed(&request);
        let keys = &assigned.inventory.keys;
        let (request, signer) = match is_signed.then(|| tsig::verify(|name| keys.get(name), &request, now)) {
            None => (request, None),
            Some(Ok(Verified { message, signer })) => (message, Some(signer)),
            Some(Err(rejected)) => {
                self.counters.tsig_rejected.increment_shared();
                let client = source.ip().to_canonical();
                // Over UDP anybody could fill the log, and what is remembered of it.
                if outlet.is_stream() && self.is_news(client, &Name::root()) {
                    let why = match &rejected {
                        Rejected::Malformed => "it is malformed".to_owned(),
                        Rejected::Refused(refusal) => refusal.error.to_string(),
                    };
                    info!(%client, why, "a signature does not hold");
                }
                let protocol = if outlet.is_stream() { Protocol::Tcp } else { Protocol::Udp };
                let parsed = Request::from_bytes(request.clone(), source, protocol);
                let opt = parsed.is_ok_and(|request| request.edns.is_some()).then(|| opt_record(cookie));
                let answer = rejection(&request, opt.as_deref(), rejected, now);
                // Whoever has gone needs no answer.
                Exchange::new(outlet, None, UDP_PAYLOAD_DEFAULT).send(answer).await.ok();
                return;
            }
        };
        let protocol = if outlet.is_stream() { Protocol::Tcp } else { Protocol::Udp };
        let key = signer.as_ref().map(|signer| signer.key().name().clone());
        let Ok(parsed) = Request::from_bytes(request.clone(), source, protocol) else {
            Exchange::new(outlet, signer, UDP_PAYLOAD_MIN).send(header_answer(&request, FORMERR)).await.ok();
            return;
        };
        let exchange = Exchange::new(outlet, signer, parsed.max_payload());
        let dispatch = Dispatch { service: self, assigned, key, cookie, exchange: exchange.clone() };
        dispatch.handle_request::<_, TokioTime>(&parsed, exchange).await;
    }

    /// Permission for one more transfer to a client; none if there are too many.
    fn permit(&self, client: IpAddr) -> Option<Permit<'_>> {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = transfers.values().sum();
        let own = transfers.get(&client).copied().unwrap_or(0);
        if all >= TRANSFERS_MAX || own >= TRANSFERS_PER_PEER_MAX {
            return None;
        }
        transfers.insert(client, own + 1);
        Some(Permit { service: self, client })
    }

    /// Whether a refusal is the first of its kind.
    fn is_news(&self, client: IpAddr, zone: &Name) -> bool {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).is_news(Instant::now(), client, zone)
    }
}

/// Refusals that have been logged lately.
#[derive(Debug)]
struct Refusals {
    /// Since when they are remembered.
    since: Instant,
    /// Whom and what they were for.
    pairs: HashSet<(IpAddr, Name)>,
}

impl Refusals {
    /// Remembers nothing yet.
    fn new(since: Instant) -> Self {
        Self { since, pairs: HashSet::new() }
    }

    /// Whether a refusal is the first of its kind; remembers it.
    fn is_news(&mut self, now: Instant, client: IpAddr, zone: &Name) -> bool {
        if now.duration_since(self.since) >= REFUSALS_REMEMBERED_FOR {
            *self = Self::new(now);
        }
        self.pairs.len() < REFUSALS_REMEMBERED_MAX && self.pairs.insert((client, zone.clone()))
    }
}

/// One request on its way to whoever answers it.
struct Dispatch {
    /// The service.
    service: Arc<Service>,
    /// The inventory when the request came.
    assigned: Arc<Assigned>,
    /// The name of the key that it is signed with.
    key: Option<Name>,
    /// The cookie of the answer.
    cookie: Option<Cookie>,
    /// Where streams of messages go.
    exchange: Exchange,
}

#[async_trait::async_trait]
impl RequestHandler for Dispatch {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let edns = request.edns.as_ref().map(|_| edns(self.cookie));
        let outcome = match (request.metadata.op_code, request.request_info().map(|info| info.query.clone())) {
            (OpCode::Query, Ok(query)) => {
                let is_transfer = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
                if is_transfer && query.query_class() == DNSClass::IN {
                    self.transfer(request, query.query_type() == RecordType::IXFR).await
                } else {
                    self.ordinary(request).await
                }
            }
            // RFC 1996 §3.12: other types than SOA are left for later.
            (OpCode::Notify, Ok(query)) if query.query_type() == RecordType::SOA => match self.notified(request) {
                Notified::Taken => {
                    let mut metadata = Metadata::response_from_request(&request.metadata);
                    // RFC 1996 §4.7: the answer repeats the request, and QR is set.
                    metadata.authoritative = true;
                    let mut builder = MessageResponseBuilder::from_message_request(request);
                    if let Some(edns) = &edns {
                        builder.edns(edns);
                    }
                    let answer = builder.build_no_records(metadata);
                    response.send_response(answer).await.ok();
                    Ok(())
                }
                Notified::Refused => Err(Refusal::of(ResponseCode::Refused)),
                Notified::NotOurs => Err(Refusal::of(ResponseCode::NotAuth)),
            },
            (OpCode::Query | OpCode::Notify, Err(_)) => Err(Refusal::of(ResponseCode::FormErr)),
            _ => Err(Refusal::of(ResponseCode::NotImp)),
        };
        let Err(Refusal { code, error }) = outcome else { return request_info(request, ResponseCode::NoError) };
        let edns = edns.map(|mut edns| {
            if let Some(error) = error {
                edns.options_mut().insert(EdnsOption::Unknown(15, error.to_be_bytes().to_vec()));
            }
            edns
        });
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &edns {
            builder.edns(edns);
        }
        let answer = builder.error_msg(&request.metadata, code);
        match response.send_response(answer).await {
            Ok(info) => info,
            Err(error) => {
                warn!(%error, "an error could not be encoded");
                request_info(request, code)
            }
        }
    }
}

/// Our own EDNS (RFC 6891 §6.2.3).
fn edns(cookie: Option<Cookie>) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_PAYLOAD_DEFAULT);
    if let Some(cookie) = cookie {
        edns.options_mut().insert(EdnsOption::Unknown(option::COOKIE, cookie.to_vec()));
    }
    edns
}

/// What hickory wants to hear of an answer that did not go through its hands.
fn request_info(request: &Request, code: ResponseCode) -> ResponseInfo {
    let mut metadata = Metadata::response_from_request(&request.metadata);
    metadata.response_code = code;
    hickory_server::proto::op::Header { metadata, counts: hickory_server::proto::op::HeaderCounts::default() }.into()
}

/// An answer without records.
struct Refusal {
    /// Its response code.
    code: ResponseCode,
    /// The Extended DNS Error for clients with EDNS (RFC 8914 §4).
    error: Option<u16>,
}

impl Refusal {
    /// Only a code.
    const fn of(code: ResponseCode) -> Self {
        Self { code, error: None }
    }
}

/// Extended DNS Error Not Ready (RFC 8914 §4.15).
const NOT_READY: u16 = 14;
/// Extended DNS Error Prohibited (RFC 8914 §4.19).
const PROHIBITED: u16 = 18;

impl Dispatch {
    /// Has the engine answer, and signs that.
    async fn ordinary(&self, request: &Request) -> Result<(), Refusal> {
        let mut answer = vec![0; self.exchange.octets_max()];
        let client = request.src().ip().to_canonical();
        let len = (self.service.ordinary)(request.as_slice(), client, self.exchange.is_stream(), &mut answer);
        answer.truncate(len);
        if len > 0 {
            self.exchange.send(answer).await.ok();
        }
        Ok(())
    }

    /// Answers AXFR or IXFR.
    async fn transfer(&self, request: &Request, is_incremental: bool) -> Result<(), Refusal> {
        let client = request.src().ip().to_canonical();
        let hosting = self.hosting(request)?;
        let zone = &hosting.apex;
        if !hosting.allow_transfer.iter().any(|rule| allows(rule, client, self.key.as_ref())) {
            self.service.counters.transfers_refused.increment_shared();
            if self.service.is_news(client, zone) {
                info!(%zone, %client, key = self.key.as_ref().map(Name::to_string), "transfer refused");
            }
            return Err(Refusal { code: ResponseCode::Refused, error: Some(PROHIBITED) });
        }
        // RFC 5936 §4.2: there is no AXFR over UDP.
        if !is_incremental && !self.exchange.is_stream() {
            return Err(Refusal::of(ResponseCode::FormErr));
        }
        let since = is_incremental.then(|| client_serial(request)).transpose()?;
        // Over UDP there is one record to write, and forged sources must not keep those out who have a connection.
        let permit = if self.exchange.is_stream() {
            Some(self.service.permit(client).ok_or_else(|| {
                self.service.counters.transfers_refused.increment_shared();
                Refusal::of(ResponseCode::ServFail)
            })?)
        } else {
            None
        };
        let copy = self.copy(&hosting, since).await?;
        let opt = request.edns.as_ref().map(|_| opt_record(self.cookie));
        let mut stream =
            Stream::new(&self.exchange, request.as_slice(), opt).ok_or_else(|| Refusal::of(ResponseCode::FormErr))?;
        let outcome = write(&mut stream, zone, &copy, since, self.exchange.is_stream()).await;
        drop(permit);
        let (messages, records, octets) = (stream.messages, stream.records, stream.octets);
        let key = self.key.as_ref().map(Name::to_string);
        let serial = copy.version.serial;
        match outcome {
            Ok(Kind::Current) => debug!(%zone, %client, key, serial, "told the serial"),
            Ok(kind) => {
                self.service.counters.transfers.increment_shared();
                let kind = if kind == Kind::Whole { "AXFR" } else { "IXFR" };
                info!(%zone, %client, key, serial, kind, messages, records, octets, "transferred");
            }
            Err(Gone) => {
                self.service.counters.transfers_failed.increment_shared();
                info!(%zone, %client, key, serial, messages, records, "a transfer ended early: the client is gone or too slow");
            }
        }
        Ok(())
    }

    /// Has a NOTIFY heard.
    fn notified(&self, request: &Request) -> Notified {
        let client = request.src().ip().to_canonical();
        let heard = qname(request).map(|zone| (self.service.notified)(&zone, client, self.key.as_ref()));
        heard.unwrap_or(Notified::NotOurs)
    }

    /// The zone that is asked for.
    fn hosting(&self, request: &Request) -> Result<Arc<Hosting>, Refusal> {
        let hosting =
            qname(request).and_then(|name| self.assigned.inventory.hosting_of(&name).filter(|one| one.apex == name));
        // RFC 5936 §2.2.1: for other names we are no authority.
        hosting.cloned().ok_or_else(|| Refusal::of(ResponseCode::NotAuth))
    }

    /// What a copy is made from.
    async fn copy(&self, hosting: &Arc<Hosting>, since: Option<u32>) -> Result<Copy, Refusal> {
        let (service, assigned, hosting) = (Arc::clone(&self.service), Arc::clone(&self.assigned), Arc::clone(hosting));
        let copy = spawn_blocking(move || service.histories.copy(&assigned, &hosting, since)).await;
        match copy {
            Ok(Ok(copy)) => Ok(copy),
            Ok(Err(NoCopy::NotThere)) => Err(Refusal::of(ResponseCode::ServFail)),
            Ok(Err(NoCopy::NoVersion(_))) => Err(Refusal { code: ResponseCode::ServFail, error: Some(NOT_READY) }),
            Err(error) => {
                warn!(%error, "a copy of a zone could not be made");
                Err(Refusal::of(ResponseCode::ServFail))
            }
        }
    }
}

/// The name in a request's question.
fn qname(request: &Request) -> Option<Name> {
    let wire = request.as_slice().get(HEADER_OCTETS..).unwrap_or_default();
    let mut lower = LowerName::default();
    lower.read(wire).ok().and_then(|_| Name::from_wire(lower.wire()))
}

/// Whether a rule lets a client transfer: it has to match all that the rule names.
fn allows(rule: &TransferRule, client: IpAddr, key: Option<&Name>) -> bool {
    let TransferRule { network, key: wanted } = rule;
    network.is_none_or(|network| network.contains(&client)) && wanted.as_ref().is_none_or(|wanted| key == Some(wanted))
}

/// The serial that an IXFR client has: in the SOA record of its authority section (RFC 1995 §3).
fn client_serial(request: &Request) -> Result<u32, Refusal> {
    match request.authorities.as_slice() {
        [record] => match &record.data {
            RData::SOA(soa) => Ok(soa.serial),
            _ => Err(Refusal::of(ResponseCode::FormErr)),
        },
        _ => Err(Refusal::of(ResponseCode::FormErr)),
    }
}

/// What a transfer came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The client is told the serial, because it has it or has to come again over TCP.
    Current,
    /// It gets what changed.
    Changes,
    /// It gets everything.
    Whole,
}

/// Writes the answer to AXFR, or to IXFR from the serial `since`.
async fn write(
    stream: &mut Stream<'_>,
    apex: &Name,
    copy: &Copy,
    since: Option<u32>,
    is_stream: bool,
) -> Result<Kind, Gone> {
    let Copy { version, differences } = copy;
    let apex = apex.wire();
    // RFC 1995 §2: a client that is up to date, or ahead, gets the SOA record alone. So does one over UDP, which has it
    // come again over TCP; that is always allowed, and a datagram rarely has room for more.
    if !is_stream || since.is_some_and(|since| !is_newer(version.serial, since)) {
        stream.put(apex, version.soa()).await?;
        stream.finish().await?;
        return Ok(Kind::Current);
    }
    stream.put(apex, version.soa()).await?;
    let kind = match differences {
        // RFC 1995 §4: what is longer than the zone is of no use.
        Some(differences) if differences.iter().map(|one| one.octets).sum::<usize>() < version.octets() => {
            for difference in differences {
                stream.put(apex, &difference.old_soa).await?;
                for removed in &difference.removed {
                    stream.put(removed.owner.name_wire(), &removed.record).await?;
                }
                stream.put(apex, &difference.new_soa).await?;
                for added in &difference.added {
                    stream.put(added.owner.name_wire(), &added.record).await?;
                }
            }
            Kind::Changes
        }
        _ => {
            for owner in version.owners() {
                for rrset in owner.rrsets().filter(|rrset| rrset.rtype != Rtype::SOA) {
                    stream.put(owner.name_wire(), rrset.rendered).await?;
                }
            }
            Kind::Whole
        }
    };
    // RFC 5936 §2.2, RFC 1995 §4: it ends as it began.
    stream.put(apex, version.soa()).await?;
    stream.finish().await?;
    Ok(kind)
}

/// The answer to a request whose signature does not hold.
fn rejection(request: &[u8], opt: Option<&[u8]>, rejected: Rejected, now: u64) -> Vec<u8> {
    // RFC 6891 §6.1.1: who sends an OPT record gets one. TSIG comes behind it (RFC 8945 §5.1).
    let put_opt = |answer: &mut Vec<u8>| {
        if let Some(opt) = opt {
            answer.extend_from_slice(opt);
            if let Some([.., additionals]) = answer.first_chunk_mut::<HEADER_OCTETS>() {
                *additionals += 1;
            }
        }
    };
    match rejected {
        Rejected::Malformed => {
            let mut answer = header_answer(request, FORMERR);
            put_opt(&mut answer);
            answer
        }
        Rejected::Refused(refusal) => {
            debug!(error = %refusal.error, "a signature was rejected");
            let mut answer = question_answer(request, NOTAUTH);
            put_opt(&mut answer);
            refusal.put(&mut answer, now);
            answer
        }
    }
}

/// An answer of a header alone.
fn header_answer(request: &[u8], code: u8) -> Vec<u8> {
    let mut answer = vec![0; HEADER_OCTETS];
    if let (Some([i0, i1, f0, ..]), Some(head)) = (request.first_chunk::<3>(), answer.first_chunk_mut::<4>()) {
        *head = [*i0, *i1, *f0 & 0x79 | 0x80, code];
    }
    answer
}

/// An answer of header and question.
fn question_answer(request: &[u8], code: u8) -> Vec<u8> {
    let mut answer = header_answer(request, code);
    let mut name = LowerName::default();
    let question = request.get(HEADER_OCTETS..).and_then(|rest| rest.get(..name.read(rest).ok()? + 4));
    if let Some(question) = question {
        answer.extend_from_slice(question);
        if let Some([.., count, _, _, _, _, _, _]) = answer.first_chunk_mut::<HEADER_OCTETS>() {
            *count = 1;
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn forged_addresses_silence_the_log_for_an_hour_only() {
        let start = Instant::now();
        let zone = Name::parse("example.com", None).unwrap();
        let client = |number: u32| IpAddr::from(Ipv4Addr::from_bits(number));
        let mut refusals = Refusals::new(start);
        let mut news = |now, number| refusals.is_news(now, client(number), &zone);
        assert!((0..1_000).all(|number| news(start, number)));
        let late = start + REFUSALS_REMEMBERED_FOR;
        let earlier = late.checked_sub(Duration::from_secs(1)).unwrap();
        assert!(!news(earlier, 1_000), "there are too many");
        assert!(news(late, 1_000) && !news(late, 1_000), "the first one, and then no more");
    }
}
