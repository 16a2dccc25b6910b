//! `[[monitors]]`: parse and build.

mod damping;
mod handshake;
mod json;
mod kind;

use std::net::IpAddr;
use std::time::Duration;

use crate::model::id::MonitorId;
use crate::model::limits::{
    CONSECUTIVE_MAX, INTERVAL_MAX, INTERVAL_MIN, MONITOR_TEXT_OCTETS_MAX, RETRIES_MAX, TIMEOUT_MAX, TIMEOUT_MIN,
};
use crate::model::monitor::{
    Check, DnsCheck, ExpectedAnswer, ExpectedCodes, GrpcCheck, HttpCheck, Monitor, Scheme, TlsCheck,
};
use crate::model::name::Name;
use crate::model::rrset::Rtype;
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Spot, declared, defaulted, kept, optional, read_only};
use crate::spec::header;
use crate::spec::identity::{self, Identity};
pub use crate::spec::monitor::damping::KEYS as DAMPING_KEYS;
pub use crate::spec::monitor::handshake::{FILE_REFUSED, KnownFiles, PemFiles};
pub use crate::spec::monitor::json::{build_json, parse_json};
pub use crate::spec::monitor::kind::types;
use crate::spec::monitor::kind::{KINDS, Kind, check_applicable};
use crate::spec::record;
use crate::spec::value::{
    Word, boolean, build_duration, description, duration, duration_text, integer, label, octets, word,
};

/// The keys of a monitor.
pub const KEYS: &[Key] = &[
    declared("name"),
    defaulted("type"),
    defaulted("description"),
    defaulted("method"),
    defaulted("path"),
    defaulted("port"),
    optional("header"),
    defaulted("timeout"),
    defaulted("retries"),
    defaulted("interval"),
    defaulted("expected_codes"),
    defaulted("expected_body"),
    defaulted("follow_redirects"),
    defaulted("allow_insecure"),
    defaulted("certificate_days_min"),
    optional("ca_file"),
    optional("client_certificate"),
    optional("client_key"),
    optional("server_name"),
    defaulted("tls"),
    defaulted("service"),
    optional("query_name"),
    defaulted("query_type"),
    defaulted("expected_rcode"),
    defaulted("expected_answer"),
    optional("source_address"),
    defaulted("probe_zone"),
    defaulted("consecutive_up"),
    defaulted("consecutive_down"),
    optional("damping"),
    kept("id"),
    read_only("created_on"),
    read_only("modified_on"),
];

/// The original's default.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// The original's default.
const RETRIES_DEFAULT: u32 = 2;
/// The original's default.
const INTERVAL_DEFAULT: Duration = Duration::from_mins(1);

/// The original's default.
const CODES_DEFAULT: &str = "200";
/// Response codes that a query can be meant to get (RFC 1035 §4.1.1, RFC 2136 §2.2).
const RCODES: &[Word<u8>] = &[
    ("NOERROR", Ok(0)),
    ("FORMERR", Ok(1)),
    ("SERVFAIL", Ok(2)),
    ("NXDOMAIN", Ok(3)),
    ("NOTIMP", Ok(4)),
    ("REFUSED", Ok(5)),
    ("NOTAUTH", Ok(9)),
];

/// DNS, RFC 1035 §4.2.
const DNS_PORT: u16 = 53;
/// HTTPS: most who speak TLS.
const TLS_PORT: u16 = 443;

/// Parses a monitor.
pub fn parse(
    spot: Spot<'_, '_>,
    identity: Identity<MonitorId>,
    files: &mut dyn PemFiles,
    faults: &mut Faults,
) -> Option<Monitor> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    let name = identity.name(fields.read("name", label));
    let kind = fields.read("type", word(KINDS)).or(Kind::Http(Scheme::Http));
    let description = fields.read("description", description).or(String::new());
    let probe_zone = fields.read("probe_zone", octets(0, MONITOR_TEXT_OCTETS_MAX)).or(String::new());
    let source_address = fields.read("source_address", parse_source_address).optional();
    let timeout = fields.read("timeout", duration(TIMEOUT_MIN, TIMEOUT_MAX)).or(TIMEOUT_DEFAULT);
    let retries = fields.read("retries", integer(0, RETRIES_MAX)).or(RETRIES_DEFAULT);
    let interval = fields.read("interval", duration(INTERVAL_MIN, INTERVAL_MAX)).or(INTERVAL_DEFAULT);
    let consecutive_up = fields.read("consecutive_up", integer(0, CONSECUTIVE_MAX)).or(0);
    let consecutive_down = fields.read("consecutive_down", integer(0, CONSECUTIVE_MAX)).or(0);
    let damping = fields.read("damping", damping::parse).optional();
    if let (Some(Some(damping)), Some(interval)) = (damping, interval) {
        damping::check_times(&mut fields, damping, interval);
    }
    if let (Some(timeout), Some(retries), Some(interval)) = (timeout, retries, interval) {
        check_times(&mut fields, timeout, retries, interval);
    }
    let check = kind.and_then(|kind| parse_check(&mut fields, kind, files));
    let name = name?;
    Some(Monitor {
        id: identity.id(&name, &mut fields)?,
        name,
        description: description?,
        probe_zone: probe_zone?,
        check: check?,
        source_address: source_address?,
        timeout: timeout?,
        retries: retries?,
        interval: interval?,
        consecutive_up: consecutive_up?,
        consecutive_down: consecutive_down?,
        damping: damping?,
    })
}

