//! How soon the engine's answers follow a verdict or an edit, in process, with 100,000 load balancers loaded.
//!
//! A probe's outcome flips the verdict of one origin; a thread asks the engine again and again, name after name, until
//! all names of that origin's pool have changed. Criterion is not the right tool: what counts is the tail.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its results and may stop anywhere")]

mod support;

use std::time::Duration;

use pooldns::dns::engine::Worker;
use pooldns::model::inventory::Change;
use pooldns::model::pool::Weight;
use pooldns::model::rrset::Rtype;
use pooldns::model::verdict::FailReason;
use pooldns::store::InventoryStore;
use tokio::time::Instant;

use support::inventory::{Sharing, Size, declared, live_name, pool};
use support::quantile;
use support::query::{Edns, Queries, answer_count, query};
use support::stack::{ANSWER_OCTETS, CLIENT, Director, NOW, Stack, script};

/// Load balancers in every case.
const NAMES: usize = 100_000;
/// Addresses of a pool while all are up.
const ORIGINS: u16 = 4;

fn main() {
    let many = Size { names: NAMES, pools: NAMES / 10, origins: 4, fixed: 0, steering: Sharing::Different };
    let one = Size { pools: 1, ..many };
    println!("{NAMES} load balancers, pools of {ORIGINS} addresses; microseconds until the last name has changed");
    println!("{:<58} {:>6} {:>9} {:>9} {:>9}", "", "rounds", "p50", "p99", "max");
    flips("flip: 10 names a pool, all steered differently", many, 10, 1_000);
    edits("edit of one pool: 10 names, all steered differently", many, 10, 1_000);
    flips("flip: one pool behind all, equal steering", Size { steering: Sharing::Equal, ..one }, 1, 1_000);
    edits("edit of the one pool behind all, equal steering", Size { steering: Sharing::Equal, ..one }, 1, 1_000);
    flips("flip: one pool behind all, 100,000 steerings (worst case)", one, NAMES, 40);
    edits("edit of the one pool behind all, 100,000 steerings", one, NAMES, 40);
}

/// Asks until answers have changed.
struct Observer {
    /// The engine.
    worker: Worker,
    /// A question for each name of the pool.
    queries: Queries,
}

impl Observer {
    /// An observer of the first `names` names of the first pool.
    fn new(stack: &Stack, size: Size, names: usize) -> Self {
        let numbers = (0..names).map(|turn| turn * size.pools);
        let queries = Queries::new(numbers.map(|number| query(&live_name(number), Rtype::A, Edns::With)));
        Self { worker: stack.worker(), queries }
    }

    /// Returns when all names answer with `count` addresses.
    fn wait(&mut self, count: u16) {
        let mut out = [0; ANSWER_OCTETS];
        for index in 0..self.queries.len() {
            loop {
                let reply = self.worker.answer(self.queries.at(index), &CLIENT, NOW, 1, &mut out);
                if answer_count(out.get(..reply.len).unwrap()) == count {
                    break;
                }
                // Whoever is to bring the change about may have been woken on this core, and would otherwise wait for
                // the scheduler's next tick.
                std::thread::yield_now();
            }
        }
    }
}

/// Flips one origin of the first pool again and again.
fn flips(label: &str, size: Size, observed: usize, rounds: usize) {
    let (script, director) = script(size);
    let stack = Stack::start(declared(size), script);
    stack.wait_ready(NAMES, ORIGINS);
    let mut observer = Observer::new(&stack, size, observed);
    let round = |turn: usize| {
        let Director { returned, .. } = &director;
        let (failure, count) = expected(turn, Some(FailReason::TcpTimeout), None);
        // Long enough for the target's next probe to be under way, so that it is not waited for.
        pause(Duration::from_millis(2));
        director.direct(failure);
        observer.wait(count);
        returned.elapsed()
    };
    report(label, &(0..rounds).map(round).collect::<Vec<_>>());
}

/// Edits the first pool again and again: one origin's weight becomes zero, and one again.
fn edits(label: &str, size: Size, observed: usize, rounds: usize) {
    let (script, _director) = script(size);
    let stack = Stack::start(declared(size), script);
    stack.wait_ready(NAMES, ORIGINS);
    let mut observer = Observer::new(&stack, size, observed);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let round = |turn: usize| {
        let (weight, count) = expected(turn, Weight::ZERO, Weight::ONE);
        let mut edited = pool(size, 0);
        edited.origins.first_mut().unwrap().weight = weight;
        pause(Duration::from_millis(2));
        let began = Instant::now();
        runtime.block_on(stack.store.commit(Change::PutPool(edited))).unwrap();
        observer.wait(count);
        began.elapsed()
    };
    report(label, &(0..rounds).map(round).collect::<Vec<_>>());
}

/// Every other turn makes one address go, the next makes it come back.
fn expected<T>(turn: usize, gone: T, there: T) -> (T, u16) {
    if turn.is_multiple_of(2) { (gone, ORIGINS - 1) } else { (there, ORIGINS) }
}

/// Lets the other threads come to rest.
fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

/// Prints quantiles.
fn report(label: &str, rounds: &[Duration]) {
    let mut micros: Vec<f64> = rounds.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|at| quantile(&mut micros, at));
    println!("{label:<58} {:>6} {p50:>9.0} {p99:>9.0} {max:>9.0}", rounds.len());
}
