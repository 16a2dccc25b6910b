//! What a query costs in a zone that is larger than the caches: static A among 1,000,000 names against 10,000, in turns.
//!
//! Both are asked as many different questions, and looked ahead at alike, so that what differs is the table. The figure
//! is the ratio: in turns, neighbors on the machine disturb both.
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

mod support;

use pooldns::model::rrset::Rtype;

use support::asker::{Asker, Case, QUESTIONS};
use support::inventory::{Sharing, Size, declared, fixed_name};
use support::quantile;
use support::stack::{Stack, script};

/// Names of the small and of the large zone.
const NAMES: [usize; 2] = [10_000, 1_000_000];
/// How often each is asked all questions.
const ROUNDS: usize = 31;

fn main() {
    let mut askers = NAMES.map(|fixed| {
        let size = Size { names: 0, pools: 0, origins: 0, fixed, steering: Sharing::Equal };
        let stack = Stack::start(declared(size), script(size).0);
        let case = Case { label: "static A", name: fixed_name, names: fixed, rtype: Rtype::A, rcode: 0, answers: 1 };
        let asker = Asker::new(&stack, &case);
        (stack, asker)
    });
    println!(
        "CPU time a query, nanoseconds\n{:<8} {:>13} {:>15} {:>6}",
        "", "10,000 names", "1,000,000 names", "ratio"
    );
    let mut columns = [const { Vec::new() }; 3];
    for round in 1..=ROUNDS {
        let [small, large] = askers.each_mut().map(|(_, asker)| nanoseconds(asker));
        println!("{round:<8} {small:>13.0} {large:>15.0} {:>6.2}", large / small);
        columns.iter_mut().zip([small, large, large / small]).for_each(|(column, value)| column.push(value));
    }
    let [small, large, ratio] = columns.map(|mut column| quantile(&mut column, 0.5));
    println!("{:<8} {small:>13.0} {large:>15.0} {ratio:>6.2}", "median");
}

/// CPU time a question, all being asked once.
#[expect(clippy::cast_precision_loss)]
fn nanoseconds(asker: &mut Asker) -> f64 {
    asker.ask(QUESTIONS as u64).as_secs_f64() * 1e9 / QUESTIONS as f64
}
