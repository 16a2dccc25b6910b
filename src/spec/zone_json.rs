//! Zones as the original's clients make and read them. Whoever makes one gives it a name; what a zone must have beyond
//! that, the server adds.

use crate::model::dns_record::DnsRecord;
use crate::model::hosting::{Hosting, SerialSource, ZoneOrigin};
use crate::model::id::{RecordId, ZoneId};
use crate::model::limits::PEERS_MAX;
use crate::model::name::Name;
use crate::model::rrset::{Rrset, Rtype};
use crate::model::stamp::Stamp;
use crate::model::tree::{Node, Table, Value};
use crate::model::zone::Zone;
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Path, Spot, kept, optional, required};
use crate::spec::value::{Word, list, word};
use crate::spec::{dns_record, load_balancer, record, time, zone};

/// The keys of a zone that is made.
pub const KEYS: &[Key] =
    &[required("name"), optional("name_servers"), optional("type"), kept("account"), kept("jump_start")];

/// Types of zones.
const TYPES: &[Word<()>] = &[
    ("full", Ok(())),
    ("partial", Err(TYPE_UNSUPPORTED)),
    ("secondary", Err(TYPE_UNSUPPORTED)),
    ("internal", Err(TYPE_UNSUPPORTED)),
];

/// Why a type is refused.
const TYPE_UNSUPPORTED: &str = "zones made through the API are answered from their own records";

/// What a new zone's SOA record says behind its two names: serial, REFRESH, RETRY, EXPIRE and MINIMUM. Secondaries are
/// told of changes, and ask every two hours besides; what does not exist is cached for five minutes.
const SOA_NUMBERS: &str = "1 7200 900 1209600 300";
/// TTL of the records that a new zone begins with: an hour.
const TTL: u32 = 3600;

/// A zone that is to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewZone {
    /// How it is hosted.
    pub hosting: Hosting,
    /// The records that it begins with: SOA and NS.
    pub records: Vec<DnsRecord>,
}

/// Whose the zones are, as responses have it.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The account's id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// Parses the body of a request; the zone gets `id`, its records get ids of `random` bits, and unless it says its name
/// servers it gets `name_servers`.
pub fn parse_json(
    body: &Node,
    id: ZoneId,
    name_servers: &[Name],
    random: &mut dyn FnMut() -> u128,
    faults: &mut Faults,
) -> Option<NewZone> {
    let before = faults.len();
    let mut fields = Fields::open(Spot { source: 0, path: &Path::ROOT, node: body }, KEYS, faults)?;
    let apex = fields.read("name", zone::parse_name).required();
    let said = fields.read("name_servers", list(PEERS_MAX, load_balancer::parse_name)).or(name_servers.to_vec());
    fields.read_set("type", word(TYPES)).or(());
    let (apex, name_servers) = (apex?, said?);
    let Some(first) = name_servers.first() else {
        let why = "a zone has at least one name server; name some, such as [\"ns1.example.net\"]";
        fields.faults.push(fields.fault_at("name_servers", why));
        return None;
    };
    let soa = format!("@ {TTL} SOA {first}. hostmaster {SOA_NUMBERS}");
    let lines = std::iter::once(soa).chain(name_servers.iter().map(|server| format!("@ {TTL} NS {server}.")));
    let mut records: Vec<DnsRecord> = Vec::with_capacity(name_servers.len() + 1);
    for line in lines {
        match record::parse(&line, &apex, TTL) {
            Ok(found) if records.iter().any(|one| one.rtype == found.rtype && one.rdata == found.rdata) => {}
            Ok(found) => records.push(dns_record::of_record(found, RecordId::random(random()), id)),
            Err(fault) => fields.faults.push(fields.fault_at("name", fault.why)),
        }
    }
    let hosting = Hosting { origin: ZoneOrigin::Declared(SerialSource::Auto), ..Hosting::declared(id, apex) };
    (fields.faults.len() == before).then_some(NewZone { hosting, records })
}

/// The name servers of a zone.
pub fn name_servers(zone: &Zone) -> Vec<Name> {
    let rrset = zone.owner(zone.apex()).and_then(|owner| owner.rrset(Rtype::NS));
    rrset.iter().flat_map(Rrset::rdatas).filter_map(Name::from_wire).collect()
}

