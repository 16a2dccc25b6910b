//! Answers made wrong, to see that the verdict notices.

use super::deviation::is_needed;
use super::message::{Answer, Record, rtype};
use super::name::Name;

/// An answer with one thing wrong, in every way that applies to it.
pub fn corruptions(answer: &Answer) -> Vec<(&'static str, Answer)> {
    let mut wrong = Vec::new();
    let mut note = |what, change: &mut dyn FnMut(&mut Answer)| {
        let mut copy = answer.clone();
        change(&mut copy);
        if copy != *answer {
            wrong.push((what, copy));
        }
    };
    note("another response code", &mut |copy| copy.rcode = if copy.rcode == 0 { 3 } else { 0 });
    note("the other AA bit", &mut |copy| copy.authoritative = !copy.authoritative);
    note("the other RA bit", &mut |copy| copy.recursion_available = !copy.recursion_available);
    note("no EDNS", &mut |copy| copy.edns = None);
    note("a record twice", &mut |copy| copy.repeated = 1);
    note("more octets than fit", &mut |copy| copy.octets = 65_536);
    for section in 0..3 {
        note("another TTL", &mut |copy| {
            if let Some(record) = copy.sections[section].pop_first() {
                copy.sections[section].insert(Record { ttl: record.ttl + 1, ..record });
            }
        });
        note("a record too many", &mut |copy| {
            let owner = Name::of("nobody.invalid");
            copy.sections[section].insert(Record {
                owner,
                rtype: rtype::A,
                class: 1,
                ttl: 60,
                rdata: vec![192, 0, 2, 9],
            });
        });
    }
    for section in 0..2 {
        note("a record too few", &mut |copy| {
            copy.sections[section].pop_last();
        });
    }
    note("glue too little", &mut |copy| {
        let whole = copy.clone();
        copy.sections[2].retain(|record| !is_needed(&whole, record));
    });
    wrong
}
