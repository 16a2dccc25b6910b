//! Random zones and questions, drawn from few labels so that they meet.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::message::{Question, rtype};
use super::name::Name;
use super::zone::{Data, Record, Zone, ZoneSet};

/// What becomes of a draft of records.
#[derive(Clone, Debug)]
enum Draft {
    /// One record.
    One(Record),
    /// Several, at a cut and below it.
    Several(Vec<Record>),
}

impl Draft {
    /// Its records.
    fn into_records(self) -> Vec<Record> {
        match self {
            Self::One(record) => vec![record],
            Self::Several(records) => records,
        }
    }
}

/// The apexes of a set: `one` has a child, `two` has a grandchild, with nothing between them.
fn apexes(set: usize) -> [Name; 4] {
    ["one", "sub.one", "two", "deep.er.two"].map(|front| Name::of(&format!("{front}.s{set}.example")))
}

/// A label: one of few, or an odd one.
fn label() -> impl Strategy<Value = Vec<u8>> {
    let odd: Vec<&[u8]> = vec![b"x.y", b"\0", b"\xff", b"A b", b"\"q\"", b";", b"@", b"\\", b"$", b"(", &[b'l'; 63]];
    prop_oneof![
        12 => select(vec!["a", "b", "c"]).prop_map(|label| label.as_bytes().to_vec()),
        3 => Just(b"*".to_vec()),
        3 => select(vec!["d", "sub", "er"]).prop_map(|label| label.as_bytes().to_vec()),
        1 => select(odd).prop_map(<[u8]>::to_vec),
    ]
}

/// Labels below an apex; seldom so many that they nearly fill a name.
fn labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop_oneof![
        30 => prop::collection::vec(label(), 0..=3),
        1 => select(b"xy".to_vec()).prop_map(|letter| vec![vec![letter; 63]; 3]),
    ]
}

/// A name in one of the zones of a set.
fn name_in(set: usize) -> impl Strategy<Value = Name> {
    let [one, child, two, grandchild] = apexes(set);
    let apex = prop_oneof![6 => Just(one), 2 => Just(child), 4 => Just(two), 1 => Just(grandchild)];
    (labels(), apex).prop_map(|(labels, apex)| apex.below(&labels))
}

/// A name that data may point to: mostly in a zone of the set.
fn target(set: usize) -> impl Strategy<Value = Name> {
    prop_oneof![
        14 => name_in(set),
        1 => Just(Name::of("outside.test")),
        1 => label().prop_map(|label| Name::of("elsewhere.example").below(&[label])),
    ]
}

/// A TTL out of few.
fn ttl() -> impl Strategy<Value = u32> {
    select(vec![0_u32, 20, 60, 300, 3_600, 86_400])
}

/// One of few addresses, of both families.
fn address() -> impl Strategy<Value = Data> {
    prop_oneof![
        2 => (1_u8..6).prop_map(|last| Data::A([192, 0, 2, last])),
        1 => (1_u16..4).prop_map(Data::Aaaa),
    ]
}

/// Texts, now and then too long for a datagram.
fn text() -> impl Strategy<Value = Data> {
    let letter = select(b"tuv \"\\;\x00\xc3".to_vec());
    prop_oneof![
        4 => prop::collection::vec(letter, 0..4).prop_map(|string| Data::Txt(vec![string])),
        1 => (select(vec![100_usize, 250]), 1_usize..6, any::<u8>())
            .prop_map(|(length, strings, octet)| Data::Txt(vec![vec![octet; length]; strings])),
    ]
}

/// Data of any type.
fn data(set: usize) -> impl Strategy<Value = Data> {
    prop_oneof![
        8 => address(),
        3 => text(),
        6 => target(set).prop_map(Data::Cname),
        2 => target(set).prop_map(Data::Dname),
        2 => (0_u16..3, target(set)).prop_map(|(preference, name)| Data::Mx(preference, name)),
        1 => Just(Data::Mx(0, Name::default())),
        1 => (1_u16..3, target(set)).prop_map(|(port, name)| Data::Srv(port, name)),
        2 => (any::<bool>(), 0_u16..3, prop_oneof![5 => target(set), 1 => Just(Name::default())])
            .prop_map(|(https, priority, name)| Data::Service(https, priority, name)),
        1 => target(set).prop_map(Data::Ptr),
        1 => target(set).prop_map(Data::Ns),
        1 => prop::collection::vec(any::<u8>(), 0..5).prop_map(Data::Private),
    ]
}

