//! What is answered at static and at live names, by the running server.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::harness::client::with_edns;
use crate::harness::{Dns, TestServer, ZONE, question, records};

/// Static names of every kind, and live ones whose pool is not probed.
const OBJECTS: &str = r#"
[[zones]]
name = "example.test"
records = [
  "@ 3600 SOA ns1 hostmaster 7 7200 900 1209600 300",
  "@ 3600 NS ns1",
  "@ 300 MX 10 mail",
  "@ 60 A 192.0.2.99",
  "ns1 3600 A 192.0.2.53",
  "ns1 3600 AAAA 2001:db8::53",
  "*.wild 60 TXT wild",
  "host.below.wild 60 A 192.0.2.7",
  "a.b.deep 60 A 192.0.2.8",
  "alias 60 CNAME chain",
  "chain 60 CNAME ns1",
  "dangling 60 CNAME nothing",
  "outside 60 CNAME www.example.net.",
  "signed 60 CNAME outside",
  "signed 60 NSEC www CNAME NSEC",
  "loop1 60 CNAME loop2",
  "loop2 60 CNAME loop1",
  "to-live 60 CNAME www",
  "www 60 TXT beside",
  "www 60 A 192.0.2.66",
  "off 60 A 192.0.2.67",
]

[[zones]]
name = "apex.test"
records = ["@ 100 SOA ns1.example.test. hostmaster 1 7200 900 1209600 100", "@ 3600 NS ns1.example.test.", "@ MX 10 m"]

[[pools]]
name = "web"
origins = [{ name = "a", address = "192.0.2.1" }, { name = "b", address = "192.0.2.2" }]

[[load_balancers]]
name = "www.example.test"
default_pools = ["web"]
fallback_pool = "web"
ttl = 20

[[load_balancers]]
name = "apex.test"
default_pools = ["web"]
fallback_pool = "web"
ttl = 500

[[load_balancers]]
name = "*.lb.example.test"
default_pools = ["web"]
fallback_pool = "web"

[[load_balancers]]
name = "off.example.test"
enabled = false
default_pools = ["web"]
fallback_pool = "web"
"#;

/// Negative answers carry this.
const SOA: &str = "example.test. 300 IN SOA ns1.example.test. hostmaster.example.test. 7 7200 900 1209600 300";

/// Asks, and expects code, answer and authority.
#[track_caller]
fn expect(dns: Dns, name: &str, rtype: RecordType, code: ResponseCode, answers: &[&str], authorities: &[&str]) {
    for tcp in [false, true] {
        let question = question(name, rtype);
        let message = if tcp { dns.ask_tcp(&question) } else { dns.ask(&question) };
        assert_eq!(message.metadata.response_code, code, "{name} {rtype}: {message}");
        assert_eq!(records(&message.answers), answers, "{name} {rtype}");
        assert_eq!(records(&message.authorities), authorities, "{name} {rtype}");
        assert_eq!(message.metadata.authoritative, code != ResponseCode::Refused, "{name} {rtype}");
        assert!(!message.metadata.recursion_available && !message.metadata.truncation, "{name} {rtype}");
    }
}

