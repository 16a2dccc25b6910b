//! From a name to its node: the search of RFC 1034 §4.3.2, steps 2 and 3, with the wildcards of RFC 4592 and the DNAMEs of
//! RFC 6672 §3.2.

use std::net::IpAddr;

use crate::model::rrset::Rtype;
use crate::model::shard::Place;
use crate::model::zone::Cover;
use crate::steering::table::{Absent, Covered, Node, RecordTable, ZoneTable};
use crate::telemetry::series::SeriesId;
use crate::wire::name::HashedName;

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
    /// The name is delegated: it is at a zone cut or below.
    Cut {
        /// The zone that delegates.
        zone: &'t ZoneTable,
        /// The owner of the NS records.
        cut: &'t Node,
        /// Labels of that owner.
        labels: usize,
        /// The name's own node, if it has one: glue may be there.
        exact: Option<&'t Node>,
    },
    /// The name is below a DNAME.
    Dname {
        /// Its zone.
        zone: &'t ZoneTable,
        /// The owner of the DNAME record.
        dname: &'t Node,
        /// Labels of that owner.
        labels: usize,
    },
    /// The name is in a zone of ours that has no records to answer from.
    Absent(&'t Absent),
    /// The name is in none of our zones.
    NotOurs,
}

impl<'t> Found<'t> {
    /// Whether a client may ask for the zone; whoever asks for none of ours may.
    pub fn allows(&self, client: IpAddr) -> bool {
        match self {
            Self::Absent(zone) => zone.audience.has(client),
            _ => self.zone().is_none_or(|zone| zone.allows(client)),
        }
    }

    /// What an answer is counted by.
    pub const fn series(&self) -> SeriesId {
        match self {
            Self::Node { zone, .. } | Self::NxDomain { zone } | Self::Cut { zone, .. } | Self::Dname { zone, .. } => {
                zone.series()
            }
            Self::Absent(zone) => zone.series(),
            Self::NotOurs => SeriesId::NONE,
        }
    }

    /// The zone, if it is ours.
    pub const fn zone(&self) -> Option<&'t ZoneTable> {
        match self {
            Self::Node { zone, .. } | Self::NxDomain { zone } | Self::Cut { zone, .. } | Self::Dname { zone, .. } => {
                Some(zone)
            }
            Self::NotOurs | Self::Absent(_) => None,
        }
    }
}

/// Where a name will be looked for: step 2, the zone with the longest apex.
#[derive(Clone, Copy, Debug)]
struct Sought<'t> {
    /// That zone, or why it has no records.
    zone: Result<&'t ZoneTable, &'t Absent>,
    /// Labels of its apex.
    apex_labels: usize,
    /// The zone around it, if that is ours too, or why that has no records.
    around: Option<Result<&'t ZoneTable, &'t Absent>>,
}

/// Finds the zone in which `name` will be looked for; none if it is in none of our zones.
fn seek<'t>(table: &'t RecordTable, name: &HashedName) -> Option<Sought<'t>> {
    let (mut found, mut around) = (None, None);
    for suffix in (0..=name.label_count()).filter(|suffix| table.has_apex_of(*suffix)) {
        let (hash, apex) = (name.hash_of(suffix).finish(), name.suffix(suffix));
        let zone = table.zone(hash, apex).map(Ok);
        if let Some(zone) = zone.or_else(|| table.absent(hash, apex).map(Err)) {
            around = found.replace((zone, suffix)).map(|(zone, _)| zone);
        }
    }
    let (zone, apex_labels) = found?;
    Some(Sought { zone, apex_labels, around })
}

/// A search that is to come in a large zone: what memory it will need.
#[derive(Clone, Copy, Debug)]
pub struct Coming<'t> {
    /// The zone.
    zone: &'t ZoneTable,
    /// The hash of the name.
    hash: u64,
}

impl<'t> Coming<'t> {
    /// The search for `name`. None if its zone is small, and mostly in the caches anyway.
    pub fn of(table: &'t RecordTable, name: &HashedName) -> Option<Self> {
        let zone = seek(table, name)?.zone.ok().filter(|zone| zone.is_large())?;
        Some(Self { zone, hash: name.hash_of(name.label_count()).finish() })
    }

