//! The DNS probe: a name server gives an expected answer.

use std::hash::{BuildHasher as _, RandomState};
use std::io;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::health::probe::failure::{self, Phase};
use crate::health::probe::{Attempt, tcp, udp};
use crate::model::limits::{PROBE_DATAGRAMS_MAX, PROBE_DNS_OCTETS_MAX};
use crate::model::monitor::DnsCheck;
use crate::model::rrset::Rtype;
use crate::model::verdict::FailReason;

/// Types whose data is names, which differ in letter case without a difference (RFC 4343 §3).
const NAMES: &[Rtype] = &[Rtype::NS, Rtype::CNAME, Rtype::SOA, Rtype::PTR, Rtype::MX, Rtype::SRV, Rtype::DNAME];

/// Asks a name server and judges the response, whose code is left in `code`.
pub(super) async fn ask(check: &DnsCheck, attempt: &Attempt<'_>, code: &mut Option<u16>) -> Result<(), FailReason> {
    let [a, b, ..] = RandomState::new().hash_one(0).to_be_bytes();
    let query = query(check, u16::from_be_bytes([a, b]));
    let response = attempt.within(FailReason::ResponseTimeout, over_udp(check, attempt, &query)).await?;
    // RFC 2181 §9: what is truncated is ignored, and asked for again over TCP.
    let response = if response.metadata.truncation {
        let stream = tcp::connect(attempt).await?;
        attempt.within(FailReason::ResponseTimeout, over_tcp(check, stream, &query)).await?
    } else {
        response
    };
    let rcode = u16::from(response.metadata.response_code);
    *code = Some(rcode);
    if rcode == u16::from(check.expected_rcode) && has_answer(check, &response) {
        Ok(())
    } else {
        Err(FailReason::DnsMismatch)
    }
}

/// A query without EDNS, which every name server knows; recursion is desired, for those that do nothing else.
fn query(check: &DnsCheck, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut octets = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    octets.extend_from_slice(check.query_name.wire());
    octets.extend_from_slice(&check.query_type.0.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    octets
}

/// Sends the query in a datagram and waits for the response; what is something else is passed over, as anybody may have
/// sent it.
async fn over_udp(check: &DnsCheck, attempt: &Attempt<'_>, query: &[u8]) -> Result<Message, FailReason> {
    let reason = |error: io::Error| udp::reason(&error);
    let socket = udp::open(attempt).await.map_err(reason)?;
    socket.send(query).await.map_err(reason)?;
    let mut buffer = vec![0; 4096];
    for _ in 0..PROBE_DATAGRAMS_MAX {
        let length = socket.recv(&mut buffer).await.map_err(reason)?;
        if let Some(response) = response(check, query, buffer.get(..length).unwrap_or_default()) {
            return Ok(response);
        }
    }
    Err(FailReason::ResponseTimeout)
}

/// The same over a connection, where there is nobody else to send anything.
async fn over_tcp(check: &DnsCheck, mut stream: tokio::net::TcpStream, query: &[u8]) -> Result<Message, FailReason> {
    let reason = |error: io::Error| failure::of_io(&error, Phase::Exchange).unwrap_or(FailReason::Other);
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&length, query].concat()).await.map_err(reason)?;
    let length = usize::from(stream.read_u16().await.map_err(reason)?).min(PROBE_DNS_OCTETS_MAX);
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets).await.map_err(reason)?;
    response(check, query, &octets).ok_or(FailReason::DnsMismatch)
}

/// Reads the response to a query.
fn response(check: &DnsCheck, query: &[u8], octets: &[u8]) -> Option<Message> {
    // Most of what is no response is dropped before anything else is read of it.
    if octets.get(..2) != query.get(..2) {
        return None;
    }
    let message = Message::from_vec(octets).ok()?;
    let is_response = message.metadata.message_type == MessageType::Response;
    let asked = |name: &hickory_proto::rr::Name, rtype: RecordType| {
        let wire = name.to_bytes().unwrap_or_default();
        wire.eq_ignore_ascii_case(check.query_name.wire()) && u16::from(rtype) == check.query_type.0
    };
    // A server that could not read the query may leave the question out.
    let same = match message.queries.as_slice() {
        [] => u16::from(message.metadata.response_code) != 0,
        [question] => asked(question.name(), question.query_type()),
        _ => false,
    };
    (is_response && same).then_some(message)
}

/// Whether the answer has the expected record, if one is expected.
fn has_answer(check: &DnsCheck, response: &Message) -> bool {
    let Some(expected) = &check.expected_answer else { return true };
    let of_type = response.answers.iter().filter(|record| u16::from(record.record_type()) == check.query_type.0);
    of_type.map(|record| octets_of(&record.data)).any(|rdata| {
        let same_letters = |rdata: &Vec<u8>| rdata.eq_ignore_ascii_case(&expected.rdata);
        rdata
            .is_some_and(|rdata| rdata == expected.rdata || (NAMES.contains(&check.query_type) && same_letters(&rdata)))
    })
}

/// Data in uncompressed wire form.
fn octets_of(data: &RData) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).ok()?;
    Some(octets)
}