#[test]
fn static_names() {
    use RecordType::{A, AAAA, CNAME, MX, NS, SOA as Soa, TXT};
    use ResponseCode::{NXDomain, NoError, Refused};
    let server = TestServer::start(OBJECTS);
    let dns = server.dns();
    let soa = &SOA.replace(" 300 IN", " 3600 IN")[..];
    for (name, rtype, code, answers, authorities) in [
        ("ns1.example.test.", A, NoError, &["ns1.example.test. 3600 IN A 192.0.2.53"][..], &[][..]),
        ("ns1.example.test.", AAAA, NoError, &["ns1.example.test. 3600 IN AAAA 2001:db8::53"], &[]),
        ("example.test.", Soa, NoError, &[soa], &[]),
        ("example.test.", NS, NoError, &["example.test. 3600 IN NS ns1.example.test."], &[]),
        ("example.test.", MX, NoError, &["example.test. 300 IN MX 10 mail.example.test."], &[]),
        // NODATA and NXDOMAIN: the SOA with the lesser of its TTL and MINIMUM (RFC 2308 §5).
        ("ns1.example.test.", TXT, NoError, &[], &[SOA]),
        ("nobody.example.test.", A, NXDomain, &[], &[SOA]),
        ("x.ns1.example.test.", A, NXDomain, &[], &[SOA]),
        // Empty non-terminals exist (RFC 8020).
        ("deep.example.test.", A, NoError, &[], &[SOA]),
        ("b.deep.example.test.", A, NoError, &[], &[SOA]),
        ("c.deep.example.test.", A, NXDomain, &[], &[SOA]),
        // Wildcards (RFC 4592): not at what exists, nor below it.
        ("x.wild.example.test.", TXT, NoError, &["x.wild.example.test. 60 IN TXT wild"], &[]),
        ("x.y.wild.example.test.", TXT, NoError, &["x.y.wild.example.test. 60 IN TXT wild"], &[]),
        ("x.wild.example.test.", A, NoError, &[], &[SOA]),
        ("below.wild.example.test.", TXT, NoError, &[], &[SOA]),
        ("x.below.wild.example.test.", TXT, NXDomain, &[], &[SOA]),
        ("wild.example.test.", TXT, NoError, &[], &[SOA]),
        ("*.wild.example.test.", TXT, NoError, &["*.wild.example.test. 60 IN TXT wild"], &[]),
        // CNAME chains: the last link decides (RFC 6604).
        (
            "alias.example.test.",
            A,
            NoError,
            &[
                "alias.example.test. 60 IN CNAME chain.example.test.",
                "chain.example.test. 60 IN CNAME ns1.example.test.",
                "ns1.example.test. 3600 IN A 192.0.2.53",
            ],
            &[],
        ),
        ("alias.example.test.", CNAME, NoError, &["alias.example.test. 60 IN CNAME chain.example.test."], &[]),
        ("dangling.example.test.", A, NXDomain, &["dangling.example.test. 60 IN CNAME nothing.example.test."], &[SOA]),
        ("outside.example.test.", A, NoError, &["outside.example.test. 60 IN CNAME www.example.net."], &[]),
        // A CNAME may have NSEC records beside it, which are found, and is followed for everything else (RFC 4035 §2.5).
        (
            "signed.example.test.",
            A,
            NoError,
            &[
                "outside.example.test. 60 IN CNAME www.example.net.",
                "signed.example.test. 60 IN CNAME outside.example.test.",
            ],
            &[],
        ),
        // Outside every zone.
        ("www.example.net.", A, Refused, &[], &[]),
        ("test.", A, Refused, &[], &[]),
        (".", NS, Refused, &[], &[]),
    ] {
        expect(dns, name, rtype, code, answers, authorities);
    }
    let nsec = dns.ask(&question("signed.example.test.", RecordType::from(47)));
    let types: Vec<RecordType> = nsec.answers.iter().map(hickory_proto::rr::Record::record_type).collect();
    assert_eq!(types, [RecordType::from(47)], "{nsec}");
    // A loop ends.
    let looped = dns.ask_tcp(&question("loop1.example.test.", A));
    assert_eq!(looped.metadata.response_code, NoError);
    assert!((2..=20).contains(&looped.answers.len()), "{looped}");
}

#[test]
fn live_names() {
    use RecordType::{A, AAAA, MX, NS, TXT};
    use ResponseCode::{NXDomain, NoError};
    let server = TestServer::start(OBJECTS);
    let dns = server.dns();
    let soa = |ttl: u32| SOA.replace(" 300 IN", &format!(" {ttl} IN"));
    let pair = |name: &str, ttl: u32| ["192.0.2.1", "192.0.2.2"].map(|ip| format!("{name} {ttl} IN A {ip}"));
    let www = pair("www.example.test.", 20);
    let www: Vec<&str> = www.iter().map(String::as_str).collect();
    // The load balancer outranks static addresses; other types stay. Negative: min(SOA TTL, MINIMUM, its own TTL).
    expect(dns, "www.example.test.", A, NoError, &www, &[]);
    expect(dns, "www.example.test.", AAAA, NoError, &[], &[&soa(20)]);
    expect(dns, "www.example.test.", MX, NoError, &[], &[&soa(20)]);
    expect(dns, "www.example.test.", TXT, NoError, &["www.example.test. 60 IN TXT beside"], &[]);
    expect(dns, "x.www.example.test.", A, NXDomain, &[], &[SOA]);
    let chained = [&["to-live.example.test. 60 IN CNAME www.example.test."][..], &www].concat();
    expect(dns, "to-live.example.test.", A, NoError, &chained, &[]);

    // At an apex, beside SOA, NS and MX. Here the SOA's own numbers are the least.
    let apex = pair("apex.test.", 500);
    expect(dns, "apex.test.", A, NoError, &[&apex[0], &apex[1]], &[]);
    expect(dns, "apex.test.", NS, NoError, &["apex.test. 3600 IN NS ns1.example.test."], &[]);
    let apex_soa = "apex.test. 100 IN SOA ns1.example.test. hostmaster.apex.test. 1 7200 900 1209600 100";
    expect(dns, "apex.test.", AAAA, NoError, &[], &[apex_soa]);

    // As a wildcard, with the default TTL of 30.
    for name in ["x.lb.example.test.", "x.y.lb.example.test."] {
        let answers = pair(name, 30);
        expect(dns, name, A, NoError, &[&answers[0], &answers[1]], &[]);
        expect(dns, name, TXT, NoError, &[], &[&soa(30)]);
    }
    expect(dns, "lb.example.test.", A, NoError, &[], &[SOA]);

    // Disabled: the zone's own records.
    expect(dns, "off.example.test.", A, NoError, &["off.example.test. 60 IN A 192.0.2.67"], &[]);
    assert_eq!(server.condition("off.example.test"), "disabled");
}

