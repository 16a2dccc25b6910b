//! How a zone is hosted: the keys of `[[zones]]` that are not about records. Parse and build.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::model::hosting::{Hosting, Peer, SerialSource, Sharing, TransferLive, TransferRule, ZoneOrigin};
use crate::model::id::ZoneId;
use crate::model::limits::PEERS_MAX;
use crate::model::name::Name;
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Spot, optional, required};
use crate::spec::identity::Identity;
use crate::spec::value::{Word, list, network, word};

/// The keys of a server that we talk to.
pub const PEER_KEYS: &[Key] = &[required("address"), optional("key"), optional("source")];
/// The keys of a rule about who may transfer.
pub const TRANSFER_RULE_KEYS: &[Key] = &[optional("address"), optional("key")];

/// The keys of a zone in a store, whose records have rows of their own.
pub(super) const ROW_KEYS: &[Key] = &[
    required("name"),
    optional("serial"),
    optional("primaries"),
    optional("allow_query"),
    optional("allow_transfer"),
    optional("notify"),
    optional("transfer_live"),
];

/// DNS without anything said (RFC 1035 §4.2).
const PORT_DEFAULT: u16 = 53;

/// Who counts the serial.
const SERIALS: &[Word<SerialSource>] = &[("records", Ok(SerialSource::Records)), ("auto", Ok(SerialSource::Auto))];
/// What a transferred copy has at live names.
const TRANSFERS_LIVE: &[Word<TransferLive>] =
    &[("follow", Ok(TransferLive::Follow)), ("snapshot", Ok(TransferLive::Snapshot))];

/// Names of keys; none where some may not be known.
pub type KeyNames<'k> = Option<&'k HashSet<Name>>;

/// Reads who has to do with a zone.
pub fn parse_sharing(fields: &mut Fields<'_, '_, '_>, keys: KeyNames<'_>) -> Option<Sharing> {
    let allow_query = fields.read("allow_query", list(PEERS_MAX, network)).or(Hosting::everybody());
    let parse_rule = |spot: Spot<'_, '_>, faults: &mut Faults| parse_transfer_rule(spot, keys, faults);
    let allow_transfer = fields.read("allow_transfer", list(PEERS_MAX, parse_rule)).or(vec![]);
    let notify = fields.read("notify", list(PEERS_MAX, |spot, faults| parse_peer(spot, keys, faults))).or(vec![]);
    Some(Sharing { allow_query: allow_query?, allow_transfer: allow_transfer?, notify: notify? })
}

/// Reads how the zone with `apex` is hosted.
pub(super) fn parse(
    fields: &mut Fields<'_, '_, '_>,
    identity: Identity<ZoneId>,
    apex: &Name,
    keys: KeyNames<'_>,
) -> Option<Hosting> {
    let serial = fields.read("serial", word(SERIALS)).optional();
    let primaries = fields.read("primaries", list(PEERS_MAX, |spot, faults| parse_peer(spot, keys, faults))).optional();
    let sharing = parse_sharing(fields, keys);
    let transfer_live = fields.read("transfer_live", word(TRANSFERS_LIVE)).or(TransferLive::Follow);
    let origin = match (serial?, primaries?) {
        (serial, None) => ZoneOrigin::Declared(serial.unwrap_or(SerialSource::Records)),
        (None, Some(primaries)) if !primaries.is_empty() => ZoneOrigin::Primaries(primaries),
        (None, Some(_)) => {
            let fault = fields.fault_at("primaries", "name at least one server to transfer the zone from");
            fields.faults.push(fault);
            return None;
        }
        (Some(_), Some(_)) => {
            let fault =
                fields.fault_at("serial", "the primary counts the serial of a transferred zone; remove this key");
            fields.faults.push(fault);
            return None;
        }
    };
    let Sharing { allow_query, allow_transfer, notify } = sharing?;
    Some(Hosting {
        id: identity.id(&apex.to_string(), fields)?,
        apex: apex.clone(),
        origin,
        allow_query,
        allow_transfer,
        notify,
        transfer_live: transfer_live?,
    })
}

/// Reads a server: its address, or a table of address, key and the address of ours that it hears us from.
fn parse_peer(spot: Spot<'_, '_>, keys: KeyNames<'_>, faults: &mut Faults) -> Option<Peer> {
    if !matches!(spot.node.value, Value::Table(_)) {
        return Some(Peer { address: parse_address(spot, faults)?, key: None, source: None });
    }
    let mut fields = Fields::open(spot, PEER_KEYS, faults)?;
    let address = fields.read("address", parse_address).required();
    let key = fields.read("key", |spot, faults| parse_key(spot, keys, faults)).optional();
    let source = fields.read("source", parse_source).optional();
    let (address, key, source) = (address?, key?, source?);
    if source.is_some_and(|source| source.is_ipv4() != address.is_ipv4()) {
        let fault = fields.fault_at("source", "one of `address` and `source` is IPv4 and the other IPv6");
        fields.faults.push(fault);
        return None;
    }
    Some(Peer { address, key, source })
}