/// Builds a zone for a response.
pub fn build_json(hosting: &Hosting, name_servers: &[Name], stamp: &Stamp<ZoneId>, account: Account<'_>) -> Table {
    let null = || Node::built(Value::Null);
    let table = |entries: Vec<(&'static str, Node)>| {
        let fold = entries.into_iter().fold(Table::default(), |table, (key, node)| table.with(key, node));
        Node::built(Value::Table(fold))
    };
    let texts = |texts: Vec<String>| Node::built(Value::Array(texts.into_iter().map(Node::text).collect()));
    let no = || Node::built(Value::Bool(false));
    Table::default()
        .with("id", Node::text(hosting.id.to_string()))
        .with("name", Node::text(hosting.apex.to_string()))
        .with("status", Node::text("active"))
        .with("paused", no())
        .with("type", Node::text("full"))
        .with("development_mode", Node::int(0))
        .with("name_servers", texts(name_servers.iter().map(Name::to_string).collect()))
        .with("original_name_servers", null())
        .with("original_registrar", null())
        .with("original_dnshost", null())
        .with("created_on", time::build(stamp.created))
        .with("modified_on", time::build(stamp.modified))
        .with("activated_on", time::build(stamp.created))
        .with(
            "meta",
            table(vec![
                ("step", Node::int(0)),
                ("custom_certificate_quota", Node::int(0)),
                ("page_rule_quota", Node::int(0)),
                ("phishing_detected", no()),
            ]),
        )
        .with(
            "owner",
            table(vec![
                ("id", Node::text(account.id)),
                ("type", Node::text("organization")),
                ("name", Node::text(account.name)),
            ]),
        )
        .with("account", table(vec![("id", Node::text(account.id)), ("name", Node::text(account.name))]))
        .with(
            "permissions",
            texts(["#zone:read", "#zone:edit", "#dns_records:read", "#dns_records:edit"].map(str::to_owned).into()),
        )
        .with(
            "plan",
            table(vec![
                ("id", Node::text("self-hosted")),
                ("name", Node::text("Self-hosted")),
                ("price", Node::int(0)),
                ("currency", Node::text("USD")),
                ("frequency", Node::text("")),
                ("is_subscribed", no()),
                ("can_subscribe", no()),
                ("legacy_id", Node::text("free")),
                ("legacy_discount", no()),
                ("externally_managed", no()),
            ]),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::{Change, Inventory};
    use crate::spec::dialect::Dialect;
    use crate::spec::json_text;

    /// Parses a body with a default name server.
    fn parse(text: &str) -> Result<NewZone, String> {
        let (mut faults, mut bits) = (Faults::of(Dialect::Json), 0);
        let servers = [Name::parse("ns.example.net", None).unwrap()];
        let body = json_text::parse(text.as_bytes()).unwrap();
        let mut random = || {
            bits += 1;
            bits
        };
        let zone = parse_json(&body, ZoneId::random(7), &servers, &mut random, &mut faults);
        zone.ok_or_else(|| faults.kept().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_new_zone_has_what_it_must_have() {
        let text = r#"{"name":"Example.com","account":{"id":"x"},"jump_start":true,"type":"full",
            "name_servers":["ns1.example.com","ns2.example.com","ns1.example.com"]}"#;
        for (text, servers) in
            [(text, vec!["ns1.example.com", "ns2.example.com"]), (r#"{"name":"example.com"}"#, vec!["ns.example.net"])]
        {
            let NewZone { hosting, records } = parse(text).unwrap();
            assert!(hosting.has_auto_serial());
            let contents: Vec<&str> = records.iter().map(|record| record.content.as_str()).collect();
            let soa = format!("{}. hostmaster.example.com. {SOA_NUMBERS}", servers[0]);
            assert_eq!(contents, [vec![soa.as_str()], servers.clone()].concat());
            let inventory = Inventory::default().apply(Change::CreateZone { hosting, records }).unwrap();
            let zone = inventory.zones.find(ZoneId::random(7)).unwrap();
            let mut found: Vec<String> = name_servers(zone).iter().map(Name::to_string).collect();
            found.sort();
            assert_eq!(found, servers);
        }
    }

    #[test]
    fn what_is_no_zone_of_ours_is_refused() {
        for (text, why) in [
            (r"{}", "name: it is missing and required"),
            (
                r#"{"name":"a.example","type":"partial"}"#,
                "type: found \"partial\"; zones made through the API are answered from their own records; allowed: \"full\"",
            ),
            (
                r#"{"name":"a.example","name_servers":[]}"#,
                "name_servers: a zone has at least one name server; name some, such as [\"ns1.example.net\"]",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), why);
        }
    }
}
