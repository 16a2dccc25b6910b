//! What is legal in a zone and most likely a mistake: hosts without addresses, names that lack their final dot, records
//! that nobody is ever answered with. Nothing is refused because of it.
//!
//! Of most records only the type is looked at. Hosts outside of our zones are no concern, and neither are A, AAAA and CNAME
//! records at a load balancer's name: they are what answers while it is disabled.

use std::collections::{HashMap, HashSet};

use crate::model::limits::{FAULTS_MAX, WARNING_LOOKUPS_MAX};
use crate::model::name::Name;
use crate::model::rrset::{Owner, Rtype};
use crate::model::zone::builder::ZoneBuilder;
use crate::model::zone::{Cover, Zone};
use crate::spec::declared::Extent;
use crate::spec::load_balancer::Zones;
use crate::spec::record;

/// What surrounds a zone.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'s> {
    /// Whether the others are all known.
    pub extent: Extent,
    /// Names of load balancers.
    pub live: &'s HashSet<Name>,
    /// Apexes of our zones.
    pub apexes: &'s HashSet<Name>,
}

/// Something about a record that is most likely a mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// The record's owner in wire form.
    owner: Box<[u8]>,
    /// Its type.
    rtype: Rtype,
    /// Its data.
    rdata: Box<[u8]>,
    /// What about it.
    pub why: String,
}

impl Warning {
    /// A warning about a record of an owner.
    fn new(owner: &Owner, rtype: Rtype, rdata: &[u8], why: String) -> Self {
        Self { owner: owner.name_wire().into(), rtype, rdata: rdata.into(), why }
    }
}

/// Warnings of a zone that has just been built, each with the record that shows it: an index into those given. They are
/// in no order.
pub fn of_built(builder: &ZoneBuilder, zone: &Zone, surroundings: &Surroundings<'_>) -> Vec<(Option<usize>, String)> {
    let warnings = of_zone(zone, surroundings);
    let mut by_owner: HashMap<&[u8], Vec<&Warning>> = HashMap::new();
    for warning in &warnings {
        by_owner.entry(&warning.owner).or_default().push(warning);
    }
    let mut placed = Vec::with_capacity(warnings.len() + builder.unified().len());
    // Most zones have no warning, and are not gone through for one.
    for index in (0..builder.len()).take_while(|_| !warnings.is_empty()) {
        let Some((owner, record)) = builder.record(index) else { continue };
        let Some(left) = by_owner.get_mut(owner) else { continue };
        let is_it = |warning: &&Warning| (warning.rtype, &*warning.rdata) == (record.rtype, record.rdata);
        if let Some(found) = left.iter().position(is_it) {
            placed.push((Some(index), left.swap_remove(found).why.clone()));
        }
    }
    let unified = builder.unified().iter().filter_map(|index| {
        let (owner, record) = builder.record(*index)?;
        let (owner, rtype) = (Name::from_wire(owner)?, record::type_name(record.rtype));
        let why = format!("the {rtype} records of {owner} have different TTLs; all get the lowest (RFC 2181 §5.2)");
        Some((Some(*index), why))
    });
    placed.extend(unified);
    placed
}

/// Warnings of a zone by itself, the first of them.
pub fn of_zone(zone: &Zone, surroundings: &Surroundings<'_>) -> Vec<Warning> {
    let mut found = Vec::new();
    // A name that seems to be nowhere may stand in what could not be read.
    if surroundings.extent == Extent::Complete {
        hosts_of(zone, surroundings, &mut found);
        if zone.has_covers() {
            occluded_of(zone, &mut found);
        }
    }
    found
}

/// Warnings of hosts that a zone names in others of `zones`, which are all of ours.
pub(super) fn across(zone: &Zone, zones: &Zones<'_>, live: &HashSet<Name>) -> Vec<Warning> {
    let mut found = Vec::new();
    let mut lookups = Lookups::new(live);
    let hosts = hosts(zone).take_while(|_| zones.len() > 1).filter(Host::needs_addresses);
    for host in hosts {
        let Some(target) = Name::from_wire(host.target) else { continue };
        let home = std::iter::successors(Some(target.clone()), Name::parent).find_map(|apex| zones.get(&apex));
        // The records of a zone that is transferred are not known here.
        let Some(Some(home)) = home.filter(|home| home.is_none_or(|home| home.apex() != zone.apex())) else { continue };
        let Some(standing) = lookups.standing(home, &target) else { break };
        let elsewhere = format!(" in our zone {}", home.apex());
        let why = host.complaint(&target, standing, &elsewhere);
        found.extend(why.map(|why| Warning::new(host.owner, host.rtype, host.rdata, why)));
        if found.len() >= FAULTS_MAX {
            break;
        }
    }
    found
}