/// A cut at `owner`: name servers below it with addresses, elsewhere with or without, and perhaps a digest.
fn cut(set: usize, owner: Name) -> impl Strategy<Value = Draft> {
    let below = owner.clone();
    let host = prop_oneof![
        3 => labels().prop_map(move |labels| below.below(&labels)),
        2 => target(set),
    ];
    let hosts = prop::collection::vec((host, prop::collection::vec((ttl(), address()), 0..3)), 1..=3);
    let occluded = prop::collection::vec((labels(), ttl(), data(set)), 0..3);
    (ttl(), hosts, prop::option::of(1_u16..3), occluded).prop_map(move |(ttl, hosts, digest, occluded)| {
        let mut records = Vec::new();
        let mut add = |owner: &Name, ttl, data| records.push(Record { owner: owner.clone(), ttl, data });
        for (host, addresses) in hosts {
            add(&owner, ttl, Data::Ns(host.clone()));
            for (ttl, address) in addresses {
                add(&host, ttl, address);
            }
        }
        if let Some(tag) = digest {
            add(&owner, 3_600, Data::Ds(tag));
        }
        for (labels, ttl, data) in occluded {
            add(&owner.below(&labels), ttl, data);
        }
        Draft::Several(records)
    })
}

/// A zone with this apex, which may be cut at `child`.
fn zone(set: usize, apex: Name, child: Option<Name>) -> impl Strategy<Value = Zone> {
    let at = {
        let apex = apex.clone();
        move |labels: Vec<Vec<u8>>| apex.below(&labels)
    };
    let owner = labels().prop_map(at.clone()).boxed();
    let one = (owner.clone(), ttl(), data(set)).prop_map(|(owner, ttl, data)| Draft::One(Record { owner, ttl, data }));
    // Several records of one type, so that they are sets.
    let more = (owner.clone(), ttl(), prop::collection::vec(prop_oneof![2 => address(), 1 => text()], 2..7)).prop_map(
        |(owner, ttl, all)| {
            let records = all.into_iter().map(|data| Record { owner: owner.clone(), ttl, data });
            Draft::Several(records.collect())
        },
    );
    // A service that is somewhere else, and is there (RFC 9460 §2.4.2).
    let service =
        (owner.clone(), owner, ttl(), address(), 0_u16..2).prop_map(|(owner, place, ttl, address, priority)| {
            let service = |owner: &Name, data| Record { owner: owner.clone(), ttl, data };
            let there = Data::Service(true, priority, if priority == 0 { owner.clone() } else { Name::default() });
            let alias = Data::Service(true, 0, place.clone());
            Draft::Several(vec![service(&owner, alias), service(&place, there), service(&place, address)])
        });
    let any_cut = labels().prop_map(at).prop_flat_map(move |owner| cut(set, owner));
    let drafts = prop::collection::vec(prop_oneof![28 => one, 4 => more, 1 => service, 4 => any_cut], 0..22);
    let own = prop::collection::vec(target(set).prop_map(Data::Ns), 1..=3);
    let delegation = cut(set, child.clone().unwrap_or_default());
    let head = (ttl(), ttl(), ttl(), any::<u64>(), prop::bool::weighted(0.7));
    (head, own, delegation, drafts).prop_map(move |(head, own, delegation, drafts)| {
        let (soa_ttl, minimum, ns_ttl, style, is_cut) = head;
        let mut records: Vec<Record> =
            own.into_iter().map(|data| Record { owner: apex.clone(), ttl: ns_ttl, data }).collect();
        if is_cut && child.is_some() {
            records.extend(delegation.into_records());
        }
        records.extend(drafts.into_iter().flat_map(Draft::into_records));
        Zone::settled(apex.clone(), (soa_ttl, minimum), records, style)
    })
}

