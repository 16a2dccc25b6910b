//! Primaries that misbehave: whatever they do, the client ends, and soon.

use std::future::pending;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::model::hosting::{Secret, TsigAlgorithm};
use crate::model::rrset::Record;
use crate::model::zone::builder::ZoneBuilder;
use crate::transfer::secondary::budget::Budget;
use crate::transfer::secondary::stream::soa;

/// Hurried, so that no test waits.
pub(in crate::transfer::secondary) const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    message: Duration::from_millis(300),
    transfer: Duration::from_secs(20),
    soa: [Duration::from_millis(50); 2],
    rate_min: 1 << 20,
    grace: Duration::from_millis(300),
    allowance: Allowance { messages: 1000, records: 1000, octets: 1 << 20 },
};

/// A share that never runs out.
fn ample() -> Share {
    Budget::new(usize::MAX).share()
}

fn id() -> ZoneId {
    ZoneId::declared("example.com")
}

fn apex() -> Name {
    Name::parse("example.com", None).unwrap()
}

fn key() -> TsigKey {
    let name = Name::parse("key", None).unwrap();
    TsigKey { name, algorithm: TsigAlgorithm::HmacSha256, secret: Secret(vec![7; 32]) }
}

/// A record at a name of the zone.
fn a(owner: &str) -> Record {
    let owner = Name::parse(owner, Some(&apex())).unwrap();
    Record { owner, rtype: Rtype::A, ttl: 60, rdata: vec![192, 0, 2, 1] }
}

/// Appends a record.
pub(in crate::transfer::secondary) fn put_record(message: &mut Vec<u8>, record: &Record) {
    let Record { owner, rtype, ttl, rdata } = record;
    message.extend_from_slice(owner.wire());
    message.extend_from_slice(&rtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(&ttl.to_be_bytes());
    message.extend_from_slice(&u16::try_from(rdata.len()).unwrap().to_be_bytes());
    message.extend_from_slice(rdata);
}

/// An answer to `query` with these records, framed for TCP.
pub(in crate::transfer::secondary) fn answer(query: &[u8], records: &[Record]) -> Vec<u8> {
    let end = 12 + apex().wire().len() + 4;
    let mut message = query[..end].to_vec();
    message[2] = 0x84;
    message[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    message[8..12].fill(0);
    for record in records {
        put_record(&mut message, record);
    }
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), &message[..]].concat()
}

/// Transfers from a primary that does `behave` with the connection after having read the query.
async fn from<F: Future<Output = ()> + Send + 'static>(
    key: Option<TsigKey>,
    behave: impl FnOnce(TcpStream, Vec<u8>) -> F + Send + 'static,
) -> Result<Received, Refusal> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let primary = Primary { route: Route { to: listener.local_addr().unwrap(), from: None }, key };
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        behave(stream, query).await;
    });
    let received = transfer(&primary, (id(), &apex()), Wanted::Whole(None), PATIENCE, &mut ample()).await;
    served.abort();
    received
}

#[tokio::test]
async fn an_honest_primary_is_believed() {
    let received = from(None, async |mut stream: TcpStream, query: Vec<u8>| {
        stream.write_all(&answer(&query, &[soa(&apex(), 1), a("a")])).await.unwrap();
        stream.write_all(&answer(&query, &[a("b"), soa(&apex(), 1)])).await.unwrap();
        pending::<()>().await;
    });
    let mut zone = ZoneBuilder::new(id(), apex());
    for Record { owner, rtype, ttl, rdata } in [a("a"), a("b"), soa(&apex(), 1)] {
        zone.add(&owner, rtype, ttl, &rdata);
    }
    assert_eq!(received.await, Ok(Received::Whole(zone)));
}

#[tokio::test]
async fn a_stream_that_is_cut_is_refused() {
    for keep in [0, 1, 2, 30, 60] {
        let received = from(None, async move |mut stream: TcpStream, query: Vec<u8>| {
            let octets = answer(&query, &[soa(&apex(), 1), a("a")]);
            stream.write_all(&octets[..keep.min(octets.len())]).await.unwrap();
        });
        assert_eq!(received.await, Err(Refusal::Cut), "{keep} octets");
    }
}

#[tokio::test]
async fn a_primary_that_says_nothing_is_left() {
    let received = from(None, async |_stream: TcpStream, _: Vec<u8>| pending().await);
    assert_eq!(received.await, Err(Refusal::Slow("send a message")));
}