/// What is to be said of a zone of ours within another that does not delegate it: `parent` is the zone around it.
pub fn undelegated(parent: &Zone, apex: &Name) -> Option<String> {
    if parent.cover_of(apex).is_some_and(|(_, cover)| cover == Cover::Cut) {
        return None;
    }
    let around = parent.apex();
    Some(format!(
        "the zone {around} has no NS records at {apex}, which is a zone of its own: servers with a copy of {around} say that \
         there is no such name; add NS records there"
    ))
}

/// Adds warnings of hosts that a zone names in itself.
fn hosts_of(zone: &Zone, surroundings: &Surroundings<'_>, found: &mut Vec<Warning>) {
    let apex = zone.apex();
    // The root cannot be there twice.
    let doubled = apex.wire().split_last().filter(|(_, labels)| !labels.is_empty());
    let doubled = doubled.map(|(_, labels)| [labels, apex.wire()].concat());
    let mut lookups = Lookups::new(surroundings.live);
    for host in hosts(zone).filter(|host| is_at_or_below(host.target, apex.wire())) {
        let is_doubled = doubled.as_ref().is_some_and(|doubled| is_at_or_below(host.target, doubled));
        if !is_doubled && !host.needs_addresses() {
            continue;
        }
        let Some(target) = Name::from_wire(host.target) else { continue };
        let why = if is_doubled && !zone.has_name(&target) && !surroundings.live.contains(&target) {
            let clause = "with the zone's name twice; where a name is complete, it ends with a dot";
            Some(host.sentence(&target, clause))
        } else if !host.needs_addresses() || !is_home(apex, &target, surroundings.apexes) {
            None
        } else if host.is_cut && is_at_or_below(target.wire(), host.owner.name_wire()) {
            let clause = "which is delegated with it and has no addresses here; without such glue nobody finds it";
            zone.owner(&target).is_none_or(|owner| !has_addresses(owner)).then(|| host.sentence(&target, clause))
        } else {
            let Some(standing) = lookups.standing(zone, &target) else { break };
            host.complaint(&target, standing, "")
        };
        found.extend(why.map(|why| Warning::new(host.owner, host.rtype, host.rdata, why)));
        if found.len() >= FAULTS_MAX {
            break;
        }
    }
}

/// Adds warnings of records that are at or below a delegation, or below a DNAME, and that nobody is answered with.
fn occluded_of(zone: &Zone, found: &mut Vec<Warning>) {
    // Addresses that are no glue of their own cut: perhaps a server of another one.
    let mut doubtful: Vec<(Warning, bool)> = Vec::new();
    for (owner, cover) in with_covers(zone) {
        let Some((top, cover)) = cover else { continue };
        let is_address = |rtype| matches!(rtype, Rtype::A | Rtype::AAAA);
        let is_in_vain = |rtype| match (cover, rtype) {
            (Cover::Cut, Rtype::NS | Rtype::DS | Rtype::NSEC | Rtype::RRSIG) => !std::ptr::eq(owner, top),
            _ => true,
        };
        // One record speaks for all of its name; addresses come last, as they may be of use.
        let mut in_vain: Vec<_> = owner.rrsets().filter(|rrset| is_in_vain(rrset.rtype)).collect();
        in_vain.sort_by_key(|rrset| cover == Cover::Cut && is_address(rrset.rtype));
        let Some((rrset, rdata)) = in_vain.first().and_then(|rrset| Some((rrset, rrset.rdatas().next()?))) else {
            continue;
        };
        let (rtype, name, top_name) = (record::type_name(rrset.rtype), owner.name(), top.name());
        let why = match cover {
            Cover::Cut => format!(
                "nobody is answered with the {rtype} record of {name}: {top_name} is delegated by its NS records, so \
                 only DS records there and addresses of its servers are of use"
            ),
            Cover::Dname => format!(
                "nobody is answered with the {rtype} record of {name}: names below {top_name} are redirected by its \
                 DNAME record"
            ),
        };
        let warning = Warning::new(owner, rrset.rtype, rdata, why);
        if cover == Cover::Dname || !is_address(rrset.rtype) {
            found.push(warning);
        } else if !is_named_by(top, owner.name_wire()) && doubtful.len() < WARNING_LOOKUPS_MAX {
            doubtful.push((warning, false));
        }
        if found.len() >= FAULTS_MAX {
            return;
        }
    }
    if !doubtful.is_empty() {
        let by_owner: HashMap<Box<[u8]>, usize> =
            doubtful.iter().zip(0..).map(|((warning, _), index)| (warning.owner.clone(), index)).collect();
        for host in hosts(zone).filter(|host| host.rtype == Rtype::NS) {
            let index = by_owner.get(host.target.to_ascii_lowercase().as_slice());
            if let Some((_, is_glue)) = index.and_then(|index| doubtful.get_mut(*index)) {
                *is_glue = true;
            }
        }
        let in_vain = doubtful.into_iter().filter(|(_, is_glue)| !is_glue).map(|(warning, _)| warning);
        found.extend(in_vain.take(FAULTS_MAX - found.len()));
    }
}

