//! From a name to its node: the search of RFC 1034 §4.3.2, steps 2 and 3, with the wildcards of RFC 4592.

use crate::model::shard::Place;
use crate::steering::table::{Node, RecordTable, ZoneTable};
use crate::wire::name::LowerName;

/// What a name leads to.
#[derive(Clone, Copy, Debug)]
pub enum Found<'t> {
    /// The name exists, or a wildcard stands in for it.
    Node {
        /// Its zone.
        zone: &'t ZoneTable,
        /// Its node, or the source of synthesis (RFC 4592 §3.3.1).
        node: &'t Node,
    },
    /// The name is in one of our zones and does not exist.
    NxDomain {
        /// Its zone.
        zone: &'t ZoneTable,
    },
    /// The name is in none of our zones.
    NotOurs,
}

/// Where a name will be looked for.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'t> {
    /// The zone with the longest apex.
    zone: &'t ZoneTable,
    /// The hash of the name.
    hash: u64,
}

impl<'t> Sought<'t> {
    /// Where the search begins; memory is not read. None if the zone is small, and most of it in the caches anyway.
    pub fn home(&self) -> Option<&'t Place<Node>> {
        if self.zone.is_large() { self.zone.home(self.hash) } else { None }
    }

    /// Nearly always the node of the name, if it has one.
    pub fn likely(&self) -> Option<&'t Node> {
        self.zone.likely(self.hash)
    }
}

/// Finds where `name` will be looked for; none if it is in none of our zones.
pub fn seek<'t>(table: &'t RecordTable, name: &LowerName) -> Option<Sought<'t>> {
    let mut hash = table.hashing().root();
    let mut found = None;
    for suffix in 0..=name.label_count() {
        if suffix > 0 {
            hash.extend(name, suffix);
        }
        if table.has_apex_of(suffix)
            && let Some(zone) = table.zone(hash.finish(), name.suffix(suffix))
        {
            found = Some(zone);
        }
    }
    found.map(|zone| Sought { zone, hash: hash.finish() })
}

/// Finds the node for `name`.
pub fn lookup<'t>(table: &'t RecordTable, name: &LowerName) -> Found<'t> {
    let labels = name.label_count();
    let mut hash = table.hashing().root();
    let mut found = None;
    // Step 2: the zone with the longest apex. On the way, the hash of the whole name comes about.
    for suffix in 0..=labels {
        if suffix > 0 {
            hash.extend(name, suffix);
        }
        if table.has_apex_of(suffix)
            && let Some(zone) = table.zone(hash.finish(), name.suffix(suffix))
        {
            found = Some((zone, suffix));
        }
    }
    let Some((zone, apex_labels)) = found else { return Found::NotOurs };
    // Step 3a: the whole name.
    if let Some(node) = zone.node(hash.finish(), name.wire()) {
        return Found::Node { zone, node };
    }
    // Step 3c: the asterisk label below the closest encloser.
    let encloser = closest_encloser(table, zone, name, apex_labels);
    match wildcard(table, zone, name, encloser) {
        Some(node) => Found::Node { zone, node },
        None => Found::NxDomain { zone },
    }
}

/// Labels of the longest existing ancestor of a name that does not exist (RFC 4592 §3.3.1). If a name exists, all
/// names between it and the apex do, therefore a binary search will do: 127 labels take 7 steps.
fn closest_encloser(table: &RecordTable, zone: &ZoneTable, name: &LowerName, apex_labels: usize) -> usize {
    let (mut exists, mut missing) = (apex_labels, name.label_count());
    while missing - exists > 1 {
        let middle = usize::midpoint(exists, missing);
        let hash = table.hashing().suffix(name, middle).finish();
        if zone.node(hash, name.suffix(middle)).is_some() { exists = middle } else { missing = middle }
    }
    exists
}

/// The wildcard directly below the suffix of `encloser` labels.
fn wildcard<'t>(table: &RecordTable, zone: &'t ZoneTable, name: &LowerName, encloser: usize) -> Option<&'t Node> {
    let mut hash = table.hashing().suffix(name, encloser);
    hash.extend_wildcard();
    zone.node_below(hash.finish(), b"\x01*", name.suffix(encloser))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::id::ZoneId;
    use crate::model::name::Name;
    use crate::model::rrset::{Record, Rtype};
    use crate::model::zone::Zone;
    use crate::steering::table::lower_name;

    fn zone(apex: &str, owners: &[&str]) -> Arc<Zone> {
        let apex = Name::parse(apex, None).unwrap();
        let record = |owner: &str, rtype, rdata: &[u8]| Record {
            owner: Name::parse(owner, Some(&apex)).unwrap(),
            rtype,
            ttl: 60,
            rdata: rdata.to_vec(),
        };
        let mut records = vec![record("@", Rtype::SOA, &[0; 22]), record("@", Rtype::NS, b"\0")];
        records.extend(owners.iter().map(|owner| record(owner, Rtype::TXT, b"\x01x")));
        Arc::new(Zone::try_new(ZoneId::declared(&apex.to_string()), apex, records).unwrap())
    }

    fn found(table: &RecordTable, text: &str) -> String {
        match lookup(table, &lower_name(&Name::parse(text, None).unwrap())) {
            Found::Node { node, .. } => node.owner().name().to_string(),
            Found::NxDomain { zone } => format!("NXDOMAIN {}", zone.zone().apex()),
            Found::NotOurs => "not ours".into(),
        }
    }

    #[test]
    fn rfc4592_section_2_2_1_examples() {
        // The zone of that section.
        let mut table = RecordTable::new(3);
        let owners = ["*", "sub.*", "host1", "_ssh._tcp.host1", "_ssh._tcp.host2"];
        table.put_zone(zone("example", &owners));
        for (question, answer) in [
            ("host3.example", "*.example"),
            ("foo.bar.example", "*.example"),
            ("host1.example", "host1.example"),
            ("sub.*.example", "sub.*.example"),
            ("_telnet._tcp.host1.example", "NXDOMAIN example"),
            ("host.subdel.example", "*.example"),
            ("ghost.*.example", "NXDOMAIN example"),
            // Empty non-terminals exist: no synthesis.
            ("_tcp.host1.example", "_tcp.host1.example"),
            ("host2.example", "host2.example"),
            ("*.example", "*.example"),
            ("other", "not ours"),
        ] {
            assert_eq!(found(&table, question), answer, "{question}");
        }
    }

    #[test]
    fn the_longest_apex_wins() {
        let mut table = RecordTable::new(3);
        table.put_zone(zone("example.com", &["www", "*.sub"]));
        table.put_zone(zone("sub.example.com", &["www"]));
        for (question, answer) in [
            ("www.example.com", "www.example.com"),
            ("www.sub.example.com", "www.sub.example.com"),
            ("x.sub.example.com", "NXDOMAIN sub.example.com"),
            ("x.example.com", "NXDOMAIN example.com"),
            ("com", "not ours"),
            (".", "not ours"),
        ] {
            assert_eq!(found(&table, question), answer, "{question}");
        }
        table.put_zone(zone(".", &["com"]));
        assert_eq!(found(&table, "org"), "NXDOMAIN .");
        assert_eq!(found(&table, "com"), "com");
        assert_eq!(found(&table, "."), ".");
    }
}