/// A probe with all its attempts ends before the next starts.
fn check_times(fields: &mut Fields<'_, '_, '_>, timeout: Duration, retries: u32, interval: Duration) {
    let longest = timeout * (retries + 1);
    if interval >= longest {
        return;
    }
    let key = ["interval", "timeout", "retries"].into_iter().find(|key| fields.node(key).is_some());
    let [interval, timeout, longest] = [interval, timeout, longest].map(duration_text);
    let fault = fields.fault_at(
        key.unwrap_or("interval"),
        format!(
            "interval {interval} is shorter than (retries {retries} + 1) × timeout {timeout} = {longest}; \
             a probe has to end before the next one starts"
        ),
    );
    let suggestion = format!("raise `interval` to {longest} or more, or lower `timeout` or `retries`");
    fields.faults.push(fault.suggest(suggestion));
}

/// Parses what a type has, and refuses what it has not.
fn parse_check(fields: &mut Fields<'_, '_, '_>, kind: Kind, files: &mut dyn PemFiles) -> Option<Check> {
    let is_applicable = check_applicable(fields, kind);
    let check = match kind {
        Kind::Tcp => parse_port(fields, kind).map(|port| Check::Tcp { port }),
        Kind::UdpIcmp => parse_port(fields, kind).map(|port| Check::UdpIcmp { port }),
        Kind::IcmpPing => Some(Check::IcmpPing),
        Kind::Smtp => parse_port(fields, kind).map(|port| Check::Smtp { port }),
        Kind::Dns => parse_dns(fields).map(Check::Dns),
        Kind::Tls => parse_tls(fields, files).map(Check::Tls),
        Kind::Grpc => parse_grpc(fields, files).map(Check::Grpc),
        Kind::Http(scheme) => parse_http(fields, scheme, files).map(Check::Http),
    };
    check.filter(|_| is_applicable)
}

/// Reads the port of a type that has no default.
fn parse_port(fields: &mut Fields<'_, '_, '_>, kind: Kind) -> Option<u16> {
    if fields.node("port").is_none() {
        let why = format!("it is missing and required for type {:?}; allowed: 1 to 65535", kind.word());
        let fault = fields.fault_at("port", why);
        fields.faults.push(fault);
    }
    fields.read("port", integer(1, u16::MAX)).required()
}

/// Reads the port of a type that has a default, for which 0 stands.
fn parse_defaulted_port(fields: &mut Fields<'_, '_, '_>) -> Option<u16> {
    fields.read("port", integer(0, u16::MAX)).or(0)
}

/// The port that a number stands for, unless it is the default.
fn port_of(number: u16) -> Option<u16> {
    (number != 0).then_some(number)
}

/// Parses what a DNS check has.
fn parse_dns(fields: &mut Fields<'_, '_, '_>) -> Option<DnsCheck> {
    let port = parse_defaulted_port(fields);
    if fields.node("query_name").is_none() {
        let why = "it is missing and required for type \"dns\"; allowed: a domain name, such as \"example.com\"";
        let fault = fields.fault_at("query_name", why);
        fields.faults.push(fault);
    }
    let query_name = fields.read("query_name", parse_query_name).required();
    let query_type = fields.read("query_type", parse_query_type).or(Rtype::A);
    let expected_rcode = fields.read("expected_rcode", word(RCODES)).or(0);
    let is_nothing = |node: &Node| node.value == Value::String(String::new());
    let expected_answer = match fields.node("expected_answer") {
        Some(node) if !is_nothing(node) => {
            let answer = |spot: Spot<'_, '_>, faults: &mut Faults| parse_answer(spot, query_type?, faults);
            fields.read("expected_answer", answer).optional()
        }
        _ => Some(None),
    };
    Some(DnsCheck {
        port: port_of(port?).unwrap_or(DNS_PORT),
        query_name: query_name?,
        query_type: query_type?,
        expected_rcode: expected_rcode?,
        expected_answer: expected_answer?,
    })
}

