//! Whether an answer of ours is right: as one of the others says, but for the deliberate deviations.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::client::Client;
use super::compare::{Difference, differences};
use super::deviation::{Case, Deviation, is_of_services, needs_tcp, of_additional, of_difference, of_lack};
use super::expected::{link_by_link, without_courtesy};
use super::message::{Answer, Question, rtype};
use super::zone::ZoneSet;

/// The three servers.
pub struct Servers {
    /// Knot DNS.
    pub knot: Client,
    /// NSD.
    pub nsd: Client,
    /// pooldns.
    pub ours: Client,
}

/// What we agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Knot's answer.
    Knot,
    /// NSD's answer without the NS records of the zone.
    Nsd,
    /// Knot's answers for each link of a chain, or for each type.
    Links,
}

/// A right answer: with whom it agrees, and but for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// With whom.
    pub side: Side,
    /// But for what.
    pub but_for: BTreeSet<Deviation>,
}

impl Servers {
    /// Asks all, and judges our answer.
    pub fn judge(&mut self, set: &ZoneSet, question: &Question) -> Result<Agreement, String> {
        let ours = self.ours.ask(question).map_err(|why| format!("of ours: {why}"))?;
        self.judge_answer(set, question, &ours)
    }

    /// Judges an answer.
    pub fn judge_answer(&mut self, set: &ZoneSet, question: &Question, ours: &Answer) -> Result<Agreement, String> {
        if ours.repeated > 0 {
            return Err(format!("RFC 2181 §5: a record is given twice in\n{ours}"));
        }
        if ours.octets > question.room() {
            return Err(format!("too long for the client:\n{ours}"));
        }
        let knot = self.knot.ask(question)?;
        let nsd = without_courtesy(&self.nsd.ask(question)?, set);
        if ours.truncated {
            return self.judge_truncated(set, question, ours, &[&knot, &nsd]);
        }
        let case = Case { set, question, ours };
        let [knot, nsd] = [(knot, true), (nsd, false)].map(|(answer, is_knot)| {
            // What does not fit for them may fit for us; then it has to be what they say over TCP.
            let whole = question.over_tcp();
            match (answer.truncated, is_knot) {
                (false, _) => Ok(answer),
                (true, true) => self.knot.ask(&whole),
                (true, false) => self.nsd.ask(&whole).map(|answer| without_courtesy(&answer, set)),
            }
        });
        let (knot, nsd) = (knot?, nsd?);
        // Where there is a chain, Knot's own answer is not enough: it ends where the chain leaves the zone. So it is with
        // ANY over TCP, to which it gives one type.
        let has_chain = knot.sections[0].iter().any(|record| record.alias().is_some());
        let is_part =
            if question.rtype == rtype::ANY { question.tcp } else { question.rtype != rtype::CNAME && has_chain };
        let mut sides = vec![(Side::Knot, knot)];
        let mut best = best_of(&case, &sides).filter(|_| !is_part);
        if best.as_ref().is_none_or(|best| !best.but_for.is_empty()) {
            let links = (Side::Links, link_by_link(&mut self.knot, question, set)?);
            if is_part {
                sides.clear();
            }
            sides.push(links);
            best = best_of(&case, &sides);
        }
        // With NSD alone we agree where Knot is wrong, and nowhere else.
        if best.is_none() && is_knot_wrong(&case) {
            sides = vec![(Side::Nsd, nsd)];
            best = best_of(&case, &sides);
        }
        best.ok_or_else(|| report(&case, &sides))
    }

    /// Judges an answer that is cut short: it has to be, and over TCP it has to be right.
    fn judge_truncated(
        &mut self,
        set: &ZoneSet,
        question: &Question,
        ours: &Answer,
        others: &[&Answer],
    ) -> Result<Agreement, String> {
        let over_tcp = question.over_tcp();
        let whole = self.ours.ask(&over_tcp).map_err(|why| format!("of ours: {why}"))?;
        if !needs_tcp(&whole, question) {
            return Err(format!("RFC 2181 §9: truncated without need:\n{ours}\nover TCP {whole}"));
        }
        if ours.authoritative != whole.authoritative || (ours.rcode != whole.rcode && ours.rcode != 0) {
            return Err(format!("another header over TCP:\n{ours}\nover TCP {whole}"));
        }
        let mut agreement = self.judge_answer(set, &over_tcp, &whole)?;
        if ours.rcode != whole.rcode {
            agreement.but_for.insert(Deviation::TruncatedCode);
        }
        if others.iter().all(|other| !other.truncated) {
            agreement.but_for.insert(Deviation::TruncatedSooner);
        }
        Ok(agreement)
    }
}

/// Whether the question is one of those that Knot does not answer as the RFCs say.
fn is_knot_wrong(case: &Case<'_>) -> bool {
    // RFC 6672 §3.2: a name that gets too long ends the search; Knot goes on at the DNAME's target.
    let is_too_long = case.ours.rcode == 6;
    // RFC 4035 §3.1.4.1: DS at an apex is the parent's if it delegates; Knot looks for CNAME and wildcards there, too.
    let is_ds_at_apex =
        case.question.rtype == rtype::DS && case.set.0.iter().any(|zone| zone.apex.is_same(&case.question.name));
    is_too_long || is_ds_at_apex
}

/// The best agreement of an answer with others: the one with the fewest deviations, and with the first of the sides.
fn best_of(case: &Case<'_>, sides: &[(Side, Answer)]) -> Option<Agreement> {
    let agreement = |(side, other): &(Side, Answer)| {
        let mut but_for = but_for(case, other)?;
        if *side == Side::Links && case.question.rtype == rtype::ANY && case.question.tcp {
            but_for.insert(Deviation::AnyOverTcp);
        }
        Some(Agreement { side: *side, but_for })
    };
    sides.iter().filter_map(agreement).min_by_key(|agreement| agreement.but_for.len())
}

/// The deviations that explain all that differs from another's answer; none if something is not explained.
fn but_for(case: &Case<'_>, other: &Answer) -> Option<BTreeSet<Deviation>> {
    let mut found = BTreeSet::new();
    for difference in differences(case.ours, other) {
        match &difference {
            Difference::Section(2, ..) if is_of_services(case) => {
                found.insert(Deviation::ServiceTargets);
            }
            Difference::Section(2, more, less) if case.question.class != 255 => {
                for record in more {
                    found.insert(of_additional(case, record)?);
                }
                for record in less {
                    found.insert(of_lack(case, record)?);
                }
            }
            _ => {
                found.insert(of_difference(case, &difference)?);
            }
        }
    }
    Some(found)
}

/// What is wrong, in full.
fn report(case: &Case<'_>, sides: &[(Side, Answer)]) -> String {
    let mut text = format!("ours: {}", case.ours);
    for (side, answer) in sides {
        write!(text, "\n{side:?}: {answer}\n  ours differs in").unwrap();
        for difference in differences(case.ours, answer) {
            write!(text, "\n  - {difference}").unwrap();
        }
    }
    text
}
