//! An answer costs no allocation: a counting allocator looks on while the engine answers.

#![allow(unsafe_code, reason = "an allocator is unsafe to write, and only an allocator sees allocations")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use pooldns::dns::ahead::Ahead;
use pooldns::dns::engine::{Client, Transport};
use pooldns::model::inventory::Declared;

use crate::harness::Random;
use crate::query::{CH, IN, OPT, client, query};
use crate::subject::{NOW, Subject, paused_runtime};
use crate::twin::plan::{BalancerPlan, Data, OriginPlan, PoolPlan, RecordPlan, World, ZonePlan};

/// The system's allocator, which counts.
struct Counting;

thread_local! {
    /// How often this thread asked for memory. Constant and without a destructor, so that counting allocates nothing.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts one.
fn count() {
    // While a thread ends its locals may be gone; nothing is measured then.
    let _gone = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every method passes its arguments unchanged to the system's allocator, which keeps the contract. Counting
// neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as promised by our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as promised by our caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as promised by our caller: the block is from us, thus from the system.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as promised by our caller: the block is from us, thus from the system.
        unsafe { System.dealloc(block, layout) }
    }
}

/// How often this thread asks for memory during `work`.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// A zone with something of everything.
fn declared() -> Declared {
    let record = |owner: &str, data| RecordPlan { owner: format!("{owner}.example.com"), ttl: 60, data };
    let mut records = vec![
        record("static", Data::Address("192.0.2.9".parse().unwrap())),
        record("*.wild", Data::Txt("wild".into())),
        record("alias", Data::Cname("alias2.example.com".into())),
        record("alias2", Data::Cname("live.example.com".into())),
        record("loop", Data::Cname("loop.example.com".into())),
        record("cut", Data::Ns("ns.cut.example.com".into())),
        record("ns.cut", Data::Address("192.0.2.53".parse().unwrap())),
        record("moved", Data::Dname("wild.example.com".into())),
        record("far", Data::Dname(format!("{0}.{0}.{0}.example.com", "l".repeat(60)))),
        record("mail", Data::Mx(10, "live.example.com".into())),
        record("mail", Data::Mx(20, "static.example.com".into())),
        record("service", Data::Srv(443, "live.example.com".into())),
        record("live", Data::Https(1, String::new(), [true, true])),
        record("web", Data::Https(1, "live.example.com".into(), [true, true])),
    ];
    records.extend((0..60).map(|n| record("large", Data::Txt(format!("a string of some length, number {n}")))));
    let zone = ZonePlan { apex: "example.com".into(), soa_ttl: 300, minimum: 60, records };
    let origin = |last| OriginPlan { address: IpAddr::from([192, 0, 2, last]), enabled: true, weight: 100 };
    let pool = |monitor| PoolPlan { enabled: true, monitor, minimum: 1, origins: vec![origin(1), origin(2)] };
    let balancer = |id, name: &str, pools| BalancerPlan {
        id,
        name: format!("{name}.example.com"),
        enabled: true,
        pools,
        fallback: 1,
        ttl: 30,
        answers: None,
    };
    let balancers = vec![balancer(0, "live", vec![0]), balancer(1, "*.live", vec![0]), balancer(2, "down", vec![1])];
    World { zones: vec![zone], pools: vec![pool(None), pool(Some(0))], balancers }.declared()
}

/// A server that has settled: `live` is healthy, `down` is not.
fn with_subject(test: impl FnOnce(&mut Subject)) {
    paused_runtime().block_on(async {
        let mut subject = Subject::new();
        subject.script.set([1, 2].map(|last| (IpAddr::from([192, 0, 2, last]), false)));
        subject.declare(declared());
        subject.settle().await;
        test(&mut subject);
    });
}

