//! The deliberate deviations: what may differ, where, and nothing else. `README.md` has the reason of each.

use std::collections::BTreeSet;

use super::compare::Difference;
use super::expected::{addresses, source_of_synthesis};
use super::message::{Answer, Question, Record, rtype};
use super::name::Name;
use super::zone::{Zone, ZoneSet};

/// A question, and what we answer.
pub struct Case<'c> {
    /// The zones.
    pub set: &'c ZoneSet,
    /// What was asked.
    pub question: &'c Question,
    /// What we answered.
    pub ours: &'c Answer,
}

/// A deliberate deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deviation {
    /// Class ANY is refused.
    ClassAny,
    /// QTYPE ANY over TCP gets all that there is.
    AnyOverTcp,
    /// QTYPE ANY gets no additional records.
    AnyAddsNothing,
    /// The additional section of services has the addresses of their targets, all of them, and nothing else.
    ServiceTargets,
    /// Addresses of hosts in other zones of ours are added.
    HostsOfOtherZones,
    /// A child zone of ours has no address for a host of which its parent has glue.
    ChildOverGlue,
    /// Wildcards below a cut are no glue.
    WildcardBelowCut,
    /// Addresses below a cut are given in referrals only.
    GlueInReferralsOnly,
    /// Names in data are not compressed, so courtesies that do not fit are left out sooner.
    LessRoom,
    /// For the same reason the rest does not fit sooner.
    TruncatedSooner,
    /// An answer that is cut short says nothing of what comes later in it.
    TruncatedCode,
    /// DS at the apex of a zone that its parent does not delegate is answered by the zone.
    DsWithoutDelegation,
}

impl Deviation {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ClassAny,
        Self::AnyOverTcp,
        Self::AnyAddsNothing,
        Self::ServiceTargets,
        Self::HostsOfOtherZones,
        Self::ChildOverGlue,
        Self::WildcardBelowCut,
        Self::GlueInReferralsOnly,
        Self::LessRoom,
        Self::TruncatedSooner,
        Self::TruncatedCode,
        Self::DsWithoutDelegation,
    ];

    /// Its heading in `README.md`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClassAny => "Class ANY is refused",
            Self::AnyOverTcp => "QTYPE ANY over TCP gets all RRsets",
            Self::AnyAddsNothing => "QTYPE ANY gets no additional records",
            Self::ServiceTargets => "Services get the addresses of their targets",
            Self::HostsOfOtherZones => "Hosts of other zones get their addresses",
            Self::ChildOverGlue => "A child zone knows better than glue",
            Self::WildcardBelowCut => "Wildcards below a cut are no glue",
            Self::GlueInReferralsOnly => "Glue is for referrals only",
            Self::LessRoom => "Uncompressed data leaves less room for courtesies",
            Self::TruncatedSooner => "Uncompressed data is truncated sooner",
            Self::TruncatedCode => "A truncated answer has no response code of its own",
            Self::DsWithoutDelegation => "DS without a delegation is the child's",
        }
    }
}

/// The deviation that explains a difference between our answer and another's, if one does. Additional records are judged
/// one by one, by [`of_additional`].
pub fn of_difference(case: &Case<'_>, difference: &Difference) -> Option<Deviation> {
    let Case { question, ours, .. } = case;
    if question.class == 255 && *difference != Difference::Header {
        let is_refusal = ours.rcode == 5 && !ours.authoritative && ours.sections.iter().all(BTreeSet::is_empty);
        return is_refusal.then_some(Deviation::ClassAny);
    }
    let is_of_delegation = matches!(difference, Difference::Rcode | Difference::Section(1, ..));
    (is_of_delegation && is_ds_of_lost_child(case)).then_some(Deviation::DsWithoutDelegation)
}

/// Whether DS is asked for at an apex that our zone above has no cut for, and the zone itself says that it has none.
fn is_ds_of_lost_child(case: &Case<'_>) -> bool {
    let Case { set, question, ours } = case;
    let name = &chain_end(question, ours);
    let Some(child) = set.0.iter().find(|zone| zone.apex.is_same(name)) else { return false };
    let Some(parent) = set.zone_of(&name.without(1)) else { return false };
    let [given, authority, _] = &ours.sections;
    let is_own_soa = |record: &Record| record.rtype == rtype::SOA && record.owner.is_same(&child.apex);
    let is_nodata = ours.rcode == 0 && ours.authoritative && given.iter().all(|record| record.rtype != rtype::DS);
    question.rtype == rtype::DS
        && parent.cut_above(name).is_none()
        && is_nodata
        && authority.len() == 1
        && authority.iter().all(is_own_soa)
}