#[tokio::test]
async fn octets_that_trickle_are_not_waited_for() {
    let received = from(None, async |mut stream: TcpStream, query: Vec<u8>| {
        for octet in answer(&query, &[soa(&apex(), 1), a("a"), soa(&apex(), 1)]) {
            if stream.write_all(&[octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(received.await, Err(Refusal::Slow("send a message")));
}

#[tokio::test]
async fn messages_that_trickle_are_not_waited_for() {
    let received = from(None, async |mut stream: TcpStream, query: Vec<u8>| {
        let mut octets = answer(&query, &[soa(&apex(), 1)]);
        while stream.write_all(&octets).await.is_ok() {
            octets = answer(&query, &[a("a")]);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(received.await, Err(Refusal::Slow("transfer the zone: it trickles")));
}

#[tokio::test]
async fn a_primary_may_take_its_time_before_the_first_message() {
    let received = from(None, async |mut stream: TcpStream, query: Vec<u8>| {
        tokio::time::sleep(Duration::from_millis(250)).await;
        stream.write_all(&answer(&query, &[soa(&apex(), 1)])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        stream.write_all(&answer(&query, &[a("a"), soa(&apex(), 1)])).await.unwrap();
        pending::<()>().await;
    });
    assert!(matches!(received.await, Ok(Received::Whole(_))));
}

#[test]
fn a_slow_primary_has_to_be_worth_its_place() {
    let Patience { transfer, rate_min, grace, .. } = Patience::default();
    assert!(rate_min >= 16 << 10 && grace <= Duration::from_secs(10));
    // Whoever keeps to the rate cannot give more than a transfer may amount to.
    assert!(rate_min * transfer.as_secs() <= Allowance::default().octets as u64);
}

#[tokio::test]
async fn records_without_end_are_not_taken() {
    let received = from(None, async |mut stream: TcpStream, query: Vec<u8>| {
        let mut octets = answer(&query, &[soa(&apex(), 1)]);
        while stream.write_all(&octets).await.is_ok() {
            octets = answer(&query, &[a("a"), a("b"), a("c")]);
        }
    });
    assert_eq!(received.await, Err(Refusal::TooMuch));
}

#[tokio::test]
async fn what_others_have_drawn_is_not_there() {
    let budget = Budget::new(150);
    for (drawn, expected) in [(100, Some(Refusal::NoRoom)), (0, None)] {
        let mut others = budget.share();
        others.grow_to(drawn).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let primary = Primary { route: Route { to: listener.local_addr().unwrap(), from: None }, key: None };
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut query = vec![0; usize::from(length)];
            stream.read_exact(&mut query).await.unwrap();
            stream.write_all(&answer(&query, &[soa(&apex(), 1), a("a"), soa(&apex(), 1)])).await.unwrap();
        });
        let wanted = Wanted::Whole(None);
        let received = transfer(&primary, (id(), &apex()), wanted, PATIENCE, &mut budget.share()).await;
        assert_eq!(received.err(), expected);
        served.await.unwrap();
    }
}

#[tokio::test]
async fn records_of_another_zone_are_refused() {
    let received = from(None, async |mut stream: TcpStream, query: Vec<u8>| {
        let records = [soa(&apex(), 1), a("www.example.net."), soa(&apex(), 1)];
        stream.write_all(&answer(&query, &records)).await.unwrap();
        pending::<()>().await;
    });
    assert!(matches!(received.await, Err(Refusal::Record { .. })));
}

#[tokio::test]
async fn a_primary_with_a_key_has_to_sign() {
    for (what, algorithm) in [("unsigned", None), ("another secret", Some(8_u8))] {
        let received = from(Some(key()), async move |mut stream: TcpStream, query: Vec<u8>| {
            let framed = answer(&query, &[soa(&apex(), 1), soa(&apex(), 1)]);
            let mut message = framed[2..].to_vec();
            if let Some(secret) = algorithm {
                let wrong = Key::new(&TsigKey { secret: Secret(vec![secret; 32]), ..key() }).unwrap();
                drop(wrong.sign_query(&mut message, unix_now()));
            }
            let length = u16::try_from(message.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length[..], &message].concat()).await.unwrap();
            pending::<()>().await;
        });
        assert!(matches!(received.await, Err(Refusal::Signature(_))), "{what}");
    }
}

#[tokio::test]
async fn nobody_there_is_said() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let primary = Primary { route: Route { to: listener.local_addr().unwrap(), from: None }, key: None };
    drop(listener);
    let refused = transfer(&primary, (id(), &apex()), Wanted::Whole(None), PATIENCE, &mut ample()).await;
    assert!(matches!(refused, Err(Refusal::Network(_))), "{refused:?}");
    assert!(matches!(ask_soa(&primary, &apex(), PATIENCE).await, Err(Refusal::Network(_))));
}

#[tokio::test]
async fn a_soa_record_is_asked_for_over_udp_and_tcp() {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let primary = Primary { route: Route { to: udp.local_addr().unwrap(), from: None }, key: None };
    let served = tokio::spawn(async move {
        let mut octets = [0; 512];
        for serial in 1.. {
            let (length, client) = udp.recv_from(&mut octets).await.unwrap();
            let query = &octets[..length];
            // What does not belong to the query is passed over.
            let mut other = answer(query, &[soa(&apex(), 9)])[2..].to_vec();
            other[0] ^= 1;
            udp.send_to(&other, client).await.unwrap();
            let mut message = answer(query, &[soa(&apex(), serial)])[2..].to_vec();
            if serial == 2 {
                message[2] &= !AUTHORITY;
            }
            udp.send_to(&message, client).await.unwrap();
        }
    });
    assert_eq!(ask_soa(&primary, &apex(), PATIENCE).await, Ok(soa(&apex(), 1).rdata));
    assert_eq!(ask_soa(&primary, &apex(), PATIENCE).await, Err(Refusal::NotAuthoritative));
    served.abort();

    // A network that loses datagrams: TCP has it.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let primary = Primary { route: Route { to: listener.local_addr().unwrap(), from: None }, key: None };
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        stream.write_all(&answer(&query, &[soa(&apex(), 3)])).await.unwrap();
    });
    assert_eq!(ask_soa(&primary, &apex(), PATIENCE).await, Ok(soa(&apex(), 3).rdata));
    served.await.unwrap();
}

/// The bit that says that an authority answers.
const AUTHORITY: u8 = 0x04;
