//! Tests of warnings: what is legal and most likely a mistake, each with its place, and what is none of it.

use std::fs;

use crate::config::{LoadContext, load, load_text, load_with};
use crate::spec::fault::Severity;

/// Lines in front of the records that cases add.
const LINES: usize = 9;

/// The warnings of a zone with these records besides its own, and of whatever follows it, as `line: message`. A record's
/// line is its place in the list, from 1.
fn warnings_of(records: &[&str], rest: &str) -> Vec<String> {
    let records: Vec<String> = records.iter().map(|record| format!("  '{record}',\n")).collect();
    let records = records.concat();
    let text = format!(
        "version = 1\n[[zones]]\nname = 'example.com'\nrecords = [\n  '@ SOA ns1 h 1 2 3 4 5',\n  '@ NS ns1',\n  \
         'ns1 A 192.0.2.53',\n  'alias CNAME ns1',\n  'd DNAME example.org.',\n{records}]\n{LIVE}{rest}"
    );
    let configuration = load_text("x.toml", &text).unwrap_or_else(|report| panic!("{report}"));
    let warnings = configuration.warnings.warnings();
    warnings.map(|(_, at, warning)| format!("{}: {warning}", at.line.saturating_sub(LINES))).collect()
}

/// Load balancers.
const LIVE: &str = "
[[pools]]
name = 'p'
origins = [{ name = 'o', address = '192.0.2.1' }]
[[pools]]
name = 'off'
enabled = false
origins = [{ name = 'o', address = '192.0.2.1' }]
[[load_balancers]]
name = 'www.example.com'
default_pools = ['p']
fallback_pool = 'p'
[[load_balancers]]
name = '*.live.example.com'
default_pools = ['p']
fallback_pool = 'p'
";

#[test]
fn records_that_are_most_likely_a_mistake() {
    let twice =
        "names mail.example.com.example.com, with the zone's name twice; where a name is complete, it ends with a dot";
    let cases: Vec<(&[&str], String)> = vec![
        (
            &["@ NS www"],
            "zones[0].records[5]: the NS record of example.com names www.example.com, a load balancer; addresses of name \
             servers are kept for long, so give them static ones at a name of its own"
                .into(),
        ),
        (
            &["sub NS x.live"],
            "zones[0].records[5]: the NS record of sub.example.com names x.live.example.com, a load balancer; addresses \
             of name servers are kept for long, so give them static ones at a name of its own"
                .into(),
        ),
        (
            &["@ MX 10 Mail"],
            "zones[0].records[5]: the MX record of example.com names mail.example.com, which has no addresses".into(),
        ),
        // It exists, but has none, so that no wildcard helps.
        (
            &["_sip._tcp SRV 0 0 5060 a", "x.a A 192.0.2.1", "* A 192.0.2.1"],
            "zones[0].records[5]: the SRV record of _sip._tcp.example.com names a.example.com, which has no addresses"
                .into(),
        ),
        (
            &["sub NS ns.sub", "sub NS ns.example.org."],
            "zones[0].records[5]: the NS record of sub.example.com names ns.sub.example.com, which is delegated with it and \
             has no addresses here; without such glue nobody finds it"
                .into(),
        ),
        (
            &["@ MX 10 alias"],
            "zones[0].records[5]: the MX record of example.com names alias.example.com, an alias by its CNAME record; it \
             has to have addresses itself (RFC 2181 §10.3)"
                .into(),
        ),
        (
            &["_x SRV 0 0 1 a.d"],
            "zones[0].records[5]: the SRV record of _x.example.com names a.d.example.com, an alias by the DNAME record of \
             d.example.com; it has to have addresses itself (RFC 2782)"
                .into(),
        ),
        (&["@ MX 10 mail.example.com"], format!("zones[0].records[5]: the MX record of example.com {twice}")),
        // A wildcard would hide it.
        (
            &["c CNAME mail.example.com", "* A 192.0.2.1"],
            format!("zones[0].records[5]: the CNAME record of c.example.com {twice}"),
        ),
        (&["p PTR mail.EXAMPLE.com"], format!("zones[0].records[5]: the PTR record of p.example.com {twice}")),
        (
            &["sub NS ns.example.org.", "sub TXT x"],
            "zones[0].records[6]: nobody is answered with the TXT record of sub.example.com: sub.example.com is delegated by \
             its NS records, so only DS records there and addresses of its servers are of use"
                .into(),
        ),
        (
            &["sub NS ns.example.org.", "a.sub A 192.0.2.1", "a.sub AAAA 2001:db8::1"],
            "zones[0].records[6]: nobody is answered with the A record of a.sub.example.com: sub.example.com is delegated \
             by its NS records, so only DS records there and addresses of its servers are of use"
                .into(),
        ),
        (
            &["sub NS ns.sub", "ns.sub A 192.0.2.1", "ns.sub NS ns.example.org."],
            "zones[0].records[7]: nobody is answered with the NS record of ns.sub.example.com: sub.example.com is delegated \
             by its NS records, so only DS records there and addresses of its servers are of use"
                .into(),
        ),
        (
            &["x.d A 192.0.2.1"],
            "zones[0].records[5]: nobody is answered with the A record of x.d.example.com: names below d.example.com are \
             redirected by its DNAME record"
                .into(),
        ),
        (
            &["t 60 A 192.0.2.1", "t 70 TXT x", "t 80 A 192.0.2.2"],
            "zones[0].records[7]: the A records of t.example.com have different TTLs; all get the lowest (RFC 2181 §5.2)"
                .into(),
        ),
    ];
    for (records, expected) in cases {
        // The record that the message names is the one at that line.
        let index: usize = expected.split(['[', ']']).nth(3).unwrap().parse().unwrap();
        assert_eq!(warnings_of(records, ""), [format!("{}: {expected}", index - 4)], "{records:?}");
    }
}

