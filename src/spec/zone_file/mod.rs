//! Zone files: RFC 1035 master files. Entries are split, and owners, TTLs, classes and the commonest data read, here;
//! all other data is read as that of records in the configuration is.
//!
//! The TTL of a record that names none is that of the last `$TTL`, or else the zone's `ttl`. In a file with neither it
//! is the last TTL that was named (RFC 1035 §5.1), before one is the MINIMUM of the SOA, and before that an hour. NSD
//! 4.6 and Knot 3.2 give an hour throughout, so a file that is to mean the same everywhere has a `$TTL`.

mod data;
mod words;

use std::ops::Range;
use std::sync::Arc;

use crate::model::id::ZoneId;
use crate::model::limits::{FAULTS_MAX, TTL_MAX};
use crate::model::name::Name;
use crate::model::rrset::Rtype;
use crate::model::zone::Zone;
use crate::model::zone::builder::ZoneBuilder;
use crate::spec::fault::Faults;
use crate::spec::fields::Spot;
use crate::spec::warnings::{self, Surroundings};
use crate::spec::zone::TTL_DEFAULT;
use crate::spec::zone_file::words::{Splitter, Start, Word};

/// Who finds the zones that files hold.
pub trait ZoneFiles {
    /// The zone in the file that `wanted` names; what is wrong with it goes to `faults`.
    fn zone(&mut self, wanted: &Wanted<'_>, faults: &mut Faults) -> Option<Arc<Zone>>;
}

/// A zone that a file holds.
#[derive(Clone, Copy)]
pub struct Wanted<'w> {
    /// The value that names the file.
    pub spot: Spot<'w, 'w>,
    /// The file as it is written there.
    pub file: &'w str,
    /// The zone's apex.
    pub apex: &'w Name,
    /// The TTL of records that name none, if the configuration says one.
    pub ttl: Option<u32>,
    /// What surrounds the zone.
    pub surroundings: &'w Surroundings<'w>,
}

/// Who opens what zone files include.
pub trait Includes {
    /// Opens a file; an error says why not.
    fn open(&mut self, file: &str) -> Result<Vec<u8>, String>;

    /// The file that was opened last has been read.
    fn close(&mut self);

    /// So many more octets have been read.
    fn advanced(&mut self, octets: usize);
}

/// Something wrong in a zone file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileFault {
    /// Which of the zone's files; 0 is the first.
    pub file: usize,
    /// Octets of the file.
    pub span: Range<usize>,
    /// What is wrong there.
    pub why: String,
}

/// A zone file that was read.
#[derive(Debug)]
pub struct ReadZone {
    /// The text of each file, the included ones in the order in which they were.
    pub texts: Vec<Vec<u8>>,
    /// The zone, unless there are faults.
    pub zone: Option<Zone>,
    /// What is wrong, in no order.
    pub faults: Vec<FileFault>,
    /// Whether reading ended early as there were too many faults.
    pub is_cut_short: bool,
    /// How many records there were.
    pub records: usize,
    /// The zone's records as they came.
    builder: ZoneBuilder,
    /// Where they stand.
    places: Places,
}

impl ReadZone {
    /// What is legal in the zone and most likely a mistake, in no order; nothing where there are faults.
    pub fn warnings(&self, surroundings: &Surroundings<'_>) -> Vec<FileFault> {
        let warnings = self.zone.iter().flat_map(|zone| warnings::of_built(&self.builder, zone, surroundings));
        warnings.map(|(record, why)| self.places.fault(&self.texts, record, why)).collect()
    }
}