/// Parses what a TLS check has.
fn parse_tls(fields: &mut Fields<'_, '_, '_>, files: &mut dyn PemFiles) -> Option<TlsCheck> {
    let port = parse_defaulted_port(fields);
    let server_name = fields.read("server_name", handshake::parse_server_name).optional();
    let terms = handshake::parse(fields, files);
    Some(TlsCheck { port: port_of(port?).unwrap_or(TLS_PORT), server_name: server_name?, terms: terms? })
}

/// Parses what a gRPC check has.
fn parse_grpc(fields: &mut Fields<'_, '_, '_>, files: &mut dyn PemFiles) -> Option<GrpcCheck> {
    let port = parse_defaulted_port(fields);
    let service = fields.read("service", octets(0, MONITOR_TEXT_OCTETS_MAX)).or(String::new());
    let server_name = fields.read("server_name", handshake::parse_server_name).optional();
    let tls = if fields.read("tls", boolean).or(false)? {
        handshake::parse(fields, files).map(Some)
    } else {
        handshake::check_absent(fields).then_some(None)
    };
    Some(GrpcCheck { port: port_of(port?), service: service?, server_name: server_name?, tls: tls? })
}

/// Parses what an HTTP or HTTPS check has.
fn parse_http(fields: &mut Fields<'_, '_, '_>, scheme: Scheme, files: &mut dyn PemFiles) -> Option<HttpCheck> {
    let method = fields.read("method", parse_method).or("GET".to_owned());
    let path = fields.read("path", parse_path).or("/".to_owned());
    let port = parse_defaulted_port(fields);
    let headers = fields.read("header", header::parse).or(Vec::new());
    let expected_codes = match fields.read("expected_codes", parse_codes).optional() {
        Some(None) => ExpectedCodes::parse(CODES_DEFAULT),
        given => given.flatten(),
    };
    let expected_body = fields.read("expected_body", octets(0, MONITOR_TEXT_OCTETS_MAX)).or(String::new());
    let follow_redirects = fields.read("follow_redirects", boolean).or(false);
    let tls = match scheme {
        Scheme::Http => Some(None),
        Scheme::Https => handshake::parse(fields, files).map(Some),
    };
    Some(HttpCheck {
        tls: tls?,
        method: method?,
        path: path?,
        port: port_of(port?),
        headers: headers?,
        expected_codes: expected_codes?,
        expected_body: expected_body?,
        follow_redirects: follow_redirects?,
    })
}

/// Reads a request method. CONNECT asks for a tunnel, not for a response that could be judged.
fn parse_method(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<String> {
    let text = spot.text(faults)?;
    if (1..=20).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_uppercase()) && text != "CONNECT" {
        return Some(text.to_owned());
    }
    spot.refuse("an HTTP method in capital letters, such as \"GET\" or \"HEAD\", except \"CONNECT\"", faults)
}

