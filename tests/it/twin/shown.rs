//! An answer as a client sees it, read by hickory-proto.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::BinDecodable as _;

use super::plan::Data;

/// A record without the letter case of its owner.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Shown {
    /// Its owner, lower case, without a final dot.
    pub owner: String,
    /// Its TTL.
    pub ttl: u32,
    /// Its type and data.
    pub data: Data,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The response code, extended by EDNS.
    pub rcode: u16,
    /// AA.
    pub authoritative: bool,
    /// TC.
    pub truncated: bool,
    /// Whether it has an OPT record.
    pub edns: bool,
    /// The answer section.
    pub answers: BTreeSet<Shown>,
    /// The authority section.
    pub authorities: BTreeSet<Shown>,
    /// The additional section, OPT not counted.
    pub additionals: BTreeSet<Shown>,
    /// Hints of HTTPS records in the answer section, with the record that has them.
    pub hints: Vec<(Shown, BTreeSet<IpAddr>)>,
    /// Owners of all records in order, letter case and all.
    pub owners: Vec<String>,
}

impl Seen {
    /// Reads an answer.
    pub fn parse(octets: &[u8]) -> Self {
        let message = Message::from_vec(octets).unwrap_or_else(|why| panic!("cannot be read: {why}: {octets:02x?}"));
        assert_eq!(message.metadata.message_type, MessageType::Response);
        assert!(!message.metadata.recursion_available);
        let sections = [&message.answers, &message.authorities, &message.additionals];
        let [distinct, authorities, additionals] = sections.map(|section| {
            let distinct: BTreeSet<Shown> = section.iter().map(show).collect();
            assert_eq!(distinct.len(), section.len(), "RFC 2181 §5: a record is there twice: {section:?}");
            distinct
        });
        let twice = additionals.iter().find(|shown| distinct.contains(shown) || authorities.contains(shown));
        assert_eq!(twice, None, "RFC 2181 §5: a record is there twice");
        let all = || message.answers.iter().chain(&message.authorities);
        Self {
            rcode: message.metadata.response_code.into(),
            authoritative: message.metadata.authoritative,
            truncated: message.metadata.truncation,
            edns: message.edns.is_some(),
            answers: distinct,
            authorities,
            additionals,
            hints: message.answers.iter().map(|record| (show(record), hints_of(record))).collect(),
            owners: all().map(|record| text(&record.name)).collect(),
        }
    }

    /// Whether there is no CNAME or DNAME record in it.
    pub fn chain_is_empty(&self) -> bool {
        !self.answers.iter().any(|shown| matches!(shown.data, Data::Cname(_) | Data::Dname(_)))
    }

    /// All addresses in it.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let address = |shown: &Shown| if let Data::Address(address) = shown.data { Some(address) } else { None };
        self.answers.iter().filter_map(address).collect()
    }
}

/// A name without its final dot.
fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}

/// The address hints of a record.
fn hints_of(record: &Record) -> BTreeSet<IpAddr> {
    let RData::HTTPS(https) = &record.data else { return BTreeSet::new() };
    let values = https.svc_params.iter().flat_map(|(_, value)| match value {
        SvcParamValue::Ipv4Hint(hints) => hints.0.iter().map(|a| IpAddr::V4(a.0)).collect::<Vec<IpAddr>>(),
        SvcParamValue::Ipv6Hint(hints) => hints.0.iter().map(|aaaa| IpAddr::V6(aaaa.0)).collect(),
        other => panic!("nobody declared {other:?}"),
    });
    let values: Vec<IpAddr> = values.collect();
    assert_eq!(values.len(), values.iter().collect::<BTreeSet<_>>().len(), "an address is hinted at twice");
    values.into_iter().collect()
}

/// A name in wire form.
fn text_of_wire(wire: &[u8]) -> String {
    text(&Name::from_bytes(wire).unwrap())
}

/// A record as data of ours; that of HTTPS without its hints.
fn show(record: &Record) -> Shown {
    let data = match &record.data {
        RData::A(a) => Data::Address(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Data::Address(IpAddr::V6(aaaa.0)),
        RData::TXT(txt) => Data::Txt(String::from_utf8(txt.txt_data.concat()).unwrap()),
        RData::MX(mx) => Data::Mx(mx.preference, text(&mx.exchange)),
        // What a DNAME makes has the client's letters.
        RData::CNAME(cname) => Data::Cname(text(&cname.0).to_ascii_lowercase()),
        RData::NS(ns) => Data::Ns(text(&ns.0)),
        RData::SOA(soa) => Data::Soa(soa.minimum),
        RData::SRV(srv) => Data::Srv(srv.port, text(&srv.target)),
        RData::HTTPS(https) => Data::Https(https.svc_priority, text(&https.target_name), [false; 2]),
        // What hickory-proto does not read.
        RData::Unknown { code, rdata } if u16::from(*code) == 39 => Data::Dname(text_of_wire(&rdata.anything)),
        RData::DNSSEC(DNSSECRData::DS(ds)) => Data::Ds(ds.key_tag()),
        other => panic!("nobody declared {other:?}"),
    };
    Shown { owner: text(&record.name).to_ascii_lowercase(), ttl: record.ttl, data }
}