/// The zones of a set. Names end in the set's number, so that one server can have many sets.
pub fn zone_set(set: usize) -> impl Strategy<Value = ZoneSet> {
    let [one, child, two, grandchild] = apexes(set);
    let children = (prop::bool::weighted(0.6), prop::bool::weighted(0.5));
    let zones = (
        zone(set, one, Some(child.clone())),
        zone(set, child, None),
        zone(set, two, Some(grandchild.clone())),
        zone(set, grandchild, None),
    );
    (zones, children).prop_map(|((one, child, two, grandchild), (has_child, has_grandchild))| {
        let mut zones = vec![one, two];
        zones.extend(has_child.then_some(child));
        zones.extend(has_grandchild.then_some(grandchild));
        ZoneSet::settled(zones)
    })
}

/// How a question's name comes from one that a set knows.
#[derive(Clone, Debug)]
enum Step {
    /// It is that name.
    Same,
    /// Labels in front.
    Below(Vec<Vec<u8>>),
    /// Another first label.
    Beside(Vec<u8>),
    /// Labels fewer.
    Above(usize),
    /// So many labels in front that the name is nearly full.
    Filled,
    /// Another name altogether.
    Elsewhere(Name),
}

/// A question before it knows the set's names.
#[derive(Clone, Debug)]
pub struct Draw {
    name: Index,
    step: Step,
    upper: u64,
    question: Question,
}

impl Draw {
    /// The question about a set.
    pub fn question(&self, known: &[Name]) -> Question {
        let base = self.name.get(known);
        let name = match &self.step {
            Step::Same => base.clone(),
            Step::Below(labels) => base.below(labels),
            Step::Beside(label) => base.without(1).below(std::slice::from_ref(label)),
            Step::Above(labels) => base.without(*labels),
            Step::Filled => filled(base),
            Step::Elsewhere(name) => name.clone(),
        };
        let name = if name.octets() > 255 { base.clone() } else { name };
        Question { name: name.with_case(self.upper), ..self.question.clone() }
    }
}

/// A name with as many labels in front as there is room for, the first as long as it can be.
fn filled(base: &Name) -> Name {
    let mut name = base.clone();
    while name.octets() < 254 {
        let length = (255 - name.octets() - 1).min(63);
        name = name.below(&[vec![b'f'; length]]);
    }
    name
}

/// The names that questions about a set start from.
pub fn known_names(set: &ZoneSet) -> Vec<Name> {
    let mut names: Vec<Name> = set.0.iter().map(|zone| zone.apex.clone()).collect();
    for record in set.records() {
        names.push(record.owner.lower());
        names.extend(record.data.target().map(Name::lower));
    }
    names.sort();
    names.dedup();
    names
}

/// Questions near what a set has.
pub fn draws(set: usize, count: usize) -> impl Strategy<Value = Vec<Draw>> {
    let types = vec![
        rtype::A,
        rtype::A,
        rtype::A,
        rtype::AAAA,
        rtype::TXT,
        rtype::MX,
        rtype::MX,
        rtype::SRV,
        rtype::NS,
        rtype::NS,
        rtype::SOA,
        rtype::CNAME,
        rtype::DNAME,
        rtype::DS,
        rtype::DS,
        rtype::HTTPS,
        rtype::SVCB,
        rtype::PTR,
        rtype::ANY,
        rtype::PRIVATE,
    ];
    let step = prop_oneof![
        10 => Just(Step::Same),
        6 => prop::collection::vec(label(), 1..=3).prop_map(Step::Below),
        3 => label().prop_map(Step::Beside),
        2 => (1_usize..4).prop_map(Step::Above),
        1 => Just(Step::Filled),
        1 => select(vec![Name::default(), Name::of("example"), Name::of("outside.test")]).prop_map(Step::Elsewhere),
        1 => name_in(set).prop_map(Step::Elsewhere),
    ];
    let class = prop_oneof![60 => Just(1_u16), 1 => Just(3), 1 => Just(255)];
    let edns = prop_oneof![2 => Just(None), 1 => Just(Some(512)), 3 => Just(Some(1232)), 1 => Just(Some(4096))];
    let upper = prop_oneof![1 => Just(0_u64), 1 => any::<u64>()];
    let how = (edns, any::<bool>(), any::<bool>(), prop::bool::weighted(0.3));
    let draw = (any::<Index>(), step, upper, select(types), class, how).prop_map(
        |(name, step, upper, rtype, class, (edns, dnssec_ok, recursion, tcp))| {
            let question = Question { name: Name::default(), rtype, class, edns, dnssec_ok, recursion, tcp };
            Draw { name, step, upper, question }
        },
    );
    prop::collection::vec(draw, count)
}
