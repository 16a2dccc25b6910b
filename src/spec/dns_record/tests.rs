//! Tests of records in JSON.

use super::*;
use crate::spec::dialect::Dialect;

/// The apex of all tests.
fn apex() -> Name {
    Name::parse("example.com", None).unwrap()
}

/// Parses a table.
fn parse_table(table: &Table) -> Result<DnsRecord, String> {
    let (apex, mut faults) = (apex(), Faults::of(Dialect::Json));
    let zone = InZone { id: ZoneId::declared("example.com"), apex: &apex };
    let record = parse_json(&Node::built(Value::Table(table.clone())), RecordId::random(1), zone, &mut faults);
    assert_eq!(record.is_none(), !faults.is_empty());
    record.ok_or_else(|| faults.kept().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// The table that a text is.
fn table(text: &str) -> Table {
    match json_text::parse(text.as_bytes()).unwrap().value {
        Value::Table(table) => table,
        other => panic!("{other:?}"),
    }
}

/// Parses a text.
fn parse(text: &str) -> Result<DnsRecord, String> {
    parse_table(&table(text))
}

#[test]
fn what_clients_write_is_the_record_that_a_zone_file_would_have() {
    for (text, line, content) in [
        (r#"{"type":"A","name":"www.example.com","content":"192.0.2.1","ttl":1}"#, "www 300 A 192.0.2.1", "192.0.2.1"),
        (r#"{"type":"a","name":"@","content":" 192.0.2.1 ","ttl":30}"#, "@ 30 A 192.0.2.1", "192.0.2.1"),
        (r#"{"type":"CNAME","name":"a.b","content":"@"}"#, "a.b 300 CNAME @", "example.com"),
        (
            r#"{"type":"CNAME","name":"a.example.com.","content":"B.example.net."}"#,
            "a 300 CNAME B.example.net.",
            "B.example.net",
        ),
        (
            r#"{"type":"MX","name":"example.com","content":"mail.example.net","priority":10}"#,
            "@ 300 MX 10 mail.example.net.",
            "mail.example.net",
        ),
        (r#"{"type":"MX","name":"@","content":"0 ."}"#, "@ 300 MX 0 .", "."),
        (
            r#"{"type":"SRV","name":"_sip._tcp","data":{"service":"_sip","priority":1,"weight":5,"port":5060,"target":"sip.example.net"}}"#,
            "_sip._tcp 300 SRV 1 5 5060 sip.example.net.",
            "5 5060 sip.example.net",
        ),
        (
            r#"{"type":"SRV","name":"_sip._tcp","content":"5 5060 sip.example.net.","priority":1}"#,
            "_sip._tcp 300 SRV 1 5 5060 sip.example.net.",
            "5 5060 sip.example.net",
        ),
        (
            r#"{"type":"CAA","name":"@","data":{"flags":0,"tag":"issue","value":"ca.example.net; x=\"1\""}}"#,
            r#"@ 300 CAA 0 issue "ca.example.net; x=\"1\"""#,
            r#"0 issue "ca.example.net; x=\"1\"""#,
        ),
        (
            r#"{"type":"NAPTR","name":"n","data":{"order":1,"preference":2,"flags":"u","service":"E2U+sip","regex":"!^(.*)$!sip:\\1@example.com!","replacement":"."}}"#,
            r#"n 300 NAPTR 1 2 "u" "E2U+sip" "!^(.*)$!sip:\\1@example.com!" ."#,
            r#"1 2 "u" "E2U+sip" "!^(.*)$!sip:\\1@example.com!" ."#,
        ),
        (
            r#"{"type":"HTTPS","name":"@","data":{"priority":1,"target":".","value":"alpn=\"h2,h3\" ipv4hint=auto"}}"#,
            "@ 300 HTTPS 1 . alpn=h2,h3 ipv4hint=auto",
            "1 . alpn=\"h2,h3\" ipv4hint=auto",
        ),
        (
            r#"{"type":"TLSA","name":"t","data":{"usage":3,"selector":1,"matching_type":1,"certificate":"d2abde240d7cd3ee6b4b28c54df034b9 7983a1d16e8a410e4561cb106618e971"}}"#,
            "t 300 TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
            "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
        ),
        // RFC 7553 §4.5: priority 10, weight 1 and the target without a length.
        (
            r#"{"type":"URI","name":"u","content":"1 \"ftp:x\"","priority":10}"#,
            r"u 300 TYPE256 \# 9 000a00016674703a78",
            "1 \"ftp:x\"",
        ),
        (r#"{"type":"TXT","name":"t","content":"v=spf1 -all"}"#, r#"t 300 TXT "v=spf1 -all""#, "v=spf1 -all"),
        (r#"{"type":"TXT","name":"t","content":"\"a\\\"b\" \"\""}"#, r#"t 300 TXT "a\"b" """#, "\"a\\\"b\" \"\""),
        (r#"{"type":"TXT","name":"t","content":"ü"}"#, r"t 300 TXT \195\188", "ü"),
        (
            r#"{"type":"NS","name":"example.com","content":"ns9.example.net"}"#,
            "@ 300 NS ns9.example.net.",
            "ns9.example.net",
        ),
        (r#"{"type":"TYPE65280","name":"x","content":"\\# 1 ff"}"#, r"x 300 TYPE65280 \# 1 ff", r"\# 1 ff"),
    ] {
        let found = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(found.resource_record(), record::parse(line, &apex(), 0).unwrap(), "{text}");
        assert_eq!(found.content, content, "{text}");
        // What is given back means the same, and so does what a PATCH of nothing makes of it.
        let built = build_json(&found, &apex());
        assert_eq!(parse_table(&patch(&built, &Table::default())), Ok(found.clone()), "{text}");
        assert_eq!(parse_table(&built.clone().without("data")), Ok(found.clone()), "{text}");
        // A record that came from elsewhere is shown in a form that is read.
        let of_zone = of_record(found.resource_record(), found.id, found.zone);
        let again = parse_table(&build_json(&of_zone, &apex())).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(again.resource_record(), found.resource_record(), "{text}");
    }
}

#[test]
fn rfc1035_section_3_3_long_texts_are_several_strings() {
    let long = "x".repeat(600);
    for content in [long.clone(), format!("\\\"{long}\\\"")] {
        let record = parse(&format!(r#"{{"type":"TXT","name":"t","content":"{content}"}}"#)).unwrap();
        assert_eq!((record.rdata.len(), record.rdata[0], record.rdata[256], record.rdata[512]), (603, 255, 255, 90));
    }
}

#[test]
fn faults_say_what_is_allowed() {
    for (text, why) in [
        (
            r#"{"type":"SOA","name":"@","content":"x"}"#,
            "type: found \"SOA\"; the server keeps the zone's SOA record itself",
        ),
        (r#"{"type":"IN","name":"@","content":"A 192.0.2.1"}"#, "type: found \"IN\"; allowed: a type of record"),
        (r#"{"type":"A 1","name":"@","content":"x"}"#, "type: found \"A 1\"; allowed: a type of record"),
        (r#"{"type":"AXFR","name":"@","content":"x"}"#, "type: found \"AXFR\"; allowed: a type of record"),
        (
            r#"{"type":"A","name":"a.example.net.","content":"192.0.2.1"}"#,
            "name: found \"a.example.net.\"; it is not in",
        ),
        (r#"{"type":"A","name":"a","content":"192.0.2.1","ttl":29}"#, "ttl: found 29; allowed: 1 for automatic, or 30"),
        (r#"{"type":"A","name":"a","content":"192.0.2.1","proxied":true}"#, "proxied: this server answers DNS"),
        (r#"{"type":"A","name":"a"}"#, "content: it is missing and required"),
        (r#"{"type":"A","name":"a","content":"192.0.2.1 x"}"#, "content: the record has more data"),
        (r#"{"type":"MX","name":"a","content":"mail"}"#, "priority: it is missing; a record of type MX has one"),
        (r#"{"type":"SRV","name":"a","data":{"port":1}}"#, "data.weight: it is missing and required"),
        (r#"{"type":"TXT","name":"a","content":"\"x"}"#, "content: a quotation mark is not closed"),
        (r#"{"type":"TXT","name":"a","content":"\"x\" y"}"#, "content: something stands outside"),
    ] {
        let found = parse(text).unwrap_err();
        assert!(found.starts_with(why), "{text}: {found}");
    }
}

#[test]
fn a_patch_of_one_way_to_say_it_replaces_the_others() {
    let text =
        r#"{"type":"SRV","name":"s","content":"5 5060 sip.example.net","priority":1,"comment":"c","tags":["a:b"]}"#;
    let current = build_json(&parse(text).unwrap(), &apex());
    for (body, line) in [
        (r#"{"priority":2}"#, "s 300 SRV 2 5 5060 sip.example.net."),
        (r#"{"content":"6 1 x.example.net"}"#, "s 300 SRV 1 6 1 x.example.net."),
        (r#"{"data":{"priority":9,"weight":8,"port":7,"target":"y."}}"#, "s 300 SRV 9 8 7 y."),
        (r#"{"ttl":60}"#, "s 60 SRV 1 5 5060 sip.example.net."),
        (r#"{"name":"z"}"#, "z 300 SRV 1 5 5060 sip.example.net."),
    ] {
        let patched = parse_table(&patch(&current, &table(body))).unwrap();
        assert_eq!(patched.resource_record(), record::parse(line, &apex(), 0).unwrap(), "{body}");
        assert_eq!((patched.comment.as_str(), patched.tags), ("c", vec!["a:b".to_owned()]));
    }
    assert_eq!(parse_table(&patch(&current, &table(r#"{"comment":null}"#))).unwrap().comment, "");
}

#[test]
fn a_response_has_the_originals_shape() {
    let text = r#"{"type":"SRV","name":"s","content":"5 5060 sip.example.net","priority":1}"#;
    let built = build_json(&parse(text).unwrap(), &apex());
    let zone = ZoneId::declared("example.com");
    let expected = format!(
        r#"{{"id":"00000000000000000000000000000001","zone_id":"{zone}","zone_name":"example.com","name":"s.example.com","type":"SRV","content":"5 5060 sip.example.net","proxiable":false,"proxied":false,"ttl":1,"priority":1,"data":{{"priority":1,"weight":5,"port":5060,"target":"sip.example.net"}},"settings":{{}},"meta":{{}},"comment":null,"tags":[],"created_on":"1970-01-01T00:00:00.000000Z","modified_on":"1970-01-01T00:00:00.000000Z"}}"#
    );
    assert_eq!(String::from_utf8(json_text::render(&Node::built(Value::Table(built)))).unwrap(), expected);
}
