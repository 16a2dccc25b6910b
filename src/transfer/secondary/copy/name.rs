//! Names of the files that copies are in: a person can read them, no two zones share one, and any file system takes them.

use std::fmt::Write;

use crate::model::id::ZoneId;
use crate::model::name::Name;

/// How the name of a copy ends; what is being written ends with `.new`.
pub(super) const EXTENSION: &str = "copy";
/// How it ended when ids were names.
const EXTENSION_BEFORE: &str = ".zone";
/// Octets of the longest name without its end; file systems stop at 255.
const STEM_OCTETS_MAX: usize = 200;
/// Octets of a longer name that are kept.
const CUT_OCTETS: usize = 150;

/// The name of the file of a zone.
pub(super) fn file_name(apex: &Name) -> String {
    let mut stem = String::new();
    for (index, label) in apex.labels().enumerate() {
        if index > 0 {
            stem.push('.');
        }
        for octet in label {
            match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => stem.push(char::from(*octet)),
                // It cannot fail.
                _ => drop(write!(stem, "%{octet:02x}")),
            }
        }
    }
    // What follows these signs is no escape, so no other name can come out the same.
    if stem.is_empty() {
        stem.push_str("%root");
    }
    if stem.len() > STEM_OCTETS_MAX {
        stem.truncate(CUT_OCTETS);
        stem = format!("{stem}%~{}", id(apex));
    }
    format!("{stem}.{EXTENSION}")
}

/// The name that it had when ids were names.
pub(super) fn file_name_before(apex: &Name) -> String {
    format!("{}{EXTENSION_BEFORE}", id(apex))
}

/// Whether a file may be a copy, by its name.
pub(super) fn is_copy(file_name: &str) -> bool {
    let is_before = |stem: &str| ZoneId::parse(stem).is_some();
    file_name.strip_suffix(EXTENSION).is_some_and(|stem| stem.ends_with('.'))
        || file_name.strip_suffix(EXTENSION_BEFORE).is_some_and(is_before)
}

/// A number for a name.
fn id(apex: &Name) -> ZoneId {
    ZoneId::declared(&apex.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A name of any octets.
    fn name(labels: &[Vec<u8>]) -> Option<Name> {
        let wire = labels.iter().flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_slice()].concat());
        Name::from_wire(&wire.chain([0]).collect::<Vec<u8>>())
    }

    #[test]
    fn a_person_can_read_them() {
        let ids = "%~70a9ea9a4d4f5d2ae2c2b7f1a8d6bf3b".len();
        for (zone, expected) in [
            ("example.com", "example.com.copy"),
            ("Example.COM", "example.com.copy"),
            ("0-26.2.0.192.in-addr.arpa", "0-26.2.0.192.in-addr.arpa.copy"),
            ("0/26.2.0.192.in-addr.arpa", "0%2f26.2.0.192.in-addr.arpa.copy"),
            ("_tcp.a\\.b", "_tcp.a%2eb.copy"),
            ("..", "%root.copy"),
            ("root", "root.copy"),
        ] {
            let name = if zone == ".." { Name::root() } else { Name::parse(zone, None).unwrap() };
            assert_eq!(file_name(&name), expected);
            assert!(is_copy(expected) && is_copy(&file_name_before(&name)));
        }
        let long = name(&[vec![b'a'; 63], vec![b'b'; 63], vec![b'c'; 63], vec![b'd'; 50]]).unwrap();
        let cut = file_name(&long);
        assert!(cut.starts_with(&format!("{}.{}.", "a".repeat(63), "b".repeat(63))), "{cut}");
        assert_eq!(cut.len(), CUT_OCTETS + ids + ".copy".len());
        for other in ["example.com.zone", "copy", "example.com.new", "59C3591BEA92402782B4CEDA5D0344E0.zone"] {
            assert!(!is_copy(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_two_zones_share_one_and_any_file_system_takes_it(
            one in vec(vec(any::<u8>(), 1..=63), 0..5),
            other in vec(vec(prop_oneof![Just(b'.'), Just(b'%'), Just(b'2'), Just(b'e'), Just(b'E')], 1..3), 0..3),
            another in vec(vec(prop_oneof![Just(b'.'), Just(b'%'), Just(b'2'), Just(b'e'), Just(b'E')], 1..3), 0..3),
        ) {
            let names: Vec<Name> = [one, other, another].iter().filter_map(|labels| name(labels)).collect();
            for one in &names {
                let file = file_name(one);
                prop_assert!(file.len() <= 255 && !file.starts_with('.'));
                let legal = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "._%~-".contains(char);
                prop_assert!(file.chars().all(legal), "{}", file);
                prop_assert!(names.iter().all(|other| (file == file_name(other)) == (one == other)));
            }
        }
    }
}
