//! The stream of messages that a transfer is (RFC 5936 §2.2, RFC 1995 §4), and what it amounts to.
//!
//! Nothing of it counts before the SOA record that ends it has come.

use crate::model::id::ZoneId;
use crate::model::limits::{TRANSFER_MESSAGES_MAX, TRANSFER_OCTETS_MAX, TRANSFER_RECORDS_MAX};
use crate::model::rrset::{Record, Rtype};
use crate::model::serial::is_newer;
use crate::model::zone::builder::ZoneBuilder;
use crate::transfer::secondary::message::Question;
use crate::transfer::secondary::refusal::Refusal;
use crate::transfer::secondary::soa::serial_of;

/// What a primary has given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// It has nothing newer.
    UpToDate,
    /// All records of the zone, the SOA record once. They are kept as octets: a million records as such would take several
    /// times the memory of the zone that they make.
    Whole(ZoneBuilder),
    /// What to change, from version to version.
    Differences(Vec<Difference>),
}

/// What turns one version of a zone into another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Serial of the version that it starts from.
    pub from: u32,
    /// SOA record of the version that it leads to.
    pub soa: Record,
    /// Records that go, without the SOA record.
    pub gone: Vec<Record>,
    /// Records that come, without the SOA record.
    pub come: Vec<Record>,
}

/// What a transfer may amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Messages.
    pub messages: usize,
    /// Records.
    pub records: usize,
    /// Octets of names and data.
    pub octets: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { messages: TRANSFER_MESSAGES_MAX, records: TRANSFER_RECORDS_MAX, octets: TRANSFER_OCTETS_MAX }
    }
}

/// A transfer under way.
#[derive(Debug)]
pub struct Stream {
    /// What was asked.
    question: Question,
    /// The zone's id.
    id: ZoneId,
    /// What it may amount to.
    allowance: Allowance,
    /// Serial of what we hold; a whole transfer that is asked for whatever we hold has none.
    held: Option<u32>,
    /// Where it has got to.
    state: State,
    /// Messages so far.
    messages: usize,
    /// Records so far.
    records: usize,
    /// Octets of names and data that are kept so far.
    octets: usize,
}

/// Where a transfer has got to.
#[derive(Debug)]
enum State {
    /// Nothing has come.
    Start,
    /// The first SOA record has come; the next record decides what kind of transfer it is.
    Opened(Record),
    /// A whole zone.
    Whole {
        /// The SOA record, which ends it as well.
        soa: Record,
        /// The others.
        zone: ZoneBuilder,
    },
    /// A difference: records that go.
    Gone(Incremental),
    /// A difference: records that come.
    Come(Incremental),
    /// Complete.
    Complete(Received),
}

/// An incremental transfer under way.
#[derive(Debug)]
struct Incremental {
    /// SOA record of the version that it leads to in the end.
    soa: Record,
    /// Differences; the last one is not complete.
    differences: Vec<Difference>,
}

impl Stream {
    /// A transfer that has been asked for, of the zone with an id.
    pub const fn new(question: Question, id: ZoneId, held: Option<u32>, allowance: Allowance) -> Self {
        Self { question, id, allowance, held, state: State::Start, messages: 0, records: 0, octets: 0 }
    }

    /// Takes the next message in.
    pub fn take(&mut self, message: &[u8]) -> Result<(), Refusal> {
        self.messages += 1;
        if self.messages > self.allowance.messages {
            return Err(Refusal::TooMuch);
        }
        let mut answer = self.question.open(message, self.messages == 1)?;
        if answer.is_empty() {
            return Err(Refusal::Order("a message without records"));
        }
        while let Some(record) = answer.next_record()? {
            self.records += 1;
            self.octets += record.owner.wire().len() + record.rdata.len();
            if self.records > self.allowance.records || self.octets > self.allowance.octets {
                return Err(Refusal::TooMuch);
            }
            self.check(&record)?;
            let state = std::mem::replace(&mut self.state, State::Start);
            self.state = self.follow(state, record)?;
        }
        self.end_of_message();
        Ok(())
    }