/// A record that names a host.
struct Host<'z> {
    /// The record's owner.
    owner: &'z Owner,
    /// Its type.
    rtype: Rtype,
    /// Its data.
    rdata: &'z [u8],
    /// The host in wire form, in any letter case.
    target: &'z [u8],
    /// Whether the record delegates a name to the host.
    is_cut: bool,
}

/// Where a host's name in one of our zones leads.
#[derive(Clone, PartialEq, Eq)]
enum Standing {
    /// To addresses, or to servers of others.
    Sound,
    /// To a load balancer.
    Live,
    /// To another name, by a CNAME record.
    Alias,
    /// To another name, by the DNAME record of this one.
    Redirected(Name),
    /// To no address.
    Nowhere,
}

impl Host<'_> {
    /// Whether somebody asks for the host's addresses next.
    const fn needs_addresses(&self) -> bool {
        matches!(self.rtype, Rtype::NS | Rtype::MX | Rtype::SRV)
    }

    /// What is said of it.
    fn sentence(&self, target: &Name, clause: &str) -> String {
        format!("the {} record of {} names {target}, {clause}", record::type_name(self.rtype), self.owner.name())
    }

    /// What is to be said of where the host leads; `place` is where addresses are looked for, if not in its own zone.
    fn complaint(&self, target: &Name, standing: Standing, place: &str) -> Option<String> {
        // Mail exchangers and name servers by one, services by the other.
        let rule = if self.rtype == Rtype::SRV { "RFC 2782" } else { "RFC 2181 §10.3" };
        let clause = match standing {
            Standing::Sound => return None,
            Standing::Live if self.rtype != Rtype::NS => return None,
            Standing::Live => "a load balancer; addresses of name servers are kept for long, so give them static \
                               ones at a name of its own"
                .to_owned(),
            Standing::Alias => format!("an alias by its CNAME record; it has to have addresses itself ({rule})"),
            Standing::Redirected(owner) => {
                format!("an alias by the DNAME record of {owner}; it has to have addresses itself ({rule})")
            }
            Standing::Nowhere => format!("which has no addresses{place}"),
        };
        Some(self.sentence(target, &clause))
    }
}

/// Looks hosts up, not without end.
struct Lookups<'l> {
    /// Names of load balancers.
    live: &'l HashSet<Name>,
    /// How many more are looked up.
    left: usize,
    /// The last one: many records in a row name the same.
    last: Option<(Name, Standing)>,
}

impl<'l> Lookups<'l> {
    /// None yet.
    const fn new(live: &'l HashSet<Name>) -> Self {
        Self { live, left: WARNING_LOOKUPS_MAX, last: None }
    }

    /// Where a name of a zone leads; none if enough names were looked up.
    fn standing(&mut self, zone: &Zone, target: &Name) -> Option<Standing> {
        if let Some((name, standing)) = &self.last
            && name == target
        {
            return Some(standing.clone());
        }
        self.left = self.left.checked_sub(1)?;
        let standing = self.look_up(zone, target);
        self.last = Some((target.clone(), standing.clone()));
        Some(standing)
    }