/// Reads a zone file and what it includes. `ttl` is the TTL of records that name none.
pub fn read(text: Vec<u8>, apex: &Name, ttl: Option<u32>, includes: &mut dyn Includes) -> ReadZone {
    let mut reader = Reader {
        builder: ZoneBuilder::new(ZoneId::declared(&apex.to_string()), apex.clone()),
        includes,
        places: Places::default(),
        texts: Vec::new(),
        faults: Vec::new(),
        is_cut_short: false,
        origin: apex.clone(),
        owner: None,
        default_ttl: ttl,
        last_ttl: None,
        minimum: None,
        scratch: Vec::new(),
    };
    reader.read_file(text);
    let Reader { mut builder, places, texts, mut faults, is_cut_short, .. } = reader;
    let all_read = faults.is_empty() && !is_cut_short;
    let zone = match builder.finish() {
        Ok(zone) => Some(zone).filter(|_| all_read),
        Err(zone_faults) => {
            // What seems to be missing may stand in an entry that cannot be read.
            let said = zone_faults.into_iter().filter(|fault| all_read || fault.record.is_some());
            faults.extend(said.map(|fault| places.fault(&texts, fault.record, fault.why.to_string())));
            None
        }
    };
    ReadZone { texts, zone, faults, is_cut_short, records: builder.len(), builder, places }
}

/// The end of the line of an entry, spaces at its end not counted.
fn entry_end(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let line = rest.split(|octet| *octet == b'\n').next().unwrap_or_default();
    start + line.trim_ascii_end().len()
}

/// Where each record stands.
#[derive(Debug, Default)]
struct Places {
    /// The offset of each record in its file.
    offsets: Vec<u32>,
    /// The first record of each stretch of one file, and that file.
    stretches: Vec<(usize, usize)>,
}

impl Places {
    /// Notes the place of the next record.
    fn push(&mut self, file: usize, offset: usize) {
        if self.stretches.last().is_none_or(|(_, last)| *last != file) {
            self.stretches.push((self.offsets.len(), file));
        }
        // Files are smaller; the limit sees to that.
        self.offsets.push(u32::try_from(offset).unwrap_or(u32::MAX));
    }

    /// A fault at a record's line, or, where one is missing, at the beginning.
    fn fault(&self, texts: &[Vec<u8>], record: Option<usize>, why: String) -> FileFault {
        let (file, start) = record.and_then(|record| self.place(record)).unwrap_or_default();
        let text = texts.get(file).map_or(&[][..], Vec::as_slice);
        let span = start..record.map_or(start, |_| entry_end(text, start));
        FileFault { file, span, why }
    }

    /// The file and offset of a record.
    fn place(&self, record: usize) -> Option<(usize, usize)> {
        let after = self.stretches.partition_point(|(first, _)| *first <= record);
        let (_, file) = self.stretches.get(after.checked_sub(1)?)?;
        Some((*file, usize::try_from(*self.offsets.get(record)?).ok()?))
    }
}

/// Why an entry is not taken, and where.
type EntryFault = (Range<usize>, String);

/// A zone whose files are being read.
struct Reader<'i> {
    /// The zone.
    builder: ZoneBuilder,
    /// Opens included files.
    includes: &'i mut dyn Includes,
    /// Where the records stand.
    places: Places,
    /// The files that were read.
    texts: Vec<Vec<u8>>,
    /// What is wrong.
    faults: Vec<FileFault>,
    /// Whether that is too much to read on.
    is_cut_short: bool,
    /// What relative names are relative to.
    origin: Name,
    /// The owner of the entry before.
    owner: Option<Name>,
    /// The TTL of `$TTL`, or that of the configuration.
    default_ttl: Option<u32>,
    /// The last TTL that a record named.
    last_ttl: Option<u32>,
    /// The MINIMUM of the SOA.
    minimum: Option<u32>,
    /// Where data is put together.
    scratch: Vec<u8>,
}

/// Entries after which it is told how far we are.
const ENTRIES_PER_NEWS: usize = 1 << 15;

