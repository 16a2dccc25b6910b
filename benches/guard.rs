//! What rate limits and cookies cost a query, when so many networks of clients are active at once.
//!
//! The same queries each time, for few names, so that what differs is the guard: off, each part, both. Time goes on as
//! it would at five million queries a second.
#![allow(missing_docs, reason = "criterion's macros make items without any")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench that cannot go on has failed")]

mod support;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use pooldns::config::Policy;
use pooldns::config::guard::{CookiePolicy, RrlPolicy};
use pooldns::dns::ahead::Ahead;
use pooldns::dns::engine::{Client, Transport, UnixTime, Worker};
use pooldns::dns::io::BATCH;
use pooldns::model::rrset::Rtype;

use support::inventory::{Sharing, Size, declared, fixed_name};
use support::query::{Edns, answer_count, query, rcode};
use support::stack::{ANSWER_OCTETS, NOW, Stack, policy, script};
use support::{Random, on_cpu};

/// Names that are asked for: few, so that their records stay in the cache.
const NAMES: usize = 64;
/// Queries of one millisecond.
const QUERIES_A_MS: u64 = 5_000;

/// What is in force, and what queries carry.
struct Case {
    /// What it is called.
    label: &'static str,
    /// Whether answers are limited.
    rrl: bool,
    /// Whether cookies are checked.
    cookies: bool,
    /// What queries have for a cookie.
    sent: Sent,
}

/// What queries have for a cookie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// None.
    Nothing,
    /// The client's alone.
    Client,
    /// Both, the server's being good.
    Both,
}

/// A query for one of the names with an OPT record of these octets after its head.
fn asking(number: usize, cookie: &[u8]) -> Vec<u8> {
    let mut octets = query(&fixed_name(number), Rtype::A, Edns::With);
    if !cookie.is_empty() {
        let length = u8::try_from(cookie.len()).unwrap();
        let end = octets.len();
        octets[end - 1] = length + 4;
        octets.extend_from_slice(&[0, 10, 0, length]);
        octets.extend_from_slice(cookie);
    }
    octets
}

/// Clients, each in a network of its own, in random order.
fn clients(count: u32) -> Vec<Client> {
    let mut numbers: Vec<u32> = (0..count).collect();
    Random(3).shuffle(&mut numbers);
    // From 16.0.0.0 on, so that nobody is exempt.
    let address = |number: u32| IpAddr::V4(Ipv4Addr::from_bits((0x0010_0000 + number) << 8 | 1));
    numbers.into_iter().map(|number| Client { address: address(number), transport: Transport::Udp }).collect()
}

/// The good cookie of each client.
fn cookies(worker: &mut Worker, clients: &[Client]) -> Vec<[u8; 24]> {
    let (mut out, question) = ([0; ANSWER_OCTETS], asking(0, b"8 octets"));
    let learn = |client: &Client| {
        let len = worker.answer(&question, client, NOW, 7, &mut out).len;
        out.get(..len).and_then(|answer| answer.last_chunk()).copied().unwrap()
    };
    clients.iter().map(learn).collect()
}

/// Measures one case. `asked` counts queries, and with them time, from case to case.
fn run(criterion: &mut Criterion, group: &str, stack: &Stack, clients: &[Client], case: &Case, asked: &mut u64) {
    let policy = |rrl, cookies| Policy {
        rrl: RrlPolicy { enabled: rrl, ..RrlPolicy::default() },
        cookies: CookiePolicy { enabled: cookies, ..CookiePolicy::default() },
        ..policy()
    };
    stack.policy.store(policy(false, true).into());
    let mut worker = stack.worker();
    let learnt = cookies(&mut worker, clients);
    stack.policy.store(policy(case.rrl, case.cookies).into());
    let cookie: &[u8] = if case.sent == Sent::Nothing { b"" } else { b"8 octets" };
    let templates: Vec<Vec<u8>> = (0..NAMES).map(|number| asking(number, cookie)).collect();
    let both: Vec<Vec<u8>> = match case.sent {
        Sent::Both => learnt.iter().enumerate().map(|(index, cookie)| asking(index % NAMES, cookie)).collect(),
        Sent::Nothing | Sent::Client => vec![],
    };
    let (mut out, mut random, mut index) = ([0; ANSWER_OCTETS], Random(2), 0);
    let query_of = |index: usize| both.get(index).unwrap_or(&templates[index % NAMES]).as_slice();
    let (mut ahead, mut place) = (Ahead::batch(), BATCH - 1);
    let mut step = || {
        // As a loaded server does: a batch comes from the kernel at once.
        place = (place + 1) % BATCH;
        if place == 0 {
            let next = (index + 1..clients.len()).chain(0..=index).take(BATCH);
            worker.look_ahead(next.map(|index| (query_of(index), clients[index].address)), &mut ahead);
        }
        index = if index + 1 < clients.len() { index + 1 } else { 0 };
        *asked += 1;
        let now = UnixTime(NOW.0 + *asked / QUERIES_A_MS);
        let reply =
            worker.answer_ahead(query_of(index), &mut ahead[place], &clients[index], now, random.next(), &mut out);
        (reply.len, rcode(&out), answer_count(&out))
    };
    let (len, rcode, answers) = step();
    assert_eq!((len > 12, rcode, answers), (true, 0, 1), "{}", case.label);
    criterion.benchmark_group(group).sampling_mode(SamplingMode::Flat).bench_function(case.label, |bencher| {
        bencher.iter_custom(|iterations| {
            let before = on_cpu();
            for _ in 0..iterations {
                black_box(step());
            }
            on_cpu().saturating_sub(before)
        });
    });
    let counters = stack.registry.totals();
    assert_eq!((counters.rrl_dropped, counters.rrl_slipped), (0, 0), "{}: nobody asks too much", case.label);
}

/// All cases, for two numbers of clients.
fn guard(criterion: &mut Criterion) {
    let size = Size { names: 0, pools: 0, origins: 0, fixed: NAMES, steering: Sharing::Equal };
    let stack = Stack::start(declared(size), script(size).0);
    let mut asked = 0;
    for (group, count) in [("65,536 networks", 65_536), ("1,000,000 networks", 1_000_000)] {
        let clients = clients(count);
        for (label, rrl, cookies, sent) in [
            ("no guard, no cookie", false, false, Sent::Nothing),
            ("rate limits, no cookie", true, true, Sent::Nothing),
            ("no guard, client's cookie ignored", false, false, Sent::Client),
            ("rate limits and a new cookie", true, true, Sent::Client),
            ("no guard, both cookies ignored", false, false, Sent::Both),
            ("a good cookie", true, true, Sent::Both),
        ] {
            run(criterion, group, &stack, &clients, &Case { label, rrl, cookies, sent }, &mut asked);
        }
    }
}

criterion_group! {
    name = benches;
    // Samples long enough for the kernel's clock of CPU time.
    config = Criterion::default().without_plots().sample_size(20).measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_secs(1));
    targets = guard
}
criterion_main!(benches);
