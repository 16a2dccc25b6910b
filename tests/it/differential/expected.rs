//! What the answers of others come to when their limits are ours: chains over all zones, no courtesies, and addresses
//! from all zones.

use std::collections::BTreeSet;

use super::client::Client;
use super::message::{Answer, Question, Record, rtype};
use super::name::Name;
use super::zone::{Data, Zone, ZoneSet};

/// Links of a chain that we follow (`model::limits::CNAME_CHAIN_MAX`, and the one that shows that it is too long).
const LINKS_MAX: usize = 17;

/// What NSD says without its courtesy: a positive answer carries the zone's NS records and their addresses, which nobody
/// asked for. What is left is what the question needs.
pub fn without_courtesy(answer: &Answer, set: &ZoneSet) -> Answer {
    let mut answer = answer.clone();
    let [given, authority, additional] = &mut answer.sections;
    let is_courtesy =
        |record: &Record| record.rtype == rtype::NS && set.0.iter().any(|zone| zone.apex.is_same(&record.owner));
    if given.is_empty() || answer.rcode != 0 || authority.is_empty() || !authority.iter().all(is_courtesy) {
        return answer;
    }
    authority.clear();
    let hosts: Vec<Name> = given.iter().filter_map(Record::host).collect();
    additional.retain(|record| hosts.iter().any(|host| host.is_same(&record.owner)));
    answer
}

/// What Knot says when it is asked for each link of a chain, and, where a chain ends in QTYPE ANY over TCP, for each type:
/// its own answers end where a chain leaves the zone, and have one type.
pub fn link_by_link(knot: &mut Client, question: &Question, set: &ZoneSet) -> Result<Answer, String> {
    let mut whole: Option<Answer> = None;
    let mut asked = question.over_tcp();
    let mut been: Vec<Name> = Vec::new();
    loop {
        let answer = knot.ask(&asked)?;
        let has_dname = answer.sections[0].iter().any(|record| is_dname_above(record, &asked.name));
        // A CNAME is the answer to these, but below a DNAME ANY is asked again (RFC 6672 §3.2).
        let is_last = question.rtype == rtype::CNAME || (question.rtype == rtype::ANY && !has_dname);
        let alias = answer.sections[0].iter().find(|record| !is_last && record.owner.is_same(&asked.name));
        let target = alias.and_then(Record::alias);
        let whole = match &mut whole {
            None => whole.insert(Answer { sections: Default::default(), ..answer.clone() }),
            Some(whole) => whole,
        };
        let Some(target) = target else {
            // RFC 6604 §2.1: the last link decides the response code.
            let has_some = !answer.sections[0].is_empty() && answer.rcode == 0;
            let is_any = question.rtype == rtype::ANY && question.tcp && has_some;
            let answer = if is_any { type_by_type(knot, &asked, set)? } else { answer };
            let [given, authority, additional] = answer.sections;
            whole.rcode = answer.rcode;
            // Where a name gets too long, Knot goes on with the DNAME's target as if it had been asked for.
            let is_kept = |record: &Record| answer.rcode != 6 || is_dname_above(record, &asked.name);
            whole.sections[0].extend(given.into_iter().filter(is_kept));
            whole.sections[1..].clone_from_slice(&[authority, additional]);
            return Ok(whole.clone());
        };
        let is_of_link = |record: &&Record| record.owner.is_same(&asked.name) || is_dname_above(record, &asked.name);
        whole.sections[0].extend(answer.sections[0].iter().filter(is_of_link).cloned());
        been.push(asked.name.clone());
        let is_loop = been.iter().any(|name| name.is_same(&target)) || been.len() >= LINKS_MAX;
        if is_loop || set.zone_of(&target).is_none() {
            whole.rcode = 0;
            return Ok(whole.clone());
        }
        asked.name = target;
    }
}

/// Whether a record is a DNAME that a name is below.
fn is_dname_above(record: &Record, name: &Name) -> bool {
    record.rtype == rtype::DNAME && name.is_below(&record.owner)
}

/// What Knot says to QTYPE ANY, with all records that it gives when asked for them type by type.
fn type_by_type(knot: &mut Client, question: &Question, set: &ZoneSet) -> Result<Answer, String> {
    let mut whole = knot.ask(question)?;
    // RFC 4035 §3.1.4.1: DS at an apex is the parent's.
    let is_apex = set.0.iter().any(|zone| zone.apex.is_same(&question.name));
    for rtype in rtype::ALL.into_iter().filter(|rtype| *rtype != rtype::DS || !is_apex) {
        let answer = knot.ask(&Question { rtype, ..question.clone() })?;
        let [given, ..] = answer.sections;
        let is_own = |record: &Record| record.rtype == rtype && record.owner.is_same(&question.name);
        whole.sections[0].extend(given.into_iter().filter(is_own));
    }
    Ok(whole)
}

/// The addresses that our zones have for a host. A child zone of ours knows better than glue in its parent.
pub fn addresses(set: &ZoneSet, host: &Name) -> BTreeSet<Record> {
    let Some(zone) = set.zone_of(host) else { return BTreeSet::new() };
    let dname = |record: &&super::zone::Record| matches!(record.data, Data::Dname(_)) && host.is_below(&record.owner);
    if zone.records.iter().any(|record| dname(&record)) {
        return BTreeSet::new();
    }
    let owner = match source_of_synthesis(zone, host) {
        Some(wildcard) if zone.cut_above(host).is_none() => wildcard,
        _ => host.clone(),
    };
    let of_owner = zone.records.iter().filter(|record| record.owner.is_same(&owner));
    of_owner
        .filter_map(|record| {
            let rdata = match &record.data {
                Data::A(address) => address.to_vec(),
                Data::Aaaa(last) => {
                    [&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &last.to_be_bytes()].concat()
                }
                _ => return None,
            };
            Some(Record { owner: host.lower(), rtype: record.data.rtype(), class: 1, ttl: record.ttl, rdata })
        })
        .collect()
}

/// The wildcard that stands in for a name that does not exist (RFC 4592 §3.3.1), whether or not it does.
pub fn source_of_synthesis(zone: &Zone, name: &Name) -> Option<Name> {
    let exists = |name: &Name| name.is_same(&zone.apex) || zone.records.iter().any(|record| record.owner.is_in(name));
    if exists(name) {
        return None;
    }
    let encloser = (1..=name.0.len()).map(|labels| name.without(labels)).find(|above| exists(above))?;
    Some(encloser.below(&[b"*".to_vec()]))
}
