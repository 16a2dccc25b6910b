//! Questions about names in random order, and the CPU time that their answers take.

use std::hint::black_box;
use std::time::Duration;

use pooldns::dns::ahead::Ahead;
use pooldns::dns::engine::Worker;
use pooldns::dns::io::{BATCH, prefetch_at};
use pooldns::model::rrset::Rtype;

use super::query::{Edns, Queries, answer_count, query, rcode};
use super::stack::{ANSWER_OCTETS, CLIENT, NOW, Stack};
use super::{Random, on_cpu};

/// Questions that are asked in turn.
pub const QUESTIONS: usize = 1_000_000;

/// A kind of question, and what its answer has to be.
pub struct Case {
    /// What it is called.
    pub label: &'static str,
    /// The name asked for by number.
    pub name: fn(usize) -> String,
    /// How many such names there are.
    pub names: usize,
    /// The type asked for.
    pub rtype: Rtype,
    /// The response code expected.
    pub rcode: u8,
    /// The records expected in the answer section.
    pub answers: u16,
}

/// Somebody who asks the questions of a case in random order, over and over.
pub struct Asker {
    /// The questions.
    queries: Queries,
    /// Who answers.
    worker: Worker,
    /// What looking ahead finds.
    ahead: Box<[Ahead]>,
    /// Decides what is left to chance.
    random: Random,
    /// The question asked last.
    index: usize,
    /// Room for an answer.
    out: [u8; ANSWER_OCTETS],
}

impl Asker {
    /// Somebody who has checked that the answers are as expected.
    pub fn new(stack: &Stack, case: &Case) -> Self {
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
        Self { queries, worker, ahead: Ahead::batch(), random: Random(2), index: 0, out }
    }

    /// Asks so many questions; gives the CPU time that it took.
    pub fn ask(&mut self, questions: u64) -> Duration {
        let Self { queries, worker, ahead, random, index, out } = self;
        let before = on_cpu();
        for question in 0..questions {
            *index = if *index + 1 < queries.len() { *index + 1 } else { 0 };
            // As a loaded server does: a batch comes from the kernel at once.
            let place = usize::try_from(question % BATCH as u64).unwrap();
            if place == 0 {
                let mut coming = (*index..queries.len()).chain(0..*index);
                let batch = coming.by_ref().take(BATCH);
                worker.look_ahead(batch.map(|index| (queries.at(index), CLIENT.address)), ahead);
                // What the kernel has just written is in the cache, and so is what comes next here.
                coming.take(BATCH).for_each(|index| prefetch_at(queries.at(index).as_ptr()));
            }
            let (query, ahead) = (queries.at(*index), &mut ahead[place]);
            black_box(worker.answer_ahead(query, ahead, &CLIENT, NOW, random.next(), out));
        }
        on_cpu().saturating_sub(before)
    }
}