    /// Where in memory the search begins; it is not read.
    pub fn home(&self) -> Option<&'t Place<Node>> {
        self.zone.home(self.hash)
    }

    /// Nearly always the node of the name, if it has one.
    pub fn likely(&self) -> Option<&'t Node> {
        self.zone.likely(self.hash)
    }
}

/// Finds what answers for `name` and `qtype`. The name is to be hashed as the table's are.
pub fn lookup<'t>(table: &'t RecordTable, name: &HashedName, qtype: Rtype) -> Found<'t> {
    debug_assert_eq!(name.hashing(), Some(table.hashing()), "hashes of this table");
    let Some(Sought { zone, apex_labels, around }) = seek(table, name) else { return Found::NotOurs };
    // RFC 4035 §3.1.4.1: DS belongs to the parent's side of a cut. A parent of ours that does not delegate the name would
    // deny it, though the child exists.
    // What a parent says that has no records, nobody knows: neither the child nor a zone further up speaks for it.
    if qtype == Rtype::DS && apex_labels == name.label_count() {
        match around.map(|parent| parent.map(|parent| search(parent, name))) {
            Some(Ok(found @ Found::Cut { .. })) => return found,
            Some(Err(absent)) => return Found::Absent(absent),
            Some(Ok(_)) | None => {}
        }
    }
    match zone {
        Ok(zone) => search(zone, name),
        Err(absent) => Found::Absent(absent),
    }
}

/// Finds what answers for a name in one zone.
fn search<'t>(zone: &'t ZoneTable, name: &HashedName) -> Found<'t> {
    let labels = name.label_count();
    // Step 3a: the whole name. A DNAME leaves its own owner alone (RFC 6672 §2.3).
    if let Some(node) = node(zone, name, labels) {
        return match node.cover() {
            Some(covered) if covered.cover == Cover::Cut || covered.labels() < labels => {
                cover(zone, name, covered, Some(node))
            }
            _ => Found::Node { zone, node },
        };
    }
    // Step 3b: a cut or DNAME at the closest encloser or above. Step 3c: the asterisk label below the closest encloser.
    let (encloser, covered) = closest_encloser(zone, name);
    if let Some(covered) = covered {
        return cover(zone, name, covered, None);
    }
    match wildcard(zone, name, encloser) {
        Some(node) => Found::Node { zone, node },
        None => Found::NxDomain { zone },
    }
}

/// What covers a name.
fn cover<'t>(zone: &'t ZoneTable, name: &HashedName, covered: Covered, exact: Option<&'t Node>) -> Found<'t> {
    let labels = covered.labels();
    let owner = match exact {
        Some(node) if labels == name.label_count() => Some(node),
        _ => node(zone, name, labels),
    };
    match (owner, covered.cover) {
        (Some(cut), Cover::Cut) => Found::Cut { zone, cut, labels, exact },
        (Some(dname), Cover::Dname) => Found::Dname { zone, dname, labels },
        // A node with records is there as long as its zone is.
        (None, _) => Found::NxDomain { zone },
    }
}

/// Labels of the longest existing ancestor of a name that does not exist (RFC 4592 §3.3.1), and what covers the names
/// below it. If a name exists, all names between it and the apex do, therefore a binary search will do: 127 labels take
/// 7 steps.
fn closest_encloser(zone: &ZoneTable, name: &HashedName) -> (usize, Option<Covered>) {
    let (mut exists, mut missing) = (zone.apex_labels(), name.label_count());
    let mut covered = zone.apex_cover();
    while missing - exists > 1 {
        let middle = usize::midpoint(exists, missing);
        match node(zone, name, middle) {
            Some(node) => (exists, covered) = (middle, node.cover()),
            None => missing = middle,
        }
    }
    (exists, covered)
}

/// The wildcard directly below the suffix of `encloser` labels.
fn wildcard<'t>(zone: &'t ZoneTable, name: &HashedName, encloser: usize) -> Option<&'t Node> {
    let label = b"\x01*";
    zone.node_below(name.hash_of(encloser).extended(label).finish(), label, name.suffix(encloser))
}

