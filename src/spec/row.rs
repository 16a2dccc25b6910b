//! Rows of a store: objects of the API with everything that is known of them, as JSON. What was written once is read
//! without a look at other objects; whether it still fits is for the commit to say.

use std::sync::Arc;

use data_encoding::HEXLOWER;

use crate::model::dns_record::DnsRecord;
use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, PoolId, RecordId, ZoneId};
use crate::model::inventory::{IdMap, Stored, StoredObject, ZoneRecords};
use crate::model::monitor_group::MonitorGroup;
use crate::model::name::Name;
use crate::model::rrset::Rtype;
use crate::model::stamp::{Disabled, Revision, UnixMicros};
use crate::model::tree::{Node, Table, Value};
use crate::spec::dialect::Dialect;
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Path, Spot};
use crate::spec::identity::{Id, Identity};
use crate::spec::monitor::KnownFiles;
use crate::spec::references::AnyId;
use crate::spec::{hosting, json_text, lever, load_balancer, monitor, monitor_group, pool, zone};

/// What kind of object a row has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowKind {
    /// A zone, without its records: they have rows of their own.
    Zone,
    /// A monitor.
    Monitor,
    /// A monitor group.
    MonitorGroup,
    /// A pool.
    Pool,
    /// A load balancer.
    LoadBalancer,
    /// The levers of a pool.
    Levers,
}

/// Writes an object.
pub fn build(stored: &Stored) -> Vec<u8> {
    let Stored { object, created, modified, revision, disabled } = stored;
    let says = match object {
        StoredObject::Zone(hosting, _) => {
            hosting::build(hosting, Table::default().with("name", Node::text(hosting.apex.to_string())))
        }
        StoredObject::Monitor(monitor) => monitor::build(monitor).without("id"),
        StoredObject::MonitorGroup(group) => monitor_group::build_fields(group),
        StoredObject::Pool(pool) => pool::build_fields(Table::default(), pool, &Disabled::default()),
        StoredObject::LoadBalancer(load_balancer) => load_balancer::build_fields(Table::default(), load_balancer),
        StoredObject::Levers(levers) => lever::build_row(levers),
    };
    let table = Table::default()
        .with("id", Node::text(object.id().to_string()))
        .with("created", build_number(created.0))
        .with("modified", build_number(modified.0))
        .with("revision", build_number(revision.0));
    let table = if *disabled == Disabled::default() { table } else { table.with("disabled", build_disabled(disabled)) };
    let table = match object {
        StoredObject::MonitorGroup(group) => table.with("members", build_member_times(group)),
        _ => table,
    };
    render(table.with("object", Node::built(Value::Table(says))))
}

/// Reads an object; an error says what is wrong with the row.
pub fn parse(kind: RowKind, text: &[u8]) -> Result<Stored, String> {
    read(text, |row| {
        let says = row.node("object")?;
        let mut faults = Faults::of(Dialect::Json);
        let object = parse_object(kind, row, Spot { source: 0, path: &Path::ROOT, node: says }, &mut faults);
        row.wrong = faults.kept().first().map(ToString::to_string);
        let object = object.filter(|_| faults.is_empty())?;
        Some(Stored {
            object,
            created: UnixMicros(row.number("created")?),
            modified: UnixMicros(row.number("modified")?),
            revision: Revision(row.number("revision")?),
            disabled: row.disabled()?,
        })
    })
}

/// Writes a record.
pub fn build_record(record: &DnsRecord) -> Vec<u8> {
    let DnsRecord { id, zone, owner, rtype, ttl, rdata, content, comment, tags, created, modified, revision } = record;
    let tags = tags.iter().map(Node::text).collect();
    let table = Table::default()
        .with("id", Node::text(id.to_string()))
        .with("zone", Node::text(zone.to_string()))
        .with("owner", Node::text(HEXLOWER.encode(owner.wire())))
        .with("type", Node::int(rtype.0))
        .with("ttl", ttl.map_or(Node::built(Value::Null), Node::int))
        .with("rdata", Node::text(HEXLOWER.encode(rdata)))
        .with("content", Node::text(content))
        .with("comment", Node::text(comment))
        .with("tags", Node::built(Value::Array(tags)))
        .with("created", build_number(created.0))
        .with("modified", build_number(modified.0))
        .with("revision", build_number(revision.0));
    render(table)
}

/// Reads a record; an error says what is wrong with the row.
pub fn parse_record(text: &[u8]) -> Result<DnsRecord, String> {
    read(text, |row| {
        let tags = match row.table.value("tags")? {
            Value::Array(tags) => tags.iter().map(text_of).collect::<Option<Vec<String>>>()?,
            _ => return None,
        };
        let ttl = match row.table.value("ttl") {
            None => None,
            Some(_) => Some(u32::try_from(row.number("ttl")?).ok()?),
        };
        Some(DnsRecord {
            id: RecordId::parse(row.text("id")?)?,
            zone: ZoneId::parse(row.text("zone")?)?,
            owner: Name::from_wire(&row.octets("owner")?)?,
            rtype: Rtype(u16::try_from(row.number("type")?).ok()?),
            ttl,
            rdata: row.octets("rdata")?,
            content: row.text("content")?.to_owned(),
            comment: row.text("comment")?.to_owned(),
            tags,
            created: UnixMicros(row.number("created")?),
            modified: UnixMicros(row.number("modified")?),
            revision: Revision(row.number("revision")?),
        })
    })
}

