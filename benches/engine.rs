//! The engine alone: a query's octets in, an answer's octets out, each time for another name.
//!
//! What is measured is the thread's CPU time, so that neighbors on the machine disturb little.
#![allow(missing_docs, reason = "criterion's macros make items without any")]

mod support;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use pooldns::dns::io::BATCH;
use pooldns::model::rrset::Rtype;

use support::inventory::{Sharing, Size, alias_name, declared, fixed_name, live_name, wildcard_name};
use support::query::{Edns, Queries, answer_count, query, rcode};
use support::stack::{ANSWER_OCTETS, CLIENT, NOW, Stack, script};
use support::{Random, on_cpu};

/// A kind of question, and what its answer has to be.
struct Case {
    /// What it is called.
    label: &'static str,
    /// The name asked for by number.
    name: fn(usize) -> String,
    /// How many such names there are.
    names: usize,
    /// The type asked for.
    rtype: Rtype,
    /// The response code expected.
    rcode: u8,
    /// The records expected in the answer section.
    answers: u16,
}

/// Asks for names in random order.
fn run(criterion: &mut Criterion, group: &str, stack: &Stack, case: &Case) {
    // As many questions whatever the number of names, so that what differs is the table.
    let mut numbers: Vec<usize> = (0..QUESTIONS).map(|number| number % case.names).collect();
    Random(1).shuffle(&mut numbers);
    let queries = Queries::new(numbers.iter().map(|number| query(&(case.name)(*number), case.rtype, Edns::With)));
    let mut worker = stack.worker();
    let mut out = [0; ANSWER_OCTETS];
    for index in 0..queries.len().min(1_000) {
        let reply = worker.answer(queries.at(index), &CLIENT, NOW, 7, &mut out);
        let answer = out.get(..reply.len).unwrap_or_default();
        assert_eq!((rcode(answer), answer_count(answer)), (case.rcode, case.answers), "{}", case.label);
    }
    let mut random = Random(2);
    let mut index = 0;
    criterion.benchmark_group(group).sampling_mode(SamplingMode::Flat).bench_function(case.label, |bencher| {
        bencher.iter_custom(|iterations| {
            let before = on_cpu();
            for iteration in 0..iterations {
                index = if index + 1 < queries.len() { index + 1 } else { 0 };
                // As a loaded server does: a batch comes from the kernel at once.
                if iteration.is_multiple_of(BATCH as u64) {
                    worker.look_ahead(
                        (index..queries.len()).take(BATCH).map(|index| (queries.at(index), CLIENT.address)),
                    );
                }
                black_box(worker.answer(queries.at(index), &CLIENT, NOW, random.next(), &mut out));
            }
            on_cpu().saturating_sub(before)
        });
    });
}

/// Questions that are asked in turn.
const QUESTIONS: usize = 1_000_000;
/// 10,000 names.
const NAMES: usize = 10_000;

/// 10,000 load balancers over 1,000 pools of four addresses.
fn live(criterion: &mut Criterion) {
    let size = Size { names: NAMES, pools: 1_000, origins: 4, fixed: 0, steering: Sharing::Equal };
    let stack = Stack::start(declared(size), script(size).0);
    stack.wait_ready(NAMES, 4);
    for (label, rtype, answers) in [("live A", Rtype::A, 4), ("live AAAA, NODATA", Rtype::AAAA, 0)] {
        let case = Case { label, name: live_name, names: NAMES, rtype, rcode: 0, answers };
        run(criterion, "10,000 names", &stack, &case);
    }
}

/// 10,000 static names, and a hundred load balancers that aliases point to.
fn fixed(criterion: &mut Criterion) {
    const ALIASES: usize = NAMES / 100;
    let size = Size { names: ALIASES, pools: 10, origins: 4, fixed: NAMES, steering: Sharing::Equal };
    let stack = Stack::start(declared(size), script(size).0);
    stack.wait_ready(ALIASES, 4);
    let case = |label, name, names, rcode, answers| Case { label, name, names, rtype: Rtype::A, rcode, answers };
    for case in [
        case("static A", fixed_name as fn(usize) -> String, NAMES, 0, 1),
        case("NXDOMAIN", |number| format!("missing{number}.fixed.example.com."), NAMES, 3, 0),
        case("wildcard A", wildcard_name, NAMES, 0, 1),
        case("CNAME to live A", alias_name, ALIASES, 0, 5),
    ] {
        run(criterion, "10,000 names", &stack, &case);
    }
}

/// A zone of a million static names: what a cache miss costs.
fn million(criterion: &mut Criterion) {
    const MILLION: usize = 1_000_000;
    let size = Size { names: 0, pools: 0, origins: 0, fixed: MILLION, steering: Sharing::Equal };
    let stack = Stack::start(declared(size), script(size).0);
    let a = Case { label: "static A", name: fixed_name, names: MILLION, rtype: Rtype::A, rcode: 0, answers: 1 };
    run(criterion, "1,000,000 names", &stack, &a);
}

criterion_group! {
    name = benches;
    // Samples long enough for the kernel's clock of CPU time.
    config = Criterion::default().without_plots().sample_size(30).measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1));
    targets = live, fixed, million
}
criterion_main!(benches);