    /// Octets of names and data that are kept so far.
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// Whether it is complete.
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete(_))
    }

    /// What it amounts to; a refusal if it is not complete.
    pub fn finish(self) -> Result<Received, Refusal> {
        match self.state {
            State::Complete(received) => Ok(received),
            _ => Err(Refusal::Cut),
        }
    }

    /// Whether a record can be in a transfer of this zone at all.
    fn check(&self, record: &Record) -> Result<(), Refusal> {
        let Record { owner, rtype, .. } = record;
        let refuse = |why| Err(Refusal::Record { owner: owner.clone(), rtype: *rtype, why });
        if !owner.is_at_or_below(&self.question.apex) {
            return refuse("it is not in the zone");
        }
        if rtype.is_meta() {
            return refuse("it is of a type that exists in queries only");
        }
        if *rtype == Rtype::SOA && *owner != self.question.apex {
            return refuse("a SOA record belongs to the zone's apex only");
        }
        Ok(())
    }

    /// The state after a record.
    fn follow(&self, state: State, record: Record) -> Result<State, Refusal> {
        let serial = (record.rtype == Rtype::SOA).then(|| serial_of(&record.rdata)).flatten();
        match state {
            State::Start => self.open(record),
            State::Opened(soa) => self.choose(soa, record, serial),
            State::Whole { soa, mut zone } => match serial {
                None => {
                    add(&mut zone, &record);
                    Ok(State::Whole { soa, zone })
                }
                Some(_) if record.rdata == soa.rdata => {
                    add(&mut zone, &soa);
                    Ok(State::Complete(Received::Whole(zone)))
                }
                Some(_) => Err(Refusal::Order("its last SOA record is not its first one")),
            },
            State::Gone(incremental) => incremental.gone(record, serial),
            State::Come(incremental) => incremental.come(record, serial),
            State::Complete(_) => Err(Refusal::Order("records after the SOA record that ends it")),
        }
    }

    /// The first record, which is the SOA record of the primary's version (RFC 5936 §2.2).
    fn open(&self, record: Record) -> Result<State, Refusal> {
        if record.rtype != Rtype::SOA {
            return Err(Refusal::Order("its first record is no SOA record"));
        }
        let theirs = serial_of(&record.rdata).ok_or(Refusal::Malformed("its SOA record has no serial"))?;
        match self.held {
            Some(ours) if is_newer(ours, theirs) => Err(Refusal::Older { theirs, ours }),
            _ => Ok(State::Opened(record)),
        }
    }

    /// The second record, which shows what kind of transfer it is (RFC 1995 §4).
    fn choose(&self, soa: Record, record: Record, serial: Option<u32>) -> Result<State, Refusal> {
        let incremental = self.question.qtype == Rtype::IXFR;
        match serial.filter(|_| record.rdata != soa.rdata) {
            None => {
                let zone = ZoneBuilder::new(self.id, self.question.apex.clone());
                self.follow(State::Whole { soa, zone }, record)
            }
            Some(from) if incremental && Some(from) == self.held => {
                Ok(State::Gone(Incremental { soa, differences: vec![Difference::new(from, record)] }))
            }
            Some(_) => Err(Refusal::Order("it starts from another version than the one that we hold")),
        }
    }

    /// Nothing but the SOA record says that what we hold is the newest (RFC 1995 §4).
    fn end_of_message(&mut self) {
        let State::Opened(soa) = &self.state else { return };
        if self.question.qtype == Rtype::IXFR && serial_of(&soa.rdata) == self.held {
            self.state = State::Complete(Received::UpToDate);
        }
    }
}

/// Adds a record to a zone.
fn add(zone: &mut ZoneBuilder, record: &Record) {
    zone.add(&record.owner, record.rtype, record.ttl, &record.rdata);
}

impl Difference {
    /// One that starts from a version, given the SOA record of that.
    const fn new(from: u32, soa: Record) -> Self {
        Self { from, soa, gone: Vec::new(), come: Vec::new() }
    }
}

