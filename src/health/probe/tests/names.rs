//! DNS: name servers that behave, and those that do not.

use tokio::net::UdpSocket;

use super::*;
use crate::model::monitor::{DnsCheck, ExpectedAnswer};
use crate::model::name::Name;
use crate::model::rrset::Rtype;

/// What a name server makes of a query.
type Answer = fn(&[u8]) -> Vec<Vec<u8>>;

/// A name server that answers over UDP and TCP, on one port.
async fn name_server(over_udp: Answer, over_tcp: Answer) -> ScriptedOrigin {
    let origin = ScriptedOrigin::start(move |mut stream: TcpStream| async move {
        let length = stream.read_u16().await.unwrap();
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        for answer in over_tcp(&query) {
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            drop(stream.write_all(&[&length, &*answer].concat()).await);
        }
        linger(stream).await;
    });
    let origin = origin.await;
    let socket = UdpSocket::bind(origin.address).await.unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            for answer in over_udp(&query[..length]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    origin
}

/// A response: a query's head and question with other flags, a number of answers, and what follows.
fn response(query: &[u8], flags: [u8; 2], answers: u8, rest: &[u8]) -> Vec<u8> {
    [&query[..2], &flags, &[0, 1, 0, answers, 0, 0, 0, 0], &query[12..], rest].concat()
}

/// A record of the question's name with a TTL of 5.
fn record(rtype: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap();
    [&[0xc0, 12, 0, rtype, 0, 1, 0, 0, 0, 5, 0, length], data].concat()
}

/// An A record.
fn good(query: &[u8]) -> Vec<Vec<u8>> {
    vec![response(query, [0x84, 0], 1, &record(1, &[192, 0, 2, 1]))]
}

/// Nothing.
fn nothing(_: &[u8]) -> Vec<Vec<u8>> {
    vec![]
}

/// A check for some type and answer.
fn dns(origin: &ScriptedOrigin, rtype: Rtype, rcode: u8, answer: Option<&[u8]>) -> Check {
    let expected_answer = answer.map(|rdata| ExpectedAnswer { text: "x".into(), rdata: rdata.into() });
    let query_name = Name::parse("www.example.com", None).unwrap();
    Check::Dns(DnsCheck {
        port: origin.address.port(),
        query_name,
        query_type: rtype,
        expected_rcode: rcode,
        expected_answer,
    })
}

/// One attempt.
async fn ask(origin: &ScriptedOrigin, check: Check, timeout: Duration) -> (Option<FailReason>, Option<u16>) {
    let outcome = prober().attempt(&monitor(check, timeout), &key(origin.address, None)).await;
    (outcome.failure, outcome.code)
}

#[tokio::test]
async fn answers() {
    let mismatch = Some(FailReason::DnsMismatch);
    let origin = name_server(good, nothing).await;
    for (rtype, rcode, answer, failure) in [
        (Rtype::A, 0, None, None),
        (Rtype::A, 0, Some(&[192, 0, 2, 1][..]), None),
        (Rtype::A, 0, Some(&[192, 0, 2, 2]), mismatch),
        (Rtype::A, 3, None, mismatch),
        // The answer has an address, not what was asked for.
        (Rtype::TXT, 0, None, None),
        (Rtype::TXT, 0, Some(&[192, 0, 2, 1]), mismatch),
    ] {
        let found = ask(&origin, dns(&origin, rtype, rcode, answer), AMPLE).await;
        assert_eq!(found, (failure, Some(0)), "{rtype:?} {rcode} {answer:?}");
    }
    let refusing = name_server(|query| vec![response(query, [0x80, 5], 0, &[])], nothing).await;
    assert_eq!(ask(&refusing, dns(&refusing, Rtype::A, 5, None), AMPLE).await, (None, Some(5)));
    assert_eq!(ask(&refusing, dns(&refusing, Rtype::A, 0, None), AMPLE).await, (mismatch, Some(5)));
    // A server that cannot read a query may not repeat its question.
    let puzzled = name_server(|query| vec![[&query[..2], &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]].concat()], nothing).await;
    assert_eq!(ask(&puzzled, dns(&puzzled, Rtype::A, 0, None), AMPLE).await, (mismatch, Some(1)));
}

#[tokio::test]
async fn names_in_answers_are_compared_as_names() {
    // An alias, and an MX record whose host is compressed and in capitals.
    let origin = name_server(
        |query| {
            let mx = record(15, b"\0\x0a\x04MAIL\xc0\x10");
            let alias = record(5, b"\x01x\xc0\x10");
            vec![response(query, [0x84, 0], 2, &[alias, mx].concat())]
        },
        nothing,
    )
    .await;
    let expected = b"\0\x0a\x04mail\x07example\x03com\0";
    assert_eq!(ask(&origin, dns(&origin, Rtype::MX, 0, Some(expected)), AMPLE).await.0, None);
    let other = b"\0\x14\x04mail\x07example\x03com\0";
    let found = ask(&origin, dns(&origin, Rtype::MX, 0, Some(other)), AMPLE).await.0;
    assert_eq!(found, Some(FailReason::DnsMismatch));
}

#[tokio::test]
async fn what_is_no_response_is_passed_over() {
    let origin = name_server(
        |query| {
            let mut other_id = good(query).remove(0);
            other_id[0] ^= 1;
            let mut other_name = good(query).remove(0);
            other_name[13] ^= 1;
            let cut = good(query).remove(0)[..20].to_vec();
            vec![vec![], other_id, other_name, cut, query.to_vec(), b"garbage".to_vec(), good(query).remove(0)]
        },
        nothing,
    )
    .await;
    assert_eq!(ask(&origin, dns(&origin, Rtype::A, 0, Some(&[192, 0, 2, 1])), AMPLE).await, (None, Some(0)));

    let lying = name_server(|query| vec![query.to_vec(); 3], nothing).await;
    let found = ask(&lying, dns(&lying, Rtype::A, 0, None), SHORT).await;
    assert_eq!(found, (Some(FailReason::ResponseTimeout), None));
}

#[tokio::test]
async fn what_is_truncated_is_asked_for_over_tcp() {
    let truncated: Answer = |query| vec![response(query, [0x86, 0], 0, &[])];
    let origin = name_server(truncated, good).await;
    let check = || dns(&origin, Rtype::A, 0, Some(&[192, 0, 2, 1]));
    assert_eq!(ask(&origin, check(), AMPLE).await, (None, Some(0)));
    assert_eq!(origin.connections(), 1);
    for (over_tcp, failure, timeout) in [
        (nothing as Answer, FailReason::ConnectionReset, AMPLE),
        (|_| vec![b"garbage".to_vec()], FailReason::DnsMismatch, AMPLE),
    ] {
        let origin = name_server(truncated, over_tcp).await;
        let found = ask(&origin, dns(&origin, Rtype::A, 0, None), timeout).await;
        assert_eq!(found, (Some(failure), None));
    }
}

#[tokio::test]
async fn nobody_there() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let check = DnsCheck {
        port: closed.port(),
        query_name: Name::root(),
        query_type: Rtype::NS,
        expected_rcode: 0,
        expected_answer: None,
    };
    let outcome = prober().attempt(&monitor(Check::Dns(check), AMPLE), &key(closed, None)).await;
    assert_eq!(outcome.failure, Some(FailReason::IcmpPortUnreachable));
}