/// The node of the suffix of `labels` labels.
fn node<'t>(zone: &'t ZoneTable, name: &HashedName, labels: usize) -> Option<&'t Node> {
    zone.node(name.hash_of(labels).finish(), name.suffix(labels))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::id::ZoneId;
    use crate::model::name::Name;
    use crate::model::rrset::Record;
    use crate::model::zone::Zone;
    use crate::steering::table::Absence;

    fn zone(apex: &str, owners: &[&str]) -> Arc<Zone> {
        let apex = Name::parse(apex, None).unwrap();
        let record = |owner: &str, rtype, rdata: &[u8]| Record {
            owner: Name::parse(owner, Some(&apex)).unwrap(),
            rtype,
            ttl: 60,
            rdata: rdata.to_vec(),
        };
        let mut records = vec![record("@", Rtype::SOA, &[0; 22]), record("@", Rtype::NS, b"\0")];
        records.extend(owners.iter().map(|line| match line.split_once(' ') {
            None => record(line, Rtype::TXT, b"\x01x"),
            Some((owner, "NS")) => record(owner, Rtype::NS, b"\0"),
            Some((owner, _)) => record(owner, Rtype::DNAME, b"\0"),
        }));
        Arc::new(Zone::try_new(ZoneId::declared(&apex.to_string()), apex, records).unwrap())
    }

    fn found(table: &RecordTable, text: &str) -> String {
        found_for(table, text, Rtype::A)
    }

    fn found_for(table: &RecordTable, text: &str, qtype: Rtype) -> String {
        match lookup(table, &table.hashed_name(&Name::parse(text, None).unwrap()), qtype) {
            Found::Cut { cut, labels, exact, .. } => {
                assert_eq!(cut.owner().name().label_count(), labels);
                format!("cut {}{}", cut.owner().name(), if exact.is_some() { " exact" } else { "" })
            }
            Found::Dname { dname, labels, .. } => {
                assert_eq!(dname.owner().name().label_count(), labels);
                format!("dname {}", dname.owner().name())
            }
            Found::Node { node, .. } => node.owner().name().to_string(),
            Found::NxDomain { zone } => format!("NXDOMAIN {}", zone.zone().apex()),
            Found::Absent(zone) => format!("{:?}", zone.absence),
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

    #[test]
    fn a_zone_without_records_answers_for_itself() {
        let name = |text| Name::parse(text, None).unwrap();
        let mut table = RecordTable::new(3);
        table.put_zone(zone("example.com", &["*", "sub NS"]));
        table.put_zone(zone("x.other.example.com", &[]));
        table.put_zone(zone("x.sub.example.com", &[]));
        table.set_absence(&name("sub.example.com"), Some(Absence::NotTransferred));
        table.set_absence(&name("other.example.com"), Some(Absence::Expired));
        for (question, qtype, answer) in [
            ("sub.example.com", Rtype::A, "NotTransferred"),
            ("www.sub.example.com", Rtype::A, "NotTransferred"),
            // The parent's side of a cut is there.
            ("sub.example.com", Rtype::DS, "cut sub.example.com exact"),
            ("www.sub.example.com", Rtype::DS, "NotTransferred"),
            // Its own is not, and neither the child nor whoever is further up speaks for it.
            ("x.sub.example.com", Rtype::DS, "NotTransferred"),
            ("x.other.example.com", Rtype::DS, "Expired"),
            ("a.other.example.com", Rtype::A, "Expired"),
            // A zone below has its own records.
            ("x.other.example.com", Rtype::A, "x.other.example.com"),
            ("a.example.com", Rtype::A, "*.example.com"),
        ] {
            assert_eq!(found_for(&table, question, qtype), answer, "{question}");
        }
        table.set_absence(&name("other.example.com"), None);
        table.set_absence(&name("other.example.com"), None);
        assert_eq!(found(&table, "a.other.example.com"), "*.example.com");
        table.set_absence(&name("sub.example.com"), None);
        table.remove_zone(&name("example.com"));
        assert_eq!(found(&table, "sub.example.com"), "not ours");
    }

    #[test]
    fn rfc1034_section_4_3_2_step_3b_cuts() {
        let mut table = RecordTable::new(3);
        table.put_zone(zone("example.com", &["*", "sub NS", "*.sub", "ns.sub", "a.b.sub NS", "x.deep.ent NS"]));
        for (question, answer) in [
            ("sub.example.com", "cut sub.example.com exact"),
            ("ns.sub.example.com", "cut sub.example.com exact"),
            ("x.y.sub.example.com", "cut sub.example.com"),
            // The topmost cut counts, and wildcards below it do not.
            ("a.b.sub.example.com", "cut sub.example.com exact"),
            ("b.sub.example.com", "cut sub.example.com exact"),
            ("z.x.deep.ent.example.com", "cut x.deep.ent.example.com"),
            ("deep.ent.example.com", "deep.ent.example.com"),
            ("y.deep.ent.example.com", "NXDOMAIN example.com"),
            ("other.example.com", "*.example.com"),
            ("example.com", "example.com"),
        ] {
            assert_eq!(found(&table, question), answer, "{question}");
        }
    }

    #[test]
    fn rfc6672_section_3_2_dnames() {
        let mut table = RecordTable::new(3);
        table.put_zone(zone("example.com", &["*", "d DNAME", "www.d", "sub.d NS", "e.ent DNAME"]));
        table.put_zone(zone("example.net", &["@ DNAME", "www"]));
        for (question, answer) in [
            ("d.example.com", "d.example.com"),
            ("x.y.d.example.com", "dname d.example.com"),
            ("www.d.example.com", "dname d.example.com"),
            ("sub.d.example.com", "dname d.example.com"),
            ("x.sub.d.example.com", "dname d.example.com"),
            ("x.e.ent.example.com", "dname e.ent.example.com"),
            ("x.ent.example.com", "NXDOMAIN example.com"),
            ("example.net", "example.net"),
            ("www.example.net", "dname example.net"),
            ("a.b.example.net", "dname example.net"),
        ] {
            assert_eq!(found(&table, question), answer, "{question}");
        }
    }

    #[test]
    fn rfc4035_section_3_1_4_1_ds_is_the_parents() {
        let mut table = RecordTable::new(3);
        let apexes = ["sub.example.com", "a.b.example.com", "lost.example.com"];
        for apex in apexes {
            table.put_zone(zone(apex, &["www"]));
        }
        assert_eq!(found_for(&table, "sub.example.com", Rtype::DS), "sub.example.com", "no parent of ours");
        table.put_zone(zone("example.com", &["sub NS", "b NS"]));
        for (question, qtype, answer) in [
            ("sub.example.com", Rtype::DS, "cut sub.example.com exact"),
            ("sub.example.com", Rtype::NS, "sub.example.com"),
            ("www.sub.example.com", Rtype::DS, "www.sub.example.com"),
            ("x.sub.example.com", Rtype::DS, "NXDOMAIN sub.example.com"),
            ("a.b.example.com", Rtype::DS, "cut b.example.com"),
            ("lost.example.com", Rtype::DS, "lost.example.com"),
            ("example.com", Rtype::DS, "example.com"),
        ] {
            assert_eq!(found_for(&table, question, qtype), answer, "{question}");
        }
    }

    #[test]
    fn a_slot_that_comes_and_goes_below_a_cut_changes_nothing() {
        use crate::steering::compile::LiveAnswer;
        use crate::steering::table::Slot;
        let mut table = RecordTable::new(3);
        table.put_zone(zone("example.com", &["sub NS"]));
        let name = |text| Name::parse(text, None).unwrap();
        let slot = Arc::new(Slot::new(LiveAnswer::NotReady, 30));
        table.set_slot(&name("example.com"), &name("a.b.sub.example.com"), Some(slot));
        assert_eq!(found(&table, "a.b.sub.example.com"), "cut sub.example.com exact");
        assert_eq!(found(&table, "x.b.sub.example.com"), "cut sub.example.com");
        table.set_slot(&name("example.com"), &name("a.b.sub.example.com"), None);
        assert_eq!(found(&table, "a.b.sub.example.com"), "cut sub.example.com");
    }
}
