//! `[[monitors]]`: parse and build.

mod json;

use std::time::Duration;

pub use self::json::{build_json, parse_json};
use crate::model::id::MonitorId;
use crate::model::limits::{
    CONSECUTIVE_MAX, INTERVAL_MAX, INTERVAL_MIN, MONITOR_TEXT_OCTETS_MAX, RETRIES_MAX, TIMEOUT_MAX, TIMEOUT_MIN,
};
use crate::model::monitor::{Check, ExpectedCodes, HttpCheck, Monitor, Scheme};
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Spot, declared, defaulted, kept, optional, read_only};
use crate::spec::header;
use crate::spec::identity::{self, Identity};
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
    defaulted("consecutive_up"),
    defaulted("consecutive_down"),
    kept("id"),
    read_only("created_on"),
    read_only("modified_on"),
];

/// Keys that say something of a request or a response, of which `tcp` has none.
const HTTP_KEYS: &[&str] =
    &["method", "path", "header", "expected_codes", "expected_body", "follow_redirects", "allow_insecure"];

/// The original's default.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// The original's default.
const RETRIES_DEFAULT: u32 = 2;
/// The original's default.
const INTERVAL_DEFAULT: Duration = Duration::from_mins(1);

/// The kinds of check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `tcp`
    Tcp,
    /// `http` or `https`
    Http(Scheme),
}

/// The original's words for them.
const KINDS: &[Word<Kind>] = &[
    ("http", Ok(Kind::Http(Scheme::Http))),
    ("https", Ok(Kind::Http(Scheme::Https))),
    ("tcp", Ok(Kind::Tcp)),
    ("udp_icmp", Err(KIND_UNSUPPORTED)),
    ("icmp_ping", Err(KIND_UNSUPPORTED)),
    ("smtp", Err(KIND_UNSUPPORTED)),
];

/// Why a word of the original is refused.
const KIND_UNSUPPORTED: &str = "this type of monitor is not supported yet";