    /// Where a name of a zone leads, by RFC 1034 §4.3.2.
    fn look_up(&self, zone: &Zone, target: &Name) -> Standing {
        match zone.cover_of(target) {
            Some((_, Cover::Cut)) => return Standing::Sound,
            Some((owner, Cover::Dname)) => return Standing::Redirected(owner),
            None if self.live.contains(target) => return Standing::Live,
            None => {}
        }
        if let Some(owner) = zone.owner(target) {
            return standing_of(owner);
        }
        if zone.has_name(target) {
            return Standing::Nowhere;
        }
        for encloser in std::iter::successors(target.parent(), Name::parent) {
            let Ok(wildcard) = Name::parse("*", Some(&encloser)) else { continue };
            if self.live.contains(&wildcard) {
                return Standing::Live;
            }
            if zone.has_name(&encloser) {
                return zone.owner(&wildcard).map_or(Standing::Nowhere, standing_of);
            }
        }
        Standing::Nowhere
    }
}

/// Where a name with these records leads.
fn standing_of(owner: &Owner) -> Standing {
    match owner.rrset(Rtype::CNAME) {
        Some(_) => Standing::Alias,
        None if has_addresses(owner) => Standing::Sound,
        None => Standing::Nowhere,
    }
}

/// Whether there are addresses among the records of an owner.
fn has_addresses(owner: &Owner) -> bool {
    owner.rrsets().any(|rrset| matches!(rrset.rtype, Rtype::A | Rtype::AAAA))
}

/// Whether the zone with this apex is the one of ours that answers for a name below it.
fn is_home(apex: &Name, name: &Name, apexes: &HashSet<Name>) -> bool {
    let mut below = std::iter::successors(Some(name.clone()), Name::parent).take_while(|name| name != apex);
    apexes.len() == 1 || !below.any(|name| apexes.contains(&name))
}

/// Whether one of the NS records of an owner names a host.
fn is_named_by(owner: &Owner, host: &[u8]) -> bool {
    owner.rrset(Rtype::NS).is_some_and(|rrset| rrset.rdatas().any(|target| target.eq_ignore_ascii_case(host)))
}

/// Whether a name in wire form is another one or lies below it, in any letter case.
fn is_at_or_below(name: &[u8], ancestor: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > ancestor.len() {
        let Some((length, tail)) = rest.split_first() else { return false };
        rest = tail.get(usize::from(*length)..).unwrap_or_default();
    }
    rest.eq_ignore_ascii_case(ancestor)
}

/// The records of a zone that name hosts, but for those that nobody is answered with.
fn hosts(zone: &Zone) -> impl Iterator<Item = Host<'_>> {
    with_covers(zone).flat_map(|(owner, cover)| {
        let is_cut = cover.is_some_and(|(top, _)| std::ptr::eq(top, owner));
        let rrsets = owner.rrsets().filter(move |rrset| cover.is_none() || is_cut && rrset.rtype == Rtype::NS);
        rrsets.flat_map(move |rrset| {
            let offset = match rrset.rtype {
                Rtype::CNAME | Rtype::PTR => Some(0),
                Rtype::NS | Rtype::MX | Rtype::SRV => rrset.rtype.host_offset(),
                _ => None,
            };
            let with_target = move |rdata: &'_ [u8]| offset.is_some_and(|offset| offset < rdata.len());
            rrset.rdatas().take_while(move |rdata| with_target(rdata)).filter_map(move |rdata| {
                Some(Host { owner, rtype: rrset.rtype, rdata, target: rdata.get(offset?..)?, is_cut })
            })
        })
    })
}

/// The owners of a zone, each with the topmost delegation at or above it, or DNAME above it.
fn with_covers(zone: &Zone) -> impl Iterator<Item = (&Owner, Option<(&Owner, Cover)>)> {
    let mut cover: Option<(&Owner, Cover)> = None;
    zone.owners().iter().map(move |owner| {
        // What is below a name follows it in canonical order.
        if let Some((top, _)) = cover
            && is_at_or_below(owner.name_wire(), top.name_wire())
        {
            return (owner, cover);
        }
        cover = Cover::of(owner, zone.apex()).map(|cover| (owner, cover));
        (owner, cover.filter(|(_, cover)| *cover == Cover::Cut))
    })
}