impl Reader<'_> {
    /// Reads one file to its end.
    fn read_file(&mut self, text: Vec<u8>) {
        let file = self.texts.len();
        self.texts.push(Vec::new());
        let (mut splitter, mut words) = (Splitter::new(&text), Vec::new());
        let (mut entries, mut told) = (0_usize, 0);
        while let Some(entry) = splitter.next(&mut words) {
            let result = match entry {
                Ok(start) => self.take_entry(file, &text, &words, start),
                Err(fault) => Err((fault.span, fault.why.to_owned())),
            };
            if let Err((span, why)) = result {
                self.faults.push(FileFault { file, span, why });
                self.is_cut_short |= self.faults.len() >= FAULTS_MAX;
            }
            if self.is_cut_short {
                break;
            }
            entries += 1;
            if entries.is_multiple_of(ENTRIES_PER_NEWS) {
                self.includes.advanced(splitter.offset() - told);
                told = splitter.offset();
            }
        }
        self.includes.advanced(text.len().saturating_sub(told));
        if let Some(place) = self.texts.get_mut(file) {
            *place = text;
        }
    }

    /// Takes an entry: a directive or a record.
    fn take_entry(&mut self, file: usize, text: &[u8], words: &[Word], start: Start) -> Result<(), EntryFault> {
        let Some((first, rest)) = words.split_first() else { return Ok(()) };
        let head = octets(text, first);
        if start == Start::Blank {
            let Some(owner) = self.owner.clone() else {
                let why = "it starts with a space and so belongs to the owner before it, but there is none";
                return Err((first.span.clone(), why.to_owned()));
            };
            return self.take_record(file, text, &owner, words, first.span.start);
        }
        if head.first() == Some(&b'$') && !first.is_quoted {
            return self.take_directive(text, first, rest);
        }
        let owner = self.name(text, first)?;
        let taken = self.take_record(file, text, &owner, rest, first.span.start).map_err(|(span, why)| {
            // With nothing behind the owner it is all there is to show.
            (if span.is_empty() { first.span.clone() } else { span }, why)
        });
        self.owner = Some(owner);
        taken
    }

    /// Reads a name.
    fn name(&self, text: &[u8], word: &Word) -> Result<Name, EntryFault> {
        if word.is_quoted {
            return Err((word.span.clone(), "a name is not written in quotation marks".to_owned()));
        }
        let name = str::from_utf8(octets(text, word)).unwrap_or_default();
        Name::parse(name, Some(&self.origin))
            .map_err(|error| (word.span.clone(), format!("it is not a domain name: {error}")))
    }

    /// Takes a record; `words` follow its owner.
    fn take_record(
        &mut self,
        file: usize,
        text: &[u8],
        owner: &Name,
        words: &[Word],
        start: usize,
    ) -> Result<(), EntryFault> {
        let (mut ttl, mut is_classed, mut rest) = (None, false, words);
        let (type_word, data) = loop {
            let Some((word, tail)) = rest.split_first() else {
                let end = words.last().map_or(start, |word| word.span.end);
                let span = words.first().map_or(start, |word| word.span.start)..end;
                return Err((span, "the record ends too early; its type is missing".to_owned()));
            };
            let head = octets(text, word);
            if ttl.is_none() && !word.is_quoted && head.first().is_some_and(u8::is_ascii_digit) {
                ttl = Some(read_ttl(text, word)?);
            } else if !is_classed && !word.is_quoted && is_class(head) {
                is_classed = true;
                if !head.eq_ignore_ascii_case(b"IN") && !head.eq_ignore_ascii_case(b"CLASS1") {
                    return Err((word.span.clone(), "only class IN is allowed".to_owned()));
                }
            } else {
                break (word, tail);
            }
            rest = tail;
        };
        let mut rdata = std::mem::take(&mut self.scratch);
        rdata.clear();
        let read = data::read(text, type_word, data, &self.origin, &mut rdata);
        let taken = read.map(|rtype| {
            if rtype == Rtype::SOA {
                self.minimum = rdata.last_chunk::<4>().map(|octets| u32::from_be_bytes(*octets).min(TTL_MAX));
            }
            self.last_ttl = ttl.or(self.last_ttl);
            let ttl = ttl.unwrap_or_else(|| self.ttl());
            self.places.push(file, start);
            self.builder.add(owner, rtype, ttl, &rdata);
        });
        self.scratch = rdata;
        taken
    }

    /// The TTL of a record that names none.
    fn ttl(&self) -> u32 {
        self.default_ttl.or(self.last_ttl).or(self.minimum).unwrap_or(TTL_DEFAULT)
    }

    /// Takes a directive.
    fn take_directive(&mut self, text: &[u8], name: &Word, words: &[Word]) -> Result<(), EntryFault> {
        let directive = octets(text, name).to_ascii_uppercase();
        let (least, most, usage) = match directive.as_slice() {
            b"$ORIGIN" => (1, 1, "$ORIGIN takes a domain name"),
            b"$TTL" => (1, 1, "$TTL takes a TTL"),
            b"$INCLUDE" => (1, 2, "$INCLUDE takes a file and perhaps an origin"),
            b"$GENERATE" => {
                let why = "$GENERATE is not supported; write the records out";
                return Err((name.span.clone(), why.to_owned()));
            }
            _ => {
                let why = "unknown directive; allowed: $ORIGIN, $TTL, $INCLUDE (an owner that starts so: \\$)";
                return Err((name.span.clone(), why.to_owned()));
            }
        };
        let (Some(first), Some(last)) = (words.first(), words.last()) else {
            return Err((name.span.clone(), usage.to_owned()));
        };
        if !(least..=most).contains(&words.len()) {
            return Err((first.span.start..last.span.end, usage.to_owned()));
        }
        match directive.as_slice() {
            b"$ORIGIN" => self.origin = self.name(text, first)?,
            b"$TTL" => self.default_ttl = Some(read_ttl(text, first)?),
            _ => {
                let origin = words.get(1).map(|word| self.name(text, word)).transpose()?;
                self.include(text, first, origin)?;
            }
        }
        Ok(())
    }

    /// Reads an included file, relative to `origin`; behind it origin and owner are as before (RFC 1035 §5.1).
    fn include(&mut self, text: &[u8], word: &Word, origin: Option<Name>) -> Result<(), EntryFault> {
        let fault = |why: String| (word.span.clone(), why);
        let file = str::from_utf8(octets(text, word)).map_err(|_| fault("this is not UTF-8".to_owned()))?;
        let included = self.includes.open(file).map_err(fault)?;
        let outer = (self.origin.clone(), self.owner.clone());
        if let Some(origin) = origin {
            self.origin = origin;
        }
        self.read_file(included);
        (self.origin, self.owner) = outer;
        self.includes.close();
        Ok(())
    }
}