/// Parses a monitor.
pub fn parse(spot: Spot<'_, '_>, identity: Identity<MonitorId>, faults: &mut Faults) -> Option<Monitor> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    let name = identity.name(fields.read("name", label));
    let kind = fields.read("type", word(KINDS)).or(Kind::Http(Scheme::Http));
    let description = fields.read("description", description).or(String::new());
    let timeout = fields.read("timeout", duration(TIMEOUT_MIN, TIMEOUT_MAX)).or(TIMEOUT_DEFAULT);
    let retries = fields.read("retries", integer(0, RETRIES_MAX)).or(RETRIES_DEFAULT);
    let interval = fields.read("interval", duration(INTERVAL_MIN, INTERVAL_MAX)).or(INTERVAL_DEFAULT);
    let consecutive_up = fields.read("consecutive_up", integer(0, CONSECUTIVE_MAX)).or(0);
    let consecutive_down = fields.read("consecutive_down", integer(0, CONSECUTIVE_MAX)).or(0);
    if let (Some(timeout), Some(retries), Some(interval)) = (timeout, retries, interval) {
        check_times(&mut fields, timeout, retries, interval);
    }
    let check = kind.and_then(|kind| match kind {
        Kind::Tcp => parse_tcp(&mut fields),
        Kind::Http(scheme) => parse_http(&mut fields, scheme).map(Check::Http),
    });
    let name = name?;
    Some(Monitor {
        id: identity.id(&name, &mut fields)?,
        name,
        description: description?,
        check: check?,
        timeout: timeout?,
        retries: retries?,
        interval: interval?,
        consecutive_up: consecutive_up?,
        consecutive_down: consecutive_down?,
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

/// Parses what a TCP check has, and refuses what it has not.
fn parse_tcp(fields: &mut Fields<'_, '_, '_>) -> Option<Check> {
    let misplaced: Vec<&str> = HTTP_KEYS.iter().copied().filter(|key| fields.node(key).is_some()).collect();
    for key in &misplaced {
        let fault = fields.fault_at(key, "it does not apply to type \"tcp\"");
        fields.faults.push(fault.suggest("leave it out, or use type \"http\" or \"https\"".to_owned()));
    }
    if fields.node("port").is_none() {
        let fault = fields.fault_at("port", "it is missing and required for type \"tcp\"; allowed: 1 to 65535");
        fields.faults.push(fault);
    }
    let port = fields.read("port", integer(1, u16::MAX)).required()?;
    misplaced.is_empty().then_some(Check::Tcp { port })
}

/// Parses what an HTTP or HTTPS check has.
fn parse_http(fields: &mut Fields<'_, '_, '_>, scheme: Scheme) -> Option<HttpCheck> {
    let method = fields.read("method", parse_method).or("GET".to_owned());
    let path = fields.read("path", parse_path).or("/".to_owned());
    let port = fields.read("port", integer(0, u16::MAX)).or(0);
    let headers = fields.read("header", header::parse).or(Vec::new());
    let expected_codes = match fields.read("expected_codes", parse_codes).optional() {
        // The original's default.
        Some(None) => ExpectedCodes::parse("200"),
        Some(given) => given,
        None => None,
    };
    let expected_body = fields.read("expected_body", octets(0, MONITOR_TEXT_OCTETS_MAX)).or(String::new());
    let follow_redirects = fields.read("follow_redirects", boolean).or(false);
    let allow_insecure = fields.read("allow_insecure", boolean).or(false);
    if allow_insecure == Some(true) && scheme == Scheme::Http {
        let fault = fields.fault_at("allow_insecure", "it does not apply to type \"http\", which has no certificate");
        fields.faults.push(fault.suggest("leave it out, or use type \"https\"".to_owned()));
    }
    Some(HttpCheck {
        scheme,
        allow_insecure: allow_insecure?,
        method: method?,
        path: path?,
        port: port.map(|port| (port != 0).then_some(port))?,
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

/// Reads expected codes.
fn parse_codes(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<ExpectedCodes> {
    let text = spot.text(faults)?;
    let codes = if text.len() <= MONITOR_TEXT_OCTETS_MAX { ExpectedCodes::parse(text) } else { None };
    codes.or_else(|| spot.refuse("codes or classes such as \"200\", \"2xx\" or \"200, 30x\"", faults))
}

/// Builds a monitor.
pub fn build(monitor: &Monitor) -> Table {
    let Monitor { id, name, description, check, timeout, retries, interval, consecutive_up, consecutive_down } =
        monitor;
    let table = Table::default().with("name", Node::text(name)).with("description", Node::text(description));
    let table = identity::build(table, *id, name);
    let table = match check {
        Check::Tcp { port } => table.with("type", Node::text("tcp")).with("port", Node::int(*port)),
        Check::Http(http) => build_http(table, http),
    };
    table
        .with("timeout", build_duration(*timeout))
        .with("retries", Node::int(*retries))
        .with("interval", build_duration(*interval))
        .with("consecutive_up", Node::int(*consecutive_up))
        .with("consecutive_down", Node::int(*consecutive_down))
}

/// Builds what an HTTP or HTTPS check has.
fn build_http(table: Table, http: &HttpCheck) -> Table {
    let HttpCheck {
        scheme,
        allow_insecure,
        method,
        path,
        port,
        headers,
        expected_codes,
        expected_body,
        follow_redirects,
    } = http;
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let table = table
        .with("type", Node::text(scheme))
        .with("method", Node::text(method))
        .with("path", Node::text(path))
        .with("port", Node::int(port.unwrap_or(0)))
        .with("expected_codes", Node::text(expected_codes.text()))
        .with("expected_body", Node::text(expected_body))
        .with("follow_redirects", Node::built(Value::Bool(*follow_redirects)))
        .with("allow_insecure", Node::built(Value::Bool(*allow_insecure)));
    if headers.is_empty() { table } else { table.with("header", header::build(headers)) }
}