/// The row of a table.
fn render(table: Table) -> Vec<u8> {
    json_text::render(&Node::built(Value::Table(table)))
}

/// A number of 64 bits. Times and revisions need fewer than 63 of them for as long as anybody can think of.
fn build_number(number: u64) -> Node {
    Node::int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Since when an object and its origins are disabled.
fn build_disabled(disabled: &Disabled) -> Node {
    let whole = disabled.whole().map_or(Node::built(Value::Null), |since| build_number(since.0));
    let origins = disabled.origins();
    let origins =
        origins.fold(Table::default(), |table, (name, since)| table.with(name.to_owned(), build_number(since.0)));
    let table = Table::default().with("whole", whole).with("origins", Node::built(Value::Table(origins)));
    Node::built(Value::Table(table))
}

/// When each member of a group became one, and when what is said of it changed.
fn build_member_times(group: &MonitorGroup) -> Node {
    let times = group.members.iter().map(|member| [member.created, member.updated]);
    let times = times.map(|times| Node::built(Value::Array(times.map(|at| build_number(at.0)).into())));
    Node::built(Value::Array(times.collect()))
}

/// Reads a row.
fn read<T>(text: &[u8], read: impl FnOnce(&mut Row<'_>) -> Option<T>) -> Result<T, String> {
    let node = json_text::parse(text).map_err(|fault| fault.why)?;
    let Value::Table(table) = &node.value else { return Err("it is not an object of JSON".to_owned()) };
    let mut row = Row { table, wrong: None };
    let value = read(&mut row);
    value.ok_or_else(|| row.wrong.unwrap_or_else(|| "a key is missing or not what it should be".to_owned()))
}

/// A row that is being read.
struct Row<'t> {
    /// It.
    table: &'t Table,
    /// What is wrong with its object.
    wrong: Option<String>,
}

impl<'t> Row<'t> {
    /// The value of a key.
    fn node(&self, key: &str) -> Option<&'t Node> {
        self.table.entry(key).map(|entry| &entry.node)
    }

    /// A text.
    fn text(&self, key: &str) -> Option<&'t str> {
        match self.table.value(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Octets.
    fn octets(&self, key: &str) -> Option<Vec<u8>> {
        HEXLOWER.decode(self.text(key)?.as_bytes()).ok()
    }

    /// A number.
    fn number(&self, key: &str) -> Option<u64> {
        self.node(key).and_then(number_of)
    }

    /// The object's id.
    fn id<I: Id>(&self) -> Option<I> {
        I::of_text(self.text("id")?)
    }

    /// Gives the members of a group their times.
    fn date_members(&self, group: &mut MonitorGroup) -> Option<()> {
        let Value::Array(all) = self.table.value("members")? else { return None };
        for (member, node) in group.members.iter_mut().zip(all) {
            let Value::Array(times) = &node.value else { return None };
            let [created, updated] = &times[..] else { return None };
            (member.created, member.updated) = (UnixMicros(number_of(created)?), UnixMicros(number_of(updated)?));
        }
        (group.members.len() == all.len()).then_some(())
    }

    /// Since when it and its origins are disabled.
    fn disabled(&self) -> Option<Disabled> {
        let Some(value) = self.table.value("disabled") else { return Some(Disabled::default()) };
        let Value::Table(table) = value else { return None };
        let whole = match table.entry("whole").map(|entry| &entry.node) {
            Some(node) if node.value != Value::Null => Some(UnixMicros(number_of(node)?)),
            _ => None,
        };
        let Value::Table(origins) = table.value("origins")? else { return None };
        let origins = origins.entries().iter();
        let origins = origins.map(|entry| Some((entry.key.to_string(), UnixMicros(number_of(&entry.node)?))));
        Some(Disabled::new(whole, origins.collect::<Option<_>>()?))
    }
}

/// The text that a value is.
fn text_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// The number that a value is.
fn number_of(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// Reads what an object says.
fn parse_object(kind: RowKind, row: &Row<'_>, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<StoredObject> {
    Some(match kind {
        RowKind::Zone => parse_zone(spot, row.id()?, faults)?,
        RowKind::Monitor => {
            let identity = Identity::Known(row.id::<MonitorId>()?);
            // The API lets nobody name files.
            StoredObject::Monitor(Arc::new(monitor::parse(spot, identity, &mut KnownFiles::default(), faults)?))
        }
        RowKind::MonitorGroup => {
            let identity = Identity::Known(row.id::<MonitorGroupId>()?);
            let mut group = monitor_group::parse(spot, identity, &AnyId, faults)?;
            row.date_members(&mut group)?;
            StoredObject::MonitorGroup(Arc::new(group))
        }
        RowKind::Pool => {
            let identity = Identity::Known(row.id::<PoolId>()?);
            StoredObject::Pool(Arc::new(pool::parse(spot, identity, &AnyId, &AnyId, faults)?))
        }
        RowKind::LoadBalancer => {
            let around = load_balancer::Surroundings { zones: None, pools: &AnyId, is_disabled: &|_| false };
            let identity = Identity::Known(row.id::<LoadBalancerId>()?);
            StoredObject::LoadBalancer(Arc::new(load_balancer::parse(spot, identity, &around, faults)?))
        }
        RowKind::Levers => StoredObject::Levers(Arc::new(lever::parse_row(spot, row.id::<PoolId>()?, faults)?)),
    })
}

/// Reads how a zone is hosted.
fn parse_zone(spot: Spot<'_, '_>, id: ZoneId, faults: &mut Faults) -> Option<StoredObject> {
    let mut fields = Fields::open(spot, hosting::ROW_KEYS, faults)?;
    let apex = fields.read("name", zone::parse_name).required()?;
    let hosting = hosting::parse(&mut fields, Identity::Known(id), &apex, None)?;
    let records = ZoneRecords { id, records: IdMap::default() };
    Some(StoredObject::Zone(Arc::new(hosting), Arc::new(records)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::{record, strategies};

    /// Objects of all kinds, each with its kind.
    fn objects() -> impl Strategy<Value = Vec<(RowKind, StoredObject)>> {
        strategies::declared().prop_map(|declared| {
            let records = |id| Arc::new(ZoneRecords { id, records: IdMap::default() });
            let hostings = declared.hostings.into_iter();
            let zones = hostings.map(|one| (RowKind::Zone, StoredObject::Zone(Arc::new(one.clone()), records(one.id))));
            let monitors = declared.monitors.into_iter().map(strategies::without_files);
            let monitors = monitors.map(|one| (RowKind::Monitor, StoredObject::Monitor(Arc::new(one))));
            let groups = declared.monitor_groups.into_iter().map(|one| one.dated(None, UnixMicros(1 << 51)));
            let groups = groups.map(|one| (RowKind::MonitorGroup, StoredObject::MonitorGroup(Arc::new(one))));
            let pools = declared.pools.into_iter().map(|one| (RowKind::Pool, StoredObject::Pool(Arc::new(one))));
            let load_balancers = declared.load_balancers.into_iter();
            let load_balancers =
                load_balancers.map(|one| (RowKind::LoadBalancer, StoredObject::LoadBalancer(Arc::new(one))));
            zones.chain(monitors).chain(groups).chain(pools).chain(load_balancers).collect()
        })
    }

    /// Since when something is disabled.
    fn disabled() -> impl Strategy<Value = Disabled> {
        let micros = || (0_u64..1 << 60).prop_map(UnixMicros);
        let origins = prop::collection::hash_map(any::<String>(), micros(), 0..3);
        (prop::option::of(micros()), origins)
            .prop_map(|(whole, origins)| Disabled::new(whole, origins.into_iter().collect()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read_back(
            objects in objects(), disabled in disabled(), numbers in any::<[u32; 3]>(),
        ) {
            for (kind, object) in objects {
                let [created, modified, revision] = numbers.map(|number| u64::from(number) << 20);
                let stored = Stored {
                    object,
                    created: UnixMicros(created),
                    modified: UnixMicros(modified),
                    revision: Revision(revision),
                    disabled: disabled.clone(),
                };
                let row = build(&stored);
                let back = parse(kind, &row);
                let back = back.map_err(|why| TestCaseError::fail(format!("{why}: {}", String::from_utf8_lossy(&row))))?;
                prop_assert_eq!(format!("{back:?}"), format!("{stored:?}"));
            }
        }

        #[test]
        fn records_are_read_back(
            numbers in any::<[u32; 3]>(), ttl in any::<Option<u32>>(), content in any::<String>(), tags in any::<Vec<String>>(),
        ) {
            let apex = Name::parse("example.com", None).unwrap();
            let read = record::parse("a\\.B\\255 TXT \"x\" y", &apex, 1).unwrap();
            let [created, modified, revision] = numbers.map(u64::from);
            let record = DnsRecord {
                id: RecordId::random(u128::from(revision)),
                zone: ZoneId::declared("example.com"),
                owner: read.owner,
                rtype: read.rtype,
                ttl,
                rdata: read.rdata,
                comment: content.clone(),
                content,
                tags,
                created: UnixMicros(created),
                modified: UnixMicros(modified),
                revision: Revision(revision),
            };
            prop_assert_eq!(parse_record(&build_record(&record)), Ok(record));
        }
    }

    #[test]
    fn a_damaged_row_says_what_is_wrong() {
        for (row, why) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[]", "it is not an object of JSON"),
            ("{}", "a key is missing or not what it should be"),
            (
                r#"{"id":"59c3591bea92402782b4ceda5d0344e0","created":1,"modified":1,"revision":1,"object":{"name":"p","origins":[]}}"#,
                "origins: a pool has at least one origin",
            ),
        ] {
            assert_eq!(parse(RowKind::Pool, row.as_bytes()).unwrap_err(), why, "{row}");
        }
        assert!(parse_record(b"{}").is_err());
    }
}