/// One query of a kind: what it is, its octets, and the answer's code in the header, TC, and number of answers.
type Kind = (&'static str, Vec<u8>, (u8, bool, u8));

/// An OPT record with a cookie of three octets.
const SHORT_COOKIE: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\x07\0\x0a\0\x03abc";

/// An OPT record with every option that is answered.
fn options() -> Vec<u8> {
    let options = b"\0\x03\0\0\0\x0b\0\0\0\x0a\0\x10client's\x01\0\0\0\0\0\0\0";
    [&b"\0\0\x29\x04\xd0\0\0\0\0\0"[..], &[u8::try_from(options.len()).unwrap()], options].concat()
}

/// One query of each kind.
fn kinds() -> Vec<Kind> {
    let bad_version = b"\0\0\x29\x04\xd0\0\x01\0\0\0\0";
    let two_questions = {
        let mut octets = query("live.example.com", 1, IN, b"");
        octets[5] = 2;
        octets
    };
    let cookie_request = [&[0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &options()].concat();
    let too_long = format!("{}.far.example.com", "x".repeat(60));
    vec![
        ("live A", query("live.example.com", 1, IN, OPT), (0, false, 2)),
        ("live AAAA, NODATA", query("live.example.com", 28, IN, OPT), (0, false, 0)),
        ("live wildcard", query("x.live.example.com", 1, IN, b""), (0, false, 2)),
        ("last resort, with an Extended DNS Error", query("down.example.com", 1, IN, OPT), (0, false, 2)),
        ("ANY", query("live.example.com", 255, IN, OPT), (0, false, 2)),
        ("static RRset", query("STATIC.example.com", 1, IN, b""), (0, false, 1)),
        ("CNAME chain to a live name", query("alias.example.com", 1, IN, OPT), (0, false, 4)),
        ("CNAME loop", query("loop.example.com", 1, IN, b""), (0, false, 1)),
        ("wildcard", query("x.y.wild.example.com", 16, IN, OPT), (0, false, 1)),
        ("referral with glue", query("www.cut.example.com", 1, IN, OPT), (0, false, 0)),
        ("DS at a cut", query("cut.example.com", 43, IN, OPT), (0, false, 0)),
        ("DNAME", query("a.moved.example.com", 16, IN, OPT), (0, false, 3)),
        ("DNAME that makes a name too long", query(&too_long, 1, IN, OPT), (6, false, 1)),
        ("MX with addresses, live ones too", query("mail.example.com", 15, IN, OPT), (0, false, 2)),
        ("SRV with live addresses", query("service.example.com", 33, IN, b""), (0, false, 1)),
        ("hints at a live name", query("live.example.com", 65, IN, OPT), (0, false, 1)),
        ("hints of a live target", query("web.example.com", 65, IN, OPT), (0, false, 1)),
        ("NXDOMAIN", query("nobody.example.com", 1, IN, OPT), (3, false, 0)),
        ("REFUSED", query("example.net", 1, IN, OPT), (5, false, 0)),
        ("BADVERS", query("live.example.com", 1, IN, bad_version), (0, false, 0)),
        ("FORMERR", two_questions, (1, false, 0)),
        ("truncated", query("large.example.com", 16, IN, OPT), (0, true, 0)),
        ("a cookie, NSID and keepalive", query("static.example.com", 1, IN, &options()), (0, false, 1)),
        ("a cookie of the wrong length", query("static.example.com", 1, IN, SHORT_COOKIE), (1, false, 0)),
        ("a request for a cookie", cookie_request, (7, false, 0)),
        ("CHAOS", query("version.bind", 16, CH, b""), (0, false, 1)),
    ]
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1_u64)))), 1);
    assert_eq!(allocations(|| {}), 0);
}

#[test]
fn no_kind_of_answer_allocates() {
    with_subject(|subject| {
        let (mut out, mut batch) = (vec![0; 65_535], Ahead::batch());
        for (what, octets, expected) in kinds() {
            for transport in [Transport::Udp, Transport::Tcp] {
                let mut len = 0;
                let count = allocations(|| {
                    len = subject.face.worker().answer(&octets, &client(transport), NOW, 1, &mut out).len;
                });
                assert_eq!(count, 0, "{what} over {transport:?}");
                if transport == Transport::Udp {
                    assert_eq!((out[3] & 0x0f, out[2] & 2 != 0, out[7]), expected, "{what}, {len} octets");
                    let (worker, client) = (subject.face.worker(), client(transport));
                    let count = allocations(|| {
                        worker.look_ahead([(octets.as_slice(), client.address)].into_iter(), &mut batch);
                        worker.answer_ahead(&octets, &mut batch[0], &client, NOW, 1, &mut out);
                    });
                    assert_eq!(count, 0, "{what}, looked ahead at");
                }
            }
        }
    });
}

#[test]
fn no_limited_answer_allocates() {
    with_subject(|subject| {
        let mut out = vec![0; 65_535];
        let client = Client { address: IpAddr::from([192, 0, 2, 1]), ..client(Transport::Udp) };
        let question = query("static.example.com", 1, IN, OPT);
        let (mut whole, mut truncated, mut dropped) = (0, 0, 0);
        for random in 0..1_200_u64 {
            let count = allocations(|| {
                let len = subject.face.worker().answer(&question, &client, NOW, random << 32, &mut out).len;
                *(if len == 0 {
                    &mut dropped
                } else if out[2] & 2 == 0 {
                    &mut whole
                } else {
                    &mut truncated
                }) += 1;
            });
            assert_eq!(count, 0);
        }
        assert_eq!((whole, truncated, dropped), (1_000, 100, 100));
    });
}

#[test]
fn no_random_packet_allocates() {
    with_subject(|subject| {
        let mut out = vec![0; 65_535];
        let bases: Vec<Vec<u8>> = kinds().into_iter().map(|(_, octets, _)| octets).collect();
        let mut numbers = Random(1);
        let mut codes = BTreeSet::new();
        for round in 0..20_000_usize {
            let mut packet = bases[round % bases.len()].clone();
            for _ in 0..numbers.next() % 4 {
                let at = usize::try_from(numbers.next()).unwrap() % packet.len();
                packet[at] = numbers.next().to_be_bytes()[0];
            }
            if round % 7 == 0 {
                packet.truncate(usize::try_from(numbers.next()).unwrap() % packet.len());
            }
            let transport = if round % 2 == 0 { Transport::Udp } else { Transport::Tcp };
            let random = numbers.next();
            let mut len = 0;
            let count = allocations(|| {
                len = subject.face.worker().answer(&packet, &client(transport), NOW, random, &mut out).len;
            });
            assert_eq!(count, 0, "{packet:02x?}");
            codes.insert((len > 0).then_some(out[3] & 0x0f));
        }
        // Silence, NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN: the packets went everywhere.
        assert!(
            [None, Some(0), Some(1), Some(3), Some(4), Some(5), Some(6)].iter().all(|code| codes.contains(code)),
            "{codes:?}"
        );
    });
}
