//! The types of monitors, and which keys say something about each.

use crate::model::monitor::Scheme;
use crate::model::tree::{Node, Value};
use crate::spec::fields::Fields;
use crate::spec::value::Word;

/// The types of monitors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `http` or `https`
    Http(Scheme),
    /// `tcp`
    Tcp,
    /// `udp_icmp`
    UdpIcmp,
    /// `icmp_ping`
    IcmpPing,
    /// `smtp`
    Smtp,
    /// `dns`
    Dns,
    /// `grpc`
    Grpc,
    /// `tls`
    Tls,
}

/// `http`
pub(super) const HTTP: Kind = Kind::Http(Scheme::Http);
/// `https`
const HTTPS: Kind = Kind::Http(Scheme::Https);

/// The original's words, and then ours for what it has not.
pub(super) const KINDS: &[Word<Kind>] = &[
    ("http", Ok(HTTP)),
    ("https", Ok(HTTPS)),
    ("tcp", Ok(Kind::Tcp)),
    ("udp_icmp", Ok(Kind::UdpIcmp)),
    ("icmp_ping", Ok(Kind::IcmpPing)),
    ("smtp", Ok(Kind::Smtp)),
    ("dns", Ok(Kind::Dns)),
    ("grpc", Ok(Kind::Grpc)),
    ("tls", Ok(Kind::Tls)),
];

/// Types that make an HTTP request of the operator's.
const REQUESTS: &[Kind] = &[HTTP, HTTPS];
/// Types that can have a TLS handshake.
const HANDSHAKES: &[Kind] = &[HTTPS, Kind::Grpc, Kind::Tls];
/// Types with a port.
const PORTS: &[Kind] = &[HTTP, HTTPS, Kind::Tcp, Kind::UdpIcmp, Kind::Smtp, Kind::Dns, Kind::Grpc, Kind::Tls];

/// Keys that say nothing about some types, and those about which they do.
pub(super) const APPLICABLE: &[(&str, &[Kind])] = &[
    ("port", PORTS),
    ("method", REQUESTS),
    ("path", REQUESTS),
    ("header", REQUESTS),
    ("expected_codes", REQUESTS),
    ("expected_body", REQUESTS),
    ("follow_redirects", REQUESTS),
    ("allow_insecure", HANDSHAKES),
    ("certificate_days_min", HANDSHAKES),
    ("ca_file", HANDSHAKES),
    ("client_certificate", HANDSHAKES),
    ("client_key", HANDSHAKES),
    ("server_name", &[Kind::Grpc, Kind::Tls]),
    ("tls", &[Kind::Grpc]),
    ("service", &[Kind::Grpc]),
    ("query_name", &[Kind::Dns]),
    ("query_type", &[Kind::Dns]),
    ("expected_rcode", &[Kind::Dns]),
    ("expected_answer", &[Kind::Dns]),
];

/// The words of all types.
pub fn types() -> Vec<&'static str> {
    KINDS.iter().map(|(word, _)| *word).collect()
}

impl Kind {
    /// The type that a word names.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        KINDS.iter().find(|(known, _)| *known == word)?.1.ok()
    }

    /// Whether a key says something about it.
    pub(super) fn has(self, key: &str) -> bool {
        APPLICABLE.iter().all(|(known, kinds)| *known != key || kinds.contains(&self))
    }

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == Ok(self)).map_or("", |(word, _)| word)
    }
}

/// Refuses keys that say nothing about a type; whether there are none. Values that say nothing anywhere are let through:
/// clients of the original write all of its keys for every type.
pub(super) fn check_applicable(fields: &mut Fields<'_, '_, '_>, kind: Kind) -> bool {
    let mut fine = true;
    for (key, kinds) in APPLICABLE.iter().filter(|(_, kinds)| !kinds.contains(&kind)) {
        let Some(node) = fields.node(key) else { continue };
        if is_nothing(node) || is_the_originals(key, node, kind) {
            continue;
        }
        let types: Vec<String> = kinds.iter().map(|kind| format!("{:?}", kind.word())).collect();
        let fault = fields.fault_at(key, format!("it does not apply to type {:?}", kind.word()));
        fields.faults.push(fault.suggest(format!("leave it out, or use type {}", types.join(" or "))));
        fine = false;
    }
    fine
}

/// Whether a value stands for nothing.
pub(super) fn is_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::String(text) => text.is_empty(),
        Value::Table(table) => table.entries().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Other(_) => false,
    }
}

/// Whether a value is what the original itself writes for `tcp`, which has no method.
fn is_the_originals(key: &str, node: &Node, kind: Kind) -> bool {
    key == "method" && kind == Kind::Tcp && node.value == Value::String("connection_established".to_owned())
}