#[test]
fn what_is_no_mistake() {
    let cases: &[&[&str]] = &[
        &[],
        // What is not ours, and what says that there is no host.
        &["@ NS ns.example.org.", "@ MX 10 mail.example.org.", "a MX 0 .", "_x SRV 0 0 0 ."],
        &["@ MX 10 www", "_x SRV 0 0 1 x.live", "a MX 10 WWW.example.com."],
        &["*.w A 192.0.2.1", "@ MX 10 x.w", "_x SRV 0 0 1 y.x.w"],
        // Below a cut others know; this server has to know glue only.
        &["sub NS ns.example.org.", "@ MX 10 mail.sub", "other NS ns.sub"],
        &["sub NS NS.sub", "sub NS sub", "ns.sub A 192.0.2.1", "sub AAAA 2001:db8::1", "sub DS 1 8 2 00"],
        // Glue of another cut, and of the zone itself.
        &["sub NS ns.example.org.", "ns.sub A 192.0.2.1", "other NS ns.sub"],
        &["sub NS ns.example.org.", "ns.sub A 192.0.2.1", "@ NS ns.sub"],
        &["d TXT x", "other DNAME mail.example.com."],
        // Names that happen to be so, and aliases of what is nowhere.
        &["c CNAME mail.example.com", "mail.example.com TXT x", "c2 CNAME nowhere", "p PTR nowhere"],
        // They answer while the load balancer is disabled.
        &["www A 192.0.2.1", "x.live CNAME alias"],
        &["t 60 A 192.0.2.1", "t 70 TXT x"],
        // Each signature has the TTL of what it covers.
        &[
            "t 60 TYPE46 \\# 20 000108030000003C0000000000000000000000FF",
            "t 70 TYPE46 \\# 20 00100803000000460000000000000000000000FF",
        ],
    ];
    for records in cases {
        assert_eq!(warnings_of(records, ""), [""; 0], "{records:?}");
    }
}

#[test]
fn hosts_in_other_zones() {
    let org = |records: &str| {
        format!(
            "[[zones]]\nname = 'example.org'\nrecords = ['@ SOA ns h 1 2 3 4 5', '@ NS ns.example.com.', {records}]\n\
             [[zones]]\nname = 'child.example.com'\nrecords = ['@ SOA ns h 1 2 3 4 5', '@ NS ns', 'ns A 192.0.2.1']\n\
             [[zones]]\nname = 'example.net'\nprimaries = ['192.0.2.9']\n"
        )
    };
    let expected = |message: &str| vec![format!("{}: zones[0].name: the MX record of example.com {message}", 0)];
    let mx = |target: &str, records: &str| {
        let record = format!("@ MX 10 {target}");
        let found = warnings_of(&[&record, "ns A 192.0.2.1", "child NS ns.child"], &org(records));
        found.into_iter().filter(|warning| warning.contains(" MX ")).collect::<Vec<_>>()
    };
    let none: Vec<String> = vec![];
    assert_eq!(mx("mail.example.org.", "'mail A 192.0.2.1'"), none);
    // What a primary has is not known, and who answers below a name is the zone there.
    assert_eq!(mx("mail.example.net.", "'mail A 192.0.2.1'"), none);
    assert_eq!(mx("ns.child", "'x A 192.0.2.1'"), none);
    assert_eq!(
        mx("mail.example.org.", "'mail TXT x'"),
        expected("names mail.example.org, which has no addresses in our zone example.org")
    );
    assert_eq!(
        mx("x.child", "'x A 192.0.2.1'"),
        expected("names x.child.example.com, which has no addresses in our zone child.example.com")
    );
    assert_eq!(
        mx("mail.example.org.", "'mail CNAME x', 'x A 192.0.2.1'"),
        expected(
            "names mail.example.org, an alias by its CNAME record; it has to have addresses itself (RFC 2181 §10.3)"
        )
    );
    // Nothing else is said of these zones.
    assert_eq!(warnings_of(&["ns A 192.0.2.1", "child NS ns.child"], &org("'x A 192.0.2.1'")), none);
}

