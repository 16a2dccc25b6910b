//! `header = { Name = ["value"] }`: header fields of HTTP probes.

use std::net::Ipv6Addr;

use crate::model::limits::{MONITOR_HEADERS_MAX, MONITOR_TEXT_OCTETS_MAX};
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::Spot;

/// Header fields in order: names as written, each with its values.
pub type Headers = Vec<(String, Vec<String>)>;

/// Fields that the probe itself decides: a declared one would contradict what is sent.
const RESERVED: &[&str] = &["user-agent", "content-length", "transfer-encoding", "connection"];

/// Octets of the longest host with a port: a name of 253, and `:65535`.
const HOST_OCTETS_MAX: usize = 259;

/// Reads the header fields of a monitor.
pub fn parse(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Headers> {
    let table = spot.table(faults)?;
    if table.entries().len() > MONITOR_HEADERS_MAX {
        return spot.reject(format!("allowed: at most {MONITOR_HEADERS_MAX} header fields"), faults);
    }
    let before = faults.len();
    let mut headers: Headers = Vec::with_capacity(table.entries().len());
    for entry in table.entries() {
        let path = spot.path.key(&entry.key);
        // A fault of the name points at the name.
        let name_node = Node { span: entry.key_span.clone(), value: Value::String(entry.key.to_string()) };
        check_name(spot.inner(&path, &entry.node), &name_node, &headers, faults);
        if let Some(values) = parse_values(spot.inner(&path, &entry.node), &entry.key, faults) {
            headers.push((entry.key.to_string(), values));
        }
    }
    (faults.len() == before).then_some(headers)
}

/// A field's name is a token (RFC 9110 §5.1) that is free and new.
fn check_name(spot: Spot<'_, '_>, name: &Node, headers: &Headers, faults: &mut Faults) {
    let Value::String(text) = &name.value else { return };
    let at = Spot { node: name, ..spot };
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    if text.is_empty() || text.len() > 255 || !text.bytes().all(is_token) {
        faults.push(at.not_allowed("a header field's name: letters, digits and !#$%&'*+-.^_`|~"));
    } else if RESERVED.iter().any(|reserved| text.eq_ignore_ascii_case(reserved)) {
        faults.push(at.fault("the probe sets this header field itself; leave it out").found(name.shown()));
    } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(text)) {
        faults.push(
            at.fault("this header field is given twice; names differ by more than letter case").found(name.shown()),
        );
    }
}

/// The values of one field.
fn parse_values(spot: Spot<'_, '_>, name: &str, faults: &mut Faults) -> Option<Vec<String>> {
    let items = spot.items(faults)?;
    let is_host = name.eq_ignore_ascii_case("host");
    if items.is_empty() || (is_host && items.len() > 1) || items.len() > MONITOR_HEADERS_MAX {
        let max = if is_host { 1 } else { MONITOR_HEADERS_MAX };
        return spot.reject(format!("allowed: an array of 1 to {max} texts, not of {}", items.len()), faults);
    }
    let mut values = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = spot.path.index(index);
        let item = spot.inner(&path, item);
        values.push(if is_host { host(item, faults) } else { field_value(item, faults) });
    }
    values.into_iter().collect()
}

/// A field's value: RFC 9110 §5.5 without what is obsolete there.
fn field_value(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<String> {
    let text = spot.text(faults)?;
    let visible = text.bytes().all(|octet| matches!(octet, b' ' | b'\t' | b'!'..=b'~'));
    if visible && text.len() <= MONITOR_TEXT_OCTETS_MAX && text.trim() == text {
        return Some(text.to_owned());
    }
    spot.refuse(
        format_args!("at most {MONITOR_TEXT_OCTETS_MAX} visible ASCII characters, without spaces at the ends"),
        faults,
    )
}

/// Reads a `Host` value: a host name or address, and perhaps a port (RFC 9110 §7.2).
pub fn host(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<String> {
    let text = spot.text(faults)?;
    if is_host(text) {
        return Some(text.to_owned());
    }
    spot.refuse("a host name or an address, perhaps with a port, such as \"www.example.com:8080\"", faults)
}

/// Whether a text is `host` or `host:port`.
fn is_host(text: &str) -> bool {
    let is_port =
        |port: &str| port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let (host, port) = match text.rsplit_once(':') {
        // The colons of a bare `[2001:db8::1]` are not a port's.
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let known = match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => is_host_name(host),
    };
    text.len() <= HOST_OCTETS_MAX && known && port.is_none_or(is_port)
}

/// Whether a text can name a host; underscores occur in practice. IPv4 addresses have this form as well.
pub(super) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label)
}

/// Builds header fields.
pub fn build(headers: &[(String, Vec<String>)]) -> Node {
    let fields = headers.iter().fold(Table::default(), |table, (name, values)| {
        table.with(name.clone(), Node::built(Value::Array(values.iter().map(Node::text).collect())))
    });
    Node::built(Value::Table(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in
            ["www.example.com", "a_b.example.", "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[::1]:8443", "x:1"]
        {
            assert!(is_host(good), "{good}");
        }
        let long = "a.".repeat(130);
        for bad in
            ["", ":80", "a b", "a:", "a:0", "a:65536", "a:+1", "::1", "[::1", "[x]", "-a", "a..b", "ä", "a/b", &long]
        {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
