//! Tests of zones that files hold: which files are read, where faults are shown, and what a reload reads again.

use std::fs;
use std::sync::Arc;

use tempfile::TempDir;

use crate::config::{Configuration, LoadContext, load, load_with};
use crate::model::name::Name;
use crate::model::zone::Zone;

/// The records that every zone needs.
const HEAD: &str = "@ 3600 SOA ns1 hostmaster 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.53\n";

/// A folder with these files, besides a configuration of the zones a.example and b.example.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let main = "version = 1\n[[zones]]\nname = 'a.example'\nfile = 'zones/a'\n[[zones]]\nname = 'b.example'\nfile = 'zones/b'\n";
    for (name, text) in [("main.toml", main), ("zones/a", HEAD), ("zones/b", HEAD)].iter().chain(files) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load_in(folder: &TempDir) -> Result<Configuration, String> {
    let prefix = format!("{}/", folder.path().display());
    load(&folder.path().join("main.toml")).map_err(|report| report.to_string().replace(&prefix, ""))
}

/// Loads again, without what did not change.
fn load_again(folder: &TempDir, before: &Configuration) -> Configuration {
    let context = LoadContext { before: Some(&before.zones_read), progress: None };
    load_with(&folder.path().join("main.toml"), context).unwrap()
}

fn zone<'c>(configuration: &'c Configuration, apex: &str) -> &'c Arc<Zone> {
    let apex = Name::parse(apex, None).unwrap();
    configuration.declared.zones.iter().find(|zone| *zone.apex() == apex).unwrap()
}

/// The zones that were read, as their apexes.
fn zones_read(configuration: &Configuration) -> Vec<String> {
    let read = configuration.zones_read.iter().filter(|(_, read)| read.took.is_some());
    let mut read: Vec<String> = read.map(|(apex, _)| apex.to_string()).collect();
    read.sort();
    read
}

#[test]
fn files_are_relative_to_the_file_that_names_them() {
    let folder = folder(&[
        ("main.toml", "version = 1\ninclude = ['conf.d/a.toml']"),
        ("conf.d/a.toml", "[[zones]]\nname = 'a.example'\nfile = '../zones/a'"),
        ("zones/a", &format!("{HEAD}$INCLUDE sub/more deep\n")),
        ("zones/sub/more", "www A 192.0.2.1"),
    ]);
    let configuration = load_in(&folder).unwrap();
    assert!(zone(&configuration, "a.example").owner(&Name::parse("www.deep.a.example", None).unwrap()).is_some());
    // Whoever watches watches all of them.
    let files: Vec<_> = configuration.files.iter().map(|file| fs::canonicalize(file).unwrap()).collect();
    let expected = ["main.toml", "conf.d/a.toml", "zones/a", "zones/sub/more"];
    assert_eq!(files, expected.map(|file| fs::canonicalize(folder.path().join(file)).unwrap()));
}