#[test]
fn load_balancers_without_pools() {
    let of = |default_pools: &str, fallback_pool: &str, more: &str| {
        let text = format!(
            "[[load_balancers]]\nname = 'a.example.com'\ndefault_pools = [{default_pools}]\n\
             fallback_pool = '{fallback_pool}'\n{more}"
        );
        let found = warnings_of(&[], &text);
        found.into_iter().map(|warning| warning.split_once(": ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let none: Vec<String> = vec![];
    assert_eq!(of("'off', 'p'", "p", ""), none);
    assert_eq!(of("'off'", "p", ""), none);
    assert_eq!(of("'off'", "off", "enabled = false"), none);
    let fallback =
        "load_balancers[2].fallback_pool: this pool is disabled, so there is no address when no default pool is usable";
    assert_eq!(of("'p'", "off", ""), [fallback]);
    let all = "load_balancers[2].default_pools: none of its pools is enabled, so there is no address to answer with";
    assert_eq!(of("'off'", "off", ""), [all]);
}

#[test]
fn zone_files_are_shown_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let main = "version = 1\n[[zones]]\nname = 'a.example'\nfile = 'a'\n";
    let zone =
        "$TTL 60\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.53\n  300 A 192.0.2.54\n$INCLUDE more\n@ MX 10 mail\n";
    for (name, text) in [("main.toml", main), ("a", zone), ("more", "; more\nm\tMX 5 m.a.example\n")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let prefix = format!("{}/", folder.path().display());
    let first = load(&folder.path().join("main.toml")).unwrap();
    let expected = "a:5:3: warning: the A records of ns1.a.example have different TTLs; all get the lowest (RFC 2181 §5.2)
  |   300 A 192.0.2.54
  |   ^^^^^^^^^^^^^^^^
a:7:1: warning: the MX record of a.example names mail.a.example, which has no addresses
  | @ MX 10 mail
  | ^^^^^^^^^^^^
more:2:1: warning: the MX record of m.a.example names m.a.example.a.example, with the zone's name twice; where a name is complete, it ends with a dot
  | m MX 5 m.a.example
  | ^^^^^^^^^^^^^^^^^^
3 warnings in 2 files";
    assert_eq!(first.warnings.to_string().replace(&prefix, ""), expected);

    // What is not read again has no lines any more.
    let context = LoadContext { before: Some(&first.zones_read), progress: None };
    let again = load_with(&folder.path().join("main.toml"), context).unwrap().warnings.to_string().replace(&prefix, "");
    assert!(again.starts_with("main.toml:4:8: warning: zones[0].file: the MX record of a.example names"), "{again}");
    assert!(again.ends_with("\n2 warnings in 1 file"), "{again}");

    // Faults come first, and a zone that has any has no warnings.
    fs::write(folder.path().join("more"), "x AX y\n").unwrap();
    let report = load(&folder.path().join("main.toml")).map(|_| ()).unwrap_err();
    assert_eq!((report.count(Severity::Fault), report.count(Severity::Warning)), (1, 0));
}

#[test]
fn warnings_of_a_zone_are_bounded() {
    let records: Vec<String> = (0..3_000).map(|number| format!("m{number} MX 10 none{number}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    assert_eq!(warnings_of(&records, "").len(), 1_000);
}

#[test]
fn a_zone_within_another_is_delegated_there() {
    let inner = "[[zones]]\nname = 'sub.example.com'\nrecords = ['@ SOA ns1.example.com. h 1 2 3 4 5', '@ NS ns1.example.com.']\n";
    let why = "zones[1].name: the zone example.com has no NS records at sub.example.com, which is a zone of its own: servers \
               with a copy of example.com say that there is no such name; add NS records there";
    let warnings = warnings_of(&[], inner);
    assert!(warnings.len() == 1 && warnings[0].ends_with(why), "{warnings:?}");
    assert_eq!(warnings_of(&["sub NS ns1"], inner), Vec::<String>::new());
}
