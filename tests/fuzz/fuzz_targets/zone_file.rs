//! Any octets as a zone file: reading never panics, every fault has its place in a file, and a zone that was read can be
//! written and read again.
//!
//! A zero octet ends a file; those behind the first can be included by their numbers, from 1.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pooldns::model::name::Name;
use pooldns::model::rrset::Record;
use pooldns::model::zone::Zone;
use pooldns::spec::record;
use pooldns::spec::zone_file::{Includes, read};

/// Files that can be included.
struct Shelf<'t> {
    /// Their texts.
    files: Vec<&'t [u8]>,
    /// How many may still be opened.
    left: usize,
}

impl Includes for Shelf<'_> {
    fn open(&mut self, file: &str) -> Result<Vec<u8>, String> {
        self.left = self.left.checked_sub(1).ok_or("too many")?;
        let found = file.parse().ok().and_then(|number: usize| self.files.get(number));
        found.map(|text| text.to_vec()).ok_or_else(|| "no such file".to_owned())
    }

    fn close(&mut self) {}

    fn advanced(&mut self, _: usize) {}
}

/// One line a record.
fn render(zone: &Zone) -> String {
    let mut text = String::new();
    for owner in zone.owners() {
        for rrset in owner.rrsets() {
            for rdata in rrset.rdatas() {
                let (rtype, ttl, rdata) = (rrset.rtype, rrset.ttl(), rdata.to_vec());
                text.push_str(&record::build(&Record { owner: owner.name(), rtype, ttl, rdata }, zone.apex()));
                text.push('\n');
            }
        }
    }
    text
}

fuzz_target!(|input: &[u8]| {
    let files: Vec<&[u8]> = input.split(|octet| *octet == 0).collect();
    let apex = Name::parse("example.com", None).expect("a name");
    let first = files[0].to_vec();
    let result = read(first, &apex, None, &mut Shelf { files, left: 8 });
    for fault in &result.faults {
        let text = &result.texts[fault.file];
        assert!(fault.span.start <= fault.span.end && fault.span.end <= text.len(), "{fault:?}");
    }
    assert_eq!(result.zone.is_none(), !result.faults.is_empty() || result.is_cut_short);
    if let Some(zone) = result.zone {
        let text = render(&zone);
        let again = read(text.clone().into(), &apex, None, &mut Shelf { files: vec![], left: 0 });
        assert_eq!(again.zone.as_ref(), Some(&zone), "{text}\n{:?}", again.faults);
    }
});