impl Incremental {
    /// A record among those that go, or the SOA record that ends them.
    fn gone(mut self, record: Record, serial: Option<u32>) -> Result<State, Refusal> {
        let Some(last) = self.differences.last_mut() else { return Err(Refusal::Cut) };
        let Some(serial) = serial else {
            last.gone.push(record);
            return Ok(State::Gone(self));
        };
        if !is_newer(serial, last.from) {
            return Err(Refusal::Order("a difference does not lead to a newer version"));
        }
        last.soa = record;
        Ok(State::Come(self))
    }

    /// A record among those that come, or the SOA record that ends them.
    fn come(mut self, record: Record, serial: Option<u32>) -> Result<State, Refusal> {
        let Some(last) = self.differences.last_mut() else { return Err(Refusal::Cut) };
        if serial.is_none() {
            last.come.push(record);
            return Ok(State::Come(self));
        }
        if record.rdata != last.soa.rdata {
            return Err(Refusal::Order("a difference does not start where the one before it ended"));
        }
        if record.rdata == self.soa.rdata {
            return Ok(State::Complete(Received::Differences(self.differences)));
        }
        let from = serial.unwrap_or_default();
        self.differences.push(Difference::new(from, record));
        Ok(State::Gone(self))
    }
}

/// A SOA record for tests.
#[cfg(test)]
pub(super) fn soa(apex: &crate::model::name::Name, serial: u32) -> Record {
    let mut rdata = b"\x02ns\0\x01h\0".to_vec();
    rdata.extend([serial, 3600, 600, 86_400, 300].into_iter().flat_map(u32::to_be_bytes));
    Record { owner: apex.clone(), rtype: Rtype::SOA, ttl: 3600, rdata }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;
    use crate::transfer::secondary::client::tests::put_record;

    fn id() -> ZoneId {
        ZoneId::declared("example.com")
    }

    fn apex() -> Name {
        Name::parse("example.com", None).unwrap()
    }

    /// A record in words: `SOA 7` at the apex, or the label of an A record.
    fn record(text: &str) -> Record {
        if let Some((_, serial)) = text.split_once("SOA ") {
            return soa(&apex(), serial.parse().unwrap());
        }
        let owner = Name::parse(text, Some(&apex())).unwrap();
        Record { owner, rtype: Rtype::A, ttl: 60, rdata: vec![192, 0, 2, 1] }
    }

    fn records(text: &str) -> Vec<Record> {
        text.split(", ").filter(|word| !word.is_empty()).map(record).collect()
    }

    /// Messages, separated by slashes, taken in after asking for `qtype` with `held`.
    fn stream(qtype: Rtype, held: Option<u32>, text: &str) -> Result<Received, Refusal> {
        let question = Question { id: 7, apex: apex(), qtype };
        let mut stream = Stream::new(question.clone(), id(), held, Allowance { messages: 9, records: 9, octets: 500 });
        for (index, words) in text.split(" / ").enumerate() {
            let records = records(words);
            let mut message = question.message(None);
            message[2] = 0x84;
            message[7] = u8::try_from(records.len()).unwrap();
            if index > 0 {
                message.truncate(12);
                message[5] = 0;
            }
            for record in records {
                put_record(&mut message, &record);
            }
            assert!(!stream.is_complete(), "it goes on only if it is not complete");
            stream.take(&message)?;
        }
        stream.finish()
    }

    fn difference(from: u32, to: &str, gone: &str, come: &str) -> Difference {
        Difference { from, soa: record(to), gone: records(gone), come: records(come) }
    }

    #[test]
    fn rfc5936_section_2_2_a_whole_zone_stands_between_two_soa_records() {
        let whole = |text| {
            let mut zone = ZoneBuilder::new(id(), apex());
            for record in records(text) {
                add(&mut zone, &record);
            }
            Received::Whole(zone)
        };
        for (text, expected) in [
            ("SOA 7, a, b, SOA 7", whole("a, b, SOA 7")),
            ("SOA 7 / a / b, SOA 7", whole("a, b, SOA 7")),
            ("SOA 7, SOA 7", whole("SOA 7")),
        ] {
            assert_eq!(stream(Rtype::AXFR, None, text).as_ref(), Ok(&expected), "{text}");
            assert_eq!(stream(Rtype::AXFR, Some(7), text), Ok(expected), "{text}");
        }
        assert_eq!(stream(Rtype::IXFR, Some(6), "SOA 7 / a, SOA 7"), Ok(whole("a, SOA 7")));
    }

    #[test]
    fn rfc1995_section_4_differences_lead_from_version_to_version() {
        let differences = |all| Ok(Received::Differences(all));
        let ixfr = |text| stream(Rtype::IXFR, Some(5), text);
        assert_eq!(ixfr("SOA 5"), Ok(Received::UpToDate));
        assert_eq!(ixfr("SOA 6, SOA 5, a, SOA 6, b, SOA 6"), differences(vec![difference(5, "SOA 6", "a", "b")]));
        let two = vec![difference(5, "SOA 6", "", "b, c"), difference(6, "SOA 8", "c", "")];
        assert_eq!(ixfr("SOA 8, SOA 5, SOA 6, b / c, SOA 6, c / SOA 8 / SOA 8"), differences(two));
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        for (qtype, held, text) in [
            (Rtype::AXFR, None, "a, SOA 7"),
            (Rtype::AXFR, None, "SOA 7, a, SOA 8"),
            (Rtype::AXFR, None, "SOA 7, a, SOA 7, a"),
            (Rtype::AXFR, None, "SOA 7, SOA 6, a"),
            (Rtype::AXFR, None, "SOA 7 / "),
            (Rtype::IXFR, Some(5), "SOA 8, SOA 6, SOA 8, a, SOA 8"),
            (Rtype::IXFR, Some(5), "SOA 8, SOA 5, SOA 4, a, SOA 4, SOA 8, SOA 8"),
            (Rtype::IXFR, Some(5), "SOA 8, SOA 5, SOA 6, a, SOA 7, SOA 8, SOA 8"),
        ] {
            assert!(matches!(stream(qtype, held, text), Err(Refusal::Order(_))), "{text}");
        }
        let older = Refusal::Older { theirs: 6, ours: 7 };
        assert_eq!(stream(Rtype::AXFR, Some(7), "SOA 6, a, SOA 6"), Err(older));
    }

    #[test]
    fn what_ends_too_early_is_refused() {
        for text in ["SOA 7", "SOA 7, a", "SOA 7, a / b"] {
            assert_eq!(stream(Rtype::AXFR, None, text), Err(Refusal::Cut), "{text}");
        }
        for text in ["SOA 6", "SOA 6, SOA 5", "SOA 6, SOA 5, a, SOA 6", "SOA 7, SOA 5, SOA 6, SOA 6"] {
            assert_eq!(stream(Rtype::IXFR, Some(5), text), Err(Refusal::Cut), "{text}");
        }
    }

    #[test]
    fn what_is_more_than_allowed_is_refused() {
        let numbers = |range: std::ops::Range<u32>| range.map(|n| format!("n{n}")).collect::<Vec<_>>();
        let records = format!("SOA 7, {}", numbers(0..9).join(", "));
        let messages = format!("SOA 7 / {}", numbers(0..9).join(" / "));
        let long = ["a".repeat(60).as_str(); 3].join(".");
        let octets = format!("SOA 7, {long}, {long}, {long}");
        for text in [records, messages, octets] {
            assert_eq!(stream(Rtype::AXFR, None, &text), Err(Refusal::TooMuch), "{text}");
        }
        let enough = format!("SOA 7, {}, SOA 7", numbers(0..7).join(", "));
        assert!(stream(Rtype::AXFR, None, &enough).is_ok());
    }

    #[test]
    fn what_is_not_in_the_zone_is_refused() {
        let refused = stream(Rtype::AXFR, None, "SOA 7, www.example.net., SOA 7");
        assert!(matches!(refused, Err(Refusal::Record { why: "it is not in the zone", .. })), "{refused:?}");
    }
}
