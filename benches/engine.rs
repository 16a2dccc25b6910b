//! The engine alone: a query's octets in, an answer's octets out, each time for another name.
//!
//! What is measured is the thread's CPU time, so that neighbors on the machine disturb little.
#![allow(missing_docs, reason = "criterion's macros make items without any")]

mod support;

use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use pooldns::model::rrset::Rtype;

use support::asker::{Asker, Case};
use support::inventory::{Sharing, Size, alias_name, declared, fixed_name, live_name, wildcard_name};
use support::stack::{Stack, script};

/// Measures one case.
fn run(criterion: &mut Criterion, group: &str, stack: &Stack, case: &Case) {
    let mut asker = Asker::new(stack, case);
    criterion
        .benchmark_group(group)
        .sampling_mode(SamplingMode::Flat)
        .bench_function(case.label, |bencher| bencher.iter_custom(|iterations| asker.ask(iterations)));
}

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

criterion_group! {
    name = benches;
    // Samples long enough for the kernel's clock of CPU time.
    config = Criterion::default().without_plots().sample_size(30).measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1));
    targets = live, fixed
}
criterion_main!(benches);