/// Reads path and query.
fn parse_path(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<String> {
    let text = spot.text(faults)?;
    let visible = text.bytes().all(|octet| matches!(octet, b'!'..=b'~') && octet != b'#');
    if text.starts_with('/') && visible && text.len() <= MONITOR_TEXT_OCTETS_MAX {
        return Some(text.to_owned());
    }
    spot.refuse("a path that starts with \"/\", perhaps with a query, in visible ASCII without \"#\"", faults)
}

/// Reads expected codes; the original writes an empty text for its default.
fn parse_codes(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<ExpectedCodes> {
    let text = match spot.text(faults)? {
        "" => CODES_DEFAULT,
        text => text,
    };
    let codes = if text.len() <= MONITOR_TEXT_OCTETS_MAX { ExpectedCodes::parse(text) } else { None };
    codes.or_else(|| spot.refuse("codes or classes such as \"200\", \"2xx\" or \"200, 30x\"", faults))
}

/// Reads the name of a query.
fn parse_query_name(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Name> {
    match Name::parse(spot.text(faults)?, None) {
        Ok(name) => Some(name),
        Err(error) => spot.reject(format!("{error}; allowed: a domain name, such as \"example.com\""), faults),
    }
}

/// Reads the type of a query: one that records have.
fn parse_query_type(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Rtype> {
    let rtype = record::parse_type(spot.text(faults)?).filter(|rtype| !rtype.is_meta());
    rtype.or_else(|| spot.refuse("a record type, such as \"A\", \"SOA\" or \"TYPE65280\"", faults))
}

/// Reads the data that an answer must have.
fn parse_answer(spot: Spot<'_, '_>, rtype: Rtype, faults: &mut Faults) -> Option<ExpectedAnswer> {
    let text = spot.text(faults)?;
    if text.len() > MONITOR_TEXT_OCTETS_MAX {
        return spot.refuse(format_args!("a text of at most {MONITOR_TEXT_OCTETS_MAX} octets"), faults);
    }
    match record::parse_data(rtype, text) {
        Ok(rdata) => Some(ExpectedAnswer { text: text.to_owned(), rdata }),
        Err(why) => spot.reject(format!("no data of type {}: {why}", record::type_name(rtype)), faults),
    }
}

/// Reads an address to probe from.
fn parse_source_address(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<IpAddr> {
    let address = spot.text(faults)?.parse::<IpAddr>().ok();
    let usable = address.filter(|address| !address.is_unspecified() && !address.is_multicast());
    usable.or_else(|| spot.refuse("an IPv4 or IPv6 address of this machine", faults))
}

/// Builds a monitor.
pub fn build(monitor: &Monitor) -> Table {
    let Monitor {
        id,
        name,
        description,
        probe_zone,
        check,
        source_address,
        timeout,
        retries,
        interval,
        consecutive_up,
        consecutive_down,
        damping,
    } = monitor;
    let table = Table::default().with("name", Node::text(name)).with("description", Node::text(description));
    let table = identity::build(table, *id, name).with("type", Node::text(check.word()));
    let mut table = match check {
        Check::Tcp { port } | Check::UdpIcmp { port } | Check::Smtp { port } => table.with("port", Node::int(*port)),
        Check::IcmpPing => table,
        Check::Dns(dns) => build_dns(table, dns),
        Check::Tls(tls) => build_tls(table, tls),
        Check::Grpc(grpc) => build_grpc(table, grpc),
        Check::Http(http) => build_http(table, http),
    };
    if let Some(address) = source_address {
        table = table.with("source_address", Node::text(address.to_string()));
    }
    let table = table
        .with("probe_zone", Node::text(probe_zone))
        .with("timeout", build_duration(*timeout))
        .with("retries", Node::int(*retries))
        .with("interval", build_duration(*interval))
        .with("consecutive_up", Node::int(*consecutive_up))
        .with("consecutive_down", Node::int(*consecutive_down));
    match damping {
        Some(damping) => table.with("damping", damping::build(*damping)),
        None => table,
    }
}

/// Builds what a DNS check has.
fn build_dns(table: Table, dns: &DnsCheck) -> Table {
    let DnsCheck { port, query_name, query_type, expected_rcode, expected_answer } = dns;
    let rcode = RCODES.iter().find(|(_, rcode)| *rcode == Ok(*expected_rcode)).map_or("", |(word, _)| word);
    let answer = expected_answer.as_ref().map_or("", |answer| &*answer.text);
    table
        .with("port", Node::int(*port))
        .with("query_name", Node::text(query_name.to_string()))
        .with("query_type", Node::text(record::type_name(*query_type)))
        .with("expected_rcode", Node::text(rcode))
        .with("expected_answer", Node::text(answer))
}

/// Builds what a TLS check has.
fn build_tls(table: Table, tls: &TlsCheck) -> Table {
    let TlsCheck { port, server_name, terms } = tls;
    handshake::build(build_server_name(table.with("port", Node::int(*port)), server_name.as_deref()), terms)
}

/// Builds what a gRPC check has.
fn build_grpc(table: Table, grpc: &GrpcCheck) -> Table {
    let GrpcCheck { port, service, server_name, tls } = grpc;
    let table = table
        .with("port", Node::int(port.unwrap_or(0)))
        .with("service", Node::text(service))
        .with("tls", Node::built(Value::Bool(tls.is_some())));
    let table = build_server_name(table, server_name.as_deref());
    match tls {
        Some(terms) => handshake::build(table, terms),
        None => table,
    }
}

/// Builds the name for a handshake.
fn build_server_name(table: Table, server_name: Option<&str>) -> Table {
    match server_name {
        Some(name) => table.with("server_name", Node::text(name)),
        None => table,
    }
}

/// Builds what an HTTP or HTTPS check has.
fn build_http(table: Table, http: &HttpCheck) -> Table {
    let HttpCheck { tls, method, path, port, headers, expected_codes, expected_body, follow_redirects } = http;
    let table = table
        .with("method", Node::text(method))
        .with("path", Node::text(path))
        .with("port", Node::int(port.unwrap_or(0)))
        .with("expected_codes", Node::text(expected_codes.text()))
        .with("expected_body", Node::text(expected_body))
        .with("follow_redirects", Node::built(Value::Bool(*follow_redirects)));
    let table = match tls {
        Some(terms) => handshake::build(table, terms),
        None => table,
    };
    if headers.is_empty() { table } else { table.with("header", header::build(headers)) }
}
