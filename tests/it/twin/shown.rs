//! An answer as a client sees it, read by hickory-proto.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{Name, RData, Record};

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
    /// Owners of all records in order, letter case and all.
    pub owners: Vec<String>,
}

impl Seen {
    /// Reads an answer.
    pub fn parse(octets: &[u8]) -> Self {
        let message = Message::from_vec(octets).unwrap_or_else(|why| panic!("cannot be read: {why}: {octets:02x?}"));
        assert_eq!(message.metadata.message_type, MessageType::Response);
        assert!(!message.metadata.recursion_available);
        assert!(message.additionals.is_empty());
        let distinct: BTreeSet<Shown> = message.answers.iter().map(show).collect();
        assert_eq!(distinct.len(), message.answers.len(), "RFC 2181 §5: a record is there twice");
        let all = || message.answers.iter().chain(&message.authorities);
        Self {
            rcode: message.metadata.response_code.into(),
            authoritative: message.metadata.authoritative,
            truncated: message.metadata.truncation,
            edns: message.edns.is_some(),
            answers: distinct,
            authorities: message.authorities.iter().map(show).collect(),
            owners: all().map(|record| text(&record.name)).collect(),
        }
    }

    /// Whether there is no CNAME record in it.
    pub fn chain_is_empty(&self) -> bool {
        !self.answers.iter().any(|shown| matches!(shown.data, Data::Cname(_)))
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

/// A record as data of ours.
fn show(record: &Record) -> Shown {
    let data = match &record.data {
        RData::A(a) => Data::Address(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Data::Address(IpAddr::V6(aaaa.0)),
        RData::TXT(txt) => Data::Txt(String::from_utf8(txt.txt_data.concat()).unwrap()),
        RData::MX(mx) => Data::Mx(mx.preference, text(&mx.exchange)),
        RData::CNAME(cname) => Data::Cname(text(&cname.0)),
        RData::NS(ns) => Data::Ns(text(&ns.0)),
        RData::SOA(soa) => Data::Soa(soa.minimum),
        other => panic!("nobody declared {other:?}"),
    };
    Shown { owner: text(&record.name).to_ascii_lowercase(), ttl: record.ttl, data }
}