#[test]
fn all_faults_of_all_files_show_their_lines() {
    let folder = folder(&[
        ("zones/a", &format!("{HEAD}www A 192.0.2.256\n$INCLUDE more\nx  AX y ; \u{1b}[2J\n")),
        ("zones/more", "ok A 192.0.2.1\n\tTXT \"x\n"),
        ("zones/b", "@ NS ns1\n"),
    ]);
    let expected = "zones/a:4:7: it cannot be read: expected IPv4 address
  | www A 192.0.2.256
  |       ^^^^^^^^^^^
zones/a:6:4: a record type such as A, AAAA, MX or TXT belongs here
  | x  AX y ; \\u{1b}[2J
  |    ^^
zones/more:2:6: this quotation mark is not closed on its line
  |  TXT \"x
  |      ^
zones/b:1:1: the zone has no SOA record; add one, such as \"@ 3600 SOA ns1 hostmaster 1 7200 900 1209600 300\"
  | @ NS ns1
  | ^
4 faults in 3 files";
    assert_eq!(load_in(&folder).unwrap_err(), expected);
}

#[test]
fn octets_that_are_no_text_are_shown_in_place() {
    let folder = folder(&[]);
    let text = [HEAD.as_bytes(), b"t TXT \"\xff\" \xc3\xa4x\n"].concat();
    fs::write(folder.path().join("zones/a"), text).unwrap();
    let report = load_in(&folder).unwrap_err();
    assert!(report.starts_with("zones/a:4:11: only quoted texts"), "{report}");
    assert!(report.contains("  | t TXT \"\u{fffd}\" äx\n  |           ^\n"), "{report}");
    let long = format!("{HEAD}t TXT {} \"\n", "x ".repeat(50_000));
    fs::write(folder.path().join("zones/a"), long).unwrap();
    assert!(load_in(&folder).unwrap_err().starts_with("zones/a:4:100008: this quotation mark"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_of_who_names_it() {
    for (include, why) in [
        ("none", "there is no such file; check the path"),
        ("../main.toml", "it is not in the zone file's folder"),
        ("/etc/hostname", "it is not in the zone file's folder"),
        ("out/main.toml", "it is not in the zone file's folder"),
        ("a", "it includes itself"),
        ("sub", "it is a folder"),
    ] {
        let folder = folder(&[("zones/a", &format!("{HEAD}$INCLUDE {include}")), ("zones/sub/x", "")]);
        // A link that leads out of the folder.
        std::os::unix::fs::symlink(folder.path(), folder.path().join("zones/out")).unwrap();
        let report = load_in(&folder).unwrap_err();
        assert!(report.starts_with("zones/a:4:10: ") && report.contains(why), "{include}: {report}");
    }
    let folder = folder(&[("zones/a", &format!("{HEAD}$INCLUDE 0")), ("zones/9", "")]);
    for depth in 0..9 {
        fs::write(folder.path().join(format!("zones/{depth}")), format!("$INCLUDE {}", depth + 1)).unwrap();
    }
    let report = load_in(&folder).unwrap_err();
    assert!(report.starts_with("zones/7:1:10: files are included more than 8 deep"), "{report}");
    fs::remove_file(folder.path().join("zones/b")).unwrap();
    let report = load_in(&folder).unwrap_err();
    assert!(report.contains("main.toml:7:8: zones[1].file: zones/b: there is no such file"), "{report}");
}

#[test]
fn a_reload_reads_what_changed() {
    let folder = folder(&[("zones/b", &format!("{HEAD}$INCLUDE more")), ("zones/more", "x A 192.0.2.1")]);
    let first = load_in(&folder).unwrap();
    assert_eq!(zones_read(&first), ["a.example", "b.example"]);
    let again = load_again(&folder, &first);
    assert!(zones_read(&again).is_empty());
    assert!(Arc::ptr_eq(zone(&again, "a.example"), zone(&first, "a.example")));
    assert_eq!(again.files.len(), first.files.len());

    fs::write(folder.path().join("zones/a"), format!("{HEAD}new A 192.0.2.1")).unwrap();
    let edited = load_again(&folder, &again);
    assert_eq!(zones_read(&edited), ["a.example"]);
    assert!(!Arc::ptr_eq(zone(&edited, "a.example"), zone(&first, "a.example")));
    assert!(Arc::ptr_eq(zone(&edited, "b.example"), zone(&first, "b.example")));

    // An included file counts as well; how a zone is hosted does not.
    fs::write(folder.path().join("zones/more"), "x A 192.0.2.2").unwrap();
    let main = fs::read_to_string(folder.path().join("main.toml")).unwrap();
    let main = main.replace("file = 'zones/a'", "file = 'zones/a'\nallow_query = []");
    fs::write(folder.path().join("main.toml"), &main).unwrap();
    let included = load_again(&folder, &edited);
    assert_eq!(zones_read(&included), ["b.example"]);
    assert!(Arc::ptr_eq(zone(&included, "a.example"), zone(&edited, "a.example")));
    // Another default TTL makes other records.
    fs::write(folder.path().join("main.toml"), main.replace("file = 'zones/a'", "file = 'zones/a'\nttl = 5")).unwrap();
    assert_eq!(zones_read(&load_again(&folder, &included)), ["a.example"]);
}