#[test]
fn any_gives_one_set_over_udp_and_all_over_tcp() {
    let server = TestServer::start(OBJECTS);
    let types = |message: hickory_proto::op::Message| {
        let mut types: Vec<RecordType> = message.answers.iter().map(hickory_proto::rr::Record::record_type).collect();
        types.sort();
        types.dedup();
        types
    };
    for (name, all) in [("example.test.", 4), ("ns1.example.test.", 2), ("www.example.test.", 2), ("apex.test.", 4)] {
        // RFC 8482.
        let any = question(name, RecordType::ANY);
        assert_eq!(types(server.dns().ask(&any)).len(), 1, "{name}");
        assert_eq!(types(server.dns().ask_tcp(&any)).len(), all, "{name}");
    }
    expect(server.dns(), "nobody.example.test.", RecordType::ANY, ResponseCode::NXDomain, &[], &[SOA]);
}

#[test]
fn letter_case_comes_back_as_it_was_asked() {
    let server = TestServer::start(OBJECTS);
    for name in ["wWw.ExAmPlE.tEsT.", "NS1.example.TEST.", "X.wIlD.eXample.test.", "nObody.exAmple.test."] {
        let rtype = if name.starts_with('X') { RecordType::TXT } else { RecordType::A };
        // The client compares the question's case itself.
        let message = server.dns().ask(&question(name, rtype));
        for record in &message.answers {
            assert_eq!(record.name.to_string(), name);
        }
        for record in &message.authorities {
            assert!(name.ends_with(&record.name.to_string()), "{} is not from {name}", record.name);
        }
    }
}

#[test]
fn addresses_come_in_every_order() {
    let server = TestServer::start(OBJECTS);
    let mut firsts = std::collections::BTreeSet::new();
    crate::harness::wait("both orders", || {
        let message = server.dns().ask(&question("www.example.test.", RecordType::A));
        firsts.insert(message.answers[0].data.to_string());
        firsts.len() == 2
    });
}

#[test]
fn some_addresses_of_many_and_weights() {
    let objects = format!(
        "{ZONE}{}",
        r#"
[[pools]]
name = "web"
origins = [
  { name = "a", address = "192.0.2.1" },
  { name = "b", address = "192.0.2.2", weight = 0.5 },
  { name = "c", address = "192.0.2.3", weight = 0 },
  { name = "d", address = "192.0.2.4", enabled = false },
  { name = "e", address = "2001:db8::5" },
]
[[load_balancers]]
name = "all.example.test"
default_pools = ["web"]
fallback_pool = "web"
[[load_balancers]]
name = "one.example.test"
default_pools = ["web"]
fallback_pool = "web"
answers = 1
"#
    );
    let server = TestServer::start(&objects);
    let dns = server.dns();
    let texts = |name| dns.addresses(name).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts("all.example.test."), ["192.0.2.1", "192.0.2.2"]);
    let v6 = dns.ask(&with_edns(question("all.example.test.", RecordType::AAAA), |edns| edns));
    assert_eq!(records(&v6.answers), ["all.example.test. 30 IN AAAA 2001:db8::5"]);
    let (mut a, mut b) = (0, 0);
    for _ in 0..300 {
        match &texts("one.example.test.")[..] {
            [only] if only == "192.0.2.1" => a += 1,
            [only] if only == "192.0.2.2" => b += 1,
            other => panic!("{other:?}"),
        }
    }
    // Two to one; seven standard deviations leave no room for bad luck.
    assert!(a > 140 && b > 40, "{a} and {b}");
}