/// Reads an address of ours.
fn parse_source(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<IpAddr> {
    match spot.text(faults)?.parse::<IpAddr>() {
        Ok(address) if !address.is_unspecified() && !address.is_multicast() => Some(address),
        _ => spot.refuse("an address of this machine without a port, such as \"192.0.2.53\"", faults),
    }
}

/// Reads the address of a server, perhaps with a port.
fn parse_address(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<SocketAddr> {
    let text = match &spot.node.value {
        Value::String(text) => text.as_str(),
        _ => "",
    };
    let address = text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, PORT_DEFAULT)));
    match address {
        Some(address) if address.port() != 0 && !address.ip().is_unspecified() => Some(address),
        _ => spot.refuse("an address, such as \"192.0.2.53\", \"192.0.2.53:5353\" or \"[2001:db8::53]:5353\"", faults),
    }
}

/// Reads a rule: a network, or a table of network, key or both.
fn parse_transfer_rule(spot: Spot<'_, '_>, keys: KeyNames<'_>, faults: &mut Faults) -> Option<TransferRule> {
    if !matches!(spot.node.value, Value::Table(_)) {
        return Some(TransferRule { network: Some(network(spot, faults)?), key: None });
    }
    let mut fields = Fields::open(spot, TRANSFER_RULE_KEYS, faults)?;
    let network = fields.read("address", network).optional();
    let key = fields.read("key", |spot, faults| parse_key(spot, keys, faults)).optional();
    let rule = TransferRule { network: network?, key: key? };
    if rule.network.is_none() && rule.key.is_none() {
        faults.push(spot.fault("this rule allows everybody; give an address, a key, or both"));
        return None;
    }
    Some(rule)
}

/// Reads the name of a key.
fn parse_key(spot: Spot<'_, '_>, keys: KeyNames<'_>, faults: &mut Faults) -> Option<Name> {
    let Ok(name) = Name::parse(spot.text(faults)?, None) else {
        return spot.reject("allowed: the name of a key in [[keys]]", faults);
    };
    match keys {
        Some(keys) if !keys.contains(&name) => {
            let all: Vec<String> = keys.iter().map(Name::to_string).collect();
            let suggestion = match all.as_slice() {
                [] => Some("no key is declared; add one in [[keys]]".to_owned()),
                all => faults.nearest(&name.to_string(), all.iter().map(String::as_str)),
            };
            faults.push(spot.fault("no key has this name").found(spot.node.shown()).suggest(suggestion));
            None
        }
        _ => Some(name),
    }
}

/// Adds the keys of a hosting to the table of its zone.
pub(super) fn build(hosting: &Hosting, table: Table) -> Table {
    let Hosting { id: _, apex: _, origin, allow_query, allow_transfer, notify, transfer_live } = hosting;
    let table = match origin {
        ZoneOrigin::Declared(serial) => table.with("serial", build_word(SERIALS, *serial)),
        ZoneOrigin::Primaries(primaries) => table.with("primaries", array(primaries, build_peer)),
    };
    table
        .with("allow_query", array(allow_query, |network| Node::text(network.to_string())))
        .with("allow_transfer", array(allow_transfer, build_transfer_rule))
        .with("notify", array(notify, build_peer))
        .with("transfer_live", build_word(TRANSFERS_LIVE, *transfer_live))
}

/// Builds an array.
fn array<T>(items: &[T], build: impl Fn(&T) -> Node) -> Node {
    Node::built(Value::Array(items.iter().map(build).collect()))
}

/// Builds the word for a value.
fn build_word<T: Copy + PartialEq>(words: &[Word<T>], value: T) -> Node {
    let word = words.iter().find(|(_, meaning)| *meaning == Ok(value));
    Node::text(word.map_or("", |(word, _)| word))
}

/// Builds a server.
fn build_peer(peer: &Peer) -> Node {
    let Peer { address, key, source } = peer;
    let node = build_keyed(Some(address.to_string()), key.as_ref());
    let Some(source) = source else { return node };
    let table = match node.value {
        Value::Table(table) => table,
        address => Table::default().with("address", Node::built(address)),
    };
    Node::built(Value::Table(table.with("source", Node::text(source.to_string()))))
}

/// Builds a rule.
fn build_transfer_rule(rule: &TransferRule) -> Node {
    let TransferRule { network, key } = rule;
    build_keyed(network.as_ref().map(IpNet::to_string), key.as_ref())
}

/// Builds a table of address and key; the address alone where there is no key.
fn build_keyed(address: Option<String>, key: Option<&Name>) -> Node {
    match (address, key) {
        (Some(address), None) => Node::text(address),
        (address, key) => {
            let mut table = Table::default();
            if let Some(address) = address {
                table = table.with("address", Node::text(address));
            }
            if let Some(key) = key {
                table = table.with("key", Node::text(key.to_string()));
            }
            Node::built(Value::Table(table))
        }
    }
}