/// The name to which the aliases of an answer lead.
fn chain_end(question: &Question, answer: &Answer) -> Name {
    let mut name = question.name.clone();
    for _ in &answer.sections[0] {
        let alias = answer.sections[0].iter().find(|record| record.owner.is_same(&name));
        name = alias.and_then(Record::alias).unwrap_or(name);
    }
    name
}

/// Whether the additional section has what services need: the addresses of their targets, as many as there is room for.
pub fn is_of_services(case: &Case<'_>) -> bool {
    let Case { set, question, ours } = case;
    let [given, _, additional] = &ours.sections;
    let is_service = matches!(question.rtype, rtype::SVCB | rtype::HTTPS);
    let hosts: Vec<Name> = given.iter().filter_map(Record::host).collect();
    let is_glue = |host: &&Name| set.zone_of(host).is_some_and(|zone| zone.cut_above(host).is_some());
    let targets = hosts.iter().filter(|host| !is_glue(host));
    let wanted: BTreeSet<Record> = targets.flat_map(|host| addresses(set, host)).collect();
    let missing: usize = wanted.difference(additional).map(Record::octets).sum();
    let is_full = missing == 0 || ours.octets + missing > question.room();
    is_service && !hosts.is_empty() && additional.is_subset(&wanted) && is_full
}

/// The deviation that explains an additional record that only we have.
pub fn of_additional(case: &Case<'_>, record: &Record) -> Option<Deviation> {
    let Host { is_elsewhere, .. } = host(case, &record.owner)?;
    if !addresses(case.set, &record.owner).contains(record) {
        return None;
    }
    is_elsewhere.then_some(Deviation::HostsOfOtherZones)
}

/// The deviation that explains an additional record that we do not have.
pub fn of_lack(case: &Case<'_>, record: &Record) -> Option<Deviation> {
    let Case { set, question, ours } = case;
    if question.rtype == rtype::ANY && ours.sections[1].is_empty() {
        return ours.sections[2].is_empty().then_some(Deviation::AnyAddsNothing);
    }
    let Host { zone, is_elsewhere } = host(case, &record.owner)?;
    let own = addresses(set, &record.owner);
    if is_elsewhere && !own.contains(record) {
        return Some(Deviation::ChildOverGlue);
    }
    if zone.cut_above(&record.owner).is_some() {
        if source_of_synthesis(zone, &record.owner).is_some() {
            return Some(Deviation::WildcardBelowCut);
        }
        if ours.sections[1].is_empty() {
            return Some(Deviation::GlueInReferralsOnly);
        }
    }
    let rrset = |other: &&Record| other.owner == record.owner && other.rtype == record.rtype;
    let missing: usize = own.iter().filter(rrset).map(Record::octets).sum();
    let fits = ours.octets + missing <= question.room();
    (!fits && !is_needed(ours, record)).then_some(Deviation::LessRoom)
}

/// A host that an answer names.
struct Host<'s> {
    /// The zone that answers for it.
    zone: &'s Zone,
    /// Whether all records that name it are from other zones.
    is_elsewhere: bool,
}

/// The host of this name, if our answer or referral names it.
fn host<'s>(case: &Case<'s>, name: &Name) -> Option<Host<'s>> {
    let records = case.ours.sections[..2].iter().flatten();
    let mut by = records.filter(|by| by.host().is_some_and(|host| host.is_same(name))).peekable();
    by.peek()?;
    let zone = case.set.zone_of(name)?;
    let is_elsewhere = by.all(|by| answering(case, by).is_none_or(|by| !by.apex.is_same(&zone.apex)));
    Some(Host { zone, is_elsewhere })
}

/// The zone that a record of an answer is from: of NS records at a cut, the one above it.
fn answering<'s>(case: &Case<'s>, record: &Record) -> Option<&'s Zone> {
    let is_referral = !case.ours.sections[0].contains(record) && record.rtype == rtype::NS;
    case.set.zone_of(&if is_referral { record.owner.without(1) } else { record.owner.clone() })
}

/// RFC 9471 §3.1: whether an additional record is glue without which a referral is useless.
pub fn is_needed(answer: &Answer, record: &Record) -> bool {
    let cut = answer.sections[1].iter().find(|authority| authority.rtype == rtype::NS);
    cut.is_some_and(|cut| record.owner.is_in(&cut.owner))
}

/// Whether an answer over TCP, without its courtesies, is larger than an answer to this question may be.
pub fn needs_tcp(whole: &Answer, question: &Question) -> bool {
    let courtesies = whole.sections[2].iter().filter(|record| !is_needed(whole, record));
    whole.octets - courtesies.map(Record::octets).sum::<usize>() > question.room()
}