/// The octets of a word.
fn octets<'t>(text: &'t [u8], word: &Word) -> &'t [u8] {
    text.get(word.span.clone()).unwrap_or_default()
}

/// Whether a word is a class; ANY is a type here.
fn is_class(word: &[u8]) -> bool {
    let number = word.get(5..).filter(|_| word.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"CLASS")));
    [&b"IN"[..], b"CH", b"HS", b"CS", b"NONE"].iter().any(|class| word.eq_ignore_ascii_case(class))
        || number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

/// Reads a TTL: seconds, or numbers with units such as 1h30m.
fn read_ttl(text: &[u8], word: &Word) -> Result<u32, EntryFault> {
    let written = octets(text, word);
    let (mut total, mut number) = (0_u64, None);
    for octet in written {
        let unit = match octet.to_ascii_lowercase() {
            digit @ b'0'..=b'9' => {
                number = Some(number.unwrap_or(0_u64).saturating_mul(10).saturating_add(u64::from(digit - b'0')));
                continue;
            }
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => 0,
        };
        let Some(seconds) = number.take().filter(|_| unit > 0) else {
            let why = "this is not a TTL; allowed: seconds, or numbers with units such as 1h30m (w, d, h, m, s)";
            return Err((word.span.clone(), why.to_owned()));
        };
        total = total.saturating_add(seconds.saturating_mul(unit));
    }
    total = total.saturating_add(number.unwrap_or(0));
    let ttl = u32::try_from(total).ok().filter(|ttl| *ttl <= TTL_MAX);
    ttl.ok_or_else(|| (word.span.clone(), format!("allowed as a TTL: 0 to {TTL_MAX} seconds (RFC 2181 §8)")))
}

#[cfg(test)]
mod tests;
